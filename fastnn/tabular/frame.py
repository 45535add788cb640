"""`Frame`, a table of columns as they came: numbers, flags, text and times."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["number", "flag", "text", "time"]

NOTATIONS = (".", ",", "day first", "month first")
"""How numbers (what is before decimals) and dates are written."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column: its values, missing ones as NaN, None or NaT.

    Attributes
    ----------
    name : str
    kind : {"number", "flag", "text", "time"}
    values : ndarray of shape (n_rows,)
        Numbers and flags: float64, a flag 0 or 1. Text: an object array of str or None. Times:
        datetime64[us], in UTC.
    categories : tuple of str, optional
        Of a categorical dtype, in their order.
    is_ordered : bool, default False
        Whether that order means something.
    note : str, optional
        What was guessed about it, one sentence.
    notation : {".", ",", "day first", "month first"}, optional
        How its numbers or dates are written in a text file, if they have decimals, or a day and a
        month that could change places.
    has_zone : bool, optional
        Of times, whether they had a time zone; None if that is not known.
    """

    name: str
    kind: Kind
    values: NDArray[Any]
    categories: tuple[str, ...] | None = None
    is_ordered: bool = False
    note: str | None = None
    notation: str | None = None
    has_zone: bool | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """Named columns of equal length.

    Attributes
    ----------
    columns : tuple of Column
    n_rows : int
    has_names : bool, default True
        Whether the names are the user's own, so that columns can be matched by them.
    notes : tuple of str
        What was guessed about the table.
    lines : ndarray of shape (n_rows,), optional
        Of a text file, the line of each row, from 1.
    """

    columns: tuple[Column, ...]
    n_rows: int
    has_names: bool = True
    notes: tuple[str, ...] = ()
    lines: NDArray[np.int64] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        """Return the column of that name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def without(self, names: Collection[str]) -> Frame:
        """Return the frame without the columns of those names."""
        return replace(self, columns=tuple(c for c in self.columns if c.name not in names))

    def rows(self, which: slice | NDArray[Any]) -> Frame:
        """Return some of the rows: a slice, row numbers or a mask."""
        columns = tuple(replace(column, values=column.values[which]) for column in self.columns)
        n_rows = len(columns[0].values) if columns else 0
        lines = None if self.lines is None else self.lines[which]
        return Frame(columns, n_rows, self.has_names, self.notes, lines)

    def place_of(self, row: int) -> str:
        """Return where a row is in the file, for errors: its line, or its number from 0."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"
