"""The arguments of an ensemble's fit, as `Fits` of a backend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture
from fastnn.backends.base import Backend
from fastnn.backends.fits import METRICS, Fits, Outcome, Stopping
from fastnn.backends.minibatch import TrainingOptions
from fastnn.model.ensemble_model import EnsembleModel
from fastnn.optimizers import Adam, Optimizer, check_groups, checked_optimizer
from fastnn.rows.calls import calls
from fastnn.rows.checked import Rows
from fastnn.rows.generators import Generators
from fastnn.rows.orders import InTurn, Permutations
from fastnn.rows.shares import Shares
from fastnn.rows.strides import by_rows
from fastnn.system.memory_maps import check_whole
from fastnn.system.progress import progress_bar
from fastnn.training.spread_fits import Spread
from fastnn.validation import (
    check_choice,
    check_count,
    check_flag,
    check_in_range,
    check_per_layer,
    check_positive,
)
from fastnn.validation.ensembles import check_bootstrap, check_each, check_fits_in_memory

FEW_MODELS = 64
"""Up to so many, a progress bar counts epochs: each model takes a good part of the time."""


class Told(NamedTuple):
    """Checked options, one of each for every model where they may differ.

    Attributes
    ----------
    optimizers : list of Optimizer
    batch_sizes : list of int
    numbers : list of tuple
        l1, l2, max_norm and clip_norm.
    dropout : list of tuple of float
    epochs : int
    reduction : str
    shuffle : bool
    bootstrap : bool, int or float
    """

    optimizers: list[Optimizer]
    batch_sizes: list[int]
    numbers: list[tuple[float, float, float, float]]
    dropout: list[tuple[float, ...]]
    epochs: int
    reduction: str
    shuffle: bool
    bootstrap: bool | int | float

    def options(self, i: int, n_rows: int, dropout_seed: int) -> TrainingOptions:
        """Return the options of model i, which has so many rows."""
        return TrainingOptions(
            self.optimizers[i], max(1, min(self.batch_sizes[i], n_rows)), self.reduction,
            *self.numbers[i], self.dropout[i], dropout_seed,
        )  # fmt: skip


def told(
    ensemble: EnsembleModel,
    optimizer: Any,
    epochs: Any,
    batch_size: Any,
    reduction: Any,
    shuffle: Any,
    bootstrap: Any,
    l1: Any,
    l2: Any,
    max_norm: Any,
    clip_norm: Any,
    dropout: Any,
) -> Told:
    """Check the arguments of a fit, most of them a single value or one for each model.

    Raises
    ------
    TypeError, ValueError
        If one is invalid.
    """
    n_models = ensemble.n_models

    def penalty(name: str, value: Any) -> float:
        return check_in_range(name, value, 0.0, math.inf)

    def limit(name: str, value: Any) -> float:
        return 0.0 if value is None else check_positive(name, value)

    numbers = zip(
        check_each("l1", l1, n_models, penalty),
        check_each("l2", l2, n_models, penalty),
        check_each("max_norm", max_norm, n_models, limit),
        check_each("clip_norm", clip_norm, n_models, limit),
        strict=True,
    )

    def one_optimizer(name: str, value: Any) -> Optimizer:
        check_groups(checked_optimizer(value), ensemble.architecture)
        return checked_optimizer(value)

    optimizer = Adam() if optimizer is None else optimizer
    return Told(
        check_each("optimizer", optimizer, n_models, one_optimizer),
        check_each("batch_size", batch_size, n_models, check_count),
        list(numbers),
        _dropout(dropout, n_models, len(ensemble.architecture.activations)),
        check_count("epochs", epochs, minimum=0),
        check_choice("reduction", reduction, ("mean", "sum")),
        check_flag("shuffle", shuffle),
        check_bootstrap(bootstrap),
    )


def _dropout(dropout: Any, n_models: int, n_hidden: int) -> list[tuple[float, ...]]:
    """Return each model's rates, from one, one per layer, one per model, or (models, layers)."""

    def rate(name: str, value: Any) -> float:
        return check_in_range(name, value, 0.0, 1.0, open_high=True)

    def rates(name: str, value: Any) -> tuple[float, ...]:
        found = check_per_layer(name, value, n_hidden, rate)
        return found if any(found) else ()

    shape = np.shape(dropout)
    if len(shape) == 1 and n_models == n_hidden == shape[0] and n_models > 1:
        raise ValueError(
            f"dropout with {n_models} values could be one per model or one per hidden layer: give "
            "it the shape (n_models, n_hidden)"
        )
    if shape == (n_hidden,) and n_hidden != n_models:
        return [rates("dropout", dropout)] * n_models
    return check_each("dropout", dropout, n_models, rates)


