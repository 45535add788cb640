"""The arguments of an ensemble's fit, as `Fits` of a backend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture
from fastnn.backends.fits import METRICS, Shares, Stopping
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import Optimizer, checked_optimizer
from fastnn.rows.calls import calls
from fastnn.rows.generators import Generators
from fastnn.validation import (
    check_choice,
    check_count,
    check_in_range,
    check_per_layer,
    check_positive,
)
from fastnn.validation.ensembles import check_each


class Told(NamedTuple):
    """Checked options, one of each for every model.

    Attributes
    ----------
    optimizers : list of Optimizer
    batch_sizes : list of int
    numbers : list of tuple
        l1, l2, max_norm and clip_norm.
    dropout : list of tuple of float
    reduction : str
    """

    optimizers: list[Optimizer]
    batch_sizes: list[int]
    numbers: list[tuple[float, float, float, float]]
    dropout: list[tuple[float, ...]]
    reduction: str

    def options(self, i: int, n_rows: int, dropout_seed: int) -> TrainingOptions:
        """Return the options of model i, which has so many rows."""
        return TrainingOptions(
            self.optimizers[i], max(1, min(self.batch_sizes[i], n_rows)), self.reduction,
            *self.numbers[i], self.dropout[i], dropout_seed,
        )  # fmt: skip


def told(
    n_models: int,
    n_hidden: int,
    optimizer: Any,
    batch_size: Any,
    reduction: str,
    l1: Any,
    l2: Any,
    max_norm: Any,
    clip_norm: Any,
    dropout: Any,
) -> Told:
    """Check the arguments of a fit, each a single value or one for each model.

    Raises
    ------
    TypeError, ValueError
        If one is invalid.
    """

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
    return Told(
        check_each("optimizer", optimizer, n_models, lambda _, value: checked_optimizer(value)),
        check_each("batch_size", batch_size, n_models, check_count),
        list(numbers),
        _dropout(dropout, n_models, n_hidden),
        check_choice("reduction", reduction, ("mean", "sum")),
    )


def _dropout(dropout: Any, n_models: int, n_hidden: int) -> list[tuple[float, ...]]:
    """Return each model's rates: from one, one a hidden layer, one a model, or (models, layers)."""

    def rate(name: str, value: Any) -> float:
        return check_in_range(name, value, 0.0, 1.0, open_high=True)

    def rates(name: str, value: Any) -> tuple[float, ...]:
        found = check_per_layer(name, value, n_hidden, rate)
        return found if any(found) else ()

    shape = np.shape(dropout)
    if len(shape) == 1 and n_models == n_hidden == shape[0] and n_models > 1:
        raise ValueError(
            f"dropout with {n_models} values could be one a model or one a hidden layer: give it "
            "the shape (n_models, n_hidden)"
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


def rows_per_call(
    architecture: Architecture, shares: Shares, batch_sizes: Sequence[int]
) -> NDArray[np.int64]:
    """Return how many rows a call of `train_epoch` takes in each model's fit."""
    known: dict[tuple[int, int], int] = {}
    out = np.ones(len(batch_sizes), np.int64)
    for i, (count, batch_size) in enumerate(zip(shares.n_rows.tolist(), batch_sizes, strict=True)):
        if count:
            if (count, batch_size) not in known:
                known[count, batch_size] = calls(architecture, count, batch_size)[0].stop
            out[i] = known[count, batch_size]
    return out


def drawn_rows(
    shares: Shares, generators: Generators, models: Sequence[int], bootstrap: bool | int | float
) -> list[NDArray[np.int64]]:
    """Return rows that each model's generator draws among its own, with replacement."""
    lists = [np.empty(0, np.int64)] * len(shares.first)
    for i in models:
        rows = shares.of(i)
        size = len(rows)
        if isinstance(bootstrap, float):
            size = max(1, round(bootstrap * size))
        elif bootstrap is not True:
            size = int(bootstrap)

        def draw(generator: Any, n: int = len(rows), size: int = size) -> Any:
            return generator.integers(n, size=size)

        (places,) = generators.draw([i], draw)
        lists[i] = rows[places]
    return lists
