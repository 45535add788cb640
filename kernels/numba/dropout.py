"""Dropout without storage: a hash of step and position determines which units are dropped.

The mask of a hidden layer in one step is selected by a key, two 32-bit words; the element's counter
``row · n_units + unit`` is mixed with them by two rounds of multiply and xor-shift (Wellons'
"lowbias32"), and the unit is dropped where the hash falls below ``rate · 2³²``. Bit for bit the
masks of every other backend.
"""

import numpy as np

from .compiling import kernel

# 32-bit arithmetic on 64-bit numbers, so that products do not overflow.
_WORD = np.uint64(0xFFFFFFFF)
_GOLDEN, _FIRST, _SECOND = np.uint64(0x9E3779B9), np.uint64(0x7FEB352D), np.uint64(0x846CA68B)
_15, _16 = np.uint64(15), np.uint64(16)


@kernel
def drop(h, n_units, dropout, step, layer, out):
    """``out = h · factor`` where a unit is kept, ``h · 0`` where it is dropped; h, out (n, stride).

    `step` counts from the first key of `dropout`, `layer` is the index of the hidden layer.
    """
    real = h.dtype.type
    zero, scale = real(0.0), real(dropout.factor[layer])
    low, high = dropout.key[step, layer, 0], dropout.key[step, layer, 1]
    threshold = dropout.threshold[layer]
    for r in range(len(h)):
        first = r * n_units
        for j in range(n_units):
            x = (np.uint64(first + j) * _GOLDEN + low) & _WORD
            x ^= x >> _16
            x = (x * _FIRST) & _WORD
            x ^= high
            x ^= x >> _15
            x = (x * _SECOND) & _WORD
            x ^= x >> _16
            out[r, j] = h[r, j] * (scale if x >= threshold else zero)