def stopping_of(early_stopping: Any) -> Stopping:
    """Return what an `EarlyStopping` asks for.

    Raises
    ------
    ValueError
        If it monitors something that an ensemble does not measure.
    """
    monitor = check_choice("EarlyStopping's monitor", early_stopping.monitor, METRICS)
    rule = early_stopping
    return Stopping(monitor, rule._sign, rule.min_delta, rule.patience, rule.restore_best)


def fits_of(
    ensemble: EnsembleModel,
    architecture: Architecture,
    data: Rows,
    shares: Shares,
    models: NDArray[np.int64],
    told: Told,
    watched: tuple[Rows, Shares] | None,
    stopping: Stopping | None,
) -> tuple[Fits, list[NDArray[np.int64]] | None]:
    """Return the fits of some models, and the rows that were drawn for each with a bootstrap.

    The generators of these models draw that first, then the seed of their dropout.
    """
    generators, n_models, drawn = ensemble._generators, ensemble.n_models, None
    check_fits_in_memory(
        "the history", n_models * told.epochs * len(METRICS) * 8, "train for fewer epochs at a time"
    )
    if told.bootstrap is not False:
        drawn = _drawn_rows(shares, generators, models.tolist(), told.bootstrap)
        shares = Shares.of_lists(drawn)
    seeds = [0] * n_models
    for i, seed in zip(models.tolist(), generators.draw_seeds(models), strict=True):
        seeds[i] = seed
    n_rows = shares.n_rows.tolist()
    options = [told.options(i, n_rows[i], seed) for i, seed in enumerate(seeds)]
    largest_first = models[np.argsort(-shares.n_rows[models], kind="stable")]
    fits = Fits(
        architecture,
        ensemble.parameters,
        largest_first,
        data._replace(x=by_rows(data.x)),
        shares,
        options,
        told.epochs,
        Permutations(generators) if told.shuffle else InTurn(),
        _rows_per_call(architecture, n_rows, [each.batch_size for each in options]),
        watched=None if watched is None else watched[0],
        watched_shares=None if watched is None else watched[1],
        stopping=stopping,
        outcome=Outcome.of(n_models, told.epochs),
    )
    return fits, drawn


def run(backend: Backend | Spread, fits: Fits, progress: bool) -> None:
    """Do the fits here, or spread over a cluster, with a progress bar.

    It counts models, or the epochs of few models, and shows the mean of their best scores so far.
    """
    done, few = 0, len(fits.models) <= FEW_MODELS
    total, unit = (len(fits.models) * fits.epochs, "epoch") if few else (len(fits.models), "model")
    with progress_bar(total, progress, unit=unit) as bar:

        def say(n_done: int) -> None:
            nonlocal done
            now = _epochs_done(fits) if few else n_done
            bar.update(now - done)
            done = now
            if few and fits.stopping is not None:
                bar.say(_best_so_far(fits, fits.stopping))

        check_whole(fits.data.x)
        backend.train_models(fits, say)
        check_whole(fits.data.x)


def _epochs_done(fits: Fits) -> int:
    return int(np.count_nonzero(~np.isnan(fits.outcome.measured[fits.models, :, 0])))


def _best_so_far(fits: Fits, stopping: Stopping) -> dict[str, float]:
    """Return the mean, over models that have been measured, of the best monitored value."""
    values = stopping.sign * fits.outcome.measured[fits.models, :, METRICS.index(stopping.monitor)]
    best = np.where(np.isnan(values), -np.inf, values).max(axis=1, initial=-np.inf)
    best = best[np.isfinite(best)]
    return {f"best {stopping.monitor}": stopping.sign * float(best.mean())} if len(best) else {}


def _rows_per_call(
    architecture: Architecture, n_rows: Sequence[int], batch_sizes: Sequence[int]
) -> NDArray[np.int64]:
    """Return how many rows a call of `train_epoch` takes in each model's fit."""

    @cache
    def rows(n: int, batch_size: int) -> int:
        return calls(architecture, n, batch_size)[0].stop if n else 1

    return np.array([rows(*each) for each in zip(n_rows, batch_sizes, strict=True)], np.int64)


def _drawn_rows(
    shares: Shares, generators: Generators, models: Sequence[int], bootstrap: int | float
) -> list[NDArray[np.int64]]:
    """Return rows that each model's generator draws among its own, with replacement."""
    lists = [np.empty(0, np.int64)] * len(shares.first)
    for i in models:
        rows = shares.of(i)
        size = int(bootstrap)
        if bootstrap is True or isinstance(bootstrap, float):
            size = max(1, round(bootstrap * len(rows)))
        (lists[i],) = generators.draw([i], partial(_with_replacement, rows=rows, size=size))
    return lists


def _with_replacement(generator: Any, *, rows: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    drawn: NDArray[np.int64] = rows[generator.integers(len(rows), size=size)]
    return drawn
