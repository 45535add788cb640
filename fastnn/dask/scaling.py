"""How a fit over P partitions is told what a fit on one machine is told, so that both learn alike.

The mean of P networks that trained on different rows moves as an update of P times as many rows
would. As for such a batch, three things make up for it:

    minibatches of b / P rows, at least 8        as many updates in a pass as on one machine
    learning rates times √P                      as for batches P times as large
    P / 2 rounds in a pass                       before the copies are far from each other

and an outer step with Nesterov's momentum of 0.5 (see `fastnn.dask.rounds`). These were chosen
by measurement, on images and on a table, for 2 to 32 partitions of the same distribution; the
documentation shows what each of them is worth.
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
"""Of a minibatch: with fewer rows, updates take as long."""

OUTER = SGD(1.0, momentum=0.5, nesterov=True)


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

    def rounds(self, n_partitions: int) -> int:
        """Return the number of rounds in a pass."""
        if _is_auto(self.rounds_per_epoch):
            return max(1, n_partitions // 2)
        return int(self.rounds_per_epoch)

    def rows(self, of_one_machine: int, n_partitions: int) -> int:
        """Return the rows of a minibatch; `of_one_machine` is their number without partitions."""
        if _is_auto(self.batch_size):
            return min(of_one_machine, max(LEAST_ROWS, round(of_one_machine / n_partitions)))
        return int(self.batch_size)

    def optimizer(self, optimizer: Optimizer, n_partitions: int) -> Optimizer:
        """Return the optimizer of the partitions."""
        factor = math.sqrt(n_partitions) if _is_auto(self.rate_factor) else float(self.rate_factor)
        rate = optimizer.learning_rate
        if factor == 1.0:
            return optimizer
        scaled: Any = Scaled(rate, factor) if isinstance(rate, Schedule) else factor * rate
        return replace(optimizer, learning_rate=scaled)

    def outer_of(self, n_partitions: int) -> SGD | None:
        """Return the outer optimizer."""
        if _is_auto(self.outer):
            return OUTER if n_partitions > 1 else None
        outer: SGD | None = self.outer
        return outer


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"
