"""Evaluation of a network on data: its loss from the logits, and accuracy, or R², RMSE and MAE.

Of a network of quantiles, whose predictions lie off the mean on purpose, only the MAE is measured:
that of the quantile nearest the median, which is what minimises it.

With weights w over rows and outputs y, each averaged over outputs:

    R²   = 1 − Σ w (y − ŷ)² / Σ w (y − ȳ)²
    RMSE = √(Σ w (y − ŷ)² / Σ w)
    MAE  = Σ w |y − ŷ| / Σ w

An output with constant targets counts in R² as 1 if it is predicted exactly, otherwise as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import Backend
from fastnn.backends.minibatch import rows_right
from fastnn.rows.calls import calls
from fastnn.system.memory_maps import check_whole, walk
from fastnn.system.progress import progress_bar

_NUMBERS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "exp": np.exp,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
}
"""What outputs that do not classify make of z."""

ROWS_AT_A_TIME = 8192
"""Number of rows whose outputs are in memory at once."""


def evaluate(
    backend: Backend,
    architecture: Architecture,
    params: Array,
    x: Any,
    y: Array,
    sample_weight: NDArray[np.float64] | None,
    *,
    progress: bool,
) -> dict[str, float]:
    """Return the weighted mean loss, and accuracy, or R², RMSE and MAE, of checked data.

    Parameters
    ----------
    backend : Backend
    architecture : Architecture
    params : ndarray of shape (architecture.n_slots,)
    x : array or CSR matrix of shape (n_rows, n_in)
    y : ndarray
        Labels (n_rows,) for softmax, else targets (n_rows, n_out).
    sample_weight : ndarray of shape (n_rows,), optional
    progress : bool
        Whether to show a progress bar if it takes over a second.

    Returns
    -------
    dict
        ``"loss"`` and the measures of the architecture: ``"accuracy"``, or ``"r2"``, ``"rmse"`` and
        ``"mae"``.
    """
    weights = np.ones(len(y))
    if sample_weight is not None:  # of any size: only their ratios count
        weights = np.ldexp(sample_weight, -np.frexp(np.abs(sample_weight).max())[1])
    total = weights.sum()
    loss = right = 0.0
    squared_error, absolute_error = np.zeros((2, architecture.n_out))
    long = len(calls(architecture, len(y), ROWS_AT_A_TIME)) > 1
    with progress_bar(len(y), progress and long) as bar:
        for rows in walk(x, ROWS_AT_A_TIME):
            check_whole(y)
            y_rows, w_rows = y[rows], weights[rows]
            z = np.empty((len(y_rows), architecture.n_out), architecture.dtype)
            backend.predict(architecture.to_logits, params, x[rows], z)
            loss += backend.loss(
                architecture, z, y_rows, w_rows.astype(architecture.dtype), np.empty_like(z)
            )
            if architecture.classifies:
                right += float(w_rows @ rows_right(architecture, z, y_rows))
            else:
                predicted = _NUMBERS[architecture.output](z)
                error = np.subtract(y_rows, predicted, dtype=np.float64)
                squared_error += w_rows @ np.square(error)
                absolute_error += w_rows @ np.abs(error)
            bar.update(len(y_rows))
    measured = {"loss": float(loss / total)}
    if architecture.classifies:
        measured["accuracy"] = float(right / total)
    elif architecture.loss == "quantile":
        measured["mae"] = float(np.mean(absolute_error[_medians(architecture)] / total))
    else:
        measured["r2"] = _r2(squared_error, y, weights)
        measured["rmse"] = float(np.mean(np.sqrt(squared_error / total)))
        measured["mae"] = float(np.mean(absolute_error / total))
    return measured


def _medians(architecture: Architecture) -> slice | int:
    """Return the outputs whose quantile is nearest 0.5: all, or one of several."""
    distances = [abs(q - 0.5) for q in architecture.quantiles]
    return slice(None) if len(distances) == 1 else distances.index(min(distances))


def _r2(squared_error: Array, y: Array, weights: NDArray[np.float64]) -> float:
    mean = np.average(y, axis=0, weights=weights)
    variation = weights @ np.square(y - mean, dtype=np.float64)
    unexplained = np.divide(squared_error, variation, where=variation > 0, out=np.ones_like(mean))
    return float(np.mean(1.0 - np.where((variation == 0) & (squared_error == 0), 0, unexplained)))
