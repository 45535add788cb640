"""Checks of arrays that compiled code reads or writes in place.

The result is a view or a copy: if another thread changes the shape of the caller's array, the
checked array is not affected. Numbers used as indices are copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.validation.sparse import check_entries, is_csr, own_csr
from fastnn.validation.values import describe

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
BYTES = np.dtype(np.uint8)
INT64 = np.dtype(np.int64)


def check_float_array(name: str, array: Any, n_dims: int) -> Array:
    """Return an array of float32 or float64, which determines the dtype of other arrays."""
    values = _as_plain_array(name, array)
    if values.ndim != n_dims:
        raise ValueError(
            f"{name} must have {n_dims} dimension{'s' * (n_dims > 1)}, got shape {values.shape}"
        )
    if values.dtype not in FLOATS:
        raise TypeError(f"{name} must be float32 or float64, got {values.dtype}")
    return values


def check_operand(name: str, array: Any, shape: tuple[int, ...], *dtypes: np.dtype[Any]) -> Array:
    """Return an input array of that shape and one of the dtypes, aligned."""
    values = _as_plain_array(name, array)
    if values.shape != shape or values.dtype not in dtypes:
        raise _misfit(name, values, shape, dtypes, "")
    return values if values.flags.aligned else values.copy()


def check_written(name: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an output array of that shape and dtype, writable and aligned.

    No two of its elements may overlap in memory.
    """
    values = _as_plain_array(name, array)
    flags = values.flags
    if values.shape != shape or values.dtype != dtype or not flags.behaved:
        raise _misfit(name, values, shape, (dtype,), "writable and aligned, ")
    if not flags.forc and not _elements_are_apart(values):
        raise ValueError(
            f"{name} must not have elements that overlap in memory, got shape {values.shape} "
            f"with strides {values.strides}"
        )
    return values


def check_vectors(name: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an output array as `check_written` does, also C-contiguous."""
    values = check_written(name, array, shape, dtype)
    if not values.flags.c_contiguous:
        raise ValueError(
            f"{name} must be C-contiguous, got shape {values.shape} with strides {values.strides}"
        )
    return values


def check_input(x: Any, n_in: int | None = None, copied: tuple[str, ...] = ()) -> Any:
    """Return rows (n_rows, n_in): an array, or a private CSR matrix with valid entries.

    The arrays of the matrix named in `copied` are copies, which other code cannot write to.

    Raises
    ------
    TypeError
        If they are not a float32, float64 or uint8 array, an object with such a buffer, or a CSR
        matrix.
    ValueError
        If they have another shape, or a CSR matrix is not valid.
    """
    x = check_input_form(x, n_in, copied)
    if not isinstance(x, np.ndarray):
        check_entries(x)
    return x


def check_input_form(x: Any, n_in: int | None = None, copied: tuple[str, ...] = ()) -> Any:
    """Return rows as `check_input` does, without checking the entries of a CSR matrix."""
    x = own_csr(x, copied) if is_csr(x) else as_rows(x)
    if x.ndim != 2 or x.shape[1] == 0 or n_in not in (None, x.shape[1]):
        expected = "n_in" if n_in is None else n_in
        raise ValueError(f"x must have shape (n_rows, {expected}), got {x.shape}")
    if x.dtype not in FLOATS and x.dtype != BYTES:
        raise TypeError(f"x must be float32, float64 or uint8, got {x.dtype}")
    return x


def as_rows(x: Any) -> Array:
    """Return an array, or an object with a buffer, as a plain array."""
    if isinstance(x, np.ndarray):
        return x.view(np.ndarray)
    try:
        x = memoryview(x)  # keeps the memory alive
    except TypeError:
        raise TypeError(
            f"x must be a float32, float64 or uint8 array or a CSR matrix, got {type(x).__name__}"
        ) from None
    return np.asarray(x)


def check_labels_of_rows(name: str, labels: Any, n_rows: int) -> Array:
    """Return class indices (n_rows,), int64, aligned; does not check their range."""
    return check_operand(name, labels, (n_rows,), INT64)


def check_below(name: str, numbers: Array, end: int, what: str) -> None:
    """Check that int64 numbers lie in [0, end)."""
    # Viewed as unsigned, negative numbers are the largest.
    if numbers.size and np.maximum.reduce(numbers.view(np.uint64)) >= end:
        at = int(((numbers < 0) | (numbers >= end)).argmax())
        raise ValueError(f"{name} must hold {what} in [0, {end}), got {numbers[at]} at index {at}")


def check_order(order: Any) -> Array:
    """Return row numbers (m,), contiguous int64; does not check their range."""
    rows = _as_plain_array("order", order)
    if rows.ndim != 1 or rows.dtype != INT64:
        raise (TypeError if rows.ndim == 1 else ValueError)(
            f"order must hold int64 row numbers (m,), got {rows.dtype} of shape {rows.shape}"
        )
    return np.ascontiguousarray(rows) if rows.flags.aligned else rows.copy()


def check_row_weights(weights: Any, n_rows: int, *dtypes: np.dtype[Any]) -> Array | None:
    """Return one weight for each row, or None."""
    if weights is None:
        return None
    return check_operand("sample_weight", weights, (n_rows,), *dtypes)


def check_apart(name: str, array: Array, *others: tuple[str, Any]) -> None:
    """Check that an output array shares no memory with others."""
    if not array.size:
        return
    for other_name, other in others:
        if may_share_memory(array, other):
            raise ValueError(f"{name} and {other_name} must not share memory: copy one of them")


def may_share_memory(array: Array, other: Any) -> bool:
    """Return whether an array may overlap another, or an array of a CSR matrix, in memory."""
    if other is None:
        return False
    if isinstance(other, np.ndarray):
        return np.may_share_memory(array, other)
    parts = (other.data, other.indices, other.indptr)
    return any(np.may_share_memory(array, part) for part in parts)


def _as_plain_array(name: str, array: Any) -> Array:
    """Return a plain view of an array, independent of subclasses and other threads."""
    if isinstance(array, np.ndarray):
        return array.view(np.ndarray)
    raise TypeError(f"{name} must be an array, got {describe(array)}")


def _misfit(
    name: str, array: Array, shape: tuple[int, ...], dtypes: tuple[np.dtype[Any], ...], also: str
) -> Exception:
    flags = array.flags
    what = " or ".join(str(dtype) for dtype in dtypes)
    got = f"{array.dtype} of shape {array.shape}"
    if also and not flags.writeable:
        got += ", read-only"
    if also and not flags.aligned:
        got += ", unaligned"
    kind = ValueError if array.dtype in dtypes else TypeError
    return kind(f"{name} must be {also}{what} of shape {shape}, got {got}")


def _elements_are_apart(array: Array) -> bool:
    """Return whether no two elements can overlap in memory."""
    if not array.size:
        return True
    extent = array.itemsize
    places = zip(array.strides, array.shape, strict=True)
    for stride, n in sorted((abs(s), n) for s, n in places if n > 1):
        if stride < extent:
            return False
        extent = stride * (n - 1) + extent
    return True
