"""Learning-rate schedules: the rate η of update t = 0, 1, 2, …, counted in optimizer steps.

With a warm-up of w steps the rate first rises linearly, ``η_t = η (t + 1) / w`` for ``t < w``; the
schedule itself then starts at ``t = 0``. Rates are computed in float64 for a whole epoch
at a time, so that every backend uses bit-identical rates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from fastnn.validation import check_count, check_in_range, check_positive
from fastnn.validation.values import describe


@dataclass(frozen=True, kw_only=True)
class Schedule(ABC):
    """Base of the schedules, with a warm-up; called with step numbers.

    Parameters
    ----------
    warmup : int, default 0
        Steps over which the rate rises linearly to its full value.
    """

    warmup: int = 0

    def __post_init__(self) -> None:
        check_count("warmup", self.warmup, minimum=0)
        self._check()

    def __call__(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the rates of the updates `steps` (counted from 0), float64 of the same shape."""
        steps = np.asarray(steps, np.int64)
        rates = self._decayed(np.maximum(steps - self.warmup, 0).astype(np.float64))
        if self.warmup:
            rising = self._full() * (steps + 1) / self.warmup
            rates = np.where(steps < self.warmup, rising, rates)
        return rates

    def _full(self) -> float:
        """Return the rate that the warm-up rises to."""
        return float(self._decayed(np.zeros(1))[0])

    @abstractmethod
    def _check(self) -> None:
        """Check the parameters other than the warm-up."""

    @abstractmethod
    def _decayed(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rates after t steps past the warm-up."""


@dataclass(frozen=True)
class Constant(Schedule):
    """``η_t = η``, for use with a warm-up.

    Parameters
    ----------
    learning_rate : float
        η, above 0.
    warmup : int, default 0
        Steps over which the rate rises linearly to its full value.
    """

    learning_rate: float

    def _check(self) -> None:
        check_positive("learning_rate", self.learning_rate)

    def _decayed(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(t.shape, self.learning_rate)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """``η_t = η / (t + 1)^power``.

    Parameters
    ----------
    learning_rate : float
        η, above 0.
    power : float, default 0.5
        Exponent of the decay, above 0.
    warmup : int, default 0
        Steps over which the rate rises linearly to its full value.
    """

    learning_rate: float
    power: float = 0.5

    def _check(self) -> None:
        check_positive("learning_rate", self.learning_rate)
        check_positive("power", self.power)

    def _decayed(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.learning_rate / (t + 1.0) ** self.power


@dataclass(frozen=True)
class StepDecay(Schedule):
    """``η_t = η · factor^⌊t / every⌋``.

    Parameters
    ----------
    learning_rate : float
        η, above 0.
    every : int
        Steps between two drops.
    factor : float, default 0.1
        Factor of the rate at each drop, in (0, 1].
    warmup : int, default 0
        Steps over which the rate rises linearly to its full value.
    """

    learning_rate: float
    every: int
    factor: float = 0.1

    def _check(self) -> None:
        check_positive("learning_rate", self.learning_rate)
        check_count("every", self.every)
        check_in_range("factor", self.factor, 0.0, 1.0, open_low=True)

    def _decayed(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.learning_rate * self.factor ** np.floor(t / self.every)


@dataclass(frozen=True)
class Cosine(Schedule):
    """``η_t = final + (η − final) (1 + cos(π min(t / n_steps, 1))) / 2``.

    Half a cosine without restarts (Loshchilov and Hutter, 2017, SGDR, equation 5).

    Parameters
    ----------
    learning_rate : float
        η, above 0.
    n_steps : int
        Steps from the full rate to `final`; the rate is constant afterwards.
    final : float, default 0.0
        The final rate, from 0 to `learning_rate`.
    warmup : int, default 0
        Steps over which the rate rises linearly to its full value.
    """

    learning_rate: float
    n_steps: int
    final: float = 0.0

    def _check(self) -> None:
        check_positive("learning_rate", self.learning_rate)
        check_count("n_steps", self.n_steps)
        check_in_range("final", self.final, 0.0, self.learning_rate)

    def _decayed(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        progress = np.minimum(t / self.n_steps, 1.0)
        swing = (self.learning_rate - self.final) / 2.0
        return self.final + swing * (1.0 + np.cos(np.pi * progress))


@dataclass(frozen=True)
class FlatCosine(Schedule):
    """``η_t = η`` for the first half of the steps, then half a cosine from η to 0.

    With ``p = min(t / n_steps, 1)``: η up to p = 1/2, then ``η (1 + cos(π (2 p − 1))) / 2``, which
    is the schedule "flat_cos" of Holzmüller et al. (2024, "Better by Default").

    Parameters
    ----------
    learning_rate : float
        η, above 0.
    n_steps : int
        Steps until the rate is 0, which it remains afterwards.
    warmup : int, default 0
        Steps over which the rate rises linearly to its full value.
    """

    learning_rate: float
    n_steps: int

    def _check(self) -> None:
        check_positive("learning_rate", self.learning_rate)
        check_count("n_steps", self.n_steps)

    def _decayed(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        progress = np.clip(2.0 * t / self.n_steps - 1.0, 0.0, 1.0)
        return self.learning_rate / 2.0 * (1.0 + np.cos(np.pi * progress))


MOST_CYCLES = 50
"""Above it 2^cycles is no longer exact, and its last cycles are shorter than a step."""


@dataclass(frozen=True)
class CosLog(Schedule):
    """``η_t = η (1 − cos(2π log₂(1 + (2^cycles − 1) min(t / n_steps, 1)))) / 2``.

    Cycles from 0 to η and back to 0, each twice as long as the one before (Holzmüller et al., 2024,
    "Better by Default", where four cycles are the schedule "coslog4" of RealMLP). The very first
    update has the rate 0, and the last cycle ends at 0, where the rate remains.

    Parameters
    ----------
    learning_rate : float
        η, above 0.
    n_steps : int
        Steps of all cycles together; the rate is 0 afterwards.
    cycles : int, default 4
        Number of cycles, from 1 to 50.
    warmup : int, default 0
        Steps over which the rate rises linearly to η, before the first cycle, which starts at 0.
    """

    learning_rate: float
    n_steps: int
    cycles: int = 4

    def _check(self) -> None:
        check_positive("learning_rate", self.learning_rate)
        check_count("n_steps", self.n_steps)
        check_in_range("cycles", check_count("cycles", self.cycles), 1, MOST_CYCLES)

    def _full(self) -> float:
        return self.learning_rate

    def _decayed(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        progress = np.minimum(t / self.n_steps, 1.0)
        cycle = np.log2(1.0 + (2.0**self.cycles - 1.0) * progress)
        return self.learning_rate / 2.0 * (1.0 - np.cos(2.0 * np.pi * (cycle % 1.0)))


def check_learning_rate(value: object) -> None:
    """Check that `value` is a positive number or a schedule."""
    if isinstance(value, Schedule):
        return
    if isinstance(value, str) or not isinstance(value, Real):
        raise TypeError(
            "learning_rate must be a number or a fastnn.schedules.Schedule, such as "
            f"Cosine(0.1, n_steps=1000), got {describe(value)}"
        )
    check_positive("learning_rate", value)
