"""Weights in eight bits: whole numbers from −127 to 127, and one scale for each column.

A column of weights, the numbers that lead into one unit, becomes

    s_j = max_i |w_ij| / 127,    q_ij = w_ij / s_j rounded to the nearest whole number, half to even

so that ``s_j q_ij`` is at most ``s_j / 2`` from w_ij, and zero stays zero. The scales are float32;
biases stay as they are. A column of zeros has scale 0, and so has one whose scale is too small for
float32 (its weights are below 1e-42).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST = 127  # −128 is left out: the range is symmetric


class QuantizedWeight(NamedTuple):
    """A layer's weights as ``scale * integers``: integers (n_in, n_out), scale (n_out,)."""

    integers: NDArray[np.int8]
    scale: NDArray[np.float32]
