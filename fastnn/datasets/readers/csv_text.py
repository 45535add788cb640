"""The lines of a CSV file as text, and the memory of rows read from them.

Memory is counted after some amount of text, not for each row: a few lines take little memory, and
a line that could take too much is refused before it is read completely.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO

from fastnn.system.memory_budget import Budget

UTF8_BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 1 << 28  # bytes; a longer line is not a table, or is a decompression bomb

UNCOUNTED = 1 << 16
"""Bytes of text that may be read before memory is counted."""

BYTES_AS_CELLS = 30
"""Most bytes of memory that a byte of text takes as cells: a letter of two bytes and a comma are a
str of 76 and its place in a list."""


class Text:
    """A file's lines, decoded, each at most once.

    Attributes
    ----------
    budget : Budget
    pending : int
        Bytes of the lines that were read since whoever counts the rows set it to 0.
    """

    def __init__(self, file: BinaryIO, name: str, budget: Budget) -> None:
        self._file = file
        self._name = name
        self._first: tuple[int, bytes] = 1, b""
        self._longest = self._longest_that_fits(budget)
        self.budget = budget
        self.pending = 0

    def first_line(self) -> tuple[int, bytes]:
        """Return the first line that is not empty, without a BOM, and its number."""
        for number, line in enumerate(self._bytes(1), start=1):
            line = line.removeprefix(UTF8_BOM) if number == 1 else line
            if line.strip():
                self._first = number, line
                return number, line
        raise ValueError(
            f"{self._name} is empty; expected rows of numbers, with or without a header"
        )

    def lines(self) -> Iterator[str]:
        """Yield the first line and those that follow."""
        first, first_line = self._first
        for number, line in enumerate(chain([first_line], self._bytes(first + 1)), start=first):
            self.pending += len(line)
            if self.pending > UNCOUNTED:
                self._check_row(number, self.pending)
                self._longest = self._longest_that_fits(self.budget)
            if b"\0" in line:
                raise ValueError(
                    f"{self._name}, line {number}: a NUL byte; expected text. If it is UTF-16, "
                    "save it as UTF-8"
                )
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{self._name}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8; "
                    "save the file as UTF-8"
                ) from error

    def _bytes(self, first: int) -> Iterator[bytes]:
        """Yield lines with their ends; `first` is the number of the first of them."""
        number = first
        while line := self._file.readline(self._longest):
            if len(line) >= LONGEST_LINE:
                raise ValueError(
                    f"{self._name}, line {number}: longer than {LONGEST_LINE >> 20} MB; not a table"
                )
            if len(line) == self._longest:
                self._check_row(number, len(line))
            yield line
            number += 1

    def _check_row(self, number: int, n_bytes: int) -> None:
        """Check that a row of so many bytes or more, up to this line, can be read."""
        reason = f"the row on line {number} has {n_bytes} bytes or more"
        self.budget.check(BYTES_AS_CELLS * n_bytes, reason)

    @staticmethod
    def _longest_that_fits(budget: Budget) -> int:
        """Return how long a line may be; one of this length is too long for the budget."""
        return min(LONGEST_LINE, max(UNCOUNTED, budget.left // BYTES_AS_CELLS + 1))


class Held:
    """Counts the memory of containers that rows are added to.

    Parameters
    ----------
    containers : sequence of list of str or array
    budget : Budget
    """

    def __init__(self, containers: Sequence[list[str] | array[Any]], budget: Budget) -> None:
        self._containers = containers
        self._counted = [0] * len(containers)  # elements whose text was counted
        self._texts = self._taken = 0
        self._budget = budget

    def count(self, reason: str) -> None:
        """Take what was added since the last time from the budget.

        A container that is full grows by up to an eighth at once: there must be room for that too.
        """
        for i, container in enumerate(self._containers):
            if isinstance(container, list):
                added = container[self._counted[i] :]
                self._texts += sum({id(text): sys.getsizeof(text) for text in added}.values())
                self._counted[i] = len(container)
        n_bytes = self._texts + sum(map(sys.getsizeof, self._containers))
        self._budget.take(n_bytes - self._taken, reason)
        self._budget.check(n_bytes // 8, reason)
        self._taken = n_bytes


def bytes_of_cells(cells: list[str]) -> int:
    """Return the memory that a row takes as text."""
    return sys.getsizeof(cells) + sum(map(sys.getsizeof, cells))
