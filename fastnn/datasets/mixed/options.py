"""What a caller of `read_frame` says about a file, and where a cell of it is."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from fastnn.datasets.mixed.numbers import Decimal, number_of
from fastnn.datasets.readers.csv_cells import MISSING
from fastnn.system.printable import named
from fastnn.tabular.frame import Kind
from fastnn.validation.values import shortened

CATEGORIES = frozenset(("-", "."))
"""Markers of missing numbers and times that are categories where a column is text, such as + and -;
whatever else stands in the column, so that one row is read as many."""


@dataclass(frozen=True)
class Options:
    """The arguments of `read_frame`.

    Attributes
    ----------
    markers : frozenset of str
        What is missing beside `missing`, in lower case.
    """

    kinds: Mapping[str, Kind]
    header: bool | None
    delimiter: str | None
    decimal: Decimal | None
    day_first: bool | None
    missing: frozenset[str]
    markers: frozenset[str] = MISSING
    _numbers: frozenset[float] = field(init=False)

    def __post_init__(self) -> None:
        numbers = {number_of(word, ".") for word in self.missing} - {None}
        object.__setattr__(self, "_numbers", frozenset(numbers))

    def is_missing(self, cell: str, *, as_text: bool = False) -> bool:
        """Return whether a stripped cell has no value."""
        if cell in self.missing:
            return True
        return cell.lower() in self.markers and not (as_text and cell in CATEGORIES)

    def missing_numbers(self) -> Collection[float]:
        """Return the numbers that stand for missing ones, in whatever notation."""
        return self._numbers


@dataclass(frozen=True)
class Place:
    """Where the cells of a column are, for errors and notes.

    Parameters
    ----------
    source : str
    lines : array of int
        The line of each row.
    index : int
        The position of the column in the file.
    name : str
    """

    source: str
    lines: array[int]
    index: int
    name: str

    def of(self, row: int) -> str:
        """Return the file, line and column of a cell."""
        name = named(shortened(self.name))
        return f"{self.source}, line {self.lines[row]}, column {self.index + 1} ({name})"


def shown_cell(cell: str) -> str:
    """Return a cell for an error or a note, at most 40 characters of it."""
    return repr(cell if len(cell) <= 40 else cell[:40] + "…")
