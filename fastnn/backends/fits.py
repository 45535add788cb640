"""Whole fits of many models of one architecture: what they are told, and what comes of them.

All models learn from rows of one table, each from its own rows, with its own options and in an
order of its own; each ends by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture, Array
from fastnn.backends.minibatch import TrainingOptions
from fastnn.rows.checked import Rows
from fastnn.rows.orders import Orders
from fastnn.rows.shares import Shares

METRICS = ("loss", "accuracy", "penalty", "val_loss", "val_accuracy")
"""What is measured of each epoch, in the order of `Outcome.measured`."""

ENDINGS = (None, "callback", "diverged", "interrupted")
"""Why a fit ended, as in `fastnn.History.stopped`; a code is a place in this list."""


class Stopping(NamedTuple):
    """When a fit ends before its last epoch.

    Attributes
    ----------
    monitor : str
        One of `METRICS`.
    sign : int
        1 where more is better, else -1.
    min_delta : float
    patience : int
    restore_best : bool
        These three as for `fastnn.EarlyStopping`.
    by_tolerance : bool
        scikit-learn's rule instead: any lower value is the best one, but only one that is lower by
        `min_delta` counts as progress, and a fit ends after more than `patience` epochs without.
    """

    monitor: str
    sign: int
    min_delta: float
    patience: int
    restore_best: bool
    by_tolerance: bool = False


class Recorded(NamedTuple):
    """How the loss of an epoch is recorded.

    Attributes
    ----------
    factor : float
    offsets : ndarray of shape (n_models,) or None
        The loss is multiplied by `factor`, and the model's offset added.
    with_penalty : bool
        Whether the penalty is added too.
    """

    factor: float = 1.0
    offsets: NDArray[np.float64] | None = None
    with_penalty: bool = False

    def loss(self, i: int, loss: float, penalty: float) -> float:
        """Return the recorded loss of model i."""
        loss = loss * self.factor + (0.0 if self.offsets is None else float(self.offsets[i]))
        return loss + penalty if self.with_penalty else loss

    def part(self, models: NDArray[np.int64]) -> Recorded:
        """Return the same of some models."""
        return self if self.offsets is None else self._replace(offsets=self.offsets[models])


PLAIN = Recorded()


@dataclass
class Outcome:
    """What comes of fits.

    Attributes
    ----------
    measured : ndarray of shape (n_models, n_epochs, 5) float64
        `METRICS` of each epoch; NaN where there was none.
    n_epochs : ndarray of shape (n_models,) int64
        Epochs completed.
    ending : ndarray of shape (n_models,) int64
        Codes of `ENDINGS`.
    """

    measured: NDArray[np.float64]
    n_epochs: NDArray[np.int64]
    ending: NDArray[np.int64]

    @classmethod
    def of(cls, n_models: int, n_epochs: int) -> Outcome:
        """Return room for what comes; fits that never begin are interrupted."""
        measured = np.full((n_models, n_epochs, len(METRICS)), np.nan)
        return cls(measured, np.zeros(n_models, np.int64), np.full(n_models, 3, np.int64))


@dataclass(frozen=True)
class Fits:
    """Fits of many models of one architecture.

    Attributes
    ----------
    architecture : Architecture
    params : ndarray of shape (n_models, n_slots)
        Changed in place.
    models : ndarray of int64
        Which models are trained, in the order in which they are begun.
    data : Rows
        The table.
    shares : Shares
        Each model's rows of it, at least one of those that are trained.
    options : sequence of TrainingOptions
        One for each model.
    epochs : int
    orders : Orders
    rows_per_call : ndarray of shape (n_models,) int64
        Rows of one call of `train_epoch`.
    watched : Rows, optional
        Validation rows, without weights.
    watched_shares : Shares, optional
    steps : int
        Updates that count as done before the first.
    stopping : Stopping, optional
    divides_l2 : bool
        Whether l2 is divided by the rows of each minibatch, as in scikit-learn.
    recorded : Recorded
    outcome : Outcome
    slots : ndarray of shape (n_models, 2, n_slots), optional
        Receives the state vectors of the optimizers' rules; those that a rule does not have become
        0. What the scaling of features remembers is not kept.
    """

    architecture: Architecture
    params: Array
    models: NDArray[np.int64]
    data: Rows
    shares: Shares
    options: Sequence[TrainingOptions]
    epochs: int
    orders: Orders
    rows_per_call: NDArray[np.int64]
    _: KW_ONLY
    watched: Rows | None = None
    watched_shares: Shares | None = None
    steps: int = 0
    stopping: Stopping | None = None
    divides_l2: bool = False
    recorded: Recorded = PLAIN
    outcome: Outcome = field(default_factory=lambda: Outcome.of(0, 0))
    slots: Array | None = None

    @property
    def stops_alone(self) -> Stopping | None:
        """The rule for a model without validation rows."""
        rule = self.stopping
        return None if rule is None or rule.monitor.startswith("val_") else rule
