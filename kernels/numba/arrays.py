"""Arrays as the kernels take them: a compiled function is made for each type it is given.

An array that is read-only, strided or Fortran-ordered is a type of its own to Numba, and so is each
dtype. What is small is copied to the plain type; the user's x, which is not, comes as its memory.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import Dropout, Rows, Steps

Array = NDArray[Any]

VALUE_TYPES = ("uint8", "float32", "float64")
"""What x may be made of."""

NONE = {kind: np.empty(0, kind) for kind in (*VALUE_TYPES, "int32", "int64")}
for _array in NONE.values():
    _array.flags.writeable = False

NO_DROPOUT = Dropout(np.zeros((1, 1, 2), np.uint64), np.zeros(1, np.uint64), np.zeros(1))


def plain(array: Array) -> Array:
    """Return a writable, row-major array: read-only and strided ones are types of their own."""
    return np.require(array, requirements=["C", "W"])


def is_csr(x: Any) -> bool:
    """Say whether x is a CSR matrix, of the two kinds of input."""
    return not isinstance(x, np.ndarray)


def _frozen(array: Array) -> Array:
    """Return a read-only view, so that read-only arrays and others are one type."""
    view = np.ascontiguousarray(array)[:]
    view.flags.writeable = False
    return view


def rows_of(x: Any, input_scale: float) -> Rows:
    """Return x as the kernels take it, bytes times `input_scale`; nothing is copied."""
    if is_csr(x):
        values, steps = _frozen(x.data), Steps(0, 0, 0)
        indices, indptr = _frozen(x.indices), _frozen(x.indptr.astype(np.int64))
    else:
        values, steps = _in_memory(np.asarray(x))
        indices, indptr = NONE["int32"], NONE["int64"]
    scale = input_scale if values.dtype == np.uint8 else 1.0
    return Rows(
        bytes=_if_of(values, "uint8"),
        singles=_if_of(values, "float32"),
        doubles=_if_of(values, "float64"),
        steps=steps,
        short=_if_of(indices, "int32"),
        long=_if_of(indices, "int64"),
        indptr=indptr,
        scale=scale,
    )


def _if_of(array: Array, kind: str) -> Array:
    """Return the array if its dtype is `kind`, else one of that dtype and no elements."""
    return array if array.dtype == kind else NONE[kind]


def _in_memory(x: Array) -> tuple[Array, Steps]:
    """Return the memory of a dense x, and where in it element (0, 0) and the next ones lie."""
    size = x.itemsize
    if x.flags.c_contiguous:
        return _frozen(x.reshape(-1)), Steps(0, x.shape[1], 1)
    if any(stride % size for stride in x.strides) or not x.flags.aligned:
        return _in_memory(np.ascontiguousarray(x))
    # The memory begins at the element with the lowest address.
    lowest = x[tuple(slice(-1, None) if stride < 0 else slice(1) for stride in x.strides)]
    row_step, column_step = (stride // size for stride in x.strides)
    spans = row_step * (x.shape[0] - 1), column_step * (x.shape[1] - 1)
    extent = 1 + sum(abs(span) for span in spans)
    flat = np.lib.stride_tricks.as_strided(lowest, (extent,), (size,), writeable=False)
    return flat, Steps(sum(-span for span in spans if span < 0), row_step, column_step)
