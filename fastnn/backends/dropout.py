"""Dropout masks without storage: a hash of step and position determines which units are dropped.

A mask element is a counter-based hash of (seed, step, layer, row of the batch, unit), so
every backend, forward or backward, in any order, sees the same mask. The key of a (seed, step,
layer) is two 32-bit words made with the SplitMix64 finalizer (Steele, Lea and Flood, 2014); the
counter ``row · n_units + unit`` of an element is then mixed with them by two rounds of multiply and
xor-shift, with the constants of Wellons' "lowbias32". A unit is dropped if the hash is below
``rate · 2³²``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_U64 = 0xFFFFFFFFFFFFFFFF


def _mix64(z: int) -> int:
    """SplitMix64: add the golden ratio, then scramble."""
    z = (z + 0x9E3779B97F4A7C15) & _U64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _U64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _U64
    return z ^ (z >> 31)


def dropout_key(seed: int, step: int, layer: int) -> tuple[int, int]:
    """Return the low and the high 32-bit word that select the mask of one layer at one step."""
    key = _mix64(_mix64(_mix64(seed & _U64) ^ step) ^ layer)
    return key & 0xFFFFFFFF, key >> 32


def dropout_threshold(rate: float) -> int:
    """Return the 32-bit threshold: units with a smaller hash are dropped."""
    return min(round(rate * 2.0**32), 2**32 - 1)


def dropout_mask(
    seed: int, step: int, layer: int, rate: float, n_rows: int, n_units: int
) -> NDArray[np.bool_]:
    """Return the mask of one hidden layer in one step, True where a unit is kept.

    Parameters
    ----------
    seed : int
        The network's dropout seed, 64 bits.
    step : int
        Number of previous updates.
    layer : int
        Index of the hidden layer, from 0.
    rate : float
        Probability of being dropped, in [0, 1).
    n_rows, n_units : int
        Rows of the batch and width of the layer.

    Returns
    -------
    ndarray of bool, shape (n_rows, n_units)
    """
    low, high = dropout_key(seed, step, layer)
    h: NDArray[Any] = np.arange(n_rows * n_units, dtype=np.uint32)
    h *= np.uint32(0x9E3779B9)
    h += np.uint32(low)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x7FEB352D)
    h ^= np.uint32(high)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x846CA68B)
    h ^= h >> np.uint32(16)
    mask: NDArray[np.bool_] = h >= np.uint32(dropout_threshold(rate))
    return mask.reshape(n_rows, n_units)
