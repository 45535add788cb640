"""What each column is worth: how much worse predictions become if its values are shuffled.

Permutation importance (Breiman, 2001, "Random forests", section 10), of rows that the network which
answers has not learned. The rows of a table are numbers already; the numbers of one column are
shuffled together, which is to shuffle the column. If a column has the inputs J, only a part of the
first layer has to be computed again:

    z = x W_1 + b_1  (n_rows, n_hidden),    z' = z + (x'_J − x_J) W_1[J]

so that a column of a wide table costs as much as one of a narrow one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.ensemble import Ensemble
from fastnn.model.ensemble_model import EnsembleModel, room_for
from fastnn.model.standardization import Standardization
from fastnn.rows.generators import Generators

ROWS = 2_000
"""Rows that are predicted for each column, of few rows several shuffles: enough for two digits."""

ROWS_OF_ALL = 300_000
"""Rows that are predicted for all columns together: of more than 150 columns, fewer for each."""

LEAST_ROWS = 200
"""Rows for each column, however many columns there are, or little time is left."""


def permutation_importances(
    ensemble: Ensemble,
    x: NDArray[np.float32],
    y: NDArray[Any],
    models: NDArray[np.int64] | None,
    sources: Sequence[int],
    n_columns: int,
    rng: np.random.Generator,
    end: float | None = None,
    now: Callable[[], float] = time.perf_counter,
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
    end : float, optional
        When it should be done, by the clock `now`: fewer rows are predicted, at least 200 for each
        column.
    now : callable

    Returns
    -------
    ndarray of shape (n_columns,) float64
        Of classes, of the log-loss; of numbers, of the squared error divided by the variance of the
        targets: 1 is the error of the mean. Columns without inputs have 0.
    """
    found, columns = np.zeros(n_columns), sorted(set(sources))
    if not len(x) or not columns:
        return found
    inputs = {column: np.flatnonzero(np.equal(sources, column)) for column in columns}
    chosen = rng.permutation(len(x))
    n_rows = max(LEAST_ROWS, min(ROWS, ROWS_OF_ALL // len(columns)))
    sample = _Sample(ensemble, x, y, models, chosen, n_rows, rng)
    began = now()
    for i, column in enumerate(columns):
        found[column] = sample.increase(inputs[column])
        if i == 0 and end is not None:
            affordable = n_rows * (end - now()) / max(len(columns) * (now() - began), 1e-9)
            if affordable < n_rows:
                n_rows = max(LEAST_ROWS, int(affordable))
                sample = _Sample(ensemble, x, y, models, chosen, n_rows, rng)
    return found


class _Sample:
    """About n_rows rows, of few the same ones several times, and what networks say of them."""

    def __init__(
        self,
        ensemble: Ensemble,
        x: NDArray[np.float32],
        y: NDArray[Any],
        models: NDArray[np.int64] | None,
        chosen: NDArray[np.int64],
        n_rows: int,
        rng: np.random.Generator,
    ) -> None:
        chosen = chosen[:n_rows]
        n_shuffles = max(1, n_rows // len(chosen))
        orders = [chosen[rng.permutation(len(chosen))] for _ in range(n_shuffles)]
        self._x, self._rows = x, np.tile(chosen, n_shuffles)
        self._shuffled = np.concatenate(orders)
        self._y, self._targets = y[self._rows], Standardization.of(y[chosen])
        self._first, self._rest = ensemble.weights[0], _after_first_layer(ensemble)
        n = len(self._rows)
        # one line for each network that is asked of a row: (n_answers, n_rows)
        if models is None:
            self._models = np.repeat(np.arange(len(ensemble))[:, None], n, axis=1)
        else:
            self._models = models[self._rows][None]
        bias = ensemble.biases[0]
        self._z = self._through_first(lambda rows: x[self._rows[rows]], np.arange(x.shape[1]))
        if bias is not None:
            self._z += np.asarray(bias)[self._models]
        self._before = self._loss(self._z)

    def increase(self, inputs: NDArray[np.int64]) -> float:
        """Return by how much the loss increases if these inputs are shuffled."""
        change = self._x[np.ix_(self._shuffled, inputs)] - self._x[np.ix_(self._rows, inputs)]
        z = self._through_first(lambda rows: change[rows], inputs)
        return self._loss(np.add(z, self._z, out=z)) - self._before

    def _through_first(
        self, rows_of: Callable[[NDArray[np.int64]], NDArray[np.float32]], inputs: NDArray[np.int64]
    ) -> NDArray[np.floating]:
        """Return numbers of some inputs times weights (n_answers, n_rows, n_hidden)."""
        z = np.zeros((*self._models.shape, self._first.shape[2]), self._first.dtype)
        for model in np.unique(self._models).tolist():
            weight = self._first[model][inputs]
            for answer, asked in enumerate(self._models):
                rows = np.flatnonzero(asked == model)
                if len(rows):
                    z[answer, rows] = rows_of(rows).astype(z.dtype, copy=False) @ weight
        return z

    def _loss(self, z: NDArray[np.floating]) -> float:
        """Return the mean loss."""
        shape = self._models.shape
        rest, flat = self._rest, z.reshape(-1, z.shape[2])
        classifies = rest.architecture.classifies
        predict = rest.predict_proba if classifies else rest.predict
        answers = predict(flat, groups=self._models.ravel(), progress=False)
        mean = answers.reshape(*shape, -1).mean(axis=0)
        if classifies:
            own = mean[np.arange(shape[1]), self._y].astype(np.float64)
            return float(-np.log(np.maximum(own, np.finfo(answers.dtype).eps)).mean())
        errors = (mean - self._y) / self._targets.deviation  # constants count as 1
        return float(np.square(errors).mean())


def _after_first_layer(ensemble: Ensemble) -> Ensemble:
    """Return networks that take z, what their first layer has before its activation."""
    a = ensemble.architecture
    rest = replace(a, sizes=(a.sizes[1], *a.sizes[1:]))
    model = EnsembleModel(
        rest, room_for(rest, ensemble.n_models), Generators.empty(ensemble.n_models)
    )
    for mine, theirs in zip(model.weights[1:], ensemble.weights[1:], strict=True):
        mine[...] = theirs
    model.weights[0][...] = np.eye(a.sizes[1])
    for bias, its in zip(model.biases[1:], ensemble.biases[1:], strict=True):
        if bias is not None:
            bias[...] = its
    return Ensemble.from_model(model, backend=ensemble._backend)
