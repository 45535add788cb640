"""Conversion of arrays to few types, since Numba compiles a function for each argument type.

Read-only, strided and Fortran-ordered arrays are different types in Numba, and so is each
dtype. Small arrays are copied to the plain type. The user's x is passed without a copy if
its rows are contiguous bytes, or numbers of the network's dtype; otherwise it is converted in
pieces.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import Dropout, Rows

Array = NDArray[Any]

NO_DROPOUT = Dropout(np.zeros((1, 1, 2), np.uint64), np.zeros(1, np.uint64), np.zeros(1))


def plain(array: Array) -> Array:
    """Return a writable, row-major array: read-only and strided ones are different types."""
    return np.require(array, requirements=["C", "W"])


def is_csr(x: Any) -> bool:
    """Return whether x is a CSR matrix, of the two kinds of input."""
    return not isinstance(x, np.ndarray)


def lies_ready(x: Any, dtype: str) -> bool:
    """Return whether the kernels of `dtype` can read x without a copy."""
    if is_csr(x):
        return False  # its column numbers may be of two dtypes
    side_by_side = x.strides[1] == x.itemsize or x.shape[1] == 1
    whole_steps = x.strides[0] % x.itemsize == 0 and bool(x.flags.aligned)
    return x.dtype in (np.dtype(dtype), np.dtype(np.uint8)) and side_by_side and whole_steps


def rows_of(x: Any, dtype: str, input_scale: float) -> Rows:
    """Return x, for which `lies_ready` is true or which is CSR of `dtype`, for the kernels.

    Dense x is not copied. Bytes are multiplied by `input_scale` later.
    """
    bytes_, reals = _none(np.uint8), _none(dtype)
    if is_csr(x):
        columns, indptr = _frozen(x.indices.astype(np.uint32)), _frozen(x.indptr.astype(np.int64))
        return Rows(bytes_, _frozen(x.data), 0, 0, columns, indptr, 1.0)
    origin, row_step = 0, x.strides[0] // x.itemsize
    if x.flags.c_contiguous:
        flat = _frozen(x.reshape(-1))
    else:
        memory = x
        if row_step < 0:  # the memory begins at the last row
            memory, origin = x[::-1], -row_step * (len(x) - 1)
        extent = abs(row_step) * (len(x) - 1) + x.shape[1]
        flat = np.lib.stride_tricks.as_strided(memory, (extent,), (x.itemsize,), writeable=False)
    columns, indptr = _none(np.uint32), _none(np.int64)
    if x.dtype == np.uint8:
        return Rows(flat, reals, origin, row_step, columns, indptr, input_scale)
    return Rows(bytes_, flat, origin, row_step, columns, indptr, 1.0)


def _frozen(array: Array) -> Array:
    """Return a read-only view, so that read-only arrays and others are one type."""
    view = np.ascontiguousarray(array)[:]
    view.flags.writeable = False
    return view


@cache
def _none(dtype: Any) -> Array:
    """Return a read-only array of no elements."""
    return _frozen(np.empty(0, dtype))
