"""A file's columns as numbers, with its label column: what every reader of columns returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.readers.csv_cells import is_number
from fastnn.datasets.tables import Table

FEWEST_ROWS = 10  # that a column which counts them must have, to be remarked on

Array = NDArray[Any]


@dataclass(frozen=True)
class Columns:
    """Features (n_rows, n_features) float64, the label column, and what was guessed about them.

    `has_names` says whether the features' names are the file's own, and no two alike; `notes` are
    sentences about what was guessed or left out.
    """

    features: NDArray[np.float64]
    labels: Array | None
    feature_names: tuple[str, ...]
    label_name: str | None
    label_reason: str | None
    has_names: bool
    notes: tuple[str, ...]

    def table(self, name: str) -> Table:
        """Return them as a table of that name."""
        return Table(
            name,
            self.features,
            self.labels,
            self.feature_names,
            self.label_name,
            has_names=self.has_names,
            label_reason=self.label_reason,
            notes=self.notes,
        )


def left_out(number: int, name: str) -> str:
    """Return the note about a column that only names the rows."""
    called = f"{name!r} " if name.strip() else "has no name, it "
    return f"column {number} {called}numbers or names the rows and was left out"


def name_rows(cells: list[str]) -> bool:
    """Tell whether the cells of a column without a name tell the rows apart and measure nothing."""
    if len(set(cells)) < len(cells):
        return False
    return not all(map(is_number, cells)) or all(float(cell).is_integer() for cell in cells)


def are_distinct(names: list[str]) -> bool:
    """Tell whether columns can be told apart by their names."""
    return all(names) and len(set(names)) == len(names)


def row_numbers(features: NDArray[np.float64], names: tuple[str, ...]) -> list[str]:
    """Return notes about the columns that count the rows from 0 or 1."""
    n_rows = len(features)
    if n_rows < FEWEST_ROWS:
        return []
    first, last = features[0], features[-1]
    suspects = np.flatnonzero(np.isin(first, (0, 1)) & (last - first == n_rows - 1))
    return [
        f"column {names[i]!r} counts the rows: remove it, unless it says something about new ones"
        for i in suspects
        if (np.diff(features[:, i]) == 1).all()
    ]
