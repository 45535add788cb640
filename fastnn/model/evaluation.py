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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import Backend
from fastnn.backends.minibatch import rows_right
from fastnn.backends.subnormals import flushed
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
    long = len(calls(architecture, len(y), ROWS_AT_A_TIME)) > 1
    with progress_bar(len(y), progress and long) as bar:
        totals = totals_of(backend, architecture, params, x, y, sample_weight, bar.update)
    return totals.measures(architecture)


def totals_of(
    backend: Backend,
    architecture: Architecture,
    params: Array,
    x: Any,
    y: Array,
    sample_weight: NDArray[np.float64] | None,
    say: Callable[[int], None] = lambda n_rows: None,
) -> Totals:
    """Return the sums over checked data, as `evaluate` describes them.

    `say` is called with the number of rows whenever some are done.
    """
    sums = Sums(architecture, y, sample_weight)
    for rows in walk(x, ROWS_AT_A_TIME):
        check_whole(y)
        z = np.empty((len(y[rows]), architecture.n_out), architecture.dtype)
        backend.predict(architecture.to_logits, params, x[rows], z)
        sums.add(backend, rows, z)
        say(len(z))
    return sums.totals()


class Totals(NamedTuple):
    """Sums over rows, and the measures that are made of them; those of other rows can be added.

    Attributes
    ----------
    exponent : int
        All weights were divided by this power of two.
    weight, loss, right : float
        Sums of weights, of losses, and of the weights of rows classified correctly.
    squared_error, absolute_error : ndarray of shape (n_out,)
    mean, variation : ndarray of shape (n_out,)
        Of the targets; variation is Σ w (y − ȳ)².
    """

    exponent: int
    weight: float
    loss: float
    right: float
    squared_error: Array
    absolute_error: Array
    mean: Array
    variation: Array

    def with_exponent(self, exponent: int) -> Totals:
        """Return the same with weights divided by another power of two."""
        factor = float(np.ldexp(1.0, self.exponent - exponent))
        return Totals(
            exponent, self.weight * factor, self.loss * factor, self.right * factor,
            self.squared_error * factor, self.absolute_error * factor, self.mean,
            self.variation * factor,
        )  # fmt: skip

    def __add__(self, other: Totals) -> Totals:  # type: ignore[override]
        """Return the totals of both (Chan et al., 1983, for the variation)."""
        if not other.weight:
            return self
        if not self.weight:
            return other
        exponent = max(self.exponent, other.exponent)
        a, b = self.with_exponent(exponent), other.with_exponent(exponent)
        weight, distance = a.weight + b.weight, b.mean - a.mean
        return Totals(
            exponent, weight, a.loss + b.loss, a.right + b.right,
            a.squared_error + b.squared_error, a.absolute_error + b.absolute_error,
            a.mean + distance * (b.weight / weight),
            a.variation + b.variation + np.square(distance) * (a.weight * b.weight / weight),
        )  # fmt: skip

    def measures(self, architecture: Architecture) -> dict[str, float]:
        """Return the loss, and accuracy, or R², RMSE and MAE."""
        measured = {"loss": _number(self.loss / self.weight)}
        if architecture.classifies:
            measured["accuracy"] = float(self.right / self.weight)
        elif architecture.loss == "quantile":
            absolute = self.absolute_error[_medians(architecture)]
            measured["mae"] = _number(np.mean(flushed(absolute / self.weight)))
        else:
            measured["r2"] = _r2(self.squared_error, self.variation)
            squared = flushed(self.squared_error / self.weight)
            measured["rmse"] = _number(np.mean(np.sqrt(squared)))
            measured["mae"] = _number(np.mean(flushed(self.absolute_error / self.weight)))
        return measured


class Sums:
    """What is added up over rows.

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
        self._weights, self._exponent = np.ones(len(y)), 0
        if sample_weight is not None:  # of any size: only their ratios count
            self._exponent = int(np.frexp(np.abs(sample_weight).max(initial=0.0))[1])
            self._weights = np.ldexp(sample_weight, -self._exponent)
        self._loss = self._right = 0.0
        self._squared_error, self._absolute_error = np.zeros((2, architecture.n_out))

    def add(self, backend: Backend, rows: slice, z: Array) -> None:
        """Add rows, of which z (n, n_out) are the last layer's."""
        a, y, weights = self._architecture, self._targets(rows), self._weights[rows]
        self._loss += backend.loss(a, z, y, weights.astype(a.dtype), np.empty_like(z))
        if a.classifies:
            self._right += float(weights @ rows_right(a, z, y))
            return
        error = flushed(np.subtract(y, flushed(_NUMBERS[a.output](z)), dtype=np.float64))
        self._squared_error += weights @ flushed(np.square(error))
        self._absolute_error += weights @ np.abs(error)

    def totals(self) -> Totals:
        """Return the sums."""
        a, weight = self._architecture, self._weights.sum()
        mean, variation = np.zeros((2, a.n_out))
        if not a.classifies and weight:
            mean, variation = centre(self._targets(slice(None)), self._weights)
        return Totals(
            self._exponent, weight, self._loss, self._right, self._squared_error,
            self._absolute_error, mean, variation,
        )  # fmt: skip

    def _targets(self, rows: slice) -> Array:
        """Return targets in which subnormal numbers are zero, or labels."""
        y = self._y[rows]
        return flushed(y) if y.dtype.kind == "f" else y

    def measures(self) -> dict[str, float]:
        """Return the loss, and accuracy, or R², RMSE and MAE."""
        return self.totals().measures(self._architecture)


def centre(y: Array, weights: NDArray[np.float64]) -> tuple[Array, Array]:
    """Return the weighted means of columns y (n_rows, n_out), and Σ w (y − ȳ)² of each.

    A constant column has a variation of 0, however its mean is rounded.
    """
    if not weights.any():
        nothing: Array = np.zeros((2, y.shape[1]))
        return nothing[0], nothing[1]
    mean = np.average(y, axis=0, weights=weights)
    mean = np.where((y == y[0]).all(axis=0), y[0], mean)
    return mean, weights @ flushed(np.square(y - mean, dtype=np.float64))


def _medians(architecture: Architecture) -> slice | int:
    """Return the outputs whose quantile is nearest 0.5: all, or one of several."""
    distances = [abs(q - 0.5) for q in architecture.quantiles]
    return slice(None) if len(distances) == 1 else distances.index(min(distances))


def _number(measured: Any) -> float:
    return float(flushed(np.asarray(measured, np.float64)))


def _r2(squared_error: Array, variation: Array) -> float:
    unexplained = np.divide(
        squared_error, variation, where=variation > 0, out=np.ones_like(variation)
    )
    return float(np.mean(1.0 - np.where((variation == 0) & (squared_error == 0), 0, unexplained)))
