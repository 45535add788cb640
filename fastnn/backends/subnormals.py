"""Subnormal numbers as zero, in NumPy.

Predictions take numbers below the smallest normal one, 2⁻¹²⁶ in float32 and 2⁻¹⁰²² in float64, as
zero: parameters, inputs and the outputs of each layer. Compiled code has the processor do that; NumPy
cannot, so the reference replaces them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.architecture import Array

_SMALLEST = {np.dtype("float32"): np.float32(2.0**-126), np.dtype("float64"): np.float64(2.0**-1022)}
"""Normal numbers above zero."""

_BITS = {np.dtype("float32"): (np.uint32, 23), np.dtype("float64"): (np.uint64, 52)}
"""Integers of the same size, and how many of their bits are the fraction."""

_FEW = 1024
"""Numbers for which the calls take longer than the arithmetic."""


def flushed(x: Array) -> Array:
    """Return floats x with zeros, of the same sign, in place of subnormal numbers.

    That is x itself if it is large and has none. The mode of the calling thread does not matter.
    """
    if x.size <= _FEW:
        zeros_below: Array = x * (np.abs(x) >= _SMALLEST[x.dtype])
        return zeros_below
    integer, n_fraction = _BITS[x.dtype]
    one = integer(1)
    bits = x.view(integer) << one  # without the sign
    bits -= one  # zero becomes the largest
    below = bits < (one << integer(n_fraction + 1)) - one
    return np.where(below, np.copysign(x.dtype.type(0), x), x) if below.any() else x


def flushed_rows(x: Any) -> Any:
    """Return rows of floats, dense or CSR, as `flushed` does."""
    if isinstance(x, np.ndarray):
        return flushed(x)
    return type(x)((flushed(x.data), x.indices, x.indptr), shape=x.shape)


def flush(x: Array) -> None:
    """Write zeros, of the same sign, over the subnormal numbers of floats x."""
    x *= np.abs(x) >= _SMALLEST[x.dtype]
