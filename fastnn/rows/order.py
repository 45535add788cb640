"""In which order a pass reads the rows, and how many of them between two looks at memory.

``shuffle="blocks"`` is for files larger than memory. Rows are cut into blocks that lie together;
blocks are put in random order; as many as make a window are mixed row by row:

    file     | block 0 | block 1 | block 2 | block 3 | block 4 | block 5 |
    order    { rows of blocks 4, 1, 3 mixed } { rows of blocks 0, 5, 2 mixed }

so the disk is read in long runs and only a window needs to be in memory, while a minibatch still
has rows from all over the file: a window of `WINDOW_BYTES` is 64 blocks, so that even of a file
sorted by class each window gets a share of every class, within a few hundredths of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn.system.memory_maps import WINDOW_BYTES, read_ahead, row_bytes

if TYPE_CHECKING:
    from numpy.random import Generator

BLOCK_BYTES = 1 << 20
"""Bytes of rows that are read in one run. 1 MB takes a disk with moving heads about as long to read
as to find. And where the file cache holds huge pages, Linux makes all 2 MB of one resident when it
is touched: smaller blocks would make more of what lies between them resident than of rows."""


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
    """Ask the system to begin to read the blocks that hold these rows of a map."""
    if not len(rows):  # of the last window, which is the whole of a full shuffle
        return
    n_rows, block = x.shape[0], max(1, BLOCK_BYTES // row_bytes(x))
    wanted = np.zeros(-(-n_rows // block), bool)
    wanted[rows // block] = True
    for number in np.flatnonzero(wanted).tolist():
        read_ahead(x, number * block, min((number + 1) * block, n_rows))


def window_rows(x: Any, shuffle: bool | str) -> int:
    """Return how many rows of an order may be read before pages are given back.

    x (n_rows, n_in). A function of sizes alone, whether x is a map or not, so that results are the
    same bits. In a full shuffle it is the whole pass: a row that lies alone brings its neighbours'
    pages with it, 64 KB or more, so that a bound would cost each row a page fault; the system
    reclaims such pages when it needs them.
    """
    n_rows, size = max(1, x.shape[0]), row_bytes(x)
    if shuffle == "blocks":
        return max(1, BLOCK_BYTES // size) * (WINDOW_BYTES // BLOCK_BYTES)
    return n_rows if shuffle else max(1, WINDOW_BYTES // size)
