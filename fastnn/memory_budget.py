"""How much memory the reading of one file may take: counted in advance, and refused in words.

What a file becomes in memory can be far larger than the file. Labels of one byte become numbers of
eight, text takes four bytes a character, and what is packed may unpack to a thousand times its
size. So every reader of data and of networks counts what it is about to hold, in the form in which
it will hold it, before it asks for the memory. For a file of n bytes, all of that together may be

    min(half of the machine's memory, max(base, ratio · n))

where base and ratio are far above what honest files need. The environment variable
``FASTNN_MAX_READ_BYTES`` replaces the figure by another, for every file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from fastnn.machine_memory import machine_memory

SETTING = "FASTNN_MAX_READ_BYTES"

BASE, RATIO = 1 << 28, 100
"""Bytes that any file may take, and how many for each of its own: a table of text and small
numbers takes 30; what packs better than 100 to 1 holds next to nothing, by design or by mistake."""

SHARE = 0.5
"""Of the machine's memory: what was read is copied once more, in another order or dtype."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class OverBudgetError(ValueError):
    """A file takes more memory than it may."""


class Budget:
    """The account of the memory that reading a file takes.

    Parameters
    ----------
    source : str
        What errors call the file.
    file_bytes : int
        Its size; 0 where nothing is known of it, as of a pipe.
    base, ratio : int
        Bytes that any file may take, and how many for each of its own.

    Attributes
    ----------
    limit : int
        Bytes that may be taken in all.
    taken : int
        Bytes that are taken now.
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
        """Allow for so many bytes of the file more than were known."""
        self._file_bytes += file_bytes
        self.limit = self._setting or max(self._base, self._ratio * self._file_bytes)
        memory = machine_memory()
        if memory is not None and self._setting is None:
            self.limit = min(self.limit, int(SHARE * memory))

    @property
    def left(self) -> int:
        """Bytes that may still be taken."""
        return self.limit - self.taken

    def check(self, n_bytes: int, reason: str) -> None:
        """Check that memory could be taken; `reason` says what makes it so much.

        Raises
        ------
        OverBudgetError
            If it is more than is left: a ValueError.
        """
        if n_bytes > self.left:
            raise OverBudgetError(
                f"{self.source}: {reason}, which makes {self.taken + n_bytes:,} bytes of memory; "
                f"reading this file may take {self.limit:,}. {advice()}"
            )

    def take(self, n_bytes: int, reason: str) -> None:
        """Count memory before it is asked for; see `check`."""
        self.check(n_bytes, reason)
        self.taken += n_bytes

    def give_back(self, n_bytes: int) -> None:
        """Count memory that is free again."""
        self.taken -= n_bytes


def advice() -> str:
    """Return how a budget is raised."""
    return f"If you trust it, set the environment variable {SETTING} to what it may take, as 8G"


@contextmanager
def memory_errors_of(source: str) -> Iterator[None]:
    """Turn memory that runs out in spite of the account into a ValueError about the file."""
    try:
        yield
    except MemoryError as error:
        detail = f" ({error})" if str(error) else ""
        raise ValueError(
            f"{source}: reading it takes more memory than is free here{detail}; close other "
            "programs, or read a part of it"
        ) from None


def _from_environment() -> int | None:
    """Return the number of bytes that the environment sets, None if it sets none.

    Raises
    ------
    ValueError
        If it is no such number.
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
