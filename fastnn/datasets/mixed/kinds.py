"""What kind of values a column of text cells holds, and the values.

    number   all cells are numbers of one notation, or missing, and none has leading zeros or more
             digits than float64 can hold; or times of day, in hours
    flag     true and false, yes and no, t and f, or y and n
    time     dates of one form, see `fastnn.datasets.mixed.times`
    text     anything else

The work is done once for each distinct cell, except for plain numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fastnn.datasets.mixed.columns import (
    Numbers,
    TextCells,
    number_column,
    spread,
    spread_times,
    text_column,
)
from fastnn.datasets.mixed.numbers import (
    EXACT,
    Decimal,
    are_the_same,
    are_thousands,
    common_sign,
    is_code,
    is_long,
    number_of,
    numbers_of,
    reads_as_number,
    split_sign,
    unit_of,
)
from fastnn.datasets.mixed.options import Options, shown_cell
from fastnn.datasets.mixed.times import (
    ZERO,
    ContradictionError,
    form_of,
    hours_of,
    is_date,
    names_dates,
    read_times,
)
from fastnn.tabular.frame import Column
from fastnn.validation.parameters import parameter

FLAG_PAIRS = (("true", "false"), ("yes", "no"), ("t", "f"), ("y", "n"))
LOOKED_AT = 200  # distinct cells that say whether a column of text has numbers
SHOWN = 3
FEW = 0.2  # fraction of cells of text in a column that could have been meant as numbers


@dataclass
class Guess:
    """A column, and the only row in it that is not a number, if there is one."""

    column: Column
    odd_row: int | None = None


def decimal_of(columns: Sequence[TextCells], options: Options, delimiter: str) -> Decimal | None:
    """Return what a table writes before decimals, or None if no column decides.

    It is "," if a column has numbers only with decimal commas. In a table whose cells are not
    separated by semicolons, no column of numbers may then have decimal points.
    """
    if options.decimal is not None:
        return options.decimal
    if delimiter != ";" and any(map(_has_points, columns)):
        return "."
    for column in columns:
        kind = options.kinds.get(column.place.name, "number")
        if column.plain is None and kind == "number":
            if not column.packed.has(","):
                continue
            present = column.present(options)
            column.forget()
            if not present:
                continue
            sign = split_sign(present[0])[1] and common_sign(present)
            if numbers_of(present, ",", sign) and numbers_of(present, ".", sign) is None:
                return ","
    return None


def _has_points(column: TextCells) -> bool:
    """Return whether the first cells of a column of numbers have decimal points."""
    if column.plain is None or not column.packed.has("."):
        return False
    first = column.packed.first()
    return any("." in cell for cell in first) and not are_thousands(first)


def plain_notation(text: TextCells) -> Decimal | None:
    """Return the notation of plain numbers: points, if there are any."""
    return "." if text.packed.has(".") else None


def has_thousands(text: TextCells, options: Options, decimal: Decimal | None) -> bool:
    """Return whether points in plain numbers are not decimal points in this table."""
    return decimal == "," and text.packed.has(".") and are_thousands(text.present(options))


def guessed(text: TextCells, options: Options, decimal: Decimal | None, likely: Decimal) -> Guess:
    """Return a column with the kind that its cells have.

    Parameters
    ----------
    decimal : str, optional
        What is written before decimals in this table, if known.
    likely : str
        What is assumed if neither that nor the cells decide.
    """
    name = text.place.name
    likely = options.decimal_in(name, likely)
    if text.plain is not None and not has_thousands(text, options, decimal):
        return Guess(_of_plain_numbers(text, text.plain, options))
    cells, present = text.cells, text.present(options)
    if not present:
        empty = np.full(len(cells), np.nan)
        return Guess(Column(name, "number", empty, note="holds no values"))
    if (flags := _flags(present)) is not None:
        values = spread(cells, flags)
        shown = " and ".join(map(repr, sorted(present, key=lambda cell: -flags[cell])))
        plain = set(map(str.lower, present)) <= {"true", "false"}
        note = None if plain else f"{shown} are read as flags, 1 and 0"
        return Guess(Column(name, "flag", values, note=note))
    if text.packed.has_codes() and any(map(is_code, present)) and _are_numbers(present):
        return Guess(text_column(text, options, _zeros_note(present, name)))
    found = read_numbers(present, decimal, likely)
    if found is not None:
        numbers, note, notation = found
        if any(map(is_long, present)):
            return Guess(text_column(text, options, _long_note(present, name)))
        return Guess(number_column(text, spread(cells, numbers), options, note, notation))
    if form_of(first_date(present), name) is not None:
        column = _guessed_times(text, present, options)
        if column is not None:
            return Guess(column)
    hours = hours_of(present)
    if hours is not None:
        values = spread(cells, dict(zip(present, hours.tolist(), strict=True)))
        note = f"times such as {present[0]} are read in hours"
        return Guess(number_column(text, values, options, note))
    note, odd_row = _odd_cells(text, present, reads_as_number, "number")
    if note is None and (form := form_of(first_date(present), name)):
        note, _ = _odd_cells(text, present, lambda cell: is_date(cell, form, name), "date")
    if note is None and (unit := unit_of(present[:LOOKED_AT])) and unit_of(present):
        note = (
            f"its cells are numbers with a unit, {unit!r}, and are read as text: remove the unit "
            "to read them as numbers"
        )
    return Guess(text_column(text, options, note), odd_row)


def _of_plain_numbers(text: TextCells, values: Numbers, options: Options) -> Column:
    name = text.place.name
    if text.packed.has_codes() and not names_dates(name):
        return text_column(text, options, _zeros_note(text.cells, name))
    with np.errstate(invalid="ignore"):
        large = np.flatnonzero(np.abs(values) >= EXACT)
    if any(is_long(text.cells[row]) for row in large.tolist()):
        return text_column(text, options, _long_note(text.cells, name))
    if names_dates(name) and (present := text.present(options)):
        is_date = form_of(present[0], name) == "compact"
        times = _guessed_times(text, present, options) if is_date else None
        if times is not None:
            return times
    return number_column(text, values, options, None, plain_notation(text))


def _flags(present: Sequence[str]) -> dict[str, float] | None:
    """Return 1 and 0 for the distinct cells of a column of flags, or None for another column."""
    if len(present) > 6:  # True, TRUE, true and their opposites
        return None
    words = {cell.lower() for cell in present}
    for yes, no in FLAG_PAIRS:
        both = words == {yes, no}
        if both or (len(yes) > 1 and words <= {yes, no} and yes == "true"):
            return {cell: float(cell.lower() == yes) for cell in present}
    return None


def _are_numbers(present: Sequence[str]) -> bool:
    return all(number_of(cell, ".") is not None for cell in present)


def read_numbers(
    present: Sequence[str], decimal: Decimal | None, likely: Decimal
) -> tuple[dict[str, float], str | None, Decimal | None] | None:
    """Return the numbers of distinct cells, a note and their notation if they have decimals.

    None if one of them is not a number.
    """
    sign = split_sign(present[0])[1] and common_sign(present)
    first = decimal or likely
    other: Decimal = "," if first == "." else "."
    numbers = numbers_of(present, first, sign)
    others = numbers_of(present, other, sign) if decimal is None else None
    if numbers is None and others is None:
        return None
    notes = []
    commas = next((cell for cell in present if "," in cell), None)
    shown = commas or next((cell for cell in present if "." in cell), present[0])
    used, taken = (first, numbers) if numbers is not None else (other, others)
    assert taken is not None
    is_open = numbers is not None and others is not None and not are_the_same(numbers, others)
    if is_open and decimal is None:
        value = f"{taken[shown]:.15g}"
        notes.append(
            f"{shown} is read as {value}: {parameter('decimal', other)} reads it otherwise"
        )
    elif commas is not None:
        what = "decimal commas" if used == "," else "commas between thousands"
        notes.append(f"numbers have {what}: {commas} is read as {taken[commas]:.15g}")
    elif used == "," and "." in shown:
        notes.append(f"numbers have points between thousands: {shown} is {taken[shown]:.15g}")
    if sign:
        cell = present[0]
        notes.append(f"{sign} is left out: {cell} is read as {taken[cell]:.15g}")
    has_marks = any("," in cell or "." in cell for cell in present)
    return taken, "; ".join(notes) or None, used if has_marks else None


def first_date(present: Sequence[str]) -> str:
    """Return the first cell that is not MySQL's zero date, or the first if all are."""
    return next((cell for cell in present if cell not in ZERO), present[0])


