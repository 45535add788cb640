"""Quick checks of user input: True if it is surely valid as it is, False if unknown.

Most rows are plain arrays, sound as they are, and few at a time; to ask all that might be wrong
with them takes longer than to compute with them. What a first look does not pass goes through the
checks of `fastnn.validation.data`, which say what is wrong or convert it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
BYTES, INT64 = np.dtype(np.uint8), np.dtype(np.int64)

FEW = 8192
"""Numbers in one scalar product: OpenBLAS shares those of more than 10,000 among threads."""

FEW_LABELS = 128
"""Labels that Python compares faster than NumPy."""

MOST = 1e76
"""Sum of squares below which no float64 lies beyond what float32 holds, 3.4e38."""


def is_own(array: Any) -> bool:
    """Say whether an object is a plain array, whose memory is NumPy's own and no file's."""
    owner = array
    while type(owner) is np.ndarray:
        owner = owner.base
    return owner is None and array is not None


def are_plain(*arrays: tuple[Any, int]) -> bool:
    """Say whether each is an aligned array, no subclass, of so many dimensions."""
    for array, n_dims in arrays:
        if type(array) is not np.ndarray or array.ndim != n_dims or not array.flags.aligned:
            return False
    return True


def are_written(*arrays: tuple[Any, int]) -> bool:
    """Say whether each is plain, writable and C-contiguous."""
    for array, n_dims in arrays:
        if type(array) is not np.ndarray or array.ndim != n_dims or not array.flags.carray:
            return False
    return True


def are_sound_rows(x: Any, n_in: int) -> bool:
    """Say whether x is an array (n_rows, n_in) that backends read as it is, and surely finite.

    Numbers that are not finite, or very large, have a sum of squares that is not below `MOST`; a
    scalar product, unlike a sum, raises no flags and gives no warnings.
    """
    if type(x) is not np.ndarray or x.ndim != 2 or x.shape[1] != n_in or n_in > FEW:
        return False
    dtype = x.dtype
    if dtype not in (FLOAT32, FLOAT64):
        return dtype == BYTES and is_own(x)
    if not x.flags.aligned or not is_own(x):
        return False
    if x.size <= FEW:
        return float(np.vdot(x, x)) < MOST
    step = FEW // n_in
    parts = (x[i : i + step] for i in range(0, len(x), step))
    return all(float(np.vdot(part, part)) < MOST for part in parts)


def are_plain_targets(y: Any, n_rows: int) -> bool:
    """Say whether y is an array (n_rows,) of whole numbers, or of finite ones."""
    if type(y) is not np.ndarray or y.shape != (n_rows,) or not is_own(y):
        return False
    if y.dtype.kind in "iu":
        return bool(y.dtype.isnative)
    if y.dtype not in (FLOAT32, FLOAT64) or not y.flags.aligned or n_rows > FEW:
        return False
    return float(np.vdot(y, y)) < MOST


def are_sound_labels(y: Any, n_rows: int, n_classes: int) -> bool:
    """Say whether y is an array (n_rows,) of int64 class numbers, with at least one."""
    if type(y) is not np.ndarray or y.dtype != INT64 or y.shape != (n_rows,) or not n_rows:
        return False
    if n_rows <= FEW_LABELS:
        labels = y.tolist()
        return bool(min(labels) >= 0 and max(labels) < n_classes)
    # negative ones are the largest of all without their sign
    return bool(y.view(np.uint64).max() < n_classes)
