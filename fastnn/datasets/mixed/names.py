"""Whether the first line of a table names its columns, and the names, made distinct.

A header holds no values: no numbers in any notation, no times, nothing that occurs again below it
in its own column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastnn.datasets.mixed.numbers import reads_as_number
from fastnn.datasets.mixed.options import Options, shown_cell
from fastnn.datasets.mixed.times import form_of, hours_of
from fastnn.datasets.readers.csv_cells import is_missing, is_number
from fastnn.datasets.readers.csv_header import is_header, is_numbered
from fastnn.validation.frames import some
from fastnn.validation.parameters import parameter

Rows = Sequence[Sequence[str]]


def first_is_header(
    first: Sequence[str], below: Rows, options: Options, where: str
) -> tuple[bool, str | None]:
    """Return whether the first line names the columns, and a note if that was a guess.

    Parameters
    ----------
    first : sequence of str
        The cells of the first line, stripped; for tables of R, as many as those below.
    below : sequence of sequences of str
        Those of some lines that follow.
    where : str
        File and line, for errors.

    Raises
    ------
    ValueError
        If it is not clear.
    """
    if options.header is not None:
        return options.header, None
    known = {cell for cell in first if cell in options.kinds}
    if any(not is_number(name) for name in known):
        return True, None
    below = [row for row in below if len(row) == len(first)]
    values = [is_value(cell) for cell in first]
    if not any(values):
        return _words_are_header(first, below)
    if is_numbered(first) and (found := is_header(first, below)) is not False:
        if found is None:
            raise _unclear(
                where, "the numbers are either column names from 0, as in pandas, or a row of data"
            )
        return True, "the first line numbers the columns and was read as a header"
    over = [
        i
        for i, cell in enumerate(first)
        if below and not values[i] and not is_missing(cell) and _are_values([r[i] for r in below])
    ]
    years = [i for i, is_one in enumerate(values) if is_one]
    are_years = _are_years([first[i] for i in years])
    if not over:
        above = len(years) > 1 and not all(_are_years([row[i] for row in below]) for i in years)
        if are_years and above and below:
            return True, (
                f"the first line, with the years {first[years[0]]} to {first[years[-1]]}, was read "
                f"as a header; {parameter('header', False)} reads it as data"
            )
        return False, None
    if are_years:
        return True, (
            f"the first line, with {shown_cell(first[over[0]])} above numbers, was read as a "
            f"header; {parameter('header', False)} reads it as data"
        )
    what = f"{shown_cell(first[over[0]])} is text where the other rows have a number or a time"
    raise _unclear(where, what)


def _words_are_header(first: Sequence[str], below: Rows) -> tuple[bool, str | None]:
    """Return whether a line without numbers and times is a header."""
    if all(map(is_missing, first)):
        return False, None
    columns = list(zip(*below, strict=True)) if below else []
    if any(_are_values(column) for column in columns):
        return True, None
    again = [i for i, column in enumerate(columns) if first[i] and first[i] in column]
    if again:
        return False, (
            f"the first line was read as data: {shown_cell(first[again[0]])} occurs again below "
            f"it; {parameter('header', True)} reads it as names"
        )
    if len(set(first)) < len(first) and len(first) > 2 and columns:
        return False, (
            "the first line was read as data, because its cells are not distinct; "
            f"{parameter('header', True)} reads it as names"
        )
    return True, (
        f"the first line was read as names; {parameter('header', False)} reads it as data"
        if columns
        else None
    )


def is_value(cell: str) -> bool:
    """Return whether a cell is a number or a time, in any notation."""
    return bool(cell) and (
        reads_as_number(cell) or form_of(cell, "") is not None or hours_of([cell]) is not None
    )


def _are_values(cells: Sequence[str]) -> bool:
    """Return whether cells are numbers or times, or missing, and some a value."""
    present = [cell for cell in cells if not is_missing(cell)]
    return bool(present) and all(map(is_value, present))


def _are_years(cells: Sequence[str]) -> bool:
    """Return whether cells that are numbers may be names: years, each after the one before."""
    return list(cells) == sorted(set(cells)) and all(
        len(cell) == 4 and cell.isdecimal() and cell[:2] in ("18", "19", "20") for cell in cells
    )


def _unclear(where: str, what: str) -> ValueError:
    return ValueError(
        f"{where}: {what}; specify whether the line is a header: {parameter('header', True)} or "
        f"{parameter('header', False)}"
    )


def distinct_names(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names of columns, none empty or equal to another, and notes about changed ones."""
    names: list[str] = []
    taken = {cell for cell in cells if cell}
    counts: Counter[str] = Counter()
    renamed = []
    for i, cell in enumerate(cells, start=1):
        name = cell or f"column {i}"
        counts[name] += 1
        if counts[name] > 1 or (not cell and name in taken):
            number = 2
            while f"{name} ({number})" in taken:
                number += 1
            name = f"{name} ({number})"
            taken.add(name)
            renamed.append(name)
        names.append(name)
    if not renamed:
        return names, []
    return names, [f"several columns have the same name: the later ones are called {some(renamed)}"]
