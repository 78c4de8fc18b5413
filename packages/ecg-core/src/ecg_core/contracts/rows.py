"""Rows: some windows of an array or a batch taken out, and put back with all that is known about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, is_numpy_array, namespace
from ecg_core.data.batch import Batch
from ecg_core.errors import DataError

__all__ = ["own_copy", "put_rows", "rows", "take_rows", "write_rows"]

_CHANGED = ("signal", "targets", "step_targets", "mask")
_CARRIED = ("patient", "segment", "age", "sex")


def rows(x: Any, index: Any) -> Any:
    """``x[index]`` for int64 ``index``: whole rows, which indexing a tensor copies element by element, five times as slow."""
    return x[index] if is_numpy_array(x) else x.index_select(0, index)


def write_rows(x: Any, index: Any, part: Any) -> None:
    """``x[index] = part`` for int64 ``index``, likewise."""
    if is_numpy_array(x):
        x[index] = part
    else:
        x.index_copy_(0, index, part)


def take_rows(x: Any, index: Any) -> Any:
    """The windows ``index`` (int64) of an array ``(windows, …)`` or of a batch, as one of its own."""
    if not isinstance(x, Batch):
        return rows(x, index)
    there = {name: getattr(x, name) for name in (*_CHANGED, *_CARRIED)}
    chosen = index.tolist()
    return replace(
        x,
        record_ids=tuple(x.record_ids[i] for i in chosen) if x.record_ids else (),
        record_keys=x.record_keys[np.asarray(chosen, dtype=np.int64)],
        annotations={name: rows(positions, index) for name, positions in x.annotations.items()},
        **{name: rows(value, index) for name, value in there.items() if value is not None},
    )


def own_copy(x: Any) -> Any:
    """The same with arrays that nobody else holds, to be written to with :func:`put_rows`."""
    if not isinstance(x, Batch):
        return _copy(x)
    there = {name: _copy(getattr(x, name)) for name in _CHANGED if getattr(x, name) is not None}
    return replace(x, annotations={name: _copy(positions) for name, positions in x.annotations.items()}, **there)


def put_rows(x: Any, index: Any, part: Any) -> Any:
    """``x`` with its windows ``index`` replaced by those of ``part``; the arrays of ``x`` may be written to.

    Number types become those of ``part``. Positions are made as many as the longer of the two has, the absent ones -1.
    """
    if not isinstance(x, Batch):
        return _put(x, index, part)
    there = {name: _put(getattr(x, name), index, getattr(part, name)) for name in _CHANGED if getattr(x, name) is not None}
    positions = {name: _put(*_as_wide(before, part.annotations[name], index)) for name, before in x.annotations.items()}
    return replace(x, annotations=positions, **there)


def _copy(x: Any) -> Any:
    return namespace(x).astype(x, x.dtype, copy=True)


def _put(values: Any, index: Any, part: Any) -> Any:
    if tuple(values.shape[1:]) != tuple(part.shape[1:]):
        raise DataError(
            f"expected windows of shape {tuple(values.shape[1:])} back, got {tuple(part.shape[1:])}; "
            "put transforms that change the shape in front of this chain"
        )
    values = namespace(values).astype(values, part.dtype, copy=False)
    write_rows(values, index, part)
    return values


def _as_wide(before: Any, after: Any, index: Any) -> tuple[Any, Any, Any]:
    """Positions of all windows and of some, with as many columns."""
    most = max(before.shape[1], after.shape[1])
    return _widened(before, most), index, _widened(after, most)


def _widened(positions: Any, columns: int) -> Any:
    xp, missing = namespace(positions), columns - positions.shape[1]
    if missing == 0:
        return positions
    absent = asarray_like(np.full((positions.shape[0], missing), -1, dtype=np.int64), positions)
    return xp.concat([positions, absent], axis=1)
