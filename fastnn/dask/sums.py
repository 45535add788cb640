"""What workers compute of partitions for the estimators: checks, sums for L-BFGS, and scores."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.backends import get_backend
from fastnn.dask.partitions import Raw, n_rows_of, named
from fastnn.dask.rounds import Plan
from fastnn.model.evaluation import Totals
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


def offset(rows: Rows, checks: EstimatorChecks) -> Offset:
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


def gradient(rows: Rows, params: Array, plan: Plan) -> Gradient:
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

    None if the partition has no rows.
    """
    x, y, weight = raw
    with named(number):
        if not n_rows_of(raw):
            return None
        weights = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
        predicted, y = estimator.predict(x), np.asarray(y)
        total = float(weights.sum())
        nothing = np.zeros(1)
        if hasattr(estimator, "classes_"):
            right = predicted == y.reshape(predicted.shape)
            right = right.all(axis=1) if right.ndim == 2 else right
            return Totals(0, total, 0.0, float(weights @ right), nothing, nothing, nothing, nothing)
        y = y.astype(np.float64).reshape(len(y), -1)
        error = y - predicted.reshape(y.shape)
        mean = np.average(y, axis=0, weights=weights) if total else np.zeros(y.shape[1])
        return Totals(
            0, total, 0.0, 0.0, weights @ np.square(error), weights @ np.abs(error), mean,
            weights @ np.square(y - mean),
        )  # fmt: skip
