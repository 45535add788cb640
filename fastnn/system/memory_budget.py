"""Limits of the memory for reading one file, checked before allocation.

A file can become far larger in memory. One-byte labels become eight-byte
numbers, text takes four bytes per character, and compressed data may expand to a thousand times its
size. So every reader of data and of networks counts the memory of its arrays, in their final
form, before it allocates them. For a file of n bytes the limit is

    min(half of the machine's memory, max(base, ratio · n))

where base and ratio are far above what normal files need. The environment variable
``FASTNN_MAX_READ_BYTES`` sets another limit for all files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from fastnn.system.machine_memory import machine_memory

SETTING = "FASTNN_MAX_READ_BYTES"

BASE, RATIO = 1 << 28, 100
"""Minimum limit in bytes, and limit per byte of the file: a table of text and small numbers takes
30; files that compress better than 100 to 1 contain hardly any information."""

SHARE = 0.5
"""Fraction of the machine's memory: the data are copied once more, in another order or dtype."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class OverBudgetError(ValueError):
    """A file needs more memory than allowed."""


class Budget:
    """The memory budget for reading a file.

    Parameters
    ----------
    source : str
        Name of the file in errors.
    file_bytes : int
        Its size; 0 if unknown, as for a pipe.
    base, ratio : int
        Minimum limit in bytes, and limit per byte of the file.

    Attributes
    ----------
    limit : int
        Bytes allowed in total.
    taken : int
        Bytes used now.
    """

    def __init__(
        self, source: str, file_bytes: int, *, base: int = BASE, ratio: int = RATIO
    ) -> None:
        self.source = source
        self.taken = 0
        self._base, self._ratio, self._file_bytes = base, ratio, 0
        self._setting = _from_environment()
        self.grow(file_bytes)

    def grow(self, file_bytes: int) -> None:
        """Increase the known size of the file."""
        self._file_bytes += file_bytes
        self.limit = self._setting or max(self._base, self._ratio * self._file_bytes)
        memory = machine_memory()
        if memory is not None and self._setting is None:
            self.limit = min(self.limit, int(SHARE * memory))

    @property
    def left(self) -> int:
        """Bytes that are still available."""
        return self.limit - self.taken

    def check(self, n_bytes: int, reason: str) -> None:
        """Check that memory is available; `reason` explains the size.

        Raises
        ------
        OverBudgetError
            If it is more than is left: a ValueError.
        """
        if n_bytes > self.left:
            raise OverBudgetError(
                f"{self.source}: {reason}, which needs {self.taken + n_bytes:,} bytes of memory; "
                f"the limit for this file is {self.limit:,}. {advice()}"
            )

    def take(self, n_bytes: int, reason: str) -> None:
        """Count memory before it is allocated; see `check`."""
        self.check(n_bytes, reason)
        self.taken += n_bytes

    def give_back(self, n_bytes: int) -> None:
        """Count memory that has been freed."""
        self.taken -= n_bytes


def advice() -> str:
    """Return how to raise the limit."""
    return f"If you trust it, set the environment variable {SETTING} to a higher limit, such as 8G"


@contextmanager
def memory_errors_of(source: str) -> Iterator[None]:
    """Convert MemoryError, which can occur despite the budget, to a ValueError about the file."""
    try:
        yield
    except MemoryError as error:
        detail = f" ({error})" if str(error) else ""
        raise ValueError(
            f"{source}: reading it needs more memory than is free{detail}; close other "
            "programs, or read a part of it"
        ) from None


def _from_environment() -> int | None:
    """Return the number of bytes set in the environment, or None.

    Raises
    ------
    ValueError
        If it is not valid.
    """
    text = os.environ.get(SETTING)
    if not text:
        return None
    found = re.fullmatch(r"([1-9]\d*) ?([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if found is None:
        raise ValueError(
            f"the environment variable {SETTING} must be a number of bytes, such as 4000000000 or "
            f"8G, got {text!r}"
        )
    return int(found[1]) * _UNITS[found[2].upper()]
