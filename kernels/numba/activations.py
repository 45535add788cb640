"""Activations y = f(z) and their derivatives, over flat arrays.

    sigmoid   1 / (1 + e⁻ᶻ)            y (1 − y)
    tanh                               1 − y²
    relu      max(z, 0)                1 if y > 0 else 0
    leaky     z or 0.01 z              1 or 0.01
    elu       z or eᶻ − 1              1 or y + 1
    selu      λ z or λ α (eᶻ − 1)      λ or y + λ α
    gelu      z Φ(z)                   Φ(z) + z φ(z)              from z
    silu      z sigmoid(z)             s (1 + z (1 − s))          from z
    mish      z t                      t + z t′                   from z
    softplus  log(1 + eᶻ)              1 − e⁻ʸ
    exp       eᶻ                       (an output only)

with ``t = tanh(softplus(z)) = n / (n + 2)``, ``n = eᶻ (eᶻ + 2)``.

Matrices are processed including the padding of their rows, since one loop is faster than many
short ones. The activation is selected outside the loops. Those that need more than
`exponential` call the math library in float64 and round once.
"""

import math
import sys

import numpy as np

from .compiling import exact_kernel, kernel
from .exponential import exp_in_place

CODES = {
    "identity": 0,
    "sigmoid": 1,
    "tanh": 2,
    "relu": 3,
    "leaky_relu": 4,
    "elu": 5,
    "selu": 6,
    "gelu": 7,
    "silu": 8,
    "mish": 9,
    "softplus": 10,
    "exp": 11,
    "softmax": 12,
}
IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SELU = list(CODES.values())[:7]
GELU, SILU, MISH, SOFTPLUS, EXP, SOFTMAX = list(CODES.values())[7:]

LEAKY_SLOPE = 0.01  # as in PyTorch and Keras (Maas et al., 2013)
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al., 2017
_LARGEST = sys.float_info.max
_SQRT_HALF = math.sqrt(0.5)
_SQRT_TWO_PI = math.sqrt(2 * math.pi)


@exact_kernel
def sigmoid(z):
    """Return ``1 / (1 + e⁻ᶻ)`` of one float64, from e^−|z|."""
    e = math.exp(-abs(z))
    return (1.0 if z >= 0 else e) / (1.0 + e)


@exact_kernel
def softplus(z):
    """Return ``log(1 + eᶻ)`` of one float64."""
    return (z if z > 0 else 0.0) + math.log1p(math.exp(-abs(z)))


@exact_kernel
def tanh_softplus(z):
    """Return ``tanh(log(1 + eᶻ)) = n / (n + 2)``, ``n = eᶻ (eᶻ + 2)``, and its derivative.

    The derivative is ``4 eᶻ (eᶻ + 1) / (n + 2)²``. Both are computed from e^−|z|: where z ≥ 0,
    the fractions are reduced by powers of eᶻ, so that nothing overflows.
    """
    e = math.exp(-abs(z))
    n = 2.0 * e + (e * e if z < 0 else 1.0)
    below = 1.0 if z < 0 else e * e
    d = n + 2.0 * below
    return n / d, 4.0 * e * (e + below) / (d * d)


@exact_kernel
def finite(z):
    """Return the number next to z that is not infinite; NaN for NaN."""
    return _LARGEST if z > _LARGEST else -_LARGEST if z < -_LARGEST else z


@exact_kernel
def mish(z):
    """Return ``z tanh(softplus(z))`` of one float64."""
    t, _ = tanh_softplus(z)
    return (-_LARGEST if z < -_LARGEST else z) * t


@exact_kernel
def mish_derivative(z):
    """Return ``t + z t′``, ``t = tanh(softplus(z))``, of one float64."""
    t, slope = tanh_softplus(z)
    return t + finite(z) * slope


@exact_kernel
def normal_cdf(z):
    """Return ``Φ(z)`` of one float64."""
    return 0.5 * math.erfc(-z * _SQRT_HALF)


@kernel
def activate(code, y):
    """``y = f(y)``; y (n,)."""
    real = y.dtype.type
    zero, one, slope = real(0.0), real(1.0), real(LEAKY_SLOPE)
    scale, scale_alpha = real(SELU_SCALE), real(SELU_SCALE * SELU_ALPHA)
    if code == SIGMOID:
        for j in range(len(y)):
            y[j] = -y[j]
        exp_in_place(y)
        for j in range(len(y)):
            y[j] = one / (one + y[j])
    elif code == TANH:
        for j in range(len(y)):
            y[j] = math.tanh(y[j])
    elif code == RELU:
        for j in range(len(y)):
            y[j] = zero if y[j] < zero else y[j]
    elif code == LEAKY_RELU:
        for j in range(len(y)):
            y[j] = y[j] if y[j] > zero else slope * y[j]
    elif code == ELU:
        for j in range(len(y)):
            y[j] = y[j] if y[j] > zero else math.expm1(y[j])
    elif code == SELU:
        for j in range(len(y)):
            y[j] = scale * y[j] if y[j] > zero else scale_alpha * math.expm1(y[j])
    elif code == GELU:
        for j in range(len(y)):
            y[j] = y[j] * normal_cdf(np.float64(y[j]))
    elif code == SILU:
        for j in range(len(y)):
            y[j] = y[j] * sigmoid(np.float64(y[j]))
    elif code == MISH:
        for j in range(len(y)):
            y[j] = mish(np.float64(y[j]))
    elif code == SOFTPLUS:
        for j in range(len(y)):
            y[j] = softplus(np.float64(y[j]))
    elif code == EXP:
        exp_in_place(y)
    elif code != IDENTITY:
        raise ValueError("no activation has this code that is worked out element by element")


@kernel
def multiply_by_derivative(code, y, d):
    """``d *= f'``, computed from y, or from z for gelu, silu and mish; y and d (n,)."""
    real = y.dtype.type
    zero, one, slope = real(0.0), real(1.0), real(LEAKY_SLOPE)
    scale, scale_alpha = real(SELU_SCALE), real(SELU_SCALE * SELU_ALPHA)
    if code == SIGMOID:
        for j in range(len(y)):
            d[j] *= y[j] * (one - y[j])
    elif code == TANH:
        for j in range(len(y)):
            d[j] *= one - y[j] * y[j]
    elif code == RELU:
        for j in range(len(y)):
            d[j] *= one if y[j] > zero else zero
    elif code == LEAKY_RELU:
        for j in range(len(y)):
            d[j] *= one if y[j] > zero else slope
    elif code == ELU:
        for j in range(len(y)):
            d[j] *= one if y[j] > zero else y[j] + one
    elif code == SELU:
        for j in range(len(y)):
            d[j] *= scale if y[j] > zero else y[j] + scale_alpha
    elif code == GELU:
        for j in range(len(y)):
            x = np.float64(y[j])
            d[j] *= normal_cdf(x) + x * math.exp(-0.5 * x * x) / _SQRT_TWO_PI
    elif code == SILU:
        for j in range(len(y)):
            x = np.float64(y[j])
            s = sigmoid(x)
            d[j] *= s * (1.0 + x * (1.0 - s))
    elif code == MISH:
        for j in range(len(y)):
            d[j] *= mish_derivative(np.float64(y[j]))
    elif code == SOFTPLUS:
        for j in range(len(y)):
            d[j] *= -math.expm1(-np.float64(y[j]))
    elif code != IDENTITY:
        raise ValueError("no activation of a hidden layer has this code")
