"""fastnn's optimizers with the behaviour of scikit-learn's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture
from fastnn.optimizers import SGD, Adam, AdamW, Optimizer, RunningOptimizer
from fastnn.schedules import Schedule

MANY_STEPS = 2**40  # from here on Adam's bias correction is 1: β^t is 0
LEAST_RATE = 1e-6  # "adaptive" stops at this learning rate


@dataclass(frozen=True)
class ScikitAdam(Adam):
    """Adam as in scikit-learn: ``p ← p − η √(1 − β₂ᵗ) / (1 − β₁ᵗ) m / (√v + ε)``.

    This is the form at the end of section 2 of Kingma and Ba, 2015, with ε added to the uncorrected
    √v. Here the bias correction is part of the rate, and steps count from `MANY_STEPS`, where
    fastnn's rule applies none.
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
    """SGD that allows a momentum of 1 and adapts its rate as scikit-learn's does.

    Parameters
    ----------
    learning_rate, momentum, nesterov
        As in `fastnn.SGD`.
    adapts : {"constant", "invscaling", "adaptive"}, default "constant"
        How the rate changes after an epoch.
    first_rate, power_t : float
        For "invscaling".
    """

    adapts: str = "constant"
    first_rate: float = 0.0
    power_t: float = 0.5

    def __post_init__(self) -> None:
        """Skip the checks, which the estimator has done."""

    def after_epoch(self, n_samples: int) -> ScikitSGD:
        """Return the optimizer for the next epoch; `n_samples` have been seen since the start."""
        if self.adapts != "invscaling":
            return self
        try:
            rate = self.first_rate / (n_samples + 1) ** self.power_t
        except OverflowError:
            rate = 0.0
        # above 0, so that the next rate can be expressed as a multiple of it
        return replace(self, learning_rate=max(rate, float(np.finfo(np.float64).tiny)))

    def without_progress(self) -> ScikitSGD | None:
        """Return the optimizer to continue with, or None to stop training."""
        rate = self.learning_rate
        if self.adapts != "adaptive" or isinstance(rate, Schedule) or rate <= LEAST_RATE:
            return None
        return replace(self, learning_rate=rate / 5.0)


def optimizer_of(estimator: Any) -> Optimizer:
    """Return the optimizer described by the estimator's parameters, at its initial rate."""
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
    """Return the optimizer described by the estimator's parameters, before its first step."""
    optimizer = optimizer_of(estimator)
    step = MANY_STEPS if isinstance(optimizer, ScikitAdam) else 0
    return RunningOptimizer.start(optimizer, architecture, step)


def with_rate_of(running: RunningOptimizer, optimizer: ScikitSGD) -> RunningOptimizer:
    """Return the running SGD with another learning rate.

    scikit-learn's momentum accumulates steps, each scaled by its learning rate; fastnn's
    accumulates gradients.
    """
    before, now = running.optimizer.learning_rate, optimizer.learning_rate
    assert not isinstance(before, Schedule)
    assert not isinstance(now, Schedule)
    running.state.slots *= before / now
    return RunningOptimizer(optimizer, running.state)
