"""The columns of a file as numbers, with its label column: the result of readers of columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.readers.csv_cells import is_number
from fastnn.datasets.tables import Table

FEWEST_ROWS = 10  # minimum for a note about a column of row numbers

Array = NDArray[Any]


@dataclass(frozen=True)
class Columns:
    """Features (n_rows, n_features) float64, the label column, and what was inferred about them.

    `has_names` is whether the feature names are from the file, and distinct; `notes` are
    sentences about what was inferred or left out.
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
    """Return the note about a column with row numbers or names."""
    called = f"{name!r} holds" if name.strip() else "has no name and holds"
    return f"column {number} {called} row numbers or names, and was left out"


def name_rows(cells: list[str]) -> bool:
    """Return whether the cells of an unnamed column are row numbers or names."""
    if len(set(cells)) < len(cells):
        return False
    return not all(map(is_number, cells)) or all(float(cell).is_integer() for cell in cells)


def are_distinct(names: list[str]) -> bool:
    """Return whether the names are distinct and not empty."""
    return all(names) and len(set(names)) == len(names)


def row_numbers(features: NDArray[np.float64], names: tuple[str, ...]) -> list[str]:
    """Return notes about columns of row numbers from 0 or 1."""
    n_rows = len(features)
    if n_rows < FEWEST_ROWS:
        return []
    first, last = features[0], features[-1]
    suspects = np.flatnonzero(np.isin(first, (0, 1)) & (last - first == n_rows - 1))
    return [
        f"column {names[i]!r} holds row numbers: remove it, unless it is meaningful for new rows"
        for i in suspects
        if (np.diff(features[:, i]) == 1).all()
    ]
