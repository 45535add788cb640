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
    sums = Sums(architecture, y, sample_weight)
    long = len(calls(architecture, len(y), ROWS_AT_A_TIME)) > 1
    with progress_bar(len(y), progress and long) as bar:
        for rows in walk(x, ROWS_AT_A_TIME):
            check_whole(y)
            z = np.empty((len(y[rows]), architecture.n_out), architecture.dtype)
            backend.predict(architecture.to_logits, params, x[rows], z)
            sums.add(backend, rows, z)
            bar.update(len(z))
    return sums.measures()


class Sums:
    """What is added up over rows, and the measures that are made of it.

    Parameters
    ----------
    architecture : Architecture
    y : ndarray
        Labels (n_rows,) for softmax, else targets (n_rows, n_out).
    sample_weight : ndarray of shape (n_rows,), optional
    """

    def __init__(
        self, architecture: Architecture, y: Array, sample_weight: NDArray[np.float64] | None
    ) -> None:
        self._architecture, self._y = architecture, y
        self._weights = np.ones(len(y))
        if sample_weight is not None:  # of any size: only their ratios count
            largest = np.abs(sample_weight).max(initial=0.0)
            self._weights = np.ldexp(sample_weight, -np.frexp(largest)[1])
        self._loss = self._right = 0.0
        self._squared_error, self._absolute_error = np.zeros((2, architecture.n_out))

    def add(self, backend: Backend, rows: slice, z: Array) -> None:
        """Add rows, of which z (n, n_out) are the last layer's."""
        a, y, weights = self._architecture, self._y[rows], self._weights[rows]
        self._loss += backend.loss(a, z, y, weights.astype(a.dtype), np.empty_like(z))
        if a.classifies:
            self._right += float(weights @ rows_right(a, z, y))
            return
        error = np.subtract(y, _NUMBERS[a.output](z), dtype=np.float64)
        self._squared_error += weights @ np.square(error)
        self._absolute_error += weights @ np.abs(error)

    def measures(self) -> dict[str, float]:
        """Return the loss, and accuracy, or R², RMSE and MAE."""
        a, total = self._architecture, self._weights.sum()
        measured = {"loss": float(self._loss / total)}
        if a.classifies:
            measured["accuracy"] = float(self._right / total)
        elif a.loss == "quantile":
            measured["mae"] = float(np.mean(self._absolute_error[_medians(a)] / total))
        else:
            measured["r2"] = _r2(self._squared_error, self._y, self._weights)
            measured["rmse"] = float(np.mean(np.sqrt(self._squared_error / total)))
            measured["mae"] = float(np.mean(self._absolute_error / total))
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
