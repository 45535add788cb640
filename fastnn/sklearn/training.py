"""A fit of a perceptron: prepared, then run, and undone if it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.sklearn.callback_support import FitTasks
from fastnn.sklearn.problem import Problem


@contextmanager
def undone_if_it_fails(estimator: Any) -> Iterator[Callable[[], None]]:
    """Restore an estimator's attributes after an error, unless the yielded function was called."""
    before, kept = dict(vars(estimator)), []
    try:
        yield lambda: kept.append(True)
    except BaseException:
        if not kept:  # leave the estimator as it was
            estimator.__dict__.clear()
            estimator.__dict__.update(before)
        raise


class Checked(NamedTuple):
    """What the checks of X and y come to, for other estimators that are given the same objects.

    Attributes
    ----------
    attributes : dict
        What they leave in an estimator.
    problem : Problem
    """

    attributes: dict[str, Any]
    problem: Problem


@dataclass
class Training:
    """A fit that was checked and prepared.

    Attributes
    ----------
    estimator : fastnn.sklearn.perceptron.Perceptron
    problem : Problem
    rows : ndarray of int64
        Rows of the problem to train on, if the solver uses minibatches.
    held_out : Problem or None
        For early stopping.
    once : bool
        Whether it is a single epoch, of `partial_fit`.
    checked : Checked
    tasks : FitTasks
        What scikit-learn's callbacks are told of it.
    """

    estimator: Any
    problem: Problem
    rows: NDArray[np.int64]
    held_out: Problem | None
    once: bool
    checked: Checked
    tasks: FitTasks

    def run(self, losses: Iterable[float] | None = None) -> None:
        """Do it; `losses` are those of a network that has been trained already."""
        estimator = self.estimator
        with estimator._computing():
            if estimator.solver == "lbfgs":
                estimator._minimize(self.problem, self.tasks)
                return
            stochastic = estimator._stochastic
            if losses is None:
                losses = stochastic.losses(estimator, self.problem, self.rows)
            stochastic.fit(
                estimator, estimator._history, iter(losses), len(self.rows), self.held_out,
                self.tasks, self.once,
            )  # fmt: skip
