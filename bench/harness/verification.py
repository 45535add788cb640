"""Verify, then time: what every candidate must agree with before it is measured.

The judge is fastnn's reference backend in float64, on the same rows in the same order. Trained
parameters are compared by how far they moved: with p the candidate's, r the reference's and s the
common start, each weight matrix and bias must have ``‖p − r‖ ≤ bound · ‖r − s‖``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cases import PIXEL, Array, Data, Net, TrainCase

VERIFIED_STEPS = 25

SMOOTH_BOUND = {"sgd": 5e-5, "adam": 5e-4}
RELU_BOUND = 5e-3
PROBABILITY_BOUND = 5e-6
"""Of a probability's difference: its slope in the logits, which round by 2e-6, is below 1."""


def bound(case: TrainCase) -> float:
    """Return the bound of the distance from the reference after `VERIFIED_STEPS` in float32.

    A product of K < 1000 terms rounds by √K · 6e-8 = 2e-6, and not the same way at each step. Adam
    divides each gradient by its own size, so that the rounding of the smallest counts like that of
    the largest: ten times as much. A relu whose input rounds across zero switches one row's
    gradient on or off, and among millions of inputs a few do; each is worth about 1e-3. A learning
    rate that is one per cent off, or a bias without a gradient, is outside of every bound.
    """
    return RELU_BOUND if case.net.activation == "relu" else SMOOTH_BOUND[case.optimizer]


class Reference:
    """fastnn's specification, in float64."""

    def __init__(self, net: Net) -> None:
        from fastnn.architecture import Architecture
        from fastnn.backends import get_backend

        self.backend = get_backend("numpy")
        self.architecture = Architecture(
            net.sizes,
            (net.activation,) * (len(net.sizes) - 2),
            dtype="float64",
            input_scale=PIXEL,
        )

    def train(self, case: TrainCase, data: Data, order: NDArray[np.int64]) -> list[Array]:
        """Return the parameters after training on these rows, in this order."""
        from fastnn.backends.minibatch import TrainingOptions
        from fastnn.optimizers import OptimizerState
        from peers.ours import optimizer

        rule = optimizer(case)
        params = self._packed(case.net.initial_parameters())
        slots = np.zeros((rule.n_state, len(params)))
        self.backend.train_epoch(
            self.architecture,
            params,
            OptimizerState(slots),
            data.x,
            data.y,
            order,
            TrainingOptions(rule, case.batch_size),
        )
        return self._views(params)

    def probabilities(self, parameters: Sequence[Array], x: Array) -> Array:
        """Return the probabilities (n, n_out) of rows x."""
        out = np.empty((len(x), self.architecture.n_out))
        self.backend.predict(self.architecture, self._packed(parameters), x, out)
        return out

    def loss(self, parameters: Sequence[Array], data: Data) -> float:
        """Return the mean cross-entropy of the data."""
        p = self.probabilities(parameters, data.x)
        return float(-np.log(p[np.arange(len(data.y)), data.y]).mean())

    def _views(self, params: Array) -> list[Array]:
        return [
            view
            for view in (*self.architecture.weights(params), *self.architecture.biases(params))
            if view is not None
        ]

    def _packed(self, parameters: Sequence[Array]) -> Array:
        params = self.architecture.allocate()
        for view, value in zip(self._views(params), parameters, strict=True):
            view[...] = value
        return params


def distance(
    parameters: Sequence[Array], reference: Sequence[Array], start: Sequence[Array]
) -> float:
    """Return the largest ``‖p − r‖ / ‖r − s‖`` of any matrix or bias; NaN counts as infinite."""
    apart = [
        float(np.linalg.norm(p - r) / np.linalg.norm(r - s))
        for p, r, s in zip(parameters, reference, start, strict=True)
    ]
    return max(d if d == d else np.inf for d in apart)


def judged(distance: float, allowed: float) -> dict[str, Any]:
    """Return the verdict on a candidate as part of its result."""
    verdict = {"distance": distance, "bound": allowed}
    if distance <= allowed:
        return {"status": "verified"} | verdict
    reason = f"it differs from the reference by {distance:.2g}, allowed is {allowed:.2g}"
    return {"status": "wrong", "reason": reason} | verdict
