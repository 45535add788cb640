"""fastnn's optimizers as scikit-learn's perceptrons mean them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.optimizers import SGD, Adam, AdamW, Optimizer
from fastnn.schedules import Schedule

MANY_STEPS = 2**40  # after so many, Adam corrects no bias: β^t is 0


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
    """SGD whose momentum may be 1, as scikit-learn's may."""

    def __post_init__(self) -> None:
        """Trust the estimator, which has checked it."""


def optimizer_of(estimator: Any, learning_rate: float) -> Optimizer:
    """Return the optimizer that the estimator's parameters describe, at this learning rate."""
    rate: float | Schedule = learning_rate
    if isinstance(estimator.learning_rate, Schedule):
        rate = estimator.learning_rate
    if estimator.solver == "sgd":
        nesterov = bool(estimator.nesterovs_momentum) and estimator.momentum > 0
        return ScikitSGD(rate, momentum=estimator.momentum, nesterov=nesterov)
    betas = {"beta_1": estimator.beta_1, "beta_2": estimator.beta_2}
    if estimator.solver == "adamw":
        decay = estimator.weight_decay
        return AdamW(rate, **betas, epsilon=estimator.epsilon, weight_decay=decay)
    return ScikitAdam(rate, **betas, epsilon=estimator.epsilon)
