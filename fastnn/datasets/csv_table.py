"""CSV into numbers: one pass over the lines, each checked where it is read.

The delimiter is the one of comma, semicolon and tab that the first line has most of. The first
line is a header if no cell of it is a number, or if it counts columns from 0 and has a usual name
of a label. Every error names the file, the line and the column.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.known_columns import KnownColumns

DELIMITERS = ",;\t"
LABEL_NAMES = ("label", "target", "class", "y")  # in the order of preference
UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class _Layout:
    """What the first line tells: the columns' names, which is the label, where data begins."""

    path: Path
    names: list[str]
    label: int | None

    def where(self, line: int, column: int) -> str:
        return f"{self.path}, line {line}, column {column + 1} ({self.names[column]})"


@dataclass(frozen=True)
class CsvColumns:
    """A CSV file's features (n_rows, n_features) float64, its label column, and their names."""

    features: NDArray[np.float64]
    labels: NDArray[Any] | None
    feature_names: tuple[str, ...]
    label_name: str | None


def read_csv(
    path: Path, label: str | int | None, header: bool | None, known: KnownColumns | None = None
) -> CsvColumns:
    """Read a CSV file; `fastnn.datasets.read_table` says what its arguments mean.

    ``label=False`` reads every column as a feature, but the known label's.
    """
    with path.open("rb") as file:
        first = _first_line(file, path)
        reader = csv.reader(_lines(file, path), delimiter=_delimiter(first), strict=True)
        rows = _rows(reader, path)
        try:
            line, cells = next(rows)
        except StopIteration:
            raise ValueError(f"{path} has no lines; expected rows of numbers") from None
        known = known or KnownColumns()
        first_is_header = _is_header(cells) if header is None else header
        if header is None and known.are_in(cells, _is_number):
            first_is_header = True
        names = [cell.strip() or f"column {i + 1}" for i, cell in enumerate(cells)]
        if not first_is_header:
            names = [f"column {i + 1}" for i in range(len(cells))]
        with_labels, order = label is not False, None
        if label is None or (first_is_header and not with_labels):
            found = known.label_among(names, with_labels and first_is_header, path)
            label = label if found is None else names.index(found)
        layout = _Layout(path, names, _label_column(label, cells, first_is_header, path))
        if first_is_header:
            inputs = [i for i in range(len(names)) if i != layout.label]
            order = known.order(
                [names[i] for i in inputs], [not cells[i].strip() for i in inputs], path
            )
        if first_is_header:
            values, labels, lines = _read_rows(rows, layout)
            if not lines:
                raise ValueError(f"{path} has a header, line {line}, and no rows of data below it")
        else:
            values, labels, lines = _read_rows(_chain((line, cells), rows), layout)
            if header is None and _header_suspected(labels):
                raise ValueError(
                    f"{path}, line {line}: {labels[0]!r} stands where the other rows have a number;"
                    " say whether the line is a header: header=True or header=False"
                )

    feature_columns = [i for i in range(len(names)) if i != layout.label]
    features = np.frombuffer(values, dtype=np.float64).reshape(len(lines), len(feature_columns))
    finite = np.isfinite(features)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"{layout.where(lines[row], feature_columns[column])}: got {features[row, column]}, "
            "expected a finite number; fill or remove such cells first"
        )
    if order is not None and order != list(range(len(feature_columns))):
        features = features[:, order]
        feature_columns = [feature_columns[i] for i in order]
    has_labels = layout.label is not None and with_labels
    return CsvColumns(
        features,
        _label_array(labels, lines, layout) if has_labels else None,
        tuple(names[i] for i in feature_columns),
        names[layout.label] if has_labels else None,  # type: ignore[index]
    )


def _first_line(file: BinaryIO, path: Path) -> bytes:
    """Return the first line that is not empty, and go back to the beginning, past a BOM."""
    start = len(UTF8_BOM) if file.read(len(UTF8_BOM)) == UTF8_BOM else 0
    file.seek(start)
    first = next((line for line in file if line.strip()), None)
    if first is None:
        raise ValueError(f"{path} is empty; expected rows of numbers, with or without a header")
    file.seek(start)
    return first


def _delimiter(first: bytes) -> str:
    outside_quotes = b"".join(first.split(b'"')[::2])
    return max(DELIMITERS, key=lambda delimiter: outside_quotes.count(delimiter.encode()))


def _lines(file: BinaryIO, path: Path) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if b"\0" in line:
            raise ValueError(
                f"{path}, line {number}: a NUL byte; expected text. If it is UTF-16, save it as "
                "UTF-8"
            )
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8; save the "
                "file as UTF-8"
            ) from error


