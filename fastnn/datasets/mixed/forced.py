"""A column read as a given kind: what its cells must be, and the error for one that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from fastnn.datasets.mixed.columns import (
    TextCells,
    number_column,
    spread,
    spread_times,
    text_column,
)
from fastnn.datasets.mixed.kinds import has_thousands, plain_notation, read_numbers
from fastnn.datasets.mixed.numbers import Decimal, common_sign, number_of, split_sign
from fastnn.datasets.mixed.options import Options, shown_cell
from fastnn.datasets.mixed.times import ZERO, ContradictionError, hours_of, read_times
from fastnn.tabular.frame import Column, Kind
from fastnn.tabular.kinds import FLAGS
from fastnn.validation.parameters import parameter

_EXPECTED = {
    "number": "a number",
    "flag": "true or false, yes or no, t or f, y or n, 1 or 0",
    "time": "a date or time, of the same form as the other cells",
}


def read_as(
    kind: Kind, text: TextCells, options: Options, decimal: Decimal | None, likely: Decimal
) -> Column:
    """Return a column of that kind; `decimal` and `likely` are as in `kinds.guessed`.

    Raises
    ------
    ValueError
        If a cell is neither missing nor such a value; the message gives its line and column.
    """
    if kind == "text":
        return text_column(text, options)
    present = text.present(options)
    if kind == "number":
        likely = options.decimal_in(text.place.name, likely)
        known = decimal or (likely if text.place.name in options.notations else None)
        if text.plain is not None and not has_thousands(text, options, known):
            return number_column(text, text.plain, options, None, plain_notation(text))
        return _number(text, present, options, decimal, likely)
    if kind == "flag":
        flags = {cell: FLAGS.get(cell.lower()) for cell in present}
        _check(text, present, "flag", lambda cell: flags[cell] is not None)
        values = spread(
            text.cells, {cell: flag for cell, flag in flags.items() if flag is not None}
        )
        return Column(text.place.name, "flag", values)
    return _time(text, present, options)


def _number(
    text: TextCells, present: list[str], options: Options, decimal: Decimal | None, likely: Decimal
) -> Column:
    if not present:
        return number_column(text, np.full(len(text.cells), np.nan), options, None)
    found = read_numbers(present, decimal, likely)
    if found is not None:
        numbers, note, notation = found
        return number_column(text, spread(text.cells, numbers), options, note, notation)
    hours = hours_of(present)
    if hours is not None:
        values = spread(text.cells, dict(zip(present, hours.tolist(), strict=True)))
        return number_column(text, values, options, None)
    sign = common_sign([cell for cell in present if split_sign(cell)[1]])

    def is_one(cell: str) -> bool:
        body, own = split_sign(cell)
        return own in ("", sign) and number_of(body, decimal or likely) is not None

    _check(text, present, "number", is_one)
    _refuse(text, present[0], "number")


def _time(text: TextCells, present: list[str], options: Options) -> Column:
    cells = [cell for cell in present if cell not in ZERO]
    if not cells:
        return Column(text.place.name, "time", spread_times(text.cells, {}))
    day_first = options.day_first_in(text.place.name)
    name = "date"  # as one kind is given, 20190131 is a date whatever the column is called
    try:
        read = read_times(cells, name, day_first)
    except ContradictionError as error:
        raise ValueError(f"{text.place.of(0)}: the dates below do not agree: {error}") from None
    if read is None:
        first = cells[0]
        _check(text, cells, "time", lambda cell: read_times([cell], name, True) is not None)
        _check(text, cells, "time", lambda cell: _are_alike(first, cell, name))
        _refuse(text, first, "time")
    if read.is_undecided and day_first is None:
        raise ValueError(
            f"{text.place.of(text.cells.index(cells[0]))}: {cells[0]} may begin with the day or "
            "the month, and no cell of the column decides: specify "
            f"{parameter('day_first', True)} or {parameter('day_first', False)}"
        )
    values = spread_times(text.cells, dict(zip(cells, read.values, strict=True)))
    return Column(
        text.place.name, "time", values, note=read.note, notation=read.notation,
        has_zone=read.has_zone,
    )  # fmt: skip


def _are_alike(first: str, cell: str, name: str) -> bool:
    try:
        return read_times([first, cell], name, None) is not None
    except ContradictionError:
        return False


def _check(text: TextCells, present: list[str], kind: Kind, fits: Callable[[str], Any]) -> None:
    """Refuse the first cell that does not fit."""
    for cell in present:
        try:
            ok = fits(cell)
        except ContradictionError:
            ok = False
        if not ok:
            _refuse(text, cell, kind)


def _refuse(text: TextCells, cell: str, kind: Kind) -> NoReturn:
    row = text.cells.index(cell)
    raise ValueError(
        f"{text.place.of(row)}: got {shown_cell(cell)}, expected {_EXPECTED[kind]}, because the "
        f"column is read as {kind}; {parameter('missing', cell)} reads such cells as missing"
    )
