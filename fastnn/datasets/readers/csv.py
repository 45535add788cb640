"""Reading CSV files in one pass over the lines, each checked as it is read.

The delimiter is the most frequent one of comma, semicolon and tab in the first line. Errors give
file, line and column.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.readers.columns import Columns, are_distinct, left_out, name_rows, row_numbers
from fastnn.datasets.readers.conversion import first_not_finite
from fastnn.datasets.readers.csv_cells import FLAGS, is_flag, is_number, shown
from fastnn.datasets.readers.csv_header import SAMPLE_ROWS, is_header, is_numbered
from fastnn.datasets.readers.csv_refusals import BadCells, Layout, label_array
from fastnn.datasets.readers.csv_text import UNCOUNTED, Held, Text, bytes_of_cells
from fastnn.datasets.readers.known_columns import KnownColumns
from fastnn.datasets.readers.label_column import LabelColumn, check_guess, label_column
from fastnn.datasets.readers.sources import Source
from fastnn.tabular.identifiers import is_written_for_rows
from fastnn.validation.frames import some
from fastnn.validation.parameters import parameter
from fastnn.validation.values import shortened

DELIMITERS = ",;\t"
LOOKED_AT = 6 * 8  # bytes per row: sorted copies of two columns, and counts

Row = tuple[int, list[str]]


def read_csv(
    source: Source, label: str | int | None, header: bool | None, known: KnownColumns
) -> Columns:
    """Read a CSV file; `fastnn.datasets.read_table` describes the arguments.

    ``label=False`` reads every column as a feature, except that of the known label.
    """
    name, budget = source.name, source.budget
    text = Text(source.stream, name, budget)
    number, first_line = text.first_line()
    reader = csv.reader(text.lines(), delimiter=delimiter_of(first_line), strict=True)
    rows = _rows(reader, name, number - 1)
    try:
        line, cells = next(rows)
    except StopIteration:
        raise ValueError(f"{name} has no lines; expected rows of numbers") from None
    if len(cells) == 1 and len(numbers := cells[0].split()) > 1 and all(map(is_number, numbers)):
        raise ValueError(
            f"{name}, line {line}: columns are separated by spaces; expected comma, semicolon "
            "or tab"
        )
    below, error = _sample(rows)
    sample_bytes = sum(map(bytes_of_cells, [cells, *(row for _, row in below)]))
    budget.take(sample_bytes, f"its first {1 + len(below)} rows have up to {len(cells)} cells")
    known_header = header is None and known.are_in(cells, is_number)
    first_is_header = known_header or header_or_not(cells, below, header, name, line)
    stripped = [cell.strip() for cell in cells]
    names = stripped if first_is_header else None
    column = label_column(known.label_of(label, names, name), names, len(cells), name)
    layout = _layout(name, stripped, first_is_header, column, known)
    order = _order(known, layout, first_is_header, stripped)
    if not first_is_header:
        below.insert(0, (line, cells))
    body: Iterator[Row] = chain(below, _raised(error) if error else rows)
    flags = _flag_columns(below, layout)
    if flags:
        body = _flags_as_numbers(body, flags, layout)
    values, labels, row_names, line_numbers = _read_rows(body, layout, text)
    budget.give_back(sample_bytes)
    if not line_numbers:
        raise ValueError(f"{name} has a header, line {line}, and no rows of data below it")

    features = np.frombuffer(values, dtype=np.float64).reshape(len(line_numbers), -1)
    if first_not_finite(features) is not None:
        bad = BadCells(layout)
        bad.add_numbers(features, line_numbers)
        refusal = bad.error(len(line_numbers))
        assert refusal is not None
        raise refusal
    notes = []
    if first_is_header and header is None and is_numbered(cells):
        notes.append(f"line {line} numbers the columns and was read as a header")
    if flags:
        notes.append(f"True and False are read as 1 and 0 {_columns_of(flags, layout)}")
    feature_names = [layout.names[i] for i in layout.features]
    if layout.has_row_names:
        if name_rows(row_names):
            notes.append(left_out(1, stripped[0]))
        else:
            copied = features.nbytes + 2 * 8 * len(features)
            budget.take(copied, "its first column is copied to the others")
            features = np.column_stack([_numbers(row_names, line_numbers, layout), features])
            feature_names.insert(0, layout.names[0])
            order = known.order(feature_names, [not stripped[0]], name)
    if order != list(range(len(order))):
        budget.take(features.nbytes, "its columns are reordered for the network")
        features = features[:, order]
        feature_names = [feature_names[i] for i in order]
    own_names = first_is_header and not is_numbered(cells)
    label_values = None
    if column.index is not None and label is not False:
        label_values = label_array(labels, line_numbers, layout, budget)
        budget.check(LOOKED_AT * len(features), f"its {len(features)} labels are examined")
        if column.by_position:
            check_guess(features, label_values, name, has_names=own_names)
        notes += row_numbers(features, tuple(feature_names))
    return Columns(
        features,
        label_values,
        tuple(feature_names),
        None if label_values is None else layout.names[column.index],  # type: ignore[index]
        column.reason,
        own_names and are_distinct(stripped[int(layout.has_row_names) :]),
        tuple(notes),
    )


def delimiter_of(first: bytes) -> str:
    """Return the delimiter of a file, by its first line."""
    outside_quotes = b"".join(first.split(b'"')[::2])
    if re.search(rb"[;\t]", outside_quotes) and not re.search(rb",(?!\d)|(?<!\d),", outside_quotes):
        outside_quotes = outside_quotes.replace(b",", b"")  # decimal commas: 1,5;2,5
    return max(DELIMITERS, key=lambda delimiter: outside_quotes.count(delimiter.encode()))


def _rows(reader: Any, name: str, skipped: int) -> Iterator[Row]:
    """Yield the number of a row's last line and its cells, without the empty rows."""
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                yield skipped + reader.line_num, cells
    except csv.Error as error:  # unclosed or misplaced quotes, an over-long field
        line = skipped + reader.line_num
        raise ValueError(f"{name}, line {line}: not CSV: {error}") from error


