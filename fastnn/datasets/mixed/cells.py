"""The cells of a text file, column by column, as text.

Rows are cut into blocks, and each block is turned.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from fastnn.datasets.mixed.dialect import WORDS, Dialect, dialect_of, is_comment, sampled
from fastnn.datasets.mixed.names import distinct_names, first_is_header, is_value
from fastnn.datasets.mixed.options import Options, shown_cell
from fastnn.datasets.mixed.packed import PackedCells
from fastnn.datasets.readers.csv_header import is_numbered
from fastnn.datasets.readers.sources import Source
from fastnn.system.memory_budget import Budget
from fastnn.validation.parameters import parameter

BLOCK = 4096  # rows that are turned at once
SAMPLE_ROWS = 100  # that say whether the first is a header

Row = tuple[int, list[str]]


@dataclass
class Sheet:
    """The columns of a file.

    Attributes
    ----------
    names : list of str
    columns : list of PackedCells
    lines : array of int
        The number of the last line of each row.
    delimiter : str
    has_names : bool
        Whether they are from the file.
    unnamed : set of int
        Which columns have no name in the header.
    notes : list of str
    row_names : bool
        Whether the first column has no place in the header, as R writes names of rows.
    """

    names: list[str]
    columns: list[PackedCells]
    lines: array[int] = field(default_factory=lambda: array("q"))
    delimiter: str = ","
    has_names: bool = True
    unnamed: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    row_names: bool = False


def read_cells(source: Source, text: Iterator[str], options: Options) -> Sheet:
    """Return the cells of delimited text; `text` are its lines.

    Raises
    ------
    ValueError
        If the file has no rows, or rows of different widths; or if it is not clear whether the
        first line is a header.
    UnicodeDecodeError
        If it has another encoding.
    """
    comments, first = sampled(text)
    if not first:
        what = "holds only comments" if comments else "is empty"
        raise ValueError(f"{source.name} {what}; expected rows, with or without a header")
    dialect = dialect_of([line for _, line in first if line.strip()], options.delimiter)
    all_lines = chain((line for _, line in first), text)
    rows = _numbered(all_lines, dialect, source, first[0][0] - 1)
    return _read_rows(source, options, dialect, rows, comments)


def filled(
    source: Source,
    options: Options,
    dialect: Dialect,
    text: Iterator[str],
    skipped: int,
    names: list[str],
) -> Sheet:
    """Return the cells of lines, after `skipped` others, below names that are known."""
    sheet = Sheet([], [PackedCells(options) for _ in names])
    sheet.names, sheet.notes = distinct_names(names)
    rows = _numbered(text, dialect, source, skipped)
    _fill(sheet, rows, len(names), source, dialect)
    if not sheet.lines:
        raise ValueError(f"{source.name} has no rows of data below line {skipped}")
    return sheet


def _read_rows(
    source: Source,
    options: Options,
    dialect: Dialect,
    rows: Iterator[Row],
    comments: list[str],
) -> Sheet:
    """Return the cells of rows, whose first may be a header."""
    line, first = next(rows, (0, []))
    if not line:
        raise ValueError(f"{source.name} is empty; expected rows, with or without a header")
    first = [cell.strip() for cell in first]
    below, error = _sample(rows)
    width = _width(first, [row for _, row in below])
    if len(first) == width + 1 and not first[-1]:
        del first[-1]
    sheet = Sheet([], [PackedCells(options) for _ in range(width)], delimiter=dialect.delimiter)
    wrong = _wrong_width(source.name, line, first, width, dialect)
    names: list[str] | None
    if len(first) == width:
        where = f"{source.name}, line {line}"
        names, note = _names(first, [row for _, row in below], comments, options, dialect, where)
        sheet.notes += [] if note is None else [note]
        if names is not first:
            below.insert(0, (line, first))
    elif len(first) == width - 1:
        if options.header is False or (options.header is None and any(map(is_value, first))):
            raise wrong
        rows_are_open = all(len(row) == width and not row[-1].strip() for _, row in below)
        sheet.row_names = not rows_are_open
        names = [*first, ""] if rows_are_open else ["", *first]
    else:
        raise wrong
    if comments:
        sheet.notes.append(
            f"{_counted(len(comments), 'comment')} above the table, with # or %, left out"
        )
    body: Iterator[Row] = chain(below, _raised(error) if error else rows)
    _fill(sheet, body, width, source, dialect)
    if not sheet.lines:
        raise ValueError(
            f"{source.name} has a header, line {line}, and no rows of data below it; "
            f"{parameter('header', False)} reads that line as data"
        )
    if width == 1 and options.delimiter is None:
        sheet.notes.append(
            f"no delimiter was found: the table has one column; {parameter('delimiter', ...)} "
            "gives one"
        )
    _leave_out_empty(sheet, names)
    _name(sheet, names)
    return sheet


def _names(
    first: list[str],
    below: list[list[str]],
    comments: list[str],
    options: Options,
    dialect: Dialect,
    where: str,
) -> tuple[list[str] | None, str | None]:
    """Return the names of the columns or None, and a note if that was a guess.

    They are in the first line or, as numpy.savetxt writes them, in the last comment above it, which
    is then removed from `comments`.
    """
    below = [[cell.strip() for cell in row] for row in below]
    is_header, note = first_is_header(first, below, options, where)
    if is_header:
        return first, note
    if comments and options.header is None:
        above = dialect.cells(comments[-1].strip().lstrip("#% "))
        if len(above) == len(first) and not any(map(is_value, above)):
            del comments[-1]
            return above, (
                "the comment above the table names its columns; "
                f"{parameter('header', False)} leaves it out"
            )
    return None, note


def _numbered(text: Iterator[str], dialect: Dialect, source: Source, skipped: int) -> Iterator[Row]:
    """Yield the number of a row's last line and its cells, without blank rows."""
    reader = dialect.reader(text)
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                yield skipped + reader.line_num, cells
    except csv.Error as error:  # unclosed or misplaced quotes, an over-long field
        line = skipped + reader.line_num
        raise ValueError(
            f"{source.name}, line {line}: not CSV: {error}. Cells in quotes end with a quote, and "
            "quotes within them are doubled"
        ) from error


