"""Sample weights: numbers of at least 0 whose sum can be divided by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.validation.data import check_finite, check_is_array, check_rows
from fastnn.validation.values import as_array

LIGHTEST, HEAVIEST = 1e-280, 1e280
"""What weights may add up to; compiled code knows the same limits.

Their inverse and their products with losses are then numbers too, and a weight below the smallest
number with all its digits, 2.2e-308, is too small beside the others to count.
"""


def check_sample_weight(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Return sample weights ``(n_rows,)`` as float64: finite, not negative, not all zero.

    Those below 2.2e-308 are returned as 0, as processors read them while the kernels run.
    """
    array = as_array("sample_weight", sample_weight)
    check_is_array("sample_weight", sample_weight, array, "an array of shape (n_rows,)")
    if array.ndim != 1:
        raise ValueError(f"sample_weight must have shape (n_rows,), got {array.shape}")
    check_rows("sample_weight", array, n_rows)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"sample_weight must hold real numbers, got dtype {array.dtype}")
    weights = array.astype(np.float64)
    check_finite("sample_weight", weights, 0)
    if not n_rows:
        return weights
    if weights.min() < 0:
        raise ValueError(f"sample_weight must not be negative, got {weights.min():g}")
    if not weights.any():
        raise ValueError("sample_weight is zero for every row: at least one must be positive")
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not LIGHTEST <= total <= HEAVIEST:
        raise ValueError(
            f"the sum of sample_weight must be from {LIGHTEST:g} to {HEAVIEST:g}, got {total:g}: "
            "multiply the weights by a constant"
        )
    weights[weights < np.finfo(np.float64).tiny] = 0.0
    return weights