def _rows(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of a row's last line and its cells, without the empty rows."""
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                yield reader.line_num, cells
    except csv.Error as error:  # unclosed or misplaced quotes, an over-long field
        raise ValueError(f"{path}, line {reader.line_num}: not CSV: {error}") from error


def _chain(
    first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest


def _read_rows(
    rows: Iterator[tuple[int, list[str]]], layout: _Layout
) -> tuple[array[float], list[str], array[int]]:
    """Return all features in one flat array, the labels as text, and each row's line number."""
    values, labels, lines = array("d"), [], array("q")
    width, label = len(layout.names), layout.label
    for line, cells in rows:
        if len(cells) != width:
            raise ValueError(
                f"{layout.path}, line {line}: {len(cells)} columns, expected {width} as in the "
                "first row"
            )
        try:
            if label is not None:
                labels.append(cells.pop(label))
            values.extend(map(float, cells))
            if any("_" in cell for cell in cells):  # float() takes 1_000 as Python does
                raise ValueError
        except ValueError:
            column, cell = next((i, c) for i, c in enumerate(cells) if not _is_number(c))
            column += label is not None and column >= label
            raise ValueError(
                f"{layout.where(line, column)}: got {_shown(cell)}, expected a number"
            ) from None
        lines.append(line)
    return values, labels, lines


def _shown(cell: str) -> str:
    if not cell.strip():
        return "an empty cell"
    shown = repr(cell if len(cell) <= 40 else cell[:40] + "…")
    return shown + " (a decimal comma?)" if _is_number(cell.replace(",", ".", 1)) else shown


def _is_number(cell: str) -> bool:
    """Tell whether a cell reads as a number, nan and inf included, as CSV writers spell one."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_header(cells: list[str]) -> bool:
    """Tell names from data; pandas names columns 0, 1, 2 … if nobody else does."""
    numbers = [cell.strip() for cell in cells if _is_number(cell)]
    if not numbers:
        return True
    has_label_name = any(cell.strip().lower() in LABEL_NAMES for cell in cells)
    return has_label_name and numbers == [str(i) for i in range(len(numbers))]


def _header_suspected(labels: list[str]) -> bool:
    """Tell whether only the first label is no number: a header of numbers and one name."""
    return len(labels) > 1 and not _is_number(labels[0]) and all(map(_is_number, labels[1:]))


def _label_column(
    label: str | int | None, cells: list[str], is_header: bool, path: Path
) -> int | None:
    width = len(cells)
    names = [cell.strip() for cell in cells] if is_header else []
    if label is False:
        return None
    if width < 2:
        raise ValueError(
            f"{path} has one column; expected at least one feature and a label, separated by "
            "comma, semicolon or tab"
        )
    if label is None:
        lowered = [name.lower() for name in names]
        usual = (lowered.index(name) for name in LABEL_NAMES if name in lowered)
        return next(usual, width - 1)
    if isinstance(label, str) and label in names:
        if names.count(label) > 1:
            raise ValueError(f"{path} has {names.count(label)} columns {label!r}; name an index")
        return names.index(label)
    try:
        index = int(label)
    except ValueError:
        known = ", ".join(map(repr, names)) if names else f"no header; name one of its {width}"
        raise ValueError(f"{path} has no column {label!r}: it has {known}") from None
    if not -width <= index < width:
        raise ValueError(
            f"{path} has {width} columns; label={label} is none of them, count from 0 to "
            f"{width - 1} or from the end with -1"
        )
    return index % width


def _label_array(labels: list[str], lines: array[int], layout: _Layout) -> NDArray[Any]:
    """Return int64 if every label is a whole number, float64 if all are numbers, else strings."""
    assert layout.label is not None
    labels = [label.strip() for label in labels]
    for line, label in zip(lines, labels, strict=True):
        if not label:
            raise ValueError(
                f"{layout.where(line, layout.label)}: got an empty cell, expected a label"
            )
    if not all(map(_is_number, labels)):
        return np.array(labels)
    try:
        return np.array([int(label) for label in labels], dtype=np.int64)
    except (ValueError, OverflowError):
        numbers = np.array(labels, dtype=np.float64)
    for line, number in zip(lines, numbers.tolist(), strict=True):
        if not math.isfinite(number):
            raise ValueError(
                f"{layout.where(line, layout.label)}: got {number}, expected a finite number"
            )
    return numbers
