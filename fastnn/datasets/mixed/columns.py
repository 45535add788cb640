"""The cells of one column as text, and columns made of them."""

from __future__ import annotations

from functools import cached_property
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.mixed.options import Options, Place, shown_cell
from fastnn.datasets.mixed.packed import PackedCells
from fastnn.datasets.mixed.times import UNIT
from fastnn.datasets.readers.columns import FEWEST_ROWS
from fastnn.tabular.frame import Column
from fastnn.validation.parameters import parameter

SENTINELS = (-9.0, -99.0, *(sign * (10.0**n - 1) for n in range(3, 8) for sign in (1, -1)))
"""Numbers that often stand for missing ones: -9, -99, 999, -999, 9999 ... 9999999."""

Numbers = NDArray[np.float64]


class TextCells:
    """The cells of one column.

    Attributes
    ----------
    place : Place
    packed : PackedCells
    plain : ndarray (n_rows,), optional
        The cells as numbers, NaN for missing ones, if all are plain.
    """

    def __init__(self, place: Place, packed: PackedCells) -> None:
        self.place = place
        self.packed = packed
        self.plain = packed.numbers()

    @cached_property
    def cells(self) -> list[str]:
        """All cells, kept until `forget` is called."""
        return self.packed.cells()

    def forget(self) -> None:
        """Free the memory of the cells; they can be asked for again."""
        self.__dict__.pop("cells", None)

    def present(self, options: Options) -> list[str]:
        """Return the distinct cells that are not missing, in the order of appearance."""
        distinct = dict.fromkeys(self.cells)
        for cell in options.missing_in(distinct):
            del distinct[cell]
        return list(distinct)


def number_column(
    text: TextCells,
    values: Numbers,
    options: Options,
    note: str | None,
    notation: str | None = None,
) -> Column:
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
    return Column(
        text.place.name, "number", values, note="; ".join(notes) or None, notation=notation
    )


def _sentinel(values: Numbers) -> list[str]:
    """Return a note about a repeated extreme that may mean a missing value, such as -999.

    It is one of `SENTINELS`, and further from the other values than they are apart.
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
    is_as_is = text.place.name in options.as_is
    gone = {""} & {*distinct} if is_as_is else options.missing_in(distinct, as_text=True)
    one: dict[str, str | None] = {cell: cell for cell in distinct} | dict.fromkeys(gone)
    values = np.empty(len(text.cells), object)
    values[:] = list(map(one.__getitem__, text.cells))  # equal cells are one object
    words = sorted(gone - options.missing - {"", "?"})
    if words:
        said = f"{', '.join(map(repr, words))} {'is' if len(words) == 1 else 'are'} read as missing"
        note = said if note is None else f"{note}; {said}"
    return Column(text.place.name, "text", values, note=note)


def spread(cells: list[str], numbers: dict[str, float]) -> Numbers:
    """Return the number of each cell (n_rows,), NaN for others."""
    return np.fromiter(map(numbers.get, cells, repeat(np.nan)), np.float64, len(cells))


def spread_times(cells: list[str], times: dict[str, np.datetime64]) -> NDArray[np.datetime64]:
    """Return the time of each cell (n_rows,), NaT for others."""
    code = {cell: i for i, cell in enumerate(times)}
    codes = np.fromiter(map(code.get, cells, repeat(-1)), np.int64, len(cells))
    values = np.array([*times.values(), np.datetime64("NaT", "us")], UNIT)
    return values[codes]
