"""Losses and gradients of all partitions, summed for L-BFGS."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.backends import get_backend
from fastnn.cluster import Cluster
from fastnn.dask.held import Partitions
from fastnn.dask.reduction import over
from fastnn.dask.rounds import Plan
from fastnn.rows.checked import Rows
from fastnn.sklearn.lbfgs import Sums
from fastnn.sklearn.problem import Problem


class Gradients:
    """The sums of L-BFGS's objective over partitions."""

    def __init__(self, cluster: Cluster, held: Partitions, plan: Plan) -> None:
        self._cluster, self._held, self._plan = cluster, held, cluster.share(plan)

    def __call__(self, params: Array) -> tuple[float, Array]:
        """Return the sums of losses and gradients at parameters (n_slots,)."""
        shared = self._cluster.share(params.copy())
        found = over(self._cluster, self._held, add_gradients, gradient, shared, self._plan)
        return found.loss, found.gradient


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
