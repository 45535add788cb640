"""The activations and outputs in ONNX's operators, for writing graphs and for recognizing them.

A formula takes `op(name, *operands, **attributes)`, which makes one operator and returns what it
computes, and z. `fastnn.exchange.onnx.export` hands in an `op` that appends nodes to a graph,
`fastnn.exchange.onnx.expressions` one that builds expressions to compare a foreign graph with. An
operand is what `op` returned, or a float.

Float32 uses ONNX's own operators; but mish is made of others, since ONNX Runtime takes fifty times
as long for Softplus as for Exp. It computes some of them in float32 only, and Sigmoid to a few ULP
of 1, so that small probabilities are off; float64 is made of others:

    sigmoid(z)    = 1 / (1 + e⁻ᶻ), which is right where e⁻ᶻ overflows too
    leaky_relu(z) = max(z, 0.01 z)
    elu(z)        = relu(z) + tanh(m/2) (eᵐ + 1),  m = min(z, 0): eᵐ − 1 without its cancellation
    selu(z)       = λ relu(z) + λ α (eᵐ − 1), the same way
    softplus(z)   = relu(z) + log(1 + e^−|z|)
    mish(z)       = z n / (n + 2),  n = w (w + 2),  w = e^min(z, 40)
    gelu(z)       = relu(z) − a e^(−a²/2) P(a)/Q(a),  a = |z|

where ``P(a)/Q(a) = Φ(−a) e^(a²/2)``: rational, of degrees 8 and 9, fitted here over [0, 8.5] by
iterated linear least squares of the relative error at 80 Chebyshev nodes in 50 digits; in float64
its relative error is below 8e-16. All coefficients are positive, so that nothing cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from fastnn.architecture import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE

Op = Callable[..., Any]
Formula = Callable[[Op, Any], Any]

FAR = 40.0
"""Where e^(−a²/2) is zero, and a⁹ still far from infinite; n / (n + 2) of mish is 1."""

NUMERATOR = (
    0.5,
    0.6618909518516433,
    0.4369946926604451,
    0.18116312831224118,
    0.05089124489646752,
    0.009861795605218604,
    0.0012864681723095276,
    0.00010365330041388361,
    3.983582223788891e-06,
)
DENOMINATOR = (
    1.0,
    2.121666464506154,
    2.0668343005234813,
    1.2165497227654385,
    0.47831321916900243,
    0.1307698513582234,
    0.024979692621204783,
    0.003234682212840373,
    0.0002598203093945179,
    9.98535965015996e-06,
)


def _polynomial(op: Op, coefficients: tuple[float, ...], a: Any) -> Any:
    """``Σ cᵢ aⁱ`` by Horner's rule."""
    *rest, value = coefficients
    result: Any = value
    for c in reversed(rest):
        result = op("Add", op("Mul", result, a), c)
    return result


def _sigmoid_float64(op: Op, z: Any) -> Any:
    return op("Reciprocal", op("Add", op("Exp", op("Neg", z)), 1.0))


def _gelu(op: Op, z: Any) -> Any:
    """``z (1 + erf(z/√2)) / 2``."""
    twice_cdf = op("Add", op("Erf", op("Mul", z, math.sqrt(0.5))), 1.0)
    return op("Mul", op("Mul", z, twice_cdf), 0.5)


def _gelu_float64(op: Op, z: Any) -> Any:
    a = op("Min", op("Abs", z), FAR)
    density = op("Exp", op("Mul", op("Mul", a, a), -0.5))
    tail = op("Div", _polynomial(op, NUMERATOR, a), _polynomial(op, DENOMINATOR, a))
    return op("Sub", op("Relu", z), op("Mul", a, op("Mul", density, tail)))


def _expm1_negative(op: Op, z: Any) -> Any:
    """``eᵐ − 1 = tanh(m/2) (eᵐ + 1)``, ``m = min(z, 0)``."""
    m = op("Min", z, 0.0)
    return op("Mul", op("Tanh", op("Mul", m, 0.5)), op("Add", op("Exp", m), 1.0))


def _elu_float64(op: Op, z: Any) -> Any:
    return op("Add", op("Relu", z), _expm1_negative(op, z))


def _selu_float64(op: Op, z: Any) -> Any:
    above = op("Mul", op("Relu", z), SELU_SCALE)
    return op("Add", above, op("Mul", _expm1_negative(op, z), SELU_SCALE * SELU_ALPHA))


def _mish(op: Op, z: Any, softplus: Formula) -> Any:
    return op("Mul", z, op("Tanh", softplus(op, z)))


def _mish_by_exp(op: Op, z: Any) -> Any:
    w = op("Exp", op("Min", z, FAR))
    n = op("Mul", w, op("Add", w, 2.0))
    return op("Mul", z, op("Div", n, op("Add", n, 2.0)))


def _softplus(op: Op, z: Any) -> Any:
    return op("Softplus", z)


def _softplus_float64(op: Op, z: Any) -> Any:
    small = op("Exp", op("Neg", op("Abs", z)))
    return op("Add", op("Relu", z), op("Log", op("Add", small, 1.0)))


_BOTH: dict[str, Formula] = {
    "identity": lambda op, z: z,
    "tanh": lambda op, z: op("Tanh", z),
    "relu": lambda op, z: op("Relu", z),
    "softmax": lambda op, z: op("Softmax", z, axis=1),
    "exp": lambda op, z: op("Exp", z),
    "mish": _mish_by_exp,
}

FORMULAS: dict[str, dict[str, Formula]] = {
    "float32": _BOTH
    | {
        "sigmoid": lambda op, z: op("Sigmoid", z),
        "silu": lambda op, z: op("Mul", z, op("Sigmoid", z)),
        "leaky_relu": lambda op, z: op("LeakyRelu", z, alpha=LEAKY_SLOPE),
        "elu": lambda op, z: op("Elu", z, alpha=1.0),
        "selu": lambda op, z: op("Selu", z, alpha=SELU_ALPHA, gamma=SELU_SCALE),
        "gelu": _gelu,
        "softplus": _softplus,
    },
    "float64": _BOTH
    | {
        "sigmoid": _sigmoid_float64,
        "silu": lambda op, z: op("Mul", z, _sigmoid_float64(op, z)),
        "leaky_relu": lambda op, z: op("Max", z, op("Mul", z, LEAKY_SLOPE)),
        "elu": _elu_float64,
        "selu": _selu_float64,
        "gelu": _gelu_float64,
        "softplus": _softplus_float64,
    },
}
"""For each dtype, each activation and output."""

_OTHER_SOFTPLUS: tuple[Formula, ...] = (
    lambda op, z: op("Log", op("Add", op("Exp", z), 1.0)),
    lambda op, z: op("Where", op("Greater", z, 20.0), z, op("Softplus", z)),
)

OTHER_SPELLINGS: dict[str, tuple[Formula, ...]] = {
    "relu": (lambda op, z: op("Max", z, 0.0),),
    "leaky_relu": (lambda op, z: op("PRelu", z, LEAKY_SLOPE),),
    "gelu": (lambda op, z: op("Gelu", z, approximate="none"),),
    "silu": (lambda op, z: op("Swish", z, alpha=1.0),),
    "mish": (
        lambda op, z: op("Mish", z),
        *(
            partial(_mish, softplus=softplus)
            for softplus in (*_OTHER_SOFTPLUS, _softplus, _softplus_float64)
        ),
    ),
    "softplus": _OTHER_SOFTPLUS,
}
"""How other libraries write them."""
