"""Vectors in the layout of the parameters, and other floats that callers compute by themselves.

Whether their numbers are finite is looked at where they are read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.validation.arrays import FLOATS, check_apart
from fastnn.validation.values import as_array, describe


def check_floats(name: str, values: Any) -> Array:
    """Return numbers as float32 or float64 in this machine's byte order; float64 by default."""
    if type(values) is np.ndarray and values.dtype in FLOATS:
        return values
    array = as_array(name, values)
    if array.dtype.kind not in "fiuO":
        raise TypeError(f"{name} must be numbers, got {describe(values)}")
    with np.errstate(over="ignore"):
        return array.astype(array.dtype if array.dtype in FLOATS else np.float64)


def check_gradient(name: str, values: Any, n_slots: int) -> Array:
    """Return floats (n_slots,) of either dtype, which lie side by side."""
    array = check_floats(name, values)
    if array.shape != (n_slots,):
        raise ValueError(
            f"{name} must have the shape of the parameters, ({n_slots},), got {array.shape}"
        )
    return _side_by_side(array)


def check_vector(name: str, values: Any, like: Array) -> Array:
    """Return a vector of the shape and dtype of `like`, whose numbers lie side by side."""
    if type(values) is np.ndarray and values.shape == like.shape and values.dtype == like.dtype:
        return _side_by_side(values)
    array = as_array(name, values)
    if array.shape != like.shape or array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be numbers of shape {like.shape}, got {describe(values)}")
    with np.errstate(over="ignore"):  # for float64 values that do not fit in float32
        return array.astype(like.dtype)


def check_vector_to_write(name: str, out: Any, like: Array, *apart: tuple[str, Any]) -> Array:
    """Return an array of the shape and dtype of `like` that can be written to.

    It must share no memory with the arrays `apart`, each with its name.
    """
    if not (
        isinstance(out, np.ndarray)
        and out.shape == like.shape
        and out.dtype == like.dtype
        and out.flags.carray
    ):
        raise ValueError(
            f"{name} must be a writable, contiguous array of {like.dtype} and shape {like.shape}, "
            f"got {describe(out)}"
        )
    check_apart(name, out, *apart)
    return out


def _side_by_side(array: Array) -> Array:
    """Return an array that compiled code can read as one piece."""
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else array.copy()