def _guessed_times(text: TextCells, present: Sequence[str], options: Options) -> Column | None:
    cells = [cell for cell in present if cell not in ZERO]
    day_first = options.day_first_in(text.place.name)
    try:
        read = read_times(cells, text.place.name, day_first) if cells else None
    except ContradictionError as error:
        return text_column(text, options, f"its dates do not agree, and are read as text: {error}")
    if read is None:
        return None
    values = spread_times(text.cells, dict(zip(cells, read.values, strict=True)))
    return Column(
        text.place.name, "time", values, note=read.note, notation=read.notation,
        has_zone=read.has_zone,
    )  # fmt: skip


def _odd_cells(
    text: TextCells, present: Sequence[str], is_one: Callable[[str], bool], what: str
) -> tuple[str | None, int | None]:
    """Return a note about a few cells that are not like the others, and the row of a single one.

    Parameters
    ----------
    present : sequence of str
        The distinct cells that are not missing.
    is_one : callable
        Whether a cell is what the others are, which `what` says.
    """
    if 2 * sum(map(is_one, present[:LOOKED_AT])) < min(len(present), LOOKED_AT):
        return None, None
    odd = [cell for cell in present if not is_one(cell)]
    counts = Counter(text.cells)
    n_odd, n_present = (sum(counts[cell] for cell in cells) for cells in (odd, present))
    if not odd:
        return f"its {what}s are written in several ways, and are read as text", None
    if n_odd > FEW * n_present:
        return None, None
    row = min(text.cells.index(cell) for cell in odd[:LOOKED_AT])
    shown = ", ".join(map(shown_cell, odd[:SHOWN])) + (", …" if len(odd) > SHOWN else "")
    are = f"are not {what}s" if n_odd > 1 else f"is not a {what}"
    first = "the first in" if n_odd > 1 else "in"
    hint = (
        f"{parameter('missing', odd[0])} reads such a cell as missing"
        if len(odd) <= SHOWN
        else f"correct them to read it as {what}s"
    )
    note = (
        f"{n_odd} of {n_present} cells {are} ({shown}; {first} line {text.place.lines[row]}), so "
        f"that the column is text: {hint}"
    )
    return note, row if n_odd == 1 else None


def _zeros_note(codes: Sequence[str], name: str) -> str:
    code = next(cell for cell in codes if is_code(cell))
    return (
        f"its numbers have leading zeros ({code}), as codes do, and are read as text; "
        f"{parameter('kinds', {name: 'number'})} reads them as numbers"
    )


def _long_note(cells: Sequence[str], name: str) -> str:
    long = next(cell for cell in cells if is_long(cell))
    return (
        f"its whole numbers are too long to be exact ({shown_cell(long)}), and are read as text; "
        f"{parameter('kinds', {name: 'number'})} rounds them"
    )
