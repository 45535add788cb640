"""What each column is worth: how much worse predictions become if its values are shuffled.

Permutation importance (Breiman, 2001, "Random forests", section 10), of rows that the network which
answers has not learned. The rows of a table are numbers already; the numbers of one column are
shuffled together, which is to shuffle the column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.ensemble import Ensemble
from fastnn.model.standardization import Standardization

ROWS = 2_000
"""Rows that are predicted for each column, of few rows several shuffles: enough for two digits."""


def permutation_importances(
    ensemble: Ensemble,
    x: NDArray[np.float32],
    y: NDArray[Any],
    models: NDArray[np.int64] | None,
    sources: Sequence[int],
    n_columns: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the mean increase of the loss for each column.

    Parameters
    ----------
    ensemble : Ensemble
    x : ndarray of shape (n_rows, n_in)
    y : ndarray
        Classes (n_rows,) int64, or targets (n_rows, n_out).
    models : ndarray of shape (n_rows,) int64, optional
        The network that answers for each row; by default all do.
    sources : sequence of int of length n_in
        The column that each input comes from.
    n_columns : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_columns,) float64
        Of classes, of the log-loss; of numbers, of the squared error divided by the variance of the
        targets: 1 is the error of the mean. Columns without inputs have 0.
    """
    chosen = rng.permutation(len(x))[:ROWS]
    n_rows = len(chosen)
    n_shuffles = max(1, ROWS // max(n_rows, 1))
    x, y = x[chosen], y[chosen]
    models = None if models is None else models[chosen]
    orders = np.concatenate([rng.permutation(n_rows) for _ in range(n_shuffles)])
    before = _losses(ensemble, x, y, models).mean()
    many, targets = np.tile(x, (n_shuffles, 1)), np.tile(y, (n_shuffles,) + (1,) * (y.ndim - 1))
    asked = None if models is None else np.tile(models, n_shuffles)
    found = np.zeros(n_columns)
    for column in sorted(set(sources)):
        inputs = np.flatnonzero(np.equal(sources, column))
        shuffled = many.copy()
        shuffled[:, inputs] = x[np.ix_(orders, inputs)]
        found[column] = _losses(ensemble, shuffled, targets, asked).mean() - before
    return found


def _losses(
    ensemble: Ensemble, x: NDArray[Any], y: NDArray[Any], models: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """Return the loss of each row (n_rows,)."""
    if ensemble.architecture.classifies:
        p = ensemble.predict_proba(x, groups=models, progress=False)
        own = p[np.arange(len(y)), y].astype(np.float64)
        return np.asarray(-np.log(np.maximum(own, np.finfo(p.dtype).eps)))
    predicted = ensemble.predict(x, groups=models, progress=False).reshape(y.shape)
    measured = Standardization.of(y)  # constants count as 1
    squares = np.square((predicted - y) / measured.deviation)
    return np.asarray(squares.mean(axis=1))
