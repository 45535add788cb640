"""What an estimator on a cluster has measured: gradients of all rows, and validation data."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.backends.minibatch import TrainingOptions
from fastnn.cluster import Cluster
from fastnn.dask.fitting import Outer, Rounds
from fastnn.dask.held import Partitions, check_persist
from fastnn.dask.reduction import over
from fastnn.dask.rounds import Plan
from fastnn.dask.sums import EstimatorChecks, Offset, add_gradients, add_offsets, gradient, offset
from fastnn.network import Network
from fastnn.optimizers import SGD
from fastnn.sklearn.validation_rows import ValidationRows


class Gradients:
    """The sums of L-BFGS's objective over partitions."""

    def __init__(self, cluster: Cluster, held: Partitions, plan: Plan) -> None:
        self._cluster, self._held, self._plan = cluster, held, cluster.share(plan)

    def __call__(self, params: Array) -> tuple[float, Array]:
        """Return the sums of losses and gradients at parameters (n_slots,)."""
        shared = self._cluster.share(params.copy())
        found = over(self._cluster, self._held, add_gradients, gradient, shared, self._plan)
        return found.loss, found.gradient


class Watched:
    """The validation data of a fit, measured once in each epoch."""

    def __init__(
        self, estimator: Any, cluster: Cluster, checks: EstimatorChecks, watched: ValidationRows
    ) -> None:
        self._estimator = estimator
        with watched.named_in_errors():
            held = Partitions(
                cluster, watched.x, watched.y, None,
                classifies=False, sums=False, persist=check_persist(estimator.persist),
            )  # fmt: skip
            unweighted = copy(checks.estimator)
            unweighted.class_weight = None
            held.check(EstimatorChecks(unweighted))
        plan = measuring_plan(estimator.network_, cluster)
        self._rounds = Rounds(cluster, held, held, plan, Outer(None))
        self._constant = offset_of(cluster, held, EstimatorChecks(unweighted)).mean
        self._measured: tuple[Array, dict[str, float]] | None = None

    def loss(self) -> float:
        """Return the loss, without the penalty."""
        return self._now()["loss"] * float(self._estimator._loss_factor) + self._constant

    def score(self) -> float:
        """Return accuracy or R²."""
        measured = self._now()
        return measured["accuracy"] if "accuracy" in measured else measured["r2"]

    def _now(self) -> dict[str, float]:
        network = self._estimator.network_
        if self._measured is None or not np.array_equal(self._measured[0], network.parameters):
            measured = self._rounds.evaluate(
                None, network.architecture, network.parameters, None, None, None, progress=False
            )
            self._measured = network.parameters.copy(), measured
        return self._measured[1]


def offset_of(cluster: Cluster, held: Partitions, checks: EstimatorChecks) -> Offset:
    """Return the weight and the constant of all rows."""
    total: Offset = over(cluster, held, add_offsets, offset, cluster.share(checks))
    return total


def measuring_plan(network: Network, cluster: Cluster) -> Plan:
    """Return a plan of what is measured only."""
    options = TrainingOptions(SGD(), 1)
    return Plan(network.architecture, options, cluster.computing.backend, shuffle=False)
