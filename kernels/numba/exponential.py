"""eˣ as plain arithmetic, so that loops over it are vectorized.

With k the whole number nearest to x / ln 2 and r = x − k ln 2, |r| ≤ ln 2 / 2,

    eˣ = 2ᵏ eʳ

where eʳ is its Taylor polynomial (a term beyond the last one taken is below half a unit in the last
place) and 2ᵏ is made by writing k into the exponent bits. ln 2 is split in two parts, the first one
short, so that k · LN2_HIGH has no rounding error (Cody and Waite, 1980). 2ᵏ is applied in two
halves, because for results near the ends of the range it is no normal number itself. Within 2
units in the last place; NaN stays NaN, too large becomes infinite and too small 0.
"""

import numpy as np

from .compiling import exact_kernel, kernel

_F32, _F64 = np.float32, np.float64

_LOG2E_32, _LOG2E_64 = _F32(1.4426950408889634), _F64(1.4426950408889634)
# 9 and 21 significant bits fewer than the format has, so that k times it is exact (fdlibm, e_exp.c)
_LN2_HIGH_32, _LN2_LOW_32 = _F32(0.693359375), _F32(-2.12194440e-4)
_LN2_HIGH_64, _LN2_LOW_64 = _F64(6.93147180369123816490e-01), _F64(1.90821492927058770002e-10)
# beyond these the result is 0 or infinite
_LOWEST_32, _HIGHEST_32 = _F32(-104.0), _F32(89.0)
_LOWEST_64, _HIGHEST_64 = _F64(-746.0), _F64(710.0)
_HALF_32, _HALF_64 = _F32(0.5), _F64(0.5)
_ONE_32, _ONE_64 = _F32(1.0), _F64(1.0)

# 1/n!
_A2, _A3, _A4 = _F32(1 / 2), _F32(1 / 6), _F32(1 / 24)
_A5, _A6, _A7 = _F32(1 / 120), _F32(1 / 720), _F32(1 / 5040)
_B2, _B3, _B4, _B5 = _F64(1 / 2), _F64(1 / 6), _F64(1 / 24), _F64(1 / 120)
_B6, _B7, _B8, _B9 = _F64(1 / 720), _F64(1 / 5040), _F64(1 / 40320), _F64(1 / 362880)
_B10, _B11 = _F64(1 / 3628800), _F64(1 / 39916800)
_B12, _B13 = _F64(1 / 479001600), _F64(1 / 6227020800)

_BIAS_32, _SHIFT_32 = np.int32(127), np.int32(23)
_BIAS_64, _SHIFT_64 = np.int64(1023), np.int64(52)


@exact_kernel
def exp32(x):
    """Return eˣ of one float32."""
    t = x if x > _LOWEST_32 else _LOWEST_32
    t = t if t < _HIGHEST_32 else _HIGHEST_32
    k = np.floor(t * _LOG2E_32 + _HALF_32)
    r = (t - k * _LN2_HIGH_32) - k * _LN2_LOW_32
    p = _A5 + r * (_A6 + r * _A7)
    p = _ONE_32 + r * (_ONE_32 + r * (_A2 + r * (_A3 + r * (_A4 + r * p))))
    i = np.int32(k)
    half = np.int32(i >> np.int32(1))
    rest = np.int32(i - half)
    low = np.int32((half + _BIAS_32) << _SHIFT_32).view(np.float32)
    high = np.int32((rest + _BIAS_32) << _SHIFT_32).view(np.float32)
    y = p * low * high
    return y if x == x else x


@exact_kernel
def exp64(x):
    """Return eˣ of one float64."""
    t = x if x > _LOWEST_64 else _LOWEST_64
    t = t if t < _HIGHEST_64 else _HIGHEST_64
    k = np.floor(t * _LOG2E_64 + _HALF_64)
    r = (t - k * _LN2_HIGH_64) - k * _LN2_LOW_64
    p = _B9 + r * (_B10 + r * (_B11 + r * (_B12 + r * _B13)))
    p = _B4 + r * (_B5 + r * (_B6 + r * (_B7 + r * (_B8 + r * p))))
    p = _ONE_64 + r * (_ONE_64 + r * (_B2 + r * (_B3 + r * p)))
    i = np.int64(k)
    half = i >> np.int64(1)
    rest = i - half
    low = np.int64((half + _BIAS_64) << _SHIFT_64).view(np.float64)
    high = np.int64((rest + _BIAS_64) << _SHIFT_64).view(np.float64)
    y = p * low * high
    return y if x == x else x


@kernel
def exp_in_place(z):
    """``z = eᶻ``; z (n,)."""
    if z.itemsize == 4:
        for i in range(len(z)):
            z[i] = exp32(np.float32(z[i]))
    else:
        for i in range(len(z)):
            z[i] = exp64(np.float64(z[i]))
