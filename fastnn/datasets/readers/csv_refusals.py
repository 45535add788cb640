"""Errors for invalid cells of a CSV file: where, how many, what to do."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.readers.conversion import blocks
from fastnn.datasets.readers.csv_cells import has_comma, is_flag, is_missing, is_number, shown
from fastnn.datasets.task import FEW
from fastnn.system.memory_budget import Budget
from fastnn.system.printable import named
from fastnn.validation.parameters import parameter
from fastnn.validation.values import shortened

COLUMNS_SHOWN = 3


@dataclass(frozen=True)
class Layout:
    """The layout of the columns: names, label column, and whether the first holds row names.

    `features` are the indices of all other columns.
    """

    source: str
    names: list[str]
    label: int | None
    label_was_guessed: bool
    has_row_names: bool
    features: list[int] = field(init=False)

    def __post_init__(self) -> None:
        others = range(int(self.has_row_names), len(self.names))
        object.__setattr__(self, "features", [i for i in others if i != self.label])

    def where(self, line: int, column: int) -> str:
        """Return the location of a cell for errors."""
        name = named(shortened(self.names[column]))
        return f"{self.source}, line {line}, column {column + 1} ({name})"


class BadCells:
    """The first cell that is not a finite number, and the number of bad cells of each kind."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._first: tuple[int, int, str] | None = None
        self._missing: Counter[int] = Counter()
        self._commas: Counter[int] = Counter()
        self._texts: Counter[int] = Counter()
        self._flags: Counter[int] = Counter()

    def add_numbers(self, features: NDArray[np.float64], lines: array[int]) -> None:
        """Count non-finite numbers in rows already read."""
        for rows in blocks(features, 2 * 8 + 150):  # an index by itself is that many bytes
            for row, i in np.argwhere(~np.isfinite(features[rows])).tolist():
                number = features[rows.start + row, i]
                self._add(lines[rows.start + row], self._layout.features[i], str(number))

    def add_row(self, line: int, cells: Sequence[str]) -> None:
        """Count cells of a row of the file that are not finite numbers."""
        for column in self._layout.features:
            cell = cells[column]
            if not (is_number(cell) and math.isfinite(float(cell))):
                self._add(line, column, cell)

    def _add(self, line: int, column: int, cell: str) -> None:
        if self._first is None:
            self._first = line, column, cell
        if is_missing(cell) or is_number(cell):
            self._missing[column] += 1
        elif has_comma(cell):
            self._commas[column] += 1
        else:
            self._texts[column] += 1
            self._flags[column] += is_flag(cell)

    def error(self, n_rows: int) -> ValueError | None:
        """Return the error about them, or None if there are none; the file has `n_rows` rows."""
        if self._first is None:
            return None
        line, column, cell = self._first
        if is_number(cell):
            got = f"got {float(cell)}, expected a finite number"
        else:
            got = f"got {shown(cell)}, expected a number"
        where = self._layout.where(line, column)
        return ValueError(f"{where}: {got}; {self._advice(column, n_rows)}")

    def _advice(self, column: int, n_rows: int) -> str:
        texts, name = self._texts[column], self._layout.names[column]
        if self._flags[column]:
            return (
                f"{self._flags[column]} of {n_rows} rows have True or False there, but others do "
                "not: write 1 and 0 in all of them"
            )
        if texts > n_rows // 2:
            own = name != f"column {column + 1}" and name == shortened(name)
            label = f", or make it the label: {parameter('label', name if own else column)}"
            return (
                f"{texts} of {n_rows} rows have text there. Remove the column, one-hot encode it "
                "(pandas.get_dummies)" + (label if self._layout.label_was_guessed else "")
            )
        if texts:
            return f"{texts} of {n_rows} rows have text there: correct or remove them"
        if self._commas[column]:
            return (
                f"{self._commas[column]} of {n_rows} rows have commas there. Write numbers with a "
                "decimal point and no commas: pandas.read_csv has decimal= and thousands= for it"
            )
        others = [
            f"{count} in column {i + 1} ({named(shortened(self._layout.names[i]))})"
            for i, count in sorted(self._missing.items())
            if i != column
        ]
        if len(others) > COLUMNS_SHOWN:
            others[COLUMNS_SHOWN:] = [f"more in {len(others) - COLUMNS_SHOWN} other columns"]
        return (
            f"{self._missing[column]} of {n_rows} rows have none there"
            + "".join(f", {other}" for other in others)
            + ". Fill such cells, for example with the median, or remove their rows or columns"
        )


def label_array(
    labels: list[str], lines: Sequence[int], layout: Layout, budget: Budget
) -> NDArray[Any]:
    """Return int64 if every label is a whole number, float64 if all are numbers, else strings."""
    if "" in labels:
        raise _label_error(labels, lines, layout, [not label for label in labels], "a label")
    budget.take(2 * 8 * len(labels), f"it has {len(labels)} labels")
    are_numbers = [is_number(label) for label in labels]
    if not all(are_numbers):
        _check_text(labels, lines, layout, are_numbers)
        longest = max(map(len, labels))
        reason = f"its labels become text, {len(labels)} of up to {longest} characters"
        budget.take(4 * longest * len(labels), reason)
        return np.array(labels)
    try:
        return np.fromiter(map(int, labels), np.int64, len(labels))
    except (ValueError, OverflowError):
        numbers = np.fromiter(map(float, labels), np.float64, len(labels))
    finite = np.isfinite(numbers)
    if not finite.all():
        raise _label_error(labels, lines, layout, (~finite).tolist(), "a finite number")
    return numbers


def _check_text(
    labels: list[str], lines: Sequence[int], layout: Layout, are_numbers: list[bool]
) -> None:
    """Check that labels are not text merely because of a few invalid cells."""
    texts = {label for label, is_one in zip(labels, are_numbers, strict=True) if not is_one}
    n_numbers = sum(are_numbers)
    n_different = len({label for label, is_one in zip(labels, are_numbers, strict=True) if is_one})
    is_mistake = (
        (2 * n_numbers >= len(labels) and all(map(is_missing, texts)))
        or (2 * n_numbers >= len(labels) and n_different > FEW)
        or all(map(has_comma, texts))
    )
    if is_mistake:
        bad = [not is_one for is_one in are_numbers]
        raise _label_error(labels, lines, layout, bad, "a number, like the others")


def _label_error(
    labels: list[str], lines: Sequence[int], layout: Layout, bad: list[bool], expected: str
) -> ValueError:
    assert layout.label is not None
    row, n_bad = bad.index(True), sum(bad)
    got = labels[row].lower() if is_number(labels[row]) else shown(labels[row])
    like = "such a cell" if n_bad > 1 else "this cell"
    return ValueError(
        f"{layout.where(lines[row], layout.label)}: got {got}, expected {expected}; {n_bad} of "
        f"{len(labels)} rows have {like} as their label: correct or remove them"
    )
