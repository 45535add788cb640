"""fastnn's optimizers as scikit-learn's perceptrons mean them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture
from fastnn.optimizers import SGD, Adam, AdamW, Optimizer, RunningOptimizer
from fastnn.schedules import Schedule

MANY_STEPS = 2**40  # after so many, Adam corrects no bias: β^t is 0
LEAST_RATE = 1e-6  # "adaptive" stops when the learning rate has come down to it


@dataclass(frozen=True)
class ScikitAdam(Adam):
    """Adam as scikit-learn has it: ``p ← p − η √(1 − β₂ᵗ) / (1 − β₁ᵗ) m / (√v + ε)``.

    That is the form at the end of section 2 of Kingma and Ba, 2015, with ε beside the v that is not
    corrected. Here the rate is corrected, and the steps count from `MANY_STEPS`, where fastnn's
    rule corrects no more.
    """

    def learning_rates(self, step: int, n_steps: int) -> NDArray[np.float64]:
        """Return the corrected rates of the `n_steps` updates after the first `step` ones."""
        done = step - MANY_STEPS
        t = np.arange(done + 1, done + 1 + n_steps)
        rates = super().learning_rates(done, n_steps)
        rates *= np.sqrt(1.0 - self.beta_2**t) / (1.0 - self.beta_1**t)
        return rates


@dataclass(frozen=True)
class ScikitSGD(SGD):
    """SGD whose momentum may be 1, as scikit-learn's may, and which adapts its rate as that does.

    Parameters
    ----------
    learning_rate, momentum, nesterov
        As in `fastnn.SGD`.
    adapts : {"constant", "invscaling", "adaptive"}, default "constant"
        How the rate changes after an epoch.
    first_rate, power_t : float
        Of "invscaling".
    """

    adapts: str = "constant"
    first_rate: float = 0.0
    power_t: float = 0.5

    def __post_init__(self) -> None:
        """Trust the estimator, which has checked it."""

    def after_epoch(self, n_samples: int) -> ScikitSGD:
        """Return the optimizer for the next epoch; `n_samples` have been seen since the start."""
        if self.adapts != "invscaling":
            return self
        try:
            rate = self.first_rate / (n_samples + 1) ** self.power_t
        except OverflowError:
            rate = 0.0
        # above 0, so that the next rate can be told as a multiple of it
        return replace(self, learning_rate=max(rate, float(np.finfo(np.float64).tiny)))

    def without_progress(self) -> ScikitSGD | None:
        """Return the optimizer to try next, or None where training stops."""
        rate = self.learning_rate
        if self.adapts != "adaptive" or isinstance(rate, Schedule) or rate <= LEAST_RATE:
            return None
        return replace(self, learning_rate=rate / 5.0)


def optimizer_of(estimator: Any) -> Optimizer:
    """Return the optimizer that the estimator's parameters describe, at its first rate."""
    first_rate = float(estimator.learning_rate_init)
    scheduled = isinstance(estimator.learning_rate, Schedule)
    rate: float | Schedule = estimator.learning_rate if scheduled else first_rate
    if estimator.solver == "sgd":
        return ScikitSGD(
            rate,
            momentum=estimator.momentum,
            nesterov=bool(estimator.nesterovs_momentum) and estimator.momentum > 0,
            adapts="constant" if scheduled else estimator.learning_rate,
            first_rate=first_rate,
            power_t=estimator.power_t,
        )
    betas = {"beta_1": estimator.beta_1, "beta_2": estimator.beta_2}
    if estimator.solver == "adamw":
        decay = estimator.weight_decay
        return AdamW(rate, **betas, epsilon=estimator.epsilon, weight_decay=decay)
    return ScikitAdam(rate, **betas, epsilon=estimator.epsilon)


def started(estimator: Any, architecture: Architecture) -> RunningOptimizer:
    """Return the optimizer that the estimator's parameters describe, before its first step."""
    optimizer = optimizer_of(estimator)
    step = MANY_STEPS if isinstance(optimizer, ScikitAdam) else 0
    return RunningOptimizer.start(optimizer, architecture, step)


def with_rate_of(running: RunningOptimizer, optimizer: ScikitSGD) -> RunningOptimizer:
    """Return the running SGD with another learning rate.

    scikit-learn's momentum is one of steps, each with the rate of its time; fastnn's is one of
    gradients.
    """
    before, now = running.optimizer.learning_rate, optimizer.learning_rate
    assert not isinstance(before, Schedule)
    assert not isinstance(now, Schedule)
    running.state.slots *= before / now
    return RunningOptimizer(optimizer, running.state)
