"""The validation data of an estimator's fit."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.cluster import Cluster
from fastnn.dask.estimator_rows import EstimatorChecks, offset_of
from fastnn.dask.fitting import Outer, Rounds
from fastnn.dask.held import Partitions, check_persist
from fastnn.dask.rounds import Plan
from fastnn.sklearn.validation_rows import ValidationRows


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
        plan = Plan.of_measuring(estimator.network_.architecture, cluster.computing.backend)
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
