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
from fastnn.bagging.targets import for_targets
from fastnn.callbacks.base import EarlyStopping
from fastnn.ensemble import Ensemble
from fastnn.model.standardization import Standardization
from fastnn.training.ensemble_history import EnsembleHistory
from fastnn.training.history import History
from fastnn.vocabulary import BackendName

LEAST_EPOCHS = 4
"""A time limit rather trains fewer networks than one for fewer epochs."""

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
    """
    start = time.perf_counter()
    targets = None if n_classes else Standardization.of(y)
    if targets is not None:
        low, high = y.min(axis=0), y.max(axis=0)
        y = targets.apply(y, np.float64)
        watched = None if watched is None else (watched[0], targets.apply(watched[1], np.float64))
    n_models = n_models if watched is not None else min(n_models, len(y))
    task = _Task(x, y, sample_weight, watched, n_classes, targets, recipe, backend)
    epochs = task.epochs(n_models)
    if time_limit is not None:
        epochs, n_models = _within(time_limit, start, task, epochs, n_models)

    bag = task.begin(n_models, seed)
    stopping = EarlyStopping(recipe.monitor, patience=recipe.patience(epochs))
    if callbacks or sample_weight is not None:
        histories = task.fit_in_turn(*bag, epochs, [*callbacks, stopping], progress)
    else:
        history = task.fit(*bag, epochs, callbacks=stopping, client=client, progress=progress)
        histories = [history.of(i) for i in range(n_models)]
    ensemble, folds, histories = _trained(*bag, histories)
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
    targets: Standardization | None
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

    def begin(self, n_models: int, seed: int) -> tuple[Ensemble, NDArray[np.int64] | None]:
        """Return networks with initial weights, and the folds."""
        rng = np.random.default_rng(seed)
        folds = None
        if self.watched is None:
            folds = folds_of(len(self.y), n_models, rng, self.y if self.n_classes else None)
        precise = self.targets is not None and self.targets.needs_float64
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
            dtype="float64" if precise else "float32",
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
        progress: bool,
    ) -> list[History]:
        """Train the networks one after the other.

        So callbacks see each, and the rows that are left out are weighted. Without weights the
        bits are those of `fit`.
        """
        recipe, weight = self.recipe, self.sample_weight
        histories: list[History] = []
        steps = epochs * -(-self.n_learned(len(ensemble)) // recipe.batch_size)
        for i, network in enumerate(ensemble):
            learned: Any = slice(None)
            watched: Any = self.watched
            if folds is not None:
                learned, left_out = folds != i, folds == i
                of_rows = () if weight is None else (weight[left_out],)
                watched = self.x[left_out], self.y[left_out], *of_rows
            history = network.fit(
                self.x[learned],
                self.y[learned],
                validation_data=watched,
                sample_weight=None if weight is None else weight[learned],
                epochs=epochs,
                batch_size=recipe.batch_size,
                optimizer=recipe.optimizer(steps, len(self.y)),
                dropout=recipe.dropout,
                callbacks=callbacks,
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


def _within(
    time_limit: float, start: float, task: _Task, epochs: int, n_models: int
) -> tuple[int, int]:
    """Return how many epochs of how many networks fit in a time limit, by the time of one epoch.

    Fewer than `LEAST_EPOCHS` epochs are left to fewer networks; one network is always trained.
    """
    for _ in range(2):  # the first has compilation and cold caches in it
        bag, began = task.begin(n_models, 0), time.perf_counter()
        task.fit(*bag, 1, progress=False)
        seconds = time.perf_counter() - began
        if began + seconds - start > SHARE_OF_LIMIT * time_limit / 4:
            break
    left = SHARE_OF_LIMIT * time_limit - (time.perf_counter() - start)
    possible = max(left, 0.0) / seconds
    if possible >= min(epochs, LEAST_EPOCHS):
        return min(epochs, int(possible)), n_models
    least = min(epochs, LEAST_EPOCHS)
    return least, max(1, int(n_models * possible / least))


def _trained(
    ensemble: Ensemble, folds: NDArray[np.int64] | None, histories: list[History]
) -> tuple[Ensemble, NDArray[np.int64] | None, list[History]]:
    """Return the networks that have learned something, and the rows that each left out.

    Raises
    ------
    KeyboardInterrupt
        If the fit was interrupted before the first epoch of any.
    """
    learned = [i for i, history in enumerate(histories) if history.n_epochs]
    if len(learned) == len(ensemble):
        return ensemble, folds, histories
    if not learned:
        raise KeyboardInterrupt
    if folds is not None:
        numbers = np.full(len(ensemble) + 1, -1)  # the last one is of rows that all learn
        numbers[learned] = np.arange(len(learned))
        folds = numbers[folds]
    return ensemble[learned], folds, [histories[i] for i in learned]
