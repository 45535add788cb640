"""Folds of rows: each is left out by one model, and watches it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_FOLDS = 5
"""A model leaves out at most a fifth of the rows."""


def n_folds(n_rows: int, n_models: int) -> int:
    """Return into how many folds so many rows are shared out."""
    return min(max(n_models, LEAST_FOLDS), n_rows)


def folds_of(
    n_rows: int, n_models: int, rng: np.random.Generator, classes: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the model that leaves out each row, or -1 where all learn it, (n_rows,) int64.

    The rows are shared out among max(n_models, 5) folds, as by `shared_out`. There is no fold
    without rows.
    """
    folds = shared_out(n_rows, n_folds(n_rows, n_models), rng, classes)
    folds[folds >= n_models] = -1
    return folds


def shared_out(
    n_rows: int, n_folds: int, rng: np.random.Generator, classes: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the fold of each row, (n_rows,) int64, at random, of equal sizes to within one row.

    With classes (n_rows,), the rows of each class are shared out so.
    """
    order = rng.permutation(n_rows)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    folds = np.empty(n_rows, np.int64)
    folds[order] = np.arange(n_rows) % n_folds
    return folds
