"""How a fit over P partitions is told what a fit on one machine is told, so that both learn alike.

The mean of P networks that trained on different rows moves more slowly than each of them: their
noise, which is part of what Adam's rate is for, is averaged away. With B rows per update on one
machine,

    minibatches of b = max(8, B / P) rows        as many updates in a pass as on one machine
    learning rates times √(P b / B), at least 1  where b is larger than that
    P / 2 rounds in a pass, from 1 to 16         before the copies are far from each other
    an outer step with Nesterov's momentum       of 1 − 1/√P, which makes up for the rest

(see `fastnn.dask.rounds`). These were chosen by measurement, on images and on a table, for 2 to 32
partitions of the same distribution; the documentation shows what each of them is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.optimizers import SGD, Optimizer
from fastnn.schedules import Schedule
from fastnn.validation import check_count, check_instance, check_positive

LEAST_ROWS = 8
"""Of a minibatch: an update from fewer rows takes as long."""


MOST_ROUNDS = 16
"""In a pass, by default: what a round costs grows with the partitions too."""


@dataclass(frozen=True)
class Scaled(Schedule):
    """Another schedule, times a factor.

    Parameters
    ----------
    schedule : Schedule
    factor : float
    """

    schedule: Schedule
    factor: float

    def __call__(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the rates of the updates `steps`."""
        rates: NDArray[np.float64] = self.factor * self.schedule(steps)
        return rates

    def _check(self) -> None:
        check_positive("factor", self.factor)

    def _decayed(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.factor * self.schedule._decayed(t)


@dataclass(frozen=True)
class Scaling:
    """What a user asked of the rounds, checked.

    Parameters
    ----------
    rounds_per_epoch : int or "auto"
    batch_size : int or "auto"
    rate_factor : float or "auto"
    outer : SGD, None or "auto"
        As for `fastnn.dask.fit`.

    Raises
    ------
    TypeError, ValueError
        If one is invalid.
    """

    rounds_per_epoch: Any = "auto"
    batch_size: Any = "auto"
    rate_factor: Any = "auto"
    outer: Any = "auto"

    def __post_init__(self) -> None:
        for name in ("rounds_per_epoch", "batch_size"):
            if not _is_auto(getattr(self, name)):
                check_count(name, getattr(self, name))
        if not _is_auto(self.rate_factor):
            check_positive("rate_factor", self.rate_factor)
        if self.outer is not None and not _is_auto(self.outer):
            check_instance("outer", self.outer, SGD, 'a fastnn.SGD, None or "auto"')

    def rounds(self, n_partitions: int, n_rows: int, batch_size: int) -> int:
        """Return the number of rounds in a pass, if the largest partition has `n_rows`.

        Not more than its updates: there are rows in every round.
        """
        rounds = self.rounds_per_epoch
        if _is_auto(rounds):
            rounds = min(max(1, n_partitions // 2), MOST_ROUNDS)
        return min(int(rounds), -(-n_rows // batch_size))

    def rows(self, of_one_machine: int, n_partitions: int) -> int:
        """Return the rows of a minibatch; `of_one_machine` is their number without partitions."""
        if _is_auto(self.batch_size):
            return min(of_one_machine, max(LEAST_ROWS, of_one_machine // n_partitions))
        return int(self.batch_size)

    def factor(self, of_one_machine: int, n_partitions: int) -> float:
        """Return what learning rates are multiplied by."""
        if not _is_auto(self.rate_factor):
            return float(self.rate_factor)
        if not _is_auto(self.batch_size):
            return 1.0
        at_once = n_partitions * self.rows(of_one_machine, n_partitions)
        return math.sqrt(max(1.0, at_once / of_one_machine))

    def optimizer(self, optimizer: Optimizer, of_one_machine: int, n_partitions: int) -> Optimizer:
        """Return the optimizer of the partitions."""
        factor, rate = self.factor(of_one_machine, n_partitions), optimizer.learning_rate
        if factor == 1.0:
            return optimizer
        scaled: Any = Scaled(rate, factor) if isinstance(rate, Schedule) else factor * rate
        return replace(optimizer, learning_rate=scaled)

    def outer_of(self, n_partitions: int) -> SGD | None:
        """Return the outer optimizer."""
        if _is_auto(self.outer):
            momentum = 1.0 - 1.0 / math.sqrt(n_partitions)
            return SGD(1.0, momentum=momentum, nesterov=True) if n_partitions > 1 else None
        outer: SGD | None = self.outer
        return outer


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"