def _sample(rows: Iterator[Row]) -> tuple[list[Row], ValueError | None]:
    """Return the next rows, up to the first that cannot be read, and the error of that one."""
    below: list[Row] = []
    try:
        below.extend(islice(rows, SAMPLE_ROWS))
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        return below, error
    return below, None


def _raised(error: ValueError) -> Iterator[Row]:
    nothing: tuple[Row, ...] = ()
    yield from nothing
    raise error


def _width(first: list[str], below: list[list[str]]) -> int:
    """Return the number of columns: that of most rows below the first line."""
    widths = [len(row) for row in below]
    return (
        max(set(widths), key=lambda n: (widths.count(n), n == len(first))) if widths else len(first)
    )


def _fill(sheet: Sheet, rows: Iterator[Row], width: int, source: Source, dialect: Dialect) -> None:
    """Add rows to the columns, block by block; not the empty ones at the end."""
    n_cut = n_comments = 0
    block: list[list[str]] = []
    empty: list[Row] = []
    for line, cells in rows:
        if len(cells) != width:
            if len(cells) == width + 1 and not cells[-1].strip():
                del cells[-1]
                n_cut += 1
            elif is_comment(cells[0]):
                n_comments += 1
                continue
            else:
                raise _wrong_width(source.name, line, cells, width, dialect)
        if width > 1 and not any(cells) and (sheet.lines or block):
            empty.append((line, cells))
            continue
        if empty:
            block += [row for _, row in empty]
            sheet.lines.extend(number for number, _ in empty)
            empty = []
        block.append(cells)
        sheet.lines.append(line)
        if len(block) >= BLOCK:
            _turn(block, sheet, source.budget)
            block = []
    if block:
        _turn(block, sheet, source.budget)
    if empty:
        rows_left_out = _counted(len(empty), "row")
        sheet.notes.append(
            f"{rows_left_out} at the end, from line {empty[0][0]}, without values, left out"
        )
    if n_cut:
        sheet.notes.append(f"a delimiter at the end of {_counted(n_cut, 'row')}, left out")
    if n_comments:
        sheet.notes.append(
            f"{_counted(n_comments, 'comment')} between the rows, with # or %, left out"
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _turn(block: list[list[str]], sheet: Sheet, budget: Budget) -> None:
    """Add a block of rows to the columns, and count their memory."""
    n_bytes = 8 * len(block)
    for column, cells in zip(sheet.columns, zip(*block, strict=True), strict=True):
        before = column.n_bytes
        column.add(cells)
        n_bytes += column.n_bytes - before
    budget.take(n_bytes, f"it has {len(sheet.lines)} rows or more of {len(sheet.columns)} columns")


def _leave_out_empty(sheet: Sheet, header: list[str] | None) -> None:
    """Leave out last columns without a name and cells."""
    n_left_out = 0
    while len(sheet.columns) > 1 and sheet.columns[-1].is_empty():
        if header is not None and header[len(sheet.columns) - 1 :] not in ([], [""]):
            break
        del sheet.columns[-1]
        n_left_out += 1
        header = header[: len(sheet.columns)] if header is not None else None
    if n_left_out:
        what = "the lines end with a delimiter: an empty last column was left out"
        sheet.notes.append(
            what if n_left_out == 1 else f"{n_left_out} empty columns without a name were left out"
        )


def _name(sheet: Sheet, names: list[str] | None) -> None:
    n_columns = len(sheet.columns)
    cells = [""] * n_columns if names is None else [" ".join(n.split()) for n in names[:n_columns]]
    sheet.unnamed = {i for i, cell in enumerate(cells) if not cell}
    sheet.names, notes = distinct_names(cells)
    sheet.notes += notes
    are_numbers = is_numbered(cells) and all(cell.isdecimal() for cell in cells if cell)
    sheet.has_names = names is not None and not are_numbers


def _wrong_width(
    source: str, line: int, cells: list[str], width: int, dialect: Dialect
) -> ValueError:
    n = len(cells)
    many = f"{n} column{'s' * (n != 1)}"
    by = WORDS.get(dialect.delimiter, repr(dialect.delimiter))
    hint = (
        "a title above the table, or a note below it, has to be removed; " if n == 1 else
        "cells that hold the delimiter must be in quotes; "
    )  # fmt: skip
    return ValueError(
        f"{source}, line {line}: {many}, {shown_cell(cells[0])} first, expected {width} as in the "
        f"other rows; the columns are taken to be separated by {by}: {hint}"
        f"{parameter('delimiter', ...)} gives another delimiter"
    )
