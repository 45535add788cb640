"""Rounds of local training, whose results are averaged; what a worker does of it.

In round r every partition trains a copy of the round's parameters θ on its own rows: for one pass,
or a part of one. With the weights w of what each partition i trained on,

    θ'ᵢ = train(θ, partition i, r)
    θ̄  = Σ wᵢ θ'ᵢ / Σ wᵢ

(McMahan et al., 2017, "Communication-efficient learning of deep networks from decentralized data"),
and the vectors of the optimizer's state are averaged alike. Then an outer optimizer may step with
the gradient θ − θ̄ (Douillard et al., 2023, "DiLoCo").

All are pure functions of their arguments. Sums are of float64, in a fixed tree over the numbers of
the partitions, and made of NumPy's additions and multiplications, each rounded by itself: they do
not depend on the worker that computes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture, Array
from fastnn.backends import get_backend
from fastnn.backends.minibatch import TrainingOptions
from fastnn.dask.partitions import Checks, Raw, check, n_rows_of
from fastnn.model.evaluation import Totals, totals_of
from fastnn.optimizers import SGD, OptimizerState
from fastnn.rows.calls import calls
from fastnn.rows.checked import Rows
from fastnn.rows.order import row_order

ARITY = 8
"""Nodes that are added at once, of the tree over partitions."""


@dataclass(frozen=True)
class Plan:
    """What is the same in all rounds.

    Attributes
    ----------
    architecture : Architecture
    options : TrainingOptions
    backend : str
    shuffle : bool or "blocks"
        As for `Network.fit`, within a partition.
    rounds_per_epoch : int
        In how many rounds the minibatches of a pass are trained on.
    alpha : float or None
        If given, the penalty of a minibatch of weight n is ``alpha / (2 n) Σw²``, as in
        scikit-learn, and `options.l2` does not count.
    """

    architecture: Architecture
    options: TrainingOptions
    backend: str
    shuffle: bool | str
    rounds_per_epoch: int = 1
    alpha: float | None = None

    @classmethod
    def of_measuring(cls, architecture: Architecture, backend: str) -> Plan:
        """Return a plan by which nothing is trained, only measured."""
        return cls(architecture, TrainingOptions(SGD(), 1), backend, shuffle=False)


class State(NamedTuple):
    """What a round begins with.

    Attributes
    ----------
    parameters : ndarray of shape (n_slots,)
    slots : ndarray of shape (n_state, n_slots)
        Vectors of the optimizer.
    step : int
        Updates so far.
    seed, round : int
        Determine, with the number of the partition, the order of its rows and its dropout masks.
    """

    parameters: Array
    slots: Array
    step: int
    seed: int
    round: int


class Sum(NamedTuple):
    """What partitions have learned: the result of one, or the sum of several.

    Attributes
    ----------
    factor : float
        By which `vectors` are yet to be multiplied: the weight of one, 1 of a sum.
    vectors : ndarray of shape (1 + n_state, n_slots)
        Parameters, then the vectors of the optimizer.
    step : int
        The largest number of updates.
    weight : float
        Of the rows that were trained on.
    metrics : ndarray of shape (3,)
        Loss, accuracy and penalty, each times the weight.
    """

    factor: float
    vectors: Array
    step: int
    weight: float
    metrics: NDArray[np.float64]


def train(rows: Rows, number: int, state: State, plan: Plan) -> Sum:
    """Train on the partition of that number, and return the result."""
    a, backend = plan.architecture, get_backend(plan.backend)
    parameters, slots = a.allocate(), np.zeros((len(state.slots), a.n_slots), a.dtype)
    parameters[...], slots[...] = state.parameters, state.slots
    running = OptimizerState(slots, state.step)
    seeds = np.random.SeedSequence([state.seed, number])
    dropout_seed = int(seeds.generate_state(1, np.uint64)[0] >> np.uint64(1))
    options = replace(plan.options, dropout_seed=dropout_seed)
    total, metrics = 0.0, np.zeros(3)
    for order, l2 in _parts(rows, plan, state, number):
        result = backend.train_epoch(
            a, parameters, running, rows.x, rows.y, order,
            options if l2 is None else replace(options, l2=l2), rows.sample_weight,
        )  # fmt: skip
        weight = _weight(rows, order)
        if weight:
            metrics += weight * np.array([result.loss, result.accuracy, result.penalty])
        total += weight
    vectors = np.concatenate([parameters[None], slots])
    return Sum(total, vectors, running.step, total, metrics)


def _parts(
    rows: Rows, plan: Plan, state: State, number: int
) -> Iterator[tuple[NDArray[np.int64], float | None]]:
    """Yield the rows of each call of the backend in this round, and its penalty, if it varies."""
    order, batch_size = _order(rows, plan, state, number), plan.options.batch_size
    if plan.alpha is None:
        for part in calls(plan.architecture, len(order), batch_size):
            yield order[part], None
        return
    whole = len(order) - len(order) % batch_size
    starts = [*range(0, len(order), batch_size)]
    if rows.sample_weight is None:  # all whole minibatches have the same penalty
        starts = sorted({0, whole} - {len(order)})
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        weight = _weight(rows, order[start : min(end, start + batch_size)])
        if weight:
            for part in calls(plan.architecture, end - start, batch_size):
                yield order[start:end][part], plan.alpha / weight


def _order(rows: Rows, plan: Plan, state: State, number: int) -> NDArray[np.int64]:
    """Return the row numbers of a round: those of some minibatches of a pass."""
    number_of_pass, part = divmod(state.round, plan.rounds_per_epoch)
    drawing = np.random.default_rng([state.seed, number, number_of_pass])
    order = row_order(drawing, rows.x, len(rows.y), plan.shuffle)
    batch_size = plan.options.batch_size
    n_steps = -(-len(order) // batch_size)
    first, last = (n_steps * k // plan.rounds_per_epoch for k in (part, part + 1))
    return order[first * batch_size : last * batch_size]


def _weight(rows: Rows, order: NDArray[np.int64]) -> float:
    if rows.sample_weight is None:
        return float(len(order))
    return float(rows.sample_weight[order].sum())


def add(*sums: Sum) -> Sum:
    """Return the sum of what partitions have learned, in their order."""
    vectors = np.zeros(sums[0].vectors.shape, np.float64)
    metrics = np.zeros(3)
    with np.errstate(over="ignore", invalid="ignore"):  # a loss that is not finite ends the fit
        for each in sums:
            if each.weight:  # nothing times a weight of 0 that is not finite
                vectors += each.factor * each.vectors.astype(np.float64)
                metrics += each.metrics
    return Sum(
        1.0,
        vectors,
        max(each.step for each in sums),
        float(sum(each.weight for each in sums)),
        metrics,
    )


def measure(rows: Rows, number: int, state: State, plan: Plan) -> Totals:
    """Return the sums from which the measures of a partition of validation data are made."""
    a = plan.architecture
    parameters = a.allocate()
    parameters[...] = state.parameters
    return totals_of(get_backend(plan.backend), a, parameters, *rows)


def measure_raw(raw: Raw, number: int, checks: Checks, state: State, plan: Plan) -> Totals | None:
    """Return the same of a partition that has yet to be checked; None if it has no rows."""
    if not n_rows_of(raw):
        return None
    rows, _ = check(raw, number, checks)
    return measure(rows, number, state, plan)


def add_totals(*totals: Totals | None) -> Totals | None:
    """Return the sums over several partitions, in their order; None if none has rows."""
    found = [each for each in totals if each is not None]
    return reduce(lambda one, other: one + other, found) if found else None


def tree(n_leaves: int) -> list[list[Sequence[int]]]:
    """Return how leaves are added: by level, which nodes of the level below each node adds.

    >>> tree(10)
    [[range(0, 8), range(8, 10)], [range(0, 2)]]
    """
    levels: list[list[Sequence[int]]] = []
    n = n_leaves
    while not levels or n > 1:
        levels.append([range(first, min(first + ARITY, n)) for first in range(0, n, ARITY)])
        n = len(levels[-1])
    return levels


def averaged(total: Sum) -> Array:
    """Return the mean vectors (1 + n_state, n_slots), of float64."""
    mean: Array = total.factor * total.vectors.astype(np.float64) / total.weight
    return mean
