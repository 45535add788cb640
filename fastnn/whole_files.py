"""Files read whole, as bytes, up to what may be taken for them.

They are not mapped: where a mapped file loses its end, the system ends the process by a signal.
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from fastnn.memory_budget import Budget

PIECE = 1 << 20  # bytes of a pipe that are read at a time


def budget_of(file: BinaryIO, **figures: int) -> Budget:
    """Return the memory that may be taken for an open file: see `fastnn.memory_budget.Budget`."""
    return Budget(str(file.name), file_size(file) or 0, **figures)


def file_size(file: BinaryIO) -> int | None:
    """Return the size of a file, None if it is a pipe or a device."""
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
        What was read of it before.
    copies : int
        How often they will be in memory at a time.

    Raises
    ------
    OSError
        If the file is cut short while it is read.
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
            f"{budget.source} was cut short while it was read: {len(data)} of {n_bytes} bytes are "
            "there"
        )
    return data


def _read_to_the_end(file: BinaryIO, budget: Budget, head: bytes, copies: int) -> bytes:
    pieces = [head]
    while piece := file.read(PIECE):
        n_bytes = (copies + 1) * len(piece)  # the pieces are put together
        budget.take(n_bytes, "it goes on, and has no size that could be known before")
        pieces.append(piece)
    return b"".join(pieces)
