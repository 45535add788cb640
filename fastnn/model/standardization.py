"""Training on standardised columns, with the standardisation folded into the network afterwards.

Columns of a table come in all ranges; a network learns best when each has mean 0 and deviation 1.
With ``x' = (x − μ) / σ`` and, for numbers, ``t' = (t − m) / s``, a network trained on x' and t' is
turned into one of x and t by

    W_1 ← W_1 / σ (row by row),    b_1 ← b_1 − μ @ W_1,    W_L ← s W_L,    b_L ← s b_L + m

so that what is saved takes the table as it is. A column that does not vary in the training rows
teaches nothing: it is 0 in x', and the row of W_1 that it meets becomes 0.

The folded sum ``x @ W_1 + b_1`` rounds each column at ``eps |μ / σ|`` of its deviation. In float64
that is what the column's own numbers are rounded by, and no loss; float32 would lose up to all of
it. Therefore μ and σ stay with the network (`TrainedOn`), for exports that compute in float32.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.model.model import Model
from fastnn.rows.trained_on import TrainedOn

LEAST_STEPS = 2.0**8
"""Steps of float64 at the mean that a deviation must hold: fewer are mostly the rounding of what
computed the column, and folding would round what is left of it by more than 1/256."""

SMALLEST = 1e-300
"""Of a deviation: weights that are divided by less overflow."""

FLOAT32_RATIO = 2.0**11
"""Of a mean to its deviation: past it, float32 rounds by more than 2⁻¹³ of the deviation."""


class Standardization(NamedTuple):
    """Mean and deviation of each column, float64, and whether it varies.

    A column that does not, or by too little for float64 to tell at its mean, has deviation 1. Past
    1e150 squares overflow, and the deviation is infinite or NaN.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    varies: NDArray[np.bool_]

    @classmethod
    def of(cls, columns: Array) -> Standardization:
        """Measure columns (n_rows, n_columns), or one column (n_rows,)."""
        columns = columns.reshape(len(columns), -1)
        first = columns[0].astype(np.float64)  # a constant has exactly this mean, and deviation 0
        with np.errstate(over="ignore", invalid="ignore"):  # then deviation is not finite
            mean = first + (columns - first).mean(axis=0)
            centred = columns - mean
            largest = np.abs(centred).max(axis=0)
            unit = np.where((largest > 0) & (largest < 1e-100), largest, 1.0)  # squares underflow
            centred /= unit
            deviation = unit * np.sqrt(np.square(centred, out=centred).mean(axis=0))
            least = np.maximum(LEAST_STEPS * np.finfo(np.float64).eps * np.abs(mean), SMALLEST)
        varies = ~(deviation <= least)  # what is not finite counts as varying
        return cls(mean, np.where(varies, deviation, 1.0), varies)

    @classmethod
    def none(cls, n_columns: int) -> Standardization:
        """Return the one that changes nothing."""
        return cls(np.zeros(n_columns), np.ones(n_columns), np.ones(n_columns, np.bool_))

    @property
    def needs_float64(self) -> bool:
        """Whether some column lies too far from zero, beside its deviation, for float32."""
        return bool((np.abs(self.mean) > FLOAT32_RATIO * self.deviation)[self.varies].any())

    def apply(self, columns: Array, dtype: Any) -> Array:
        """Return the columns standardised, in `dtype`; those that do not vary become 0."""
        with np.errstate(over="ignore"):  # rows to predict may lie further out than those measured
            scaled: Array = ((columns - self.mean) / self.deviation).astype(dtype)
        if not self.varies.all():
            scaled[:, ~self.varies] = 0
        return scaled


def fold(network: Model, inputs: Standardization | None, targets: Standardization) -> None:
    """Turn a network of standardised columns into one of the columns as they were, in place.

    The network remembers the columns' means and deviations, in `Network.trained_on`.

    Parameters
    ----------
    network : Model
        With biases; with identity output unless `targets` changes nothing.
    inputs : Standardization or None
        Of the columns it was trained on; None if they were taken as they are.
    targets : Standardization
        Of its targets.
    """
    last = network.weights[-1]
    bias_first, bias_last = network.biases[0], network.biases[-1]
    if bias_first is None or bias_last is None:
        raise ValueError("a standardisation can only be folded into a network with biases")
    if inputs is not None:
        _fold_inputs(network.weights[0], bias_first, inputs)
        network.trained_on = replace(
            network.trained_on or TrainedOn(),
            mean=tuple(inputs.mean.tolist()),
            deviation=tuple(inputs.deviation.tolist()),
        )
    last[...] = last * targets.deviation  # in float64, whatever the network's dtype
    bias_last[...] = bias_last * targets.deviation + targets.mean


def _fold_inputs(weight: Array, bias: Array, inputs: Standardization) -> None:
    folded = weight / inputs.deviation[:, None]  # float64, whatever the network's dtype
    folded[~inputs.varies] = 0
    bias[...] = bias - inputs.mean @ folded
    weight[...] = folded
