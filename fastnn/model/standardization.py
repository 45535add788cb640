"""Training on standardized columns, with the standardization folded into the network afterwards.

Columns of a table have various ranges; a network learns best if each has mean 0 and deviation 1.
With ``x' = (x − μ) / σ`` and, for regressions, ``t' = (t − m) / s``, a network trained on x' and t'
is converted into one for x and t by

    W_1 ← W_1 / σ (row by row),    b_1 ← b_1 − μ @ W_1,    W_L ← s W_L,    b_L ← s b_L + m

so that the saved network takes the raw table. A column that is constant in the training rows is set
to 0 in x', and its row of W_1 becomes 0.

The folded sum ``x @ W_1 + b_1`` rounds each column at ``eps |μ / σ|`` of its deviation. In float64
this equals the rounding of the column's values, and nothing is lost; float32 could lose all
precision. Therefore μ and σ are kept (`TrainedOn`), for exports that compute in float32.
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
"""Minimum deviation in steps of float64 at the mean: smaller ones are mostly rounding errors of
the column, and folding would round the rest by more than 1/256."""

SMALLEST = 1e-300
"""Minimum deviation: weights divided by less overflow."""

FLOAT32_RATIO = 2.0**11
"""Ratio of mean to deviation above which float32 rounds by more than 2⁻¹³ of the deviation."""


class Standardization(NamedTuple):
    """Mean and deviation of each column, float64, and whether it varies.

    A column that is constant, or varies by less than the resolution of float64 at its mean, has
    deviation 1. Above 1e150 squares overflow, and the deviation is infinite or NaN.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    varies: NDArray[np.bool_]

    @classmethod
    def of(cls, columns: Array) -> Standardization:
        """Measure columns (n_rows, n_columns), or one column (n_rows,)."""
        return cls.of_moments(*moments(columns))

    @classmethod
    def of_moments(
        cls, mean: NDArray[np.float64], deviation: NDArray[np.float64]
    ) -> Standardization:
        """Return the standardization of columns with this mean and deviation."""
        with np.errstate(over="ignore", invalid="ignore"):
            least = np.maximum(LEAST_STEPS * np.finfo(np.float64).eps * np.abs(mean), SMALLEST)
        varies = ~(deviation <= least)  # non-finite values count as varying
        return cls(mean, np.where(varies, deviation, 1.0), varies)

    @classmethod
    def none(cls, n_columns: int) -> Standardization:
        """Return the identity."""
        return cls(np.zeros(n_columns), np.ones(n_columns), np.ones(n_columns, np.bool_))

    @property
    def needs_float64(self) -> bool:
        """Whether some column is too far from zero, relative to its deviation, for float32."""
        return bool((np.abs(self.mean) > FLOAT32_RATIO * self.deviation)[self.varies].any())

    def apply(self, columns: Array, dtype: Any) -> Array:
        """Return the columns standardized, in `dtype`; constant ones become 0."""
        with np.errstate(over="ignore"):  # later rows may have larger values
            scaled: Array = ((columns - self.mean) / self.deviation).astype(dtype)
        if not self.varies.all():
            scaled[:, ~self.varies] = 0
        return scaled


def moments(columns: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the deviation of columns (n_rows, n_columns), or of one (n_rows,)."""
    columns = columns.reshape(len(columns), -1)
    first = columns[0].astype(np.float64)  # a constant has exactly this mean, and deviation 0
    with np.errstate(over="ignore", invalid="ignore"):  # then deviation is not finite
        mean = first + (columns - first).mean(axis=0)
        centred = columns - mean
        largest = np.abs(centred).max(axis=0)
        unit = np.where((largest > 0) & (largest < 1e-100), largest, 1.0)  # squares underflow
        centred /= unit
        deviation = unit * np.sqrt(np.square(centred, out=centred).mean(axis=0))
    return mean, deviation


def fold(network: Model, inputs: Standardization | None, targets: Standardization) -> None:
    """Convert a network trained on standardized columns into one for raw columns, in place.

    The means and deviations are stored in `Network.trained_on`.

    Parameters
    ----------
    network : Model
        With biases; with identity output unless `targets` changes nothing.
    inputs : Standardization or None
        Of the training columns; None if they were not standardized.
    targets : Standardization
        Of the targets.
    """
    last = network.weights[-1]
    bias_first, bias_last = network.biases[0], network.biases[-1]
    if bias_first is None or bias_last is None:
        raise ValueError("a standardization can only be folded into a network with biases")
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