def _sample(rows: Iterator[Row]) -> tuple[list[Row], ValueError | None]:
    """Return the next rows, up to the first that cannot be read, and the error of that one."""
    below: list[Row] = []
    try:
        below.extend(islice(rows, SAMPLE_ROWS))
    except ValueError as error:
        return below, error
    return below, None


def _raised(error: ValueError) -> Iterator[Row]:
    nothing: tuple[Row, ...] = ()
    yield from nothing
    raise error


def header_or_not(
    cells: list[str], below: list[Row], header: bool | None, name: str, line: int
) -> bool:
    """Return whether the first line, of these cells, names the columns.

    Raises
    ------
    ValueError
        If `header` does not say, and neither do the rows below.
    """
    if header is not None:
        return header
    found = is_header(cells, [row for _, row in below])
    if found is None:
        word = next((cell for cell in cells if not is_number(cell)), None)
        what = f"{shortened(str(word))!r} is text where the other rows have a number"
        if word is None or is_numbered(cells):
            what = "the numbers are either column names from 0, as in pandas, or a row of data"
        raise ValueError(
            f"{name}, line {line}: {what}; specify whether the line is a header: "
            f"{parameter('header', True)} or {parameter('header', False)}"
        )
    return found


def _layout(
    name: str, cells: list[str], is_header: bool, column: LabelColumn, known: KnownColumns
) -> Layout:
    names = [(cell if is_header else "") or f"column {i}" for i, cell in enumerate(cells, start=1)]
    enough = len(cells) - (column.index is not None) > 1
    names_rows = is_header and column.index != 0 and enough and is_written_for_rows(cells[0])
    names_rows = names_rows and names[0] not in (known.features or ())  # it was learned from
    return Layout(name, names, column.index, column.reason is not None, names_rows)


def _order(known: KnownColumns, layout: Layout, is_header: bool, cells: list[str]) -> list[int]:
    """Return the network's order of the features; errors name missing ones."""
    if not is_header:
        return list(range(len(layout.features)))
    names = [layout.names[i] for i in layout.features]
    return known.order(names, [not cells[i] for i in layout.features], layout.source)


