"""Training in rounds: every partition trains a copy of the parameters, and the copies are averaged.

With partitions of n₁ … n_P rows, a round takes the parameters w to the next ones:

    wₚ = w after some local steps on partition p
    w̄  = Σ nₚ wₚ / Σ nₚ                                  in float64, in the order of the partitions
    w  ← w̄                                               the plain average
    w  ← w − η (g + μ m),  m ← μ m + g,  g = w − w̄       an outer Nesterov step

The outer step is DiLoCo's (Douillard et al., 2023). One partition with the plain average is the
local fit, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

import fastnn
from cases import Array
from fastnn.backends import get_backend
from fastnn.backends.minibatch import TrainingOptions
from fastnn.model.evaluation import evaluate
from fastnn.optimizers import Optimizer, OptimizerState
from fastnn.rows.checked import Rows

BATCH_SIZE = 100  # of the local fit
GROWING = -1.0
RATE_FACTORS: dict[str, Callable[[int, int], float]] = {
    "1": lambda n_partitions, batch_size: 1.0,
    "√P": lambda n_partitions, batch_size: n_partitions**0.5,
    "P": lambda n_partitions, batch_size: min(n_partitions, 8.0),  # beyond, Adam diverges
    "κ": lambda n_partitions, batch_size: max(1.0, n_partitions * batch_size / BATCH_SIZE),
    "√κ": lambda n_partitions, batch_size: max(1.0, n_partitions * batch_size / BATCH_SIZE) ** 0.5,
}
"""What the learning rate is multiplied by. κ is how much larger P local minibatches together are
than one of the local fit."""


@dataclass(frozen=True)
class Scheme:
    """How the rounds of P partitions are made.

    Attributes
    ----------
    rate : {"1", "√P", "P", "κ", "√κ"}
        The factor of the learning rate, of `RATE_FACTORS`.
    smallest_batch : int
        Local minibatches have 100/P rows, but at least this many.
    rounds : float
        Rounds per pass, in multiples of P, but at least one: 0 is one for any P.
    steps : int
        Local steps in a round, in place of `rounds` if not 0.
    state : {"averaged", "averaged roots", "reset", "kept"}
        What the local optimizers start a round with: the mean of their states (or, of Adam's second
        moment, the square of the mean of the roots), zeros, or their own.
    outer_rate, outer_momentum : float
        η and μ; 1 and 0 are the plain average. `GROWING` stands for μ = 1 − 1/√P.
    cosine : bool
        Whether the learning rate falls to zero over all steps.
    """

    rate: str = "1"
    smallest_batch: int = BATCH_SIZE
    rounds: float = 0.0
    steps: int = 0
    state: str = "averaged"
    outer_rate: float = 1.0
    outer_momentum: float = 0.0
    cosine: bool = False

    def batch_size(self, n_partitions: int) -> int:
        """Return the rows of a local minibatch."""
        return max(BATCH_SIZE // n_partitions, self.smallest_batch)

    def momentum(self, n_partitions: int) -> float:
        """Return μ."""
        grows = self.outer_momentum == GROWING
        return 1.0 - n_partitions**-0.5 if grows else self.outer_momentum

    def steps_in_round(self, n_partitions: int, steps_in_pass: int) -> int:
        """Return the local steps between two averages."""
        n_rounds = max(1, int(self.rounds * n_partitions))
        return self.steps or -(-steps_in_pass // n_rounds)


def partitions(y: Array, n: int, seed: int, *, by_label: bool = False) -> list[Array]:
    """Return the row numbers of each partition, of shuffled rows, or of rows sorted by label."""
    order = np.random.default_rng(seed).permutation(len(y))
    if by_label:
        order = order[np.argsort(y[order], kind="stable")]
    return np.array_split(order, n)


def accuracies(
    network: fastnn.Network,
    optimizer: Optimizer,
    scheme: Scheme,
    parts: Sequence[Array],
    train: Rows,
    test: Rows,
    *,
    passes: int,
    seed: int,
) -> list[float]:
    """Train in rounds, from the network's parameters; return the test accuracy after each pass."""
    a, n, backend = network.architecture, len(parts), get_backend("auto")
    batch_size = scheme.batch_size(n)
    steps_in_pass = -(-max(map(len, parts)) // batch_size)
    rate = RATE_FACTORS[scheme.rate](n, batch_size) * optimizer.learning_rate
    if scheme.cosine:
        rate = fastnn.schedules.Cosine(rate, n_steps=passes * steps_in_pass)
    options = TrainingOptions(replace(optimizer, learning_rate=rate), batch_size)
    n_rows = scheme.steps_in_round(n, steps_in_pass) * batch_size
    weights = np.array([len(part) for part in parts], np.float64)
    params, momentum = network.parameters.copy(), np.zeros(a.n_slots)
    copies = [a.allocate() for _ in parts]
    slots = np.zeros((n, optimizer.n_state, a.n_slots), a.dtype)
    states = [OptimizerState(own) for own in slots]
    found = []
    for number in range(passes):
        for rows in rounds(orders(parts, seed, number), n_rows):
            for copy, state, some in zip(copies, states, rows, strict=True):
                copy[...] = params
                if len(some):
                    backend.train_epoch(a, copy, state, train.x, train.y, some, options)
            params[...] = outer_step(
                params, average(copies, weights), momentum, scheme.outer_rate, scheme.momentum(n)
            )
            begin_round(states, weights, scheme)
        found.append(evaluate(backend, a, params, *test, progress=False)["accuracy"])
    return found


def orders(parts: Sequence[Array], seed: int, number: int) -> list[Array]:
    """Return the rows of each partition in the order of a pass."""
    return [
        np.random.default_rng([seed, number, p]).permutation(part) for p, part in enumerate(parts)
    ]


def rounds(of_pass: Sequence[Array], n_rows: int) -> Iterator[list[Array]]:
    """Yield, for each round of a pass, the next rows of every partition."""
    for start in range(0, max(map(len, of_pass)), n_rows):
        yield [order[start : start + n_rows] for order in of_pass]


def average(vectors: Sequence[Array], weights: Array) -> Array:
    """Return the weighted mean in float64, summed in the order of the vectors."""
    total = np.zeros(vectors[0].shape)
    for vector, weight in zip(vectors, weights, strict=True):
        total += vector * weight
    mean: Array = total / weights.sum()
    return mean


def outer_step(params: Array, mean: Array, momentum: Array, rate: float, decay: float) -> Array:
    """Return the parameters of the next round; `momentum` changes in place."""
    if rate == 1.0 and not decay:
        return mean  # exactly
    gradient = params - mean
    momentum *= decay
    momentum += gradient
    stepped: Array = params - rate * (gradient + decay * momentum)
    return stepped


def begin_round(states: Sequence[OptimizerState], weights: Array, scheme: Scheme) -> None:
    """Give the local optimizers the state that the next round starts with."""
    if scheme.state == "kept":
        return
    mean = np.zeros(states[0].slots.shape)
    step = 0  # Adam corrects its bias anew
    if scheme.state != "reset":
        mean = average([state.slots for state in states], weights)
        step = max(state.step for state in states)
        if scheme.state == "averaged roots":
            mean[1] = average([np.sqrt(state.slots[1]) for state in states], weights) ** 2
    for state in states:
        state.slots[...] = mean
        state.step = step
