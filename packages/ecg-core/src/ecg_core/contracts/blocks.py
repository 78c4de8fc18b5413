"""Blocks: a large batch a few windows at a time, so that what lies between two steps stays in the processor's cache.

A chain of elementwise steps over (64, 12, 5000) float32 moves every intermediate result through memory; a block of eight
windows (2 MB) stays in the cache of one core. The result is the same number for number, because no window sees another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ecg_core.contracts.arrays import is_array, namespace

__all__ = ["by_blocks"]

_BLOCK = 1 << 19  # numbers in a block
_LARGE = 1 << 20  # numbers from which blocks pay


def by_blocks(function: Callable[[Any, Mapping[str, Any]], Any], x: Any, drawn: Mapping[str, Any]) -> Any:
    """``function(x, drawn)``, in blocks of windows where that is faster: large, on a processor, without gradients.

    Args:
        function: Maps ``(windows, …)`` to ``(windows, …)``, each window by itself.
        x: ``(windows, leads, samples)``.
        drawn: Parameters; an array with as many rows as there are windows goes along in blocks, the rest as it is.
    """
    windows, numbers = int(x.shape[0]), int(x.shape[1] * x.shape[2])
    rows = max(1, _BLOCK // numbers)
    if windows * numbers < _LARGE or rows >= windows or str(x.device) != "cpu" or _graph(x):
        return function(x, drawn)
    out = None
    for start in range(0, windows, rows):
        part = slice(start, start + rows)
        own = {k: v[part] if is_array(v) and v.ndim and v.shape[0] == windows else v for k, v in drawn.items()}
        done = function(x[part], own)
        if out is None:
            out = namespace(x).empty((windows, *done.shape[1:]), dtype=done.dtype)
        out[part] = done
    return out


def _graph(x: Any) -> bool:
    return bool(getattr(x, "requires_grad", False))
