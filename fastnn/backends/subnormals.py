"""Subnormal numbers as zero, in what is worked out from predictions.

Predictions have none. Means and differences of them may, by the mode of the user's thread; replaced
by zero they have the same bits in any mode.
"""

from __future__ import annotations

import numpy as np

from fastnn.architecture import Array

_SMALLEST = {
    np.dtype("float32"): np.float32(2.0**-126),
    np.dtype("float64"): np.float64(2.0**-1022),
}
"""Normal numbers above zero."""


def flushed(x: Array) -> Array:
    """Return a copy of floats x with zeros, of the same sign, in place of subnormal numbers."""
    copy: Array = x * (np.abs(x) >= _SMALLEST[x.dtype])
    return copy


def flush(x: Array) -> None:
    """Write zeros, of the same sign, over the subnormal numbers of floats x."""
    x *= np.abs(x) >= _SMALLEST[x.dtype]
