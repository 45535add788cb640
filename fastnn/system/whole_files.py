"""Reading whole files as bytes, within a memory budget.

They are not mapped: if a mapped file is truncated, the system terminates the process.
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from fastnn.system.memory_budget import Budget

PIECE = 1 << 20  # bytes read from a pipe at a time


def budget_of(file: BinaryIO, **figures: int) -> Budget:
    """Return the memory budget of an open file: see `Budget`."""
    return Budget(str(file.name), file_size(file) or 0, **figures)


def file_size(file: BinaryIO) -> int | None:
    """Return the size of a file, or None for a pipe or a device."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def read_whole(file: BinaryIO, budget: Budget, *, head: bytes = b"", copies: int = 1) -> bytes:
    """Return all bytes of a file, counted before they are read.

    Parameters
    ----------
    file : binary file
        A pipe or a device is read to its end, once.
    budget : Budget
    head : bytes
        Bytes already read.
    copies : int
        Number of copies in memory at the same time.

    Raises
    ------
    OSError
        If the file is truncated while it is read.
    ValueError
        If it is larger than the budget allows.
    """
    n_bytes = file_size(file)
    if n_bytes is None:
        return _read_to_the_end(file, budget, head, copies)
    budget.take(copies * n_bytes, f"it has {n_bytes} bytes")
    data = head + file.read(n_bytes - len(head))
    if len(data) < n_bytes:
        raise OSError(
            f"{budget.source} was truncated while it was read: {len(data)} of {n_bytes} bytes are "
            "left"
        )
    return data


def _read_to_the_end(file: BinaryIO, budget: Budget, head: bytes, copies: int) -> bytes:
    pieces = [head]
    while piece := file.read(PIECE):
        n_bytes = (copies + 1) * len(piece)  # the pieces are put together
        budget.take(n_bytes, "it is a stream of unknown size")
        pieces.append(piece)
    return b"".join(pieces)
