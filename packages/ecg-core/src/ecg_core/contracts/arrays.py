"""One signature for NumPy arrays and torch tensors: the few operations where the two differ.

The namespace is taken from the argument (array-api-compat looks only at frameworks that are already imported), so this
module never imports torch itself, except to make a tensor beside one it was given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array, is_torch_array

__all__ = ["add_product", "as_float", "asarray_like", "is_array", "is_numpy_array", "namespace", "widened"]


_NAMESPACES: dict[type, Any] = {}  # finding one takes as long as a call on a few numbers


def namespace(x: Any) -> Any:
    """The array-API namespace of an array or tensor."""
    kind = type(x)
    if kind not in _NAMESPACES:
        _NAMESPACES[kind] = array_namespace(x)
    return _NAMESPACES[kind]


def is_array(x: object) -> bool:
    """Whether ``x`` is a NumPy array or a torch tensor."""
    return bool(is_numpy_array(x) or is_torch_array(x))


def asarray_like(values: Any, x: Any, *, dtype: Any = None) -> Any:
    """``values`` (NumPy array, tensor or numbers) as the framework and device of ``x``; ``dtype`` of ``x`` unless given."""
    xp = namespace(x)
    if is_numpy_array(x):
        return np.asarray(values, dtype=x.dtype if dtype is None else dtype)
    return xp.asarray(values, dtype=x.dtype if dtype is None else dtype, device=x.device)


def as_float(x: Any) -> Any:
    """Integers and booleans as float32; floating point unchanged.

    Raises:
        TypeError: ``x`` holds no real numbers.
    """
    xp = namespace(x)
    if xp.isdtype(x.dtype, "real floating"):
        return x
    if not xp.isdtype(x.dtype, ("integral", "bool")):
        raise TypeError(f"expected a signal of real numbers, got {x.dtype}")
    return xp.astype(x, xp.float32)


def add_product(total: Any, a: Any, b: Any) -> Any:
    """``total`` with ``a * b`` added in place, which a tensor does in one pass over memory instead of two."""
    if is_numpy_array(total):
        total += a * b
        return total
    return total.addcmul_(a, b)


def widened(x: Any) -> Any:
    """Half precision as float32, because filters and statistics lose too much in 11 bits; the rest unchanged."""
    xp = namespace(x)
    return xp.astype(x, xp.float32) if x.dtype.itemsize < 4 else x
