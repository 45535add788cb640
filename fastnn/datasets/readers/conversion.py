"""Conversion of arrays to the dtypes that networks read, within the memory budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.system.memory_budget import Budget
from fastnn.system.memory_maps import WINDOW_BYTES, file_map
from fastnn.validation.values import words_of

BLOCK_BYTES = 1 << 20
"""Bytes of an array processed at once, to keep temporaries small."""

MAPPED_DTYPES = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))
"""Dtypes that networks read directly from a file."""

Array = NDArray[Any]


def blocks(array: Array, item_bytes: int = 0) -> Iterator[slice]:
    """Yield slices over the rows of an array, of few bytes each or one row."""
    row_bytes = max(item_bytes, array.itemsize) * max(1, array[:1].size)
    step = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, len(array), step):
        yield slice(start, start + step)


def first_not_finite(array: Array) -> tuple[int, ...] | None:
    """Return the index of the first non-finite number, or None."""
    for rows in blocks(array):
        finite = np.isfinite(array[rows])
        if not finite.all():
            row, *column = np.unravel_index(np.argmin(finite), finite.shape)
            return rows.start + int(row), *map(int, column)
    return None


def mapped_or_read(array: Array, budget: Budget) -> Array:
    """Return a large memory map unchanged if networks can read it, otherwise a copy in memory.

    The copy is counted first, and is C-contiguous and in native byte order.
    """
    if file_map(array) and array.nbytes > WINDOW_BYTES and array.dtype in MAPPED_DTYPES:
        return array
    budget.take(array.nbytes, f"it is read as {array.dtype} {array.shape}")
    return np.array(array, array.dtype.newbyteorder("="), order="C", subok=False)


def converted(array: Array, dtype: Any, budget: Budget, key: str) -> Array:
    """Return an array C-contiguous in a dtype: itself, or a copy that is counted first."""
    dtype = np.dtype(dtype)
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    budget.take(array.size * dtype.itemsize, f"{key} is converted to {dtype} {array.shape}")
    return np.ascontiguousarray(array, dtype)


def decoded(array: Array, budget: Budget, key: str) -> Array:
    """Return bytes (n_rows,) as text: UTF-8, of at most as many characters as bytes."""
    width = max((int(np.char.str_len(array[rows]).max()) for rows in blocks(array)), default=0)
    dtype = np.dtype(f"U{max(1, width)}")
    budget.take(
        len(array) * dtype.itemsize,
        f"{key} is converted to text, {len(array)} of up to {width} characters",
    )
    text = np.empty(len(array), dtype)
    try:
        for rows in blocks(array, 8 * max(1, width)):
            text[rows] = np.char.decode(array[rows], "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{key} holds bytes that are not UTF-8 ({words_of(error)}); save text as numpy.str_"
        ) from None
    return text
