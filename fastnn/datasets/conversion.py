"""Arrays of a file in the dtypes that networks read, counted before they are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.memory_budget import Budget

BLOCK_BYTES = 1 << 20
"""Of an array that is looked at in one piece: what NumPy makes on the way stays small."""

Array = NDArray[Any]


def blocks(array: Array, item_bytes: int = 0) -> Iterator[slice]:
    """Yield slices over the rows of an array, of few bytes each or one row."""
    row_bytes = max(item_bytes, array.itemsize) * max(1, array[:1].size)
    step = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, len(array), step):
        yield slice(start, start + step)


def first_not_finite(array: Array) -> tuple[int, ...] | None:
    """Return the index of the first number that is not finite; None if there is none."""
    for rows in blocks(array):
        finite = np.isfinite(array[rows])
        if not finite.all():
            row, *column = np.unravel_index(np.argmin(finite), finite.shape)
            return rows.start + int(row), *map(int, column)
    return None


def converted(array: Array, dtype: Any, budget: Budget, key: str) -> Array:
    """Return an array C-contiguous in a dtype: itself, or a copy that is counted first."""
    dtype = np.dtype(dtype)
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    budget.take(array.size * dtype.itemsize, f"{key} is turned into {dtype} {array.shape}")
    return np.ascontiguousarray(array, dtype)


def decoded(array: Array, budget: Budget, key: str) -> Array:
    """Return bytes (n_rows,) as text: UTF-8, of at most as many characters as bytes."""
    width = max((int(np.char.str_len(array[rows]).max()) for rows in blocks(array)), default=0)
    dtype = np.dtype(f"U{max(1, width)}")
    budget.take(
        len(array) * dtype.itemsize,
        f"{key} is turned into text, {len(array)} of up to {width} characters",
    )
    text = np.empty(len(array), dtype)
    for rows in blocks(array, 8 * max(1, width)):
        text[rows] = np.char.decode(array[rows], "utf-8")
    return text
