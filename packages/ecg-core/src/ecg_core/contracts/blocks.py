"""Blocks: a large batch a few windows at a time, so that what lies between two steps stays in the processor's cache.

A chain of elementwise steps over (64, 12, 5000) float32 moves every intermediate result through memory; a block of eight
windows (2 MB) stays in the cache. The result is the same number for number, because no window sees another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import is_array, namespace
from ecg_core.contracts.rows import rows

__all__ = ["blocks", "by_blocks", "rows_of", "shares_memory"]

_BLOCK = 1 << 19  # numbers in a block
_LARGE = 1 << 20  # numbers from which blocks pay


def blocks(x: Any) -> list[slice]:
    """The windows of ``x`` ``(windows, leads, samples)``, a few at a time; none where it is faster to take them all at once.

    Blocks pay if there is much, on a processor, without gradients.
    """
    windows, numbers = int(x.shape[0]), int(x.shape[1] * x.shape[2])
    few = max(1, _BLOCK // max(1, numbers))
    if windows * numbers < _LARGE or few >= windows or str(x.device) != "cpu" or _graph(x):
        return []
    return [slice(start, start + few) for start in range(0, windows, few)]


def rows_of(drawn: Mapping[str, Any], part: Any, windows: int) -> dict[str, Any]:
    """Parameters of some of the windows, a slice or int64 numbers: of arrays with a row per window these, the rest as it is."""
    some = {k: v for k, v in drawn.items() if is_array(v) and v.ndim and v.shape[0] == windows}
    return {**drawn, **{k: v[part] if isinstance(part, slice) else rows(v, part) for k, v in some.items()}}


def shares_memory(a: Any, b: Any) -> bool:
    """Whether writing into ``a`` could be seen in ``b``."""
    if isinstance(a, np.ndarray):
        return bool(np.may_share_memory(a, b))
    return bool(a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr())


def by_blocks(function: Callable[[Any, Mapping[str, Any]], Any], x: Any, drawn: Mapping[str, Any]) -> Any:
    """``function(x, drawn)``, in blocks of windows where that is faster.

    Args:
        function: Maps ``(windows, …)`` to ``(windows, …)``, each window by itself.
        x: ``(windows, leads, samples)``.
        drawn: Parameters; see :func:`rows_of`.
    """
    windows, parts, out = int(x.shape[0]), blocks(x), None
    if not parts:
        return function(x, drawn)
    for part in parts:
        done = function(x[part], rows_of(drawn, part, windows))
        if out is None:
            out = namespace(x).empty((windows, *done.shape[1:]), dtype=done.dtype)
        out[part] = done
    return out


def _graph(x: Any) -> bool:
    return bool(getattr(x, "requires_grad", False))
