"""The program `train_models` in terms of `train_epoch`, for any backend."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture, Array
from fastnn.backends.fits import ENDINGS, METRICS, Fits, Stopping
from fastnn.backends.minibatch import TrainingOptions, rows_of, rows_right
from fastnn.optimizers import VECTORS, OptimizerState
from fastnn.rows.checked import Rows

ROWS_AT_A_TIME = 8192
"""Number of validation rows whose losses are added up apart, as in `fastnn.model.evaluation`."""


class Training(Protocol):
    """What fits ask of a backend; see `fastnn.backends.base.Backend`."""

    @property
    def train_epoch(self) -> Callable[..., Any]:
        """The program."""

    @property
    def predict(self) -> Callable[..., None]:
        """The program."""

    @property
    def loss(self) -> Callable[..., float]:
        """The network's loss of rows, and its delta."""


def train_models(backend: Training, fits: Fits, progress: Callable[[int], object] | None) -> None:
    """Do the fits, one model after the other, in calls of `train_epoch`."""
    for n_done, i in enumerate(fits.models.tolist()):
        _train_model(backend, fits, i)
        if progress is not None:
            progress(n_done + 1)


def _train_model(backend: Training, fits: Fits, i: int) -> None:
    options, params, outcome = fits.options[i], fits.params[i], fits.outcome
    optimizer = options.optimizer
    slots = np.zeros((optimizer.n_state, params.size), params.dtype)
    state = OptimizerState(slots, fits.steps, options.dropout_seed)
    rows, order, watched = fits.shares.of(i), None, None
    if fits.watched is not None and fits.watched_shares is not None:
        watched = _part(fits.watched, fits.watched_shares.of(i))
    best = _Best(fits.stopping if watched is not None and len(watched.y) else fits.stops_alone)
    try:
        for epoch in range(1, fits.epochs + 1):
            order = fits.orders.next(i, len(rows), order)
            record = outcome.measured[i, epoch - 1]
            record[:3] = _train_epoch(backend, fits, i, params, state, rows[order])
            if watched is not None and len(watched.y):
                record[3:] = _measured(backend, fits.architecture, params, watched)
            outcome.n_epochs[i] = epoch
            if not math.isfinite(record[0]):
                outcome.ending[i] = ENDINGS.index("diverged")
                return
            if best.asks_to_stop(record, epoch, params):
                outcome.ending[i] = ENDINGS.index("callback") if epoch < fits.epochs else 0
                return
        outcome.ending[i] = 0
    finally:
        best.restore(params)
        if fits.slots is not None:
            n_vectors = VECTORS[optimizer.rule]
            fits.slots[i] = 0
            fits.slots[i, :n_vectors] = slots[:n_vectors]


def _train_epoch(
    backend: Training,
    fits: Fits,
    i: int,
    params: Array,
    state: OptimizerState,
    order: NDArray[np.int64],
) -> tuple[float, float, float]:
    """Do one epoch; return the loss that is recorded, the accuracy and the penalty."""
    options, step = fits.options[i], int(fits.rows_per_call[i])
    loss = right = penalty = weight = 0.0
    for first in range(0, len(order), step):
        rows = order[first : first + step]
        if fits.divides_l2:
            options = replace(fits.options[i], l2=_divided_l2(fits.options[i], rows))
        result = backend.train_epoch(
            fits.architecture, params, state, fits.data.x, fits.data.y, rows, options,
            fits.data.sample_weight,
        )  # fmt: skip
        recorded = fits.recorded.loss(i, result.loss, result.penalty)
        if len(rows) == len(order):  # a mean of one needs no rounding
            return recorded, result.accuracy, result.penalty
        sample_weight = fits.data.sample_weight
        count = float(len(rows) if sample_weight is None else sample_weight[rows].sum())
        if count:  # rows of zero weight do not count
            loss += recorded * count
            right += result.accuracy * count
            penalty += result.penalty * count
            weight += count
    weight = weight or math.nan
    return loss / weight, right / weight, penalty / weight


def _divided_l2(options: TrainingOptions, rows: NDArray[np.int64]) -> float:
    """Return the strength of the penalty in minibatches of these rows, all of one size."""
    return options.l2 / min(options.batch_size, len(rows))


def _part(rows: Rows, which: NDArray[np.int64]) -> Rows:
    return Rows(rows_of(rows.x, which), rows.y[which], None)


def _measured(
    backend: Training, architecture: Architecture, params: Array, rows: Rows
) -> tuple[float, float]:
    """Return the mean loss, and the accuracy or NaN, as `fastnn.model.evaluation` does."""
    loss = right = 0.0
    for first in range(0, len(rows.y), ROWS_AT_A_TIME):
        y = rows.y[first : first + ROWS_AT_A_TIME]
        z = np.empty((len(y), architecture.n_out), architecture.dtype)
        backend.predict(architecture.to_logits, params, rows.x[first : first + ROWS_AT_A_TIME], z)
        ones = np.ones(len(y), architecture.dtype)
        loss += backend.loss(architecture, z, y, ones, np.empty_like(z))
        if architecture.classifies:
            right += float(rows_right(architecture, z, y).sum())
    accuracy = right / len(rows.y) if architecture.classifies else math.nan
    return loss / len(rows.y), accuracy


class _Best:
    """The best epoch of a fit so far."""

    def __init__(self, stopping: Stopping | None) -> None:
        self._stopping = stopping
        self._best, self._epoch, self._without_progress = math.inf, 0, 0
        self._params: Array | None = None

    def asks_to_stop(self, record: NDArray[np.float64], epoch: int, params: Array) -> bool:
        """Compare an epoch, counted from 1, with the best one."""
        rule = self._stopping
        if rule is None:
            return False
        value = float(record[METRICS.index(rule.monitor)])
        if rule.by_tolerance:
            progressed = not value > self._best - rule.min_delta
            self._without_progress = 0 if progressed else self._without_progress + 1
            self._best = min(value, self._best)
            return self._without_progress > rule.patience
        gain = rule.sign * (value - self._best) if self._epoch else math.inf
        if gain > rule.min_delta and value == value:
            self._best, self._epoch = value, epoch
            if rule.restore_best:
                self._params = params.copy()
        return epoch - self._epoch >= rule.patience

    def restore(self, params: Array) -> None:
        """Restore the parameters of the best epoch, if they were to be kept."""
        if self._params is not None:
            params[...] = self._params