def _flag_columns(sample: list[Row], layout: Layout) -> list[int]:
    """Return which features hold only True and False in a sample of the rows."""
    rows = [cells for _, cells in sample if len(cells) == len(layout.names)]
    return [i for i in layout.features if rows and all(is_flag(cells[i]) for cells in rows)]


def _columns_of(flags: list[int], layout: Layout) -> str:
    names = some([layout.names[i] for i in flags])
    return f"in column {names}" if len(flags) == 1 else f"in {len(flags)} columns, {names}"


def _flags_as_numbers(rows: Iterator[Row], flags: list[int], layout: Layout) -> Iterator[Row]:
    """Yield the rows with 1 and 0 in columns of True and False."""
    for line, cells in rows:
        if len(cells) == len(layout.names):  # what has another width is refused elsewhere
            for i in flags:
                if not is_flag(cells[i]):
                    raise ValueError(
                        f"{layout.where(line, i)}: got {shown(cells[i])}, expected True or False "
                        "as in the rows above: write 1 and 0 if the column holds other numbers too"
                    )
                cells[i] = FLAGS[cells[i].strip().lower()]
        yield line, cells


def _read_rows(
    rows: Iterator[Row], layout: Layout, text: Text
) -> tuple[array[float], list[str], list[str], array[int]]:
    """Return all features in one flat array, the labels, the row names and line numbers."""
    values, lines = array("d"), array("q")
    labels: list[str] = []
    row_names: list[str] = []
    held = Held((values, labels, row_names, lines), text.budget)
    width, label = len(layout.names), layout.label
    for line, cells in rows:
        if text.pending > UNCOUNTED:
            held.count(f"it has more than {len(lines)} rows of {width} columns")
            text.pending = 0
        if len(cells) != width:
            raise _wrong_width(cells, width, line, layout)
        if label is not None:
            labels.append(cells.pop(label).strip())
        if layout.has_row_names:
            row_names.append(cells.pop(0))
        try:
            values.extend(map(float, cells))
            if any("_" in cell for cell in cells):  # float() takes 1_000 as Python does
                raise ValueError
        except ValueError:
            if layout.has_row_names:
                cells.insert(0, row_names[-1])
            if label is not None:
                cells.insert(label, labels[-1])
            raise _refusal(values, lines, (line, cells), rows, layout) from None
        lines.append(line)
    held.count(f"it has {len(lines)} rows of {width} columns")
    return values, labels, row_names, lines


def _refusal(
    values: array[float], lines: array[int], row: Row, rest: Iterator[Row], layout: Layout
) -> ValueError:
    """Return the error for a cell that is no number, with a count of those in the whole file."""
    bad, n_features, n_rows = BadCells(layout), len(layout.features), len(lines)
    read = np.frombuffer(values, np.float64, n_rows * n_features).reshape(n_rows, n_features)
    bad.add_numbers(read, lines)
    try:
        for line, cells in chain([row], rest):
            if len(cells) == len(layout.names):
                n_rows += 1
                bad.add_row(line, cells)
    except ValueError:  # a later line that cannot be read: this error is enough
        pass
    error = bad.error(n_rows)
    assert error is not None
    return error


def _wrong_width(cells: list[str], width: int, line: int, layout: Layout) -> ValueError:
    hint = ""
    if width == 1 or len(cells) == 1:
        hint = "; columns are separated by comma, semicolon or tab"
    return ValueError(
        f"{layout.source}, line {line}: {len(cells)} columns, expected {width} as in the first row"
        + hint
    )


def _numbers(cells: list[str], lines: array[int], layout: Layout) -> NDArray[np.float64]:
    """Return a column that could have named the rows, and does not, as the feature it is."""
    alone = Layout(layout.source, layout.names[:1], None, layout.label_was_guessed, False)
    bad = BadCells(alone)
    for line, cell in zip(lines, cells, strict=True):
        bad.add_row(line, [cell])
    error = bad.error(len(cells))
    if error is not None:
        raise error
    return np.array(cells, dtype=np.float64)
