"""Files mapped into memory as arrays, and giving back the pages that were read.

A page of a map that was read stays in the process's resident set until the system needs it
elsewhere, so a pass over a large file grows the process to the size of the file. Here pages are
given back after every `WINDOW_BYTES` or so; they stay in the system's file cache as long as there
is room, from where the next touch brings them back without reading the disk.

Whoever cuts a mapped file short takes memory away from those who read it: where its end lies on a
page, zeros stand in place of rows, and past that page the system ends the process (SIGBUS). So a
file is compared with its map before and after each window, and a shorter one is an error. What is
cut off within a window, and touched before its end, still ends the process.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

WINDOW_BYTES = 1 << 26
"""Bytes of rows that may be resident before their pages are given back: 64 MB is little beside the
libraries themselves, and enough that giving back and touching again cost nothing to speak of."""


def file_map(x: Any) -> mmap.mmap | None:
    """Return the read-only map that the memory of x belongs to, or None.

    Views of a map are found (slices, reshaped, transposed); maps that can be written to, as modes
    "r+" and "c" make them, are not: what was written must not be given back.
    """
    while isinstance(x, np.ndarray):
        x = x.base
    if isinstance(x, memoryview):  # numpy.frombuffer(map)
        x = x.obj
    if not isinstance(x, mmap.mmap):
        return None
    with memoryview(x) as view:
        return x if view.readonly else None


def check_whole(x: Any) -> None:
    """Check that the file which x is mapped from, if it is, still has all that is mapped.

    Raises
    ------
    OSError
        If it was cut short.
    """
    owner = x
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if owner is None:  # memory of NumPy's own, as nearly always
        return
    owner = owner.obj if isinstance(owner, memoryview) else owner
    if not isinstance(owner, mmap.mmap):
        return
    name, offset = "the file", 0
    while isinstance(x, np.ndarray):
        if isinstance(x, np.memmap):
            name, offset = str(x.filename or name), x.offset
        x = x.base
    expected = offset - offset % mmap.ALLOCATIONGRANULARITY + len(owner)
    try:
        size = owner.size()
    except (OSError, ValueError):  # a map of no file, or one that does not keep its file open
        return
    if size < expected:
        raise OSError(
            f"{name} was cut short while it was read: {size} bytes are left of the {expected} that "
            "are mapped"
        )


def release(x: Any) -> None:
    """Give back the resident pages of the map that x lies in.

    Nothing is done for arrays that are no maps, for maps that can be written to, for arrays of up
    to `WINDOW_BYTES`, and where the system has no such call (Windows).
    """
    if not hasattr(mmap, "MADV_DONTNEED") or not isinstance(x, np.ndarray):
        return
    if x.nbytes <= WINDOW_BYTES:
        return
    mapped = file_map(x)
    if mapped is not None:
        with suppress(OSError):  # pages that are locked in memory stay
            mapped.madvise(mmap.MADV_DONTNEED)


def read_ahead(x: Any, first: int, last: int) -> None:
    """Ask the system to begin to read rows first to last − 1 of a map from the disk.

    They come into the file cache, and are resident only once they are touched. Nothing is done
    where x is not as `release` wants it, or its rows do not lie one after the other.
    """
    if not hasattr(mmap, "MADV_WILLNEED") or not isinstance(x, np.ndarray):
        return
    mapped = file_map(x) if x.nbytes > WINDOW_BYTES and x.flags.c_contiguous else None
    if mapped is None:
        return
    whole = np.frombuffer(mapped, np.uint8)
    offset = x.ctypes.data - whole.ctypes.data
    begin = offset + first * row_bytes(x)
    begin -= begin % mmap.PAGESIZE
    with suppress(OSError):
        mapped.madvise(mmap.MADV_WILLNEED, begin, offset + last * row_bytes(x) - begin)


def walk(x: Any, rows_at_a_time: int) -> Iterator[slice]:
    """Yield slices over all rows of x, giving pages of a map back about once a window.

    x (n_rows, n_in), or CSR. A slice has `rows_at_a_time` rows, or fewer if these are more than a
    window: a function of sizes alone. Each time pages are given back, what was read of them is
    known to be the file's: see `check_whole`.
    """
    n_rows = x.shape[0]
    window = max(1, WINDOW_BYTES // row_bytes(x))
    step = min(rows_at_a_time, window)
    read = 0
    check_whole(x)
    for start in range(0, n_rows, step):
        yield slice(start, start + step)
        read += step
        if read >= window:
            check_whole(x)
            release(x)
            read = 0
    check_whole(x)
    release(x)


def row_bytes(x: Any) -> int:
    """Return the bytes of a row of x, of an average one if it is CSR; at least 1."""
    if isinstance(x, np.ndarray):
        n_bytes: int = x.shape[1] * x.itemsize
    else:
        n_bytes = (x.data.nbytes + x.indices.nbytes) // max(1, x.shape[0])
    return max(1, n_bytes)
