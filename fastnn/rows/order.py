"""The order in which a pass reads the rows, and how many before memory is released.

``shuffle="blocks"`` is for files larger than memory. Rows are divided into contiguous blocks, the
blocks are put in random order, and the rows of all blocks in a window are shuffled together:

    file     | block 0 | block 1 | block 2 | block 3 | block 4 | block 5 |
    order    { rows of blocks 4, 1, 3 mixed } { rows of blocks 0, 5, 2 mixed }

so the disk is read in long runs and only a window needs to be in memory, while a minibatch still
has rows from all over the file: a window of `WINDOW_BYTES` is 64 blocks, so that even for a file
sorted by class the fractions of the classes in each window are right to a few hundredths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn.system.memory_maps import WINDOW_BYTES, read_ahead, row_bytes

if TYPE_CHECKING:
    from numpy.random import Generator

BLOCK_BYTES = 1 << 20
"""Bytes of rows read in one run. On a hard disk, reading 1 MB takes about as long as seeking. And
if the file cache uses huge pages, Linux makes all 2 MB of a page resident on access: with smaller
blocks more of the data in between would be resident than of the rows."""


def row_order(rng: Generator, x: Any, n_rows: int, shuffle: bool | str) -> NDArray[np.int64]:
    """Return the row numbers (n_rows,) of a pass: in turn, at random, or at random in blocks."""
    if not shuffle:
        return np.arange(n_rows, dtype=np.int64)
    if shuffle != "blocks":
        return rng.permutation(n_rows).astype(np.int64, copy=False)  # int32 on some systems
    block = max(1, BLOCK_BYTES // row_bytes(x))
    starts = block * rng.permutation(-(-n_rows // block)).astype(np.int64)
    sizes = np.minimum(block, n_rows - starts)
    order = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    order += np.arange(n_rows)
    window = window_rows(x, shuffle)
    for start in range(0, n_rows, window):
        rng.shuffle(order[start : start + window])
    return order


def read_blocks_ahead(x: Any, rows: NDArray[np.int64]) -> None:
    """Ask the system to start reading the blocks of a memory map that hold these rows."""
    if not len(rows):  # after the last window; with a full shuffle there is only one
        return
    n_rows, block = x.shape[0], max(1, BLOCK_BYTES // row_bytes(x))
    wanted = np.zeros(-(-n_rows // block), bool)
    wanted[rows // block] = True
    for number in np.flatnonzero(wanted).tolist():
        read_ahead(x, number * block, min((number + 1) * block, n_rows))


def window_rows(x: Any, shuffle: bool | str) -> int:
    """Return how many rows of an order may be read before pages are released.

    x (n_rows, n_in). It depends only on sizes, whether x is a memory map or not, so that results
    are bit-identical. In a full shuffle it is the whole pass: reading a single row also loads
    neighbouring pages, 64 KB or more, so that a limit would cost one page fault per row; the
    system reclaims such pages when it needs them.
    """
    n_rows, size = max(1, x.shape[0]), row_bytes(x)
    if shuffle == "blocks":
        return max(1, BLOCK_BYTES // size) * (WINDOW_BYTES // BLOCK_BYTES)
    return n_rows if shuffle else max(1, WINDOW_BYTES // size)
