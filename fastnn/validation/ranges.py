"""A warning about columns that should be standardized."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array

LOOKED_AT = 4096
"""Number of leading rows that are examined."""

FEW = 64
"""Rows that nearly always show that there is nothing to warn of."""

APART = 1e3
"""Maximum ratio of the sizes of two columns."""

FAR = 100.0
"""Maximum distance of a mean from 0 in deviations, if the mean is also above this number."""


def warn_of_ranges(x: Array, names: Sequence[str] | None, stacklevel: int) -> None:
    """Warn if columns are of very different ranges, or far from 0.

    x is a checked array (n_rows, n_in); bytes and constant columns are skipped. The size of a
    column is its largest absolute value, so that pixels that are seldom non-zero do not count as
    small.
    """
    if x.dtype == np.uint8 or len(x) < 2:
        return
    rows = x[:LOOKED_AT]
    if _are_alike(rows):
        return
    low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
    varies = np.flatnonzero(low < high)
    if not len(varies):
        return
    size = np.maximum(np.abs(low), np.abs(high))[varies]
    smallest, largest = varies[size.argmin()], varies[size.argmax()]
    problem = ""
    if size.max() > APART * size.min():
        problem = (
            f"columns of very different ranges: {_shown(smallest, low, high, names)}, but "
            f"{_shown(largest, low, high, names)}"
        )
    elif len(varies := varies[size > 0.999 * FAR]):  # no mean is larger, rounded or not
        columns = rows[:, varies].astype(np.float64)
        mean, deviation = columns.mean(axis=0), columns.std(axis=0)
        far = np.flatnonzero((np.abs(mean) > FAR * deviation) & (np.abs(mean) > FAR))
        if len(far):
            column = varies[far[0]]
            problem = f"columns far from 0: {_shown(column, low, high, names)}"
    if problem:
        warnings.warn(
            f"x has {problem}. Networks learn poorly from these: standardize the columns with "
            "(x - x.mean(axis=0)) / x.std(axis=0) or scikit-learn's StandardScaler, and later rows "
            "with the same means and deviations",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def _are_alike(rows: Array) -> bool:
    """Say whether a few rows, and the largest number of all, show that there is nothing to warn of.

    A column is at least as large in all rows as it is in the first ones.
    """
    few = rows[:FEW]
    largest = max(rows.max(), -rows.min())
    low, high = few.min(axis=0), few.max(axis=0)
    if largest > 0.999 * FAR or not (low < high).all():
        return False
    return bool(largest <= 0.999 * APART * np.maximum(high, -low).min())


def _shown(
    column: int, low: NDArray[np.float64], high: NDArray[np.float64], names: Sequence[str] | None
) -> str:
    name = f"column {column}" if names is None else repr(names[column])
    return f"{name} from {low[column]:.4g} to {high[column]:.4g}"
