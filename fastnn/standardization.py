"""Training on standardised columns, with the standardisation folded into the network afterwards.

Columns of a table come in all ranges; a network learns best when each has mean 0 and deviation 1.
With ``x' = (x − μ) / σ`` and, for numbers, ``t' = (t − m) / s``, a network trained on x' and t' is
turned into one of x and t by

    W_1 ← W_1 / σ (row by row),    b_1 ← b_1 − μ @ W_1,    W_L ← s W_L,    b_L ← s b_L + m

so that what is saved takes the table as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.network import Network


class Standardization(NamedTuple):
    """Mean and deviation of each column, float64; a constant column has deviation 1.

    Past 1e150 squares overflow, and the deviation is infinite or NaN.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Array) -> Standardization:
        """Measure columns (n_rows, n_columns), or one column (n_rows,)."""
        with np.errstate(over="ignore", invalid="ignore"):  # then deviation is not finite
            mean = np.atleast_1d(columns.mean(axis=0, dtype=np.float64))
            deviation = np.atleast_1d(columns.std(axis=0, dtype=np.float64))
        constant = deviation <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
        return cls(mean, np.where(constant, 1.0, deviation))

    @classmethod
    def none(cls, n_columns: int) -> Standardization:
        """Return the one that changes nothing."""
        return cls(np.zeros(n_columns), np.ones(n_columns))

    def apply(self, columns: Array, dtype: Any) -> Array:
        """Return the columns standardised, in `dtype`."""
        scaled: Array = ((columns - self.mean) / self.deviation).astype(dtype)
        return scaled


def fold(network: Network, inputs: Standardization, targets: Standardization) -> None:
    """Turn a network of standardised columns into one of the columns as they were, in place.

    Parameters
    ----------
    network : Network
        With biases; with identity output unless `targets` changes nothing.
    inputs, targets : Standardization
        Of the columns it was trained on, and of its targets.
    """
    first, last = network.weights[0], network.weights[-1]
    bias_first, bias_last = network.biases[0], network.biases[-1]
    if bias_first is None or bias_last is None:
        raise ValueError("a standardisation can only be folded into a network with biases")
    scaled = first / inputs.deviation[:, None]  # float64, whatever the network's dtype
    bias_first[...] = bias_first - inputs.mean @ scaled
    first[...] = scaled
    last *= targets.deviation.astype(last.dtype)
    bias_last[...] = bias_last * targets.deviation + targets.mean
