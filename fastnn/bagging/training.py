"""Training of a bag: a few networks on one table, each watched on the rows that it leaves out.

The rows are numbers (n_rows, n_in), about 0 and of deviation about 1, as
`fastnn.tabular.Columns.rows` makes them. Targets of a regression are standardized, and predictions
kept within their range (`fastnn.bagging.targets`); the logits of a classifier are divided by the
temperature that its left-out rows ask for (`fastnn.bagging.calibration`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.bagging.calibration import fold_temperature, temperature_of
from fastnn.bagging.folds import folds_of, n_folds
from fastnn.bagging.recipe import Recipe
from fastnn.bagging.targets import for_targets, needs_float64, standardization_of
from fastnn.bagging.time_limit import within
from fastnn.callbacks.base import EarlyStopping
from fastnn.ensemble import Ensemble
from fastnn.training.ensemble_history import EnsembleHistory
from fastnn.training.history import History
from fastnn.vocabulary import BackendName

Started = tuple[Ensemble, NDArray[np.int64] | None]
"""Networks with initial weights, and the folds that they leave out."""

SHARE_OF_LIMIT = 0.8
"""Of a time limit, for the epochs: later ones may be slower than the first."""


@dataclass(frozen=True, eq=False)
class Bag:
    """What comes of `train`.

    Attributes
    ----------
    ensemble : Ensemble
        Of the networks that were trained for at least an epoch.
    folds : ndarray of shape (n_rows,) int64 or None
        The network that left out each row, or -1; None if other rows were watched.
    histories : list of History
        Of each network; losses of a regression are those of standardized targets.
    temperature : float
        By which the logits were divided.
    """

    ensemble: Ensemble
    folds: NDArray[np.int64] | None
    histories: list[History]
    temperature: float


def train(
    x: NDArray[np.float32],
    y: NDArray[Any],
    *,
    n_classes: int,
    recipe: Recipe,
    n_models: int,
    seed: int,
    sample_weight: NDArray[np.float64] | None = None,
    watched: tuple[NDArray[np.float32], NDArray[Any]] | None = None,
    calibrate: bool = True,
    time_limit: float | None = None,
    backend: BackendName = "auto",
    callbacks: Sequence[Any] = (),
    client: Any = None,
    progress: bool = True,
) -> Bag:
    """Train networks on one table, bagged by folds.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_in)
    y : ndarray
        Classes (n_rows,) int64, or targets (n_rows, n_out).
    n_classes : int
        0 for a regression.
    recipe : Recipe
    n_models : int
    seed : int
        Draws folds, initial weights and orders of rows.
    sample_weight : ndarray of shape (n_rows,), optional
        Of the rows that are learned, and of those that choose the best epoch and the temperature.
    watched : tuple of ndarray, optional
        Rows and classes, or targets, to choose the best epoch and the temperature by; each network
        then learns all of x.
    calibrate : bool, default True
        Whether to choose a temperature; else it is 1.
    time_limit : float, optional
        Seconds after which the fit should be done: fewer epochs, then fewer networks.
    backend : str
    callbacks : sequence, optional
        As of `Network.fit`; networks are then trained one after the other, with the same bits.
    client : distributed.Client, optional
        As of `Ensemble.fit`.
    progress : bool

    Raises
    ------
    KeyboardInterrupt
        If no network has completed an epoch.
    ValueError
        If the training of all networks diverged.
    """
    start = time.perf_counter()
    targets, precise = None, False
    if not n_classes:
        targets = standardization_of(y, sample_weight)
        low, high = y.min(axis=0), y.max(axis=0)
        precise = needs_float64(targets, low, high)
        y = targets.apply(y, np.float64)
        watched = None if watched is None else (watched[0], targets.apply(watched[1], np.float64))
    n_models = n_models if watched is not None else min(n_models, len(y))
    task = _Task(x, y, sample_weight, watched, n_classes, precise, recipe, backend)

    def fit(started: Started, epochs: int, progress: bool, *calls: Any) -> list[History]:
        ensemble, folds = started
        stopping = EarlyStopping(recipe.monitor, patience=recipe.patience(epochs))
        if callbacks or sample_weight is not None:
            return task.fit_in_turn(ensemble, folds, epochs, calls, stopping, progress)
        history = task.fit(
            ensemble, folds, epochs, callbacks=stopping, client=client, progress=progress
        )
        return [history.of(i) for i in range(len(ensemble))]

    epochs = task.epochs(n_models)
    if time_limit is not None:
        left = start + SHARE_OF_LIMIT * time_limit
        epochs, n_models = within(
            left, epochs, n_models, lambda: fit(task.begin(n_models, 0), 1, False)
        )
    started = task.begin(n_models, seed)
    histories = fit(started, epochs, progress, *callbacks)
    ensemble, folds, histories = _trained(*started, histories)
    temperature = 1.0
    if n_classes and calibrate:
        temperature = task.temperature(ensemble, folds)
        fold_temperature(ensemble, temperature)
    if targets is not None:
        ensemble = for_targets(ensemble, targets, low, high)
    return Bag(ensemble, folds, histories, temperature)


@dataclass(frozen=True, eq=False)
class _Task:
    """What is to be learned, of standardized targets, and how."""

    x: NDArray[np.float32]
    y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    watched: tuple[NDArray[np.float32], NDArray[Any]] | None
    n_classes: int
    precise: bool  # whether float32 is not enough
    recipe: Recipe
    backend: BackendName

    def n_learned(self, n_models: int) -> int:
        """Return how many rows each network learns."""
        n_rows = len(self.y)
        return n_rows if self.watched is not None else n_rows - n_rows // n_folds(n_rows, n_models)

    def epochs(self, n_models: int) -> int:
        """Return the epochs of a fit, fewer than wanted for a large table."""
        steps = -(-self.n_learned(n_models) // self.recipe.batch_size)
        return max(1, min(self.recipe.epochs, self.recipe.most_steps // steps))

    def begin(self, n_models: int, seed: int) -> Started:
        """Return networks with initial weights, and the folds."""
        rng = np.random.default_rng(seed)
        folds = None
        if self.watched is None:
            folds = folds_of(len(self.y), n_models, rng, self.y if self.n_classes else None)
        recipe = self.recipe
        ensemble = Ensemble(
            (
                self.x.shape[1],
                *recipe.hidden_layer_sizes,
                self.n_classes or self.y.shape[1],
            ),
            n_models,
            activation=recipe.activation,  # type: ignore[arg-type]
            output="softmax" if self.n_classes else "identity",
            label_smoothing=recipe.label_smoothing if self.n_classes else 0.0,
            init=recipe.initial_weights,
            input_scale=1.0,
            dtype="float64" if self.precise else "float32",
            backend=self.backend,
            seed=rng,
        )
        recipe.finish_initial(ensemble, rng)
        return ensemble, folds

    def fit(
        self, ensemble: Ensemble, folds: NDArray[np.int64] | None, epochs: int, **options: Any
    ) -> EnsembleHistory:
        """Train the networks."""
        recipe = self.recipe
        steps = epochs * -(-self.n_learned(len(ensemble)) // recipe.batch_size)
        return ensemble.fit(
            self.x,
            self.y,
            folds=folds,
            validation_data=self.watched,
            sample_weight=self.sample_weight,
            epochs=epochs,
            batch_size=recipe.batch_size,
            optimizer=recipe.optimizer(steps, len(self.y)),
            dropout=recipe.dropout,
            **options,
        )

    def fit_in_turn(
        self,
        ensemble: Ensemble,
        folds: NDArray[np.int64] | None,
        epochs: int,
        callbacks: Sequence[Any],
        stopping: EarlyStopping,
        progress: bool,
    ) -> list[History]:
        """Train the networks one after the other.

        So callbacks see each, and the rows that are left out are weighted. Without weights the
        bits are those of `fit`. A network is left as it is if its rows have no weight; callbacks do
        not see one whose rows are of one class.
        """
        recipe, weight = self.recipe, self.sample_weight
        histories: list[History] = []
        steps = epochs * -(-self.n_learned(len(ensemble)) // recipe.batch_size)
        for i, network in enumerate(ensemble):
            learned = np.ones(len(self.y), bool) if folds is None else folds != i
            watched: Any = self.watched
            if folds is not None:
                of_rows = (
                    () if weight is None or not weight[~learned].any() else (weight[~learned],)
                )
                watched = self.x[~learned], self.y[~learned], *of_rows
            if weight is not None and not weight[learned].any():
                histories.append(History())
                continue
            if self.n_classes and (self.y[learned] == self.y[learned][0]).all():
                alone = np.where(learned, -1, 0)
                one = self.fit(ensemble[i : i + 1], alone, epochs, callbacks=stopping)
                histories.append(one.of(0))
                continue
            history = network.fit(
                self.x[learned],
                self.y[learned],
                validation_data=watched,
                sample_weight=None if weight is None else weight[learned],
                epochs=epochs,
                batch_size=recipe.batch_size,
                optimizer=recipe.optimizer(steps, len(self.y)),
                dropout=recipe.dropout,
                callbacks=[*callbacks, stopping],
                progress=progress,
            )
            histories.append(history)
            if history.stopped == "interrupted":
                break
        return histories + [History() for _ in range(len(ensemble) - len(histories))]

    def temperature(self, ensemble: Ensemble, folds: NDArray[np.int64] | None) -> float:
        """Return the temperature that rows which were not learned ask for."""
        if folds is None:
            assert self.watched is not None
            x, y = self.watched
            return temperature_of(_logarithms(ensemble.predict_proba(x, progress=False)), y)
        rows = np.flatnonzero(folds >= 0)
        p = ensemble.predict_proba(self.x[rows], groups=folds[rows], progress=False)
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return temperature_of(_logarithms(p), self.y[rows], weight)


def _logarithms(p: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.log(np.maximum(p, np.finfo(p.dtype).tiny)))


def _trained(
    ensemble: Ensemble, folds: NDArray[np.int64] | None, histories: list[History]
) -> tuple[Ensemble, NDArray[np.int64] | None, list[History]]:
    """Return the networks that have learned something, and the rows that each left out.

    Raises
    ------
    KeyboardInterrupt
        If the fit was interrupted before the first epoch of any.
    ValueError
        If all diverged.
    """
    begun = [i for i, history in enumerate(histories) if history.n_epochs]
    if not begun:
        raise KeyboardInterrupt
    learned = [i for i in begun if np.isfinite(ensemble.parameters[i]).all()]
    if not learned or all(histories[i].stopped == "diverged" for i in begun):
        raise ValueError("the training diverged and nothing is kept: try a smaller learning rate")
    if len(learned) == len(ensemble):
        return ensemble, folds, histories
    if folds is not None:
        numbers = np.full(len(ensemble) + 1, -1)  # the last one is of rows that all learn
        numbers[learned] = np.arange(len(learned))
        folds = numbers[folds]
    return ensemble[learned], folds, [histories[i] for i in learned]
