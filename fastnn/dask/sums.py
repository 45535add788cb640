"""What workers compute of partitions for the estimators: checks, sums for L-BFGS, and scores."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array

from fastnn.architecture import Array
from fastnn.backends import get_backend
from fastnn.dask.partitions import Raw, checked_weights, n_rows_of, named
from fastnn.dask.rounds import Plan
from fastnn.model.evaluation import Totals, centre
from fastnn.rows.checked import Rows
from fastnn.sklearn.lbfgs import Sums
from fastnn.sklearn.problem import Problem


class EstimatorChecks(NamedTuple):
    """The checks of an estimator that knows the columns and classes of all partitions.

    Attributes
    ----------
    estimator : Perceptron
    """

    estimator: Any

    def rows(self, x: Any, y: Any, sample_weight: Any) -> Rows:
        """Return checked rows."""
        estimator = copy(self.estimator)  # checks set attributes
        problem = estimator._checked(x, y, sample_weight, False, True)
        problem = problem.in_dtype(estimator.network_.architecture.dtype)
        return Rows(problem.x, problem.y, problem.sample_weight)


class Offset(NamedTuple):
    """The weight of rows, and the constant of their reported loss times that."""

    weight: float
    constant: float

    @property
    def mean(self) -> float:
        """The constant of the mean loss."""
        return self.constant / self.weight if self.weight else 0.0


def offset(rows: Rows, number: int, checks: EstimatorChecks) -> Offset:
    """Return the weight and the constant of a partition."""
    y, weights = rows.y, rows.sample_weight
    weight = float(len(y) if weights is None else weights.sum())
    if not weight:
        return Offset(0.0, 0.0)
    return Offset(weight, weight * checks.estimator._constant(y, weights))


def add_offsets(*offsets: Offset) -> Offset:
    """Return those of several partitions, in their order."""
    return Offset(sum(o.weight for o in offsets), sum(o.constant for o in offsets))


class Gradient(NamedTuple):
    """Sums over rows of their weighted losses, and of the gradients of these, of float64."""

    loss: float
    gradient: NDArray[np.float64]


def gradient(rows: Rows, number: int, params: Array, plan: Plan) -> Gradient:
    """Return the sums of a partition at parameters (n_slots,)."""
    a = plan.architecture
    here = a.allocate()
    here[...] = params
    sums = Sums(a, get_backend(plan.backend), Problem(rows.x, rows.y, rows.sample_weight))
    loss, slopes = sums(here)
    return Gradient(loss if sums.total else 0.0, slopes.astype(np.float64))


def add_gradients(*sums: Gradient) -> Gradient:
    """Return those of several partitions, in their order."""
    total = np.zeros_like(sums[0].gradient)
    for each in sums:
        total += each.gradient
    return Gradient(float(sum(each.loss for each in sums)), total)


def score(raw: Raw, number: int, estimator: Any) -> Totals | None:
    """Return what a score is made of, for an estimator of rows that are here.

    None if the partition has no rows. The checks are those of scikit-learn's scores.
    """
    x, y, weight = raw
    with named(number):
        n_rows = n_rows_of(raw)
        if not n_rows:
            return None
        given = checked_weights(weight, n_rows)
        weights = np.ones(n_rows) if given is None else given
        predicted, total, nothing = estimator.predict(x), float(weights.sum()), np.zeros(1)
        if hasattr(estimator, "classes_"):
            right = 0.0
            if total:
                right = accuracy_score(y, predicted, sample_weight=weights, normalize=False)
            return Totals(0, total, 0.0, float(right), nothing, nothing, nothing, nothing)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y").reshape(n_rows, -1)
        predicted = predicted.reshape(n_rows, -1)
        if y.shape != predicted.shape:
            raise ValueError(
                f"y has {y.shape[1]} targets per row, but the estimator predicts "
                f"{predicted.shape[1]}"
            )
        error = y - predicted
        return Totals(
            0, total, 0.0, 0.0, weights @ np.square(error), weights @ np.abs(error),
            *centre(y, weights),
        )  # fmt: skip
