"""Activations y = f(z) and their derivatives, over flat arrays.

    sigmoid   1 / (1 + e⁻ᶻ)            y (1 − y)
    tanh                               1 − y²
    relu      max(z, 0)                1 if y > 0 else 0
    leaky     z or 0.01 z              1 or 0.01
    elu       z or eᶻ − 1              1 or y + 1
    gelu      z Φ(z)                   Φ(z) + z φ(z)              from z
    silu      z sigmoid(z)             s (1 + z (1 − s))          from z
    softplus  log(1 + eᶻ)              1 − e⁻ʸ
    exp       eᶻ                       (an output only)

Matrices are processed including the padding of their rows, since one loop is faster than many
short ones. The activation is selected outside the loops. Those that need more than
`exponential` call the math library in float64 and round once.
"""

import math

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
    "gelu": 6,
    "silu": 7,
    "softplus": 8,
    "exp": 9,
    "softmax": 10,
}
IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, GELU, SILU, SOFTPLUS, EXP, SOFTMAX = CODES.values()

LEAKY_SLOPE = 0.01  # as in PyTorch and Keras (Maas et al., 2013)
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
def normal_cdf(z):
    """Return ``Φ(z)`` of one float64."""
    return 0.5 * math.erfc(-z * _SQRT_HALF)


@kernel
def activate(code, y):
    """``y = f(y)``; y (n,)."""
    real = y.dtype.type
    zero, one, slope = real(0.0), real(1.0), real(LEAKY_SLOPE)
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
    elif code == GELU:
        for j in range(len(y)):
            y[j] = y[j] * normal_cdf(np.float64(y[j]))
    elif code == SILU:
        for j in range(len(y)):
            y[j] = y[j] * sigmoid(np.float64(y[j]))
    elif code == SOFTPLUS:
        for j in range(len(y)):
            y[j] = softplus(np.float64(y[j]))
    elif code == EXP:
        exp_in_place(y)
    elif code != IDENTITY:
        raise ValueError("no activation has this code that is worked out element by element")


@kernel
def multiply_by_derivative(code, y, d):
    """``d *= f'``, computed from y, or from z for gelu and silu; y and d (n,)."""
    real = y.dtype.type
    zero, one, slope = real(0.0), real(1.0), real(LEAKY_SLOPE)
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
    elif code == GELU:
        for j in range(len(y)):
            x = np.float64(y[j])
            d[j] *= normal_cdf(x) + x * math.exp(-0.5 * x * x) / _SQRT_TWO_PI
    elif code == SILU:
        for j in range(len(y)):
            x = np.float64(y[j])
            s = sigmoid(x)
            d[j] *= s * (1.0 + x * (1.0 - s))
    elif code == SOFTPLUS:
        for j in range(len(y)):
            d[j] *= -math.expm1(-np.float64(y[j]))
    elif code != IDENTITY:
        raise ValueError("no activation of a hidden layer has this code")
