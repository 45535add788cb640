"""The history of a fit of scikit-learn's perceptrons: its losses, its scores, and the best ones.

The solver of an estimator writes it; scikit-learn's attributes are properties that read it.
Attributes without a value do not exist: before the first epoch there is no loss, and
"lbfgs", which has no epochs, has no curve.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHOWN = {
    "loss_": "loss",
    "n_iter_": "n_iter",
    "t_": "n_samples",
    "loss_curve_": "losses",
    "best_loss_": "best_loss",
    "validation_scores_": "scores",
    "best_validation_score_": "best_score",
    "validation_loss_curve_": "eval_losses",
}
"""scikit-learn's names of the attributes."""

OLDER = SHOWN | {
    "_no_improvement_count": "n_without_progress",
    "_stopped": "stopped",
    "_best_parameters": "best_parameters",
}
"""Attributes of estimators in older versions and their pickles."""


class History:
    """The losses and scores of the epochs.

    Attributes
    ----------
    n_iter : int
        Epochs or iterations of the last fit.
    n_samples : int
        Rows seen in all epochs, including continued fits.
    stopped : bool
        Whether early stopping has ended training in one of several calls of `partial_fit`.
    loss : float
        Of the last epoch.
    losses : list of float
    best_loss : float or None
        None if scores are monitored.
    scores : list of float or None
        On held-out rows; None if losses are monitored.
    best_score : float or None
    best_parameters : ndarray of shape (n_parameters,)
        The parameters with the best score.
    n_without_progress : int
        Number of epochs since the last improvement.
    eval_losses : list of float
        On the `eval_set` of `fit`.
    """

    loss: float
    losses: list[float]
    best_loss: float | None
    scores: list[float] | None
    best_score: float | None
    best_parameters: NDArray[Any]
    n_without_progress: int
    eval_losses: list[float]

    def __init__(self) -> None:
        self.n_iter = self.n_samples = 0
        self.stopped = False

    def begin_epochs(self, parameters: NDArray[Any], watches_scores: bool) -> None:
        """Remove all epochs, and monitor losses or scores from now on."""
        self.losses = []
        self.best_loss = None if watches_scores else np.inf
        self.scores = [] if watches_scores else None
        self.best_score = -np.inf if watches_scores else None
        self.best_parameters = parameters.copy()
        self.n_without_progress, self.stopped = 0, False

    def has_epochs(self, watches_scores: bool) -> bool:
        """Return whether there are epochs to continue from, with the same metric monitored."""
        return hasattr(self, "losses") and watches_scores == (self.scores is not None)

    def add_epoch(self, epoch: int, loss: float, n_rows: int) -> None:
        """Add the loss of an epoch over `n_rows` rows."""
        self.loss = loss
        self.losses.append(loss)
        self.n_iter = epoch
        self.n_samples += n_rows

    def judge_loss(self, tol: float) -> None:
        """Compare the last loss with the best one."""
        assert self.best_loss is not None
        self._count(not self.loss > self.best_loss - tol)
        self.best_loss = min(self.loss, self.best_loss)

    def judge_score(self, score: float, tol: float, parameters: NDArray[Any]) -> None:
        """Add a score, and keep the parameters if it is the best one."""
        assert self.scores is not None
        assert self.best_score is not None
        self.scores.append(score)
        self._count(not score < self.best_score + tol)
        if score > self.best_score:
            self.best_score = score
            self.best_parameters = parameters.copy()

    def _count(self, progressed: bool) -> None:
        self.n_without_progress = 0 if progressed else self.n_without_progress + 1


def shown(name: str) -> property:
    """Return scikit-learn's attribute of that name, which exists only after a fit."""
    read = attrgetter(f"_history.{SHOWN[name]}")

    def value(estimator: Any) -> Any:
        try:
            return read(estimator)
        except AttributeError:
            raise AttributeError(
                f"this {type(estimator).__name__} has no {name}: it is not fitted yet, or its "
                "solver does not provide it"
            ) from None

    return property(value)


def taken_from(attributes: dict[str, Any]) -> History:
    """Move the attributes of an older estimator into a history."""
    history = History()
    for name in OLDER.keys() & attributes.keys():
        setattr(history, OLDER[name], attributes.pop(name))
    return history
