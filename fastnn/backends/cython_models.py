"""Fits of many models for the compiled program `train_models`: recipes, tables, generators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.backends.base import CONSTANT_RATES, learning_rates
from fastnn.backends.dropout import dropout_threshold
from fastnn.backends.fits import METRICS, Fits
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.training_pass import MOST_ROWS
from fastnn.optimizers import Optimizer, RateFactors
from fastnn.rows.generators import Generators
from fastnn.rows.orders import InTurn, Permutations, Reorderings

RECIPE = np.dtype(
    [
        *((name, np.int64) for name in (
            "first_row", "n_rows", "rows_per_call", "batch_size", "first_watched", "n_watched",
            "step", "first_rate", "n_rates", "rule", "mean", "drops",
            "groups", "scales_features",
        )),
        ("dropout_seed", np.uint64),
        *((name, np.float64) for name in (
            "first_decay", "second_decay", "epsilon", "weight_decay", "l1", "l2", "max_norm",
            "clip_norm", "offset",
        )),
    ]
)  # fmt: skip
"""`Recipe` in kernels/cython/fits.pxd."""

IN_TURN, PERMUTED, REORDERED = range(3)

_TRIED = (1, 2, 3, 10, 300, 70000)
"""Numbers of rows whose order is drawn for a comparison with NumPy's."""


def train_models(
    kernels: Any,
    program: Any,
    rules: dict[str, int],
    fits: Fits,
    progress: Callable[[int], object] | None,
) -> bool:
    """Do the fits in one native call; return False if compiled code cannot draw the orders."""
    drawn = _drawn(kernels, fits)
    if drawn is None:
        return False
    rates, first_rates = _rates(fits)
    dropout, drops = _dropout(fits)
    factors, groups = _factors(fits)
    recipes = _recipes(fits, rules, first_rates, drops)
    recipes["groups"] = groups
    data, shares = fits.data, fits.shares
    none = np.empty(0)
    rows = np.empty(0, np.int64)
    weights = none if data.sample_weight is None else data.sample_weight
    watched = None
    if fits.watched is not None and fits.watched_shares is not None:
        watched = (
            fits.watched.x, fits.watched.y,
            rows if fits.watched_shares.rows is None else fits.watched_shares.rows.copy(),
        )  # fmt: skip
    stopping = fits.stopping
    ended = np.stack([fits.outcome.n_epochs, fits.outcome.ending], axis=1)
    thresholds = np.array([[dropout_threshold(rate) for rate in each] for each in dropout])
    locks = {id(lock): lock for lock in _locks(fits)}
    try:
        with ExitStack() as held:
            for lock in locks.values():
                held.enter_context(lock)
            kernels.train_models(
                program,
                fits.params,
                None if fits.slots is None else fits.slots.reshape(len(fits.slots), -1),
                fits.models,
                recipes,
                (
                    data.x,
                    data.y,
                    np.ascontiguousarray(weights, np.float64),
                    rows if shares.rows is None else shares.rows.copy(),
                ),
                watched,
                (rates, dropout, thresholds.astype(np.uint32).reshape(dropout.shape), factors),
                drawn,
                None if stopping is None else (METRICS.index(stopping.monitor), *stopping[1:]),
                (fits.recorded.factor, fits.divides_l2, fits.recorded.with_penalty),
                fits.outcome.measured,
                ended,
                progress,
            )
    finally:
        fits.outcome.n_epochs[...], fits.outcome.ending[...] = ended.T
        if not fits.architecture.classifies:
            fits.outcome.measured[:, :, [1, 4]] = np.nan
    return True


def _drawn(kernels: Any, fits: Fits) -> tuple[Any, int] | None:
    """Return the generators and how they shuffle; None if compiled code draws otherwise."""
    orders = fits.orders
    if isinstance(orders, InTurn):
        return None, IN_TURN
    if not draws_as_numpy(kernels):
        return None
    if isinstance(orders, Permutations):
        return orders.generators.states, PERMUTED
    if isinstance(orders, Reorderings):
        return [_bit_generator(state) for state in orders.states], REORDERED
    return None


def _locks(fits: Fits) -> list[Any]:
    """Return the locks of NumPy's own generators, which compiled code advances."""
    if not isinstance(fits.orders, Reorderings):
        return []
    return [_bit_generator(state).lock for state in fits.orders.states]


def _bit_generator(state: np.random.RandomState) -> Any:
    return state._bit_generator


@cache
def draws_as_numpy(kernels: Any) -> bool:
    """Say whether compiled code draws orders of rows as this version of NumPy does."""
    theirs, older = np.random.default_rng(1), np.random.RandomState(1)
    generators = Generators.empty(1)
    generators.put(0, theirs)
    try:
        ours = kernels.Generators(generators.states)
        ours_older = kernels.Generators([_bit_generator(np.random.RandomState(1))])
    except (AttributeError, ValueError):  # in another NumPy
        return False
    for n in _TRIED:
        drawn = np.arange(n)
        older.shuffle(drawn)
        if ours.shuffle(0, n) != theirs.permutation(n).tolist():
            return False
        if ours_older.shuffle(0, n) != drawn.tolist():
            return False
    return True


