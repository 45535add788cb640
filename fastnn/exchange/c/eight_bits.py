"""Weights in int8: integers from −127 to 127, and one scale for each column.

A column of weights, those into one unit, becomes

    s_j = max_i |w_ij| / 127,    q_ij = w_ij / s_j rounded to the nearest whole number, half to even

so that ``s_j q_ij`` is at most ``s_j / 2`` from w_ij, and zero stays zero. The scales are float32;
biases are not quantized. A column of zeros has scale 0, and so has one whose scale is too small for
float32 (its weights are below 1e-42).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array

LARGEST = 127  # −128 is left out: the range is symmetric


class QuantizedWeight(NamedTuple):
    """The weights of a layer as ``scale * integers``: integers (n_in, n_out), scale (n_out,)."""

    integers: NDArray[np.int8]
    scale: NDArray[np.float32]

    def dequantized(self) -> NDArray[np.float64]:
        """Return ``scale * integers`` (n_in, n_out), exact in float64."""
        return self.integers.astype(np.float64) * self.scale


def in_float32(what: str, values: Array) -> NDArray[np.float32]:
    """Return numbers in float32; errors refer to them as `what`.

    Raises
    ------
    ValueError
        If one of them is not finite there.
    """
    with np.errstate(over="ignore"):
        rounded: NDArray[np.float32] = values.astype(np.float32)
    if not np.isfinite(rounded).all():
        bad = values[~np.isfinite(rounded)][0]
        raise ValueError(
            f"{what} holds {bad:g}, and the numbers that are exported are finite float32 ones (up "
            "to 3.4e38): train the network anew, or scale its inputs down"
        )
    return rounded


def quantize(weight: Array) -> QuantizedWeight:
    """Return float weights (n_in, n_out) in eight bits."""
    exact = weight.astype(np.float64)
    scale = (np.abs(exact).max(axis=0) / LARGEST).astype(np.float32)
    divisor = np.where(scale > 0, scale, np.inf).astype(np.float64)
    # a subnormal scale is rounded coarsely, so that the quotient may exceed 127
    integers = np.clip(np.rint(exact / divisor), -LARGEST, LARGEST).astype(np.int8)
    return QuantizedWeight(integers, scale)
