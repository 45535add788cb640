"""What a caller of `read_frame` says about a file, and where a cell of it is."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fastnn.datasets.mixed.numbers import Decimal, number_of
from fastnn.datasets.readers.csv_cells import MISSING
from fastnn.system.printable import named
from fastnn.tabular.frame import Kind
from fastnn.validation.values import shortened

SPELLINGS = frozenset(
    word for marker in MISSING for word in (marker, marker.upper(), marker.title())
) | {"NaN", "-NaN"}
"""Cells that are missing numbers, flags or times."""

OF_TEXT = frozenset(("", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"))
"""Cells that are missing text, as programs write it, whatever else stands in the column, so that a
single row is read like many. Others, such as none or -, may be categories."""


@dataclass(frozen=True)
class Options:
    """The arguments of `read_frame`.

    Attributes
    ----------
    markers, markers_of_text : frozenset of str
        What is missing beside `missing`.
    """

    kinds: Mapping[str, Kind]
    header: bool | None
    delimiter: str | None
    decimal: Decimal | None
    day_first: bool | None
    missing: frozenset[str]
    notations: Mapping[str, str] = field(default_factory=dict)
    as_is: frozenset[str] = frozenset()
    drop: Collection[str] | Callable[[Sequence[str]], Collection[str]] = ()
    markers: frozenset[str] = SPELLINGS
    markers_of_text: frozenset[str] = OF_TEXT
    _numbers: frozenset[float] = field(init=False)

    def __post_init__(self) -> None:
        numbers = {number_of(word, ".") for word in self.missing} - {None}
        object.__setattr__(self, "_numbers", frozenset(numbers))

    def missing_in(self, distinct: Mapping[str, object], *, as_text: bool = False) -> set[str]:
        """Return which of some stripped cells have no value."""
        markers = self.markers_of_text if as_text else self.markers
        return {cell for cell in markers | self.missing if cell in distinct}

    def dropped(self, names: Sequence[str]) -> Collection[str]:
        """Return which columns are not looked at, of a table with these."""
        return self.drop(names) if callable(self.drop) else self.drop

    def decimal_in(self, name: str, likely: Decimal) -> Decimal:
        """Return what is before the decimals of a column, where nothing in the file decides."""
        known = self.notations.get(name)
        if known == ",":
            return ","
        return "." if known == "." else likely

    def day_first_in(self, name: str) -> bool | None:
        """Return whether the day is first in a column's dates, where no cell decides."""
        known = self.notations.get(name)
        if self.day_first is None and known in ("day first", "month first"):
            return known == "day first"
        return self.day_first

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
