"""A text file as a `Frame`: the cells, then each column with its kind."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.mixed.arff import MISSING as ARFF_MISSING
from fastnn.datasets.mixed.arff import Attribute, begins_arff, read_head, row_dialect
from fastnn.datasets.mixed.cells import Sheet, filled, read_cells
from fastnn.datasets.mixed.columns import TextCells
from fastnn.datasets.mixed.dialect import SAMPLE_LINES
from fastnn.datasets.mixed.forced import read_as
from fastnn.datasets.mixed.kinds import Guess, decimal_of, guessed
from fastnn.datasets.mixed.lines import FALLBACK, NAMES, Lines, encodings_of, undecodable
from fastnn.datasets.mixed.numbers import Decimal
from fastnn.datasets.mixed.options import Options, Place, shown_cell
from fastnn.datasets.mixed.packed import BYTES_OF_A_CELL
from fastnn.datasets.readers.columns import left_out, name_rows
from fastnn.datasets.readers.sources import Source
from fastnn.tabular.frame import Column, Frame
from fastnn.tabular.identifiers import is_written_for_rows
from fastnn.tabular.kinds import not_read
from fastnn.validation.frames import some
from fastnn.validation.parameters import parameter

_LIBSVM = re.compile(r"\s*[-+\d.,]+(\s+qid:\d+)?(\s+\d+:[-+\d.eE]+)+\s*(#.*)?$")

_WRITTEN_WITH = {
    ".": "decimal points",
    ",": "decimal commas",
    "day first": "the day first",
    "month first": "the month first",
}


def read_text(source: Source, options: Options, encoding: str | None) -> Frame:
    """Read delimited text or ARFF; `fastnn.datasets.read_frame` describes the arguments."""
    taken = source.budget.taken
    for name in (encoding,) if encoding else encodings_of(source):
        source.stream.seek(0)
        source.budget.taken = taken
        try:
            with Lines(source, name) as lines:
                frame = _read(source, lines, options)
        except UnicodeDecodeError as error:
            failed = undecodable(source, name, error)
            continue
        if encoding is None and name in NAMES:
            how = f"; {parameter('encoding', ...)} gives another" if name == FALLBACK else ""
            frame = replace(frame, notes=(f"read as {NAMES[name]}{how}", *frame.notes))
        return frame
    raise failed


def _read(source: Source, lines: Lines, options: Options) -> Frame:
    text = lines.read(source.budget)
    head: list[str] = []
    for line in text:
        head.append(line)
        if line.strip() and not line.lstrip().startswith("%"):
            break
    stream = chain(head, text)
    if head and begins_arff(head[-1]):
        return _read_arff(source, stream, options)
    if head and _LIBSVM.match(head[-1]):
        raise ValueError(
            f"{source.name} is in the sparse format of LIBSVM, index:value: read it with "
            "sklearn.datasets.load_svmlight_file, whose rows can be given to fit"
        )
    sheet = read_cells(source, stream, options)
    notes = list(sheet.notes)
    named = {*sheet.names}
    columns = list(range(len(sheet.names)))
    if _names_rows(sheet, options):
        columns.remove(0)
        named.discard(sheet.names[0])
        notes.append(left_out(1, "" if 0 in sheet.unnamed else sheet.names[0]))
    unknown = [name for name in options.kinds if name not in named]
    if unknown:
        notes.append(f"the file has no columns {some(unknown)}, whose kinds were given")
    texts = [
        TextCells(Place(source.name, sheet.lines, i, sheet.names[i]), sheet.columns[i])
        for i in columns
    ]
    dropped = options.dropped([text.place.name for text in texts])
    looked_at = [text for text in texts if text.place.name not in dropped]
    decimal = decimal_of(looked_at, options, sheet.delimiter)
    likely: Decimal = "," if sheet.delimiter == ";" else "."
    guesses = []
    n_rows = len(sheet.lines)
    for text_cells in texts:
        name = text_cells.place.name
        if name in dropped:
            guesses.append(Guess(not_read(name, n_rows)))
            continue
        source.budget.check(
            text_cells.packed.n_bytes + BYTES_OF_A_CELL * n_rows,
            f"column {name!r} has {n_rows} cells, which are looked at",
        )
        source.budget.take(8 * n_rows, f"column {name!r} has {n_rows} cells")
        kind = options.kinds.get(name)
        if kind is None:
            guesses.append(guessed(text_cells, options, decimal, likely))
        else:
            guesses.append(Guess(read_as(kind, text_cells, options, decimal, likely)))
        text_cells.forget()
    _check_odd_rows(guesses, texts, sheet.lines, source.name)
    found = tuple(guess.column for guess in guesses)
    notes += [note for column in found if (note := _otherwise(column, options))]
    return Frame(found, n_rows, sheet.has_names, tuple(notes), _lines(sheet))


def _lines(sheet: Sheet) -> NDArray[np.int64]:
    return np.array(sheet.lines, np.int64)


def _otherwise(column: Column, options: Options) -> str | None:
    """Return a note about a column that is not written as it was said to be."""
    here, known = column.notation, options.notations.get(column.name)
    if here is None or known is None or here == known:
        return None
    return (
        f"column {column.name!r} is written with {_WRITTEN_WITH[here]}, but was with "
        f"{_WRITTEN_WITH[known]} in training: it is read as written here"
    )


def _names_rows(sheet: Sheet, options: Options) -> bool:
    """Return whether the first column holds row numbers or names, not values."""
    if len(sheet.columns) < 2 or sheet.names[0] in options.kinds:
        return False
    if sheet.row_names:
        return True
    name = "" if 0 in sheet.unnamed else sheet.names[0]
    return sheet.has_names and is_written_for_rows(name) and name_rows(sheet.columns[0].cells())


def _check_odd_rows(
    guesses: list[Guess], texts: list[TextCells], lines: array[int], source: str
) -> None:
    """Refuse a line of text below which, or above which, several columns are all numbers.

    Raises
    ------
    ValueError
        If there is one: it holds units or totals.
    """
    by_row: dict[int, list[TextCells]] = defaultdict(list)
    for guess, text in zip(guesses, texts, strict=True):
        if guess.odd_row is not None:
            by_row[guess.odd_row].append(text)
    for row, odd in by_row.items():
        if len(odd) > 1:
            shown = ", ".join(f"{t.place.name}: {shown_cell(t.cells[row])}" for t in odd[:3])
            raise ValueError(
                f"{source}, line {lines[row]}: text in {len(odd)} columns whose other cells are "
                f"numbers ({shown}): if the line holds units, totals or a second header, remove it"
            )


def _read_arff(source: Source, text: Iterator[str], options: Options) -> Frame:
    options = replace(options, markers=ARFF_MISSING, markers_of_text=ARFF_MISSING)
    attributes, last = read_head(enumerate(text, start=1), source.name)
    sample = list(islice(text, SAMPLE_LINES))
    first = next((line for line in sample if line.strip() and line[0] != "%"), "")
    if first.lstrip().startswith("{"):
        raise ValueError(
            f"{source.name}, line {last + 1}: sparse ARFF, rows within {{}}; expected rows with "
            "all cells: write it as dense ARFF or as CSV"
        )
    rows = (line if line[:1] != "%" else "\n" for line in chain(sample, text))
    sheet = filled(
        source,
        options,
        row_dialect([line for line in sample if line.strip()] or [","]),
        rows,
        last,
        [attribute.name for attribute in attributes],
    )
    columns = []
    dropped = options.dropped(sheet.names)
    for i, attribute in enumerate(attributes):
        if sheet.names[i] in dropped:
            columns.append(not_read(sheet.names[i], len(sheet.lines)))
            continue
        place = Place(source.name, sheet.lines, i, sheet.names[i])
        columns.append(_declared(TextCells(place, sheet.columns[i]), attribute, options))
    return Frame(tuple(columns), len(sheet.lines), True, tuple(sheet.notes), _lines(sheet))


def _declared(text: TextCells, attribute: Attribute, options: Options) -> Column:
    """Return a column of the kind that the attribute declares, unless another is given."""
    kind = options.kinds.get(text.place.name, attribute.kind)
    column = read_as(kind, text, options, ".", ".")
    if kind != "text" or attribute.categories is None:
        return column
    known = {*attribute.categories, None}
    for cell in dict.fromkeys(column.values.tolist()):
        if cell not in known:
            row = text.cells.index(cell)
            raise ValueError(
                f"{text.place.of(row)}: got {shown_cell(cell)}, expected one of the categories of "
                f"its @attribute, {some(attribute.categories)}"
            )
    categories = tuple(c for c in attribute.categories if c not in ("", "?"))
    return replace(column, categories=categories)
