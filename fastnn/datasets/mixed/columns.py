"""The cells of one column as text, and columns made of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.mixed.numbers import has_codes, plain_numbers
from fastnn.datasets.mixed.options import Options, Place, shown_cell
from fastnn.datasets.mixed.times import UNIT
from fastnn.datasets.readers.columns import FEWEST_ROWS
from fastnn.tabular.frame import Column
from fastnn.validation.parameters import parameter

SENTINELS = (-9.0, -99.0, *(sign * (10.0**n - 1) for n in range(3, 8) for sign in (1, -1)))
"""Numbers that often stand for missing ones: -9, -99, 999, -999, 9999 ... 9999999."""

Numbers = NDArray[np.float64]


@dataclass
class TextCells:
    """The cells of one column.

    Attributes
    ----------
    place : Place
    cells : list of str
    plain : ndarray (n_rows,), optional
        The cells as numbers, if all are plain ones.
    """

    place: Place
    cells: list[str]
    joined: str = field(init=False, repr=False)
    plain: Numbers | None = field(init=False)

    def __post_init__(self) -> None:
        joined = "\n".join(["", *self.cells, ""])
        self.plain = plain_numbers(self.cells, joined)
        self.has_codes = self.plain is not None and has_codes(joined)
        del joined

    def present(self, options: Options) -> list[str]:
        """Return the distinct cells that are not missing, in the order of appearance."""
        return [cell for cell in dict.fromkeys(self.cells) if not options.is_missing(cell)]


def number_column(text: TextCells, values: Numbers, options: Options, note: str | None) -> Column:
    """Return a column of numbers, without those that stand for missing ones."""
    notes = [] if note is None else [note]
    for number in options.missing_numbers():
        values[values == number] = np.nan
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        values[infinite] = np.nan
        row = int(infinite[0])
        notes.append(
            f"{len(infinite)} of {len(values)} cells are infinite or too large, the first "
            f"{shown_cell(text.cells[row])} in line {text.place.lines[row]}: read as missing"
        )
    finite = values[~np.isnan(values)]
    if not len(finite):
        notes.append("holds no values")
    else:
        if len(values) >= FEWEST_ROWS and values[0] in (0, 1) and (np.diff(values) == 1).all():
            notes.append("holds row numbers: leave it out, unless it is meaningful for new rows")
        notes += _sentinel(finite)
    return Column(text.place.name, "number", values, note="; ".join(notes) or None)


def _sentinel(values: Numbers) -> list[str]:
    """Return a note about a repeated extreme that may mean a missing value, such as -999.

    It is one of `SENTINELS`, with either sign, and further from the other values than they are apart.
    """
    for extreme in {float(values.min()), float(values.max())}:
        if extreme not in SENTINELS:
            continue
        others = values[values != extreme]
        count = len(values) - len(others)
        if count < 2 or not len(others):
            continue
        gap = np.abs(others - extreme).min()
        if gap > others.max() - others.min() and (extreme < 0) <= (others.min() >= 0):
            shown = f"{extreme:g}" if abs(extreme) < 1e6 else str(int(extreme))
            return [
                f"{count} cells are {shown}, far from all others: if that means missing, specify "
                f"{parameter('missing', shown)}"
            ]
    return []


def text_column(text: TextCells, options: Options, note: str | None = None) -> Column:
    """Return a column of text: its cells as they are, without surrounding spaces."""
    distinct = dict.fromkeys(text.cells)
    gone = {cell for cell in distinct if options.is_missing(cell, as_text=True)}
    cells: list[str | None] = (
        [None if cell in gone else cell for cell in text.cells] if gone else list(text.cells)
    )
    values = np.empty(len(cells), object)
    values[:] = cells
    words = sorted(gone - options.missing - {"", "?"})
    if words:
        said = f"{', '.join(map(repr, words))} {'is' if len(words) == 1 else 'are'} read as missing"
        note = said if note is None else f"{note}; {said}"
    return Column(text.place.name, "text", values, note=note)


def spread(cells: list[str], numbers: dict[str, float]) -> Numbers:
    """Return the number of each cell (n_rows,), NaN for others."""
    table = dict.fromkeys(cells, np.nan) | numbers
    return np.fromiter(map(table.__getitem__, cells), np.float64, len(cells))


def spread_times(cells: list[str], times: dict[str, np.datetime64]) -> NDArray[np.datetime64]:
    """Return the time of each cell (n_rows,), NaT for others."""
    distinct = list(times)
    code = dict.fromkeys(cells, len(distinct)) | {cell: i for i, cell in enumerate(distinct)}
    codes = np.fromiter(map(code.__getitem__, cells), np.int64, len(cells))
    values = np.array([*times.values(), np.datetime64("NaT", "us")], UNIT)
    return values[codes]
