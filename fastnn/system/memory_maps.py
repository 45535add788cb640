"""Memory-mapped arrays, and releasing the pages already read.

A page of a map stays in the process's resident set until the system needs the memory, so a pass
over a large file grows the process to the size of the file. Here pages are released about every
`WINDOW_BYTES`; they stay in the system's file cache while memory is available, so that the next
access does not read the disk.

If a mapped file is truncated, the rest of its last page reads as zeros, and access beyond it
terminates the process (SIGBUS). So the size of the file is checked before and after each window,
and a shorter file is an error. If rows that are truncated within a window are read before its end,
the process is still terminated.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

WINDOW_BYTES = 1 << 26
"""Bytes of rows that may be resident before their pages are released: 64 MB is little compared with
the libraries themselves, and enough to make the cost of releasing and faulting negligible."""


def file_map(x: Any) -> mmap.mmap | None:
    """Return the read-only map that the memory of x belongs to, or None.

    Views of a map are detected (slices, reshaped, transposed). For writable maps, modes
    "r+" and "c", the result is None: written pages must not be released.
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
    """Check that the file of a memory map x, if it is one, has not been truncated.

    Raises
    ------
    OSError
        If it has.
    """
    owner = x
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if owner is None:  # memory of NumPy, the usual case
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
    except (OSError, ValueError):  # a map without a file, or that does not keep it open
        return
    if size < expected:
        raise OSError(
            f"{name} was truncated while it was read: {size} bytes are left of the {expected} that "
            "are mapped"
        )


def release(x: Any) -> None:
    """Release the resident pages of the map that x belongs to.

    Does nothing for arrays that are not maps, for writable maps, for arrays of up
    to `WINDOW_BYTES`, and if the system has no such call (Windows).
    """
    if not hasattr(mmap, "MADV_DONTNEED") or not isinstance(x, np.ndarray):
        return
    if x.nbytes <= WINDOW_BYTES:
        return
    mapped = file_map(x)
    if mapped is not None:
        with suppress(OSError):  # pages may be locked in memory
            mapped.madvise(mmap.MADV_DONTNEED)


def read_ahead(x: Any, first: int, last: int) -> None:
    """Ask the system to start reading rows first to last − 1 of a map from the disk.

    They are read into the file cache, and become resident on first access. Does nothing
    for arrays that `release` ignores, or that are not C-contiguous.
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
    """Yield slices over all rows of x, releasing the pages of a map about once per window.

    x (n_rows, n_in), or CSR. A slice has `rows_at_a_time` rows, or fewer if these exceed a
    window, depending only on sizes. Before pages are released, the file is checked for
    truncation: see `check_whole`.
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
    """Return the bytes per row of x, the average for CSR; at least 1."""
    if isinstance(x, np.ndarray):
        n_bytes: int = x.shape[1] * x.itemsize
    else:
        n_bytes = (x.data.nbytes + x.indices.nbytes) // max(1, x.shape[0])
    return max(1, n_bytes)
