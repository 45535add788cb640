"""The rows of a partition as an estimator checks them, and the constant of their loss."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

from fastnn.cluster import Cluster
from fastnn.dask.held import Partitions
from fastnn.dask.reduction import over
from fastnn.rows.checked import Rows


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


def offset_of(cluster: Cluster, held: Partitions, checks: EstimatorChecks) -> Offset:
    """Return the weight and the constant of all rows."""
    total: Offset = over(cluster, held, add_offsets, offset, cluster.share(checks))
    return total