def _rates(fits: Fits) -> tuple[Array, NDArray[np.int64]]:
    """Return the learning rates of all optimizers, and for each model where its own are."""
    tables: list[Array] = []
    known: dict[int, tuple[int, int]] = {}
    places = np.zeros((len(fits.options), 2), np.int64)
    steps = _steps(fits)
    longest: dict[int, int] = {}
    optimizers: dict[int, Optimizer] = {}
    for i in fits.models.tolist():
        optimizer = fits.options[i].optimizer
        optimizers[id(optimizer)] = optimizer
        longest[id(optimizer)] = max(longest.get(id(optimizer), 0), int(steps[i]))
    used = 0
    for name, optimizer in optimizers.items():
        constant = type(optimizer) in CONSTANT_RATES and type(optimizer.learning_rate) is float
        n_steps = 1 if constant else longest[name]
        tables.append(learning_rates(optimizer, fits.steps, n_steps))
        known[name] = used, n_steps
        used += n_steps
    for i in fits.models.tolist():
        places[i] = known[id(fits.options[i].optimizer)]
    return np.concatenate([*tables, np.empty(0)]), places


def _steps(fits: Fits) -> NDArray[np.int64]:
    """Return how many updates the fit of each model has."""
    batch = np.array([min(options.batch_size, MOST_ROWS) for options in fits.options], np.int64)
    count, step = fits.shares.n_rows, fits.rows_per_call
    per_call = -(-step // batch)
    return np.asarray(fits.epochs * (count // step * per_call + -(-(count % step) // batch)))


def _dropout(fits: Fits) -> tuple[Array, NDArray[np.int64]]:
    """Return the different rates (n, n_hidden), and for each model which it has, or -1."""
    known: dict[tuple[float, ...], int] = {}
    drops = np.full(len(fits.options), -1, np.int64)
    for i in fits.models.tolist():
        if fits.options[i].dropout:
            drops[i] = known.setdefault(fits.options[i].dropout, len(known))
    n_hidden = len(fits.architecture.activations)
    return np.array(list(known), np.float64).reshape(len(known), n_hidden), drops


def _factors(fits: Fits) -> tuple[Array, NDArray[np.int64]]:
    """Return the different factors of groups, and for each model which it has, or -1."""
    known: dict[RateFactors, int] = {}
    groups = np.full(len(fits.options), -1, np.int64)
    for i in fits.models.tolist():
        rates = fits.options[i].optimizer.rate_factors
        if rates is not None:
            groups[i] = known.setdefault(rates, len(known))
    factors = np.empty((len(known), 2 * len(fits.architecture.layers) + 1, 2))
    for rates, number in known.items():
        factors[number] = rates.of(fits.architecture)
    return factors, groups


def _recipes(
    fits: Fits, rules: dict[str, int], rates: NDArray[np.int64], drops: NDArray[np.int64]
) -> NDArray[Any]:
    recipes = np.zeros(len(fits.options), RECIPE)
    for name, values in _plain_columns(fits.options, rules).items():
        recipes[name] = values
    recipes["first_row"], recipes["n_rows"] = fits.shares.first, fits.shares.n_rows
    recipes["rows_per_call"], recipes["step"] = fits.rows_per_call, fits.steps
    recipes["first_rate"], recipes["n_rates"] = rates.T
    recipes["drops"] = drops
    if fits.watched_shares is not None:
        recipes["first_watched"] = fits.watched_shares.first
        recipes["n_watched"] = fits.watched_shares.n_rows
    if fits.recorded.offsets is not None:
        recipes["offset"] = fits.recorded.offsets
    return recipes


def _plain_columns(
    options: Sequence[TrainingOptions], rules: dict[str, int]
) -> dict[str, list[Any]]:
    coefficients = [each.optimizer.coefficients for each in options]
    names = ("first_decay", "second_decay", "epsilon", "weight_decay")
    columns = {name: [each[i] for each in coefficients] for i, name in enumerate(names)}
    return columns | {
        "batch_size": [min(each.batch_size, MOST_ROWS) for each in options],
        "rule": [rules[each.optimizer.rule] for each in options],
        "mean": [each.reduction == "mean" for each in options],
        "dropout_seed": [each.dropout_seed for each in options],
        "l1": [each.l1 for each in options],
        "l2": [each.l2 for each in options],
        "max_norm": [each.max_norm for each in options],
        "clip_norm": [each.clip_norm for each in options],
        "scales_features": [each.optimizer.scales_features for each in options],
    }
