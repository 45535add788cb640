"""The reference backend, "numpy": the definition of every kernel.

The compiled backends implement the same operations, faster. Shapes:
x (n, n_in), W (n_in, n_out), b (n_out,), z and y and δ (n, n_out). `fastnn.backends.base` combines
the kernels into a training step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.architecture import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE, Array
from fastnn.backends.base import Backend, learning_rates
from fastnn.optimizers import Optimizer
from fastnn.system.float_mode import flushing

UPDATE_BLOCK = 24_576  # parameters updated at a time: temporaries of 96 KB stay in L2

# -- activations: y = f(z) ------------------------------------------------------------------------


def sigmoid(z: Array) -> Array:
    """``1 / (1 + e⁻ᶻ) = e^min(z,0) / (1 + e^−|z|)``, without overflow."""
    y: Array = np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))
    return y


def normal_cdf(z: Array) -> Array:
    """``Φ(z) = erfc(−z/√2) / 2``, with the standard library's erfc, since NumPy has none."""
    return np.asarray(np.frompyfunc(math.erfc, 1, 1)(z * -math.sqrt(0.5)) / 2, z.dtype)


def gelu(z: Array) -> Array:
    """``z Φ(z)``, exact (Hendrycks and Gimpel, 2016)."""
    return z * normal_cdf(z)


def silu(z: Array) -> Array:
    """``z sigmoid(z)``."""
    return z * sigmoid(z)


def softplus(z: Array) -> Array:
    """``log(1 + eᶻ)``."""
    return np.add(np.maximum(z, 0), np.log1p(np.exp(-np.abs(z))))


def selu(z: Array) -> Array:
    """``λ z`` where z > 0, else ``λ α (eᶻ − 1)`` (Klambauer et al., 2017)."""
    below = SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(z, 0))
    return np.where(z > 0, SELU_SCALE * z, below)


def tanh_softplus(z: Array) -> tuple[Array, Array]:
    """``tanh(log(1 + eᶻ)) = n / (n + 2)``, with ``n = eᶻ (eᶻ + 2)``, and its derivative.

    The derivative is ``4 eᶻ (eᶻ + 1) / (n + 2)²``. Both are computed from e^−|z|: where z ≥ 0,
    numerators and denominators are divided by e²ᶻ and e⁴ᶻ, so that nothing overflows. All terms
    are positive, so that nothing cancels.
    """
    e = np.exp(-np.abs(z))
    n = 2 * e + np.where(z < 0, e * e, 1)
    below = np.where(z < 0, 1, e * e)
    d = n + 2 * below
    return n / d, 4 * e * (e + below) / (d * d)


def mish(z: Array) -> Array:
    """``z tanh(softplus(z))`` (Misra, 2019); 0 at −∞."""
    t, _ = tanh_softplus(z)
    y: Array = np.maximum(z, np.finfo(z.dtype).min) * t
    return y


FORWARD: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, z.dtype.type(LEAKY_SLOPE) * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),  # α = 1 (Clevert et al., 2016)
    "selu": selu,
    "gelu": gelu,
    "silu": silu,
    "mish": mish,
    "softplus": softplus,
    "exp": np.exp,
}

# -- derivatives f'(z), computed from the output y where possible ---------------------------------


def gelu_derivative(z: Array) -> Array:
    """``Φ(z) + z φ(z)``."""
    density = np.exp(-0.5 * z * z) / z.dtype.type(math.sqrt(2 * math.pi))
    slope: Array = normal_cdf(z) + z * density
    return slope


def silu_derivative(z: Array) -> Array:
    """``s (1 + z (1 − s))`` with ``s = sigmoid(z)``."""
    s = sigmoid(z)
    slope: Array = s * (1 + z * (1 - s))
    return slope


def mish_derivative(z: Array) -> Array:
    """``t + z t′`` with ``t = tanh(softplus(z))``; 0 at −∞, 1 at ∞."""
    number = np.finfo(z.dtype)
    t, slope = tanh_softplus(z)
    derivative: Array = t + np.clip(z, number.min, number.max) * slope
    return derivative


DERIVATIVE: dict[str, Callable[[Array], Array]] = {
    "identity": np.ones_like,
    "sigmoid": lambda y: y * (1 - y),
    "tanh": lambda y: 1 - y * y,
    "relu": lambda y: (y > 0).astype(y.dtype),
    "leaky_relu": lambda y: np.where(y > 0, 1, LEAKY_SLOPE).astype(y.dtype),
    "elu": lambda y: np.where(y > 0, 1, y + 1),
    "selu": lambda y: np.where(y > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA).astype(y.dtype),
    "gelu": gelu_derivative,  # of z
    "silu": silu_derivative,  # of z
    "mish": mish_derivative,  # of z
    "softplus": lambda y: -np.expm1(-y),
}

# -- losses of h: h, target, the loss's constants (n_out,) → loss and its derivative by h ----------


def _binary_cross_entropy(z: Array, t: Array, _: Array) -> tuple[Array, Array]:
    return softplus(z) - t * z, sigmoid(z) - t


def _squared_error(h: Array, t: Array, _: Array) -> tuple[Array, Array]:
    r = h - t
    return 0.5 * r * r, r


def _poisson(z: Array, t: Array, _: Array) -> tuple[Array, Array]:
    rate = np.exp(z)
    return rate - t * z, rate - t


def _huber(h: Array, t: Array, d: Array) -> tuple[Array, Array]:
    r = h - t
    slope = np.clip(r, -d, d)
    return slope * (r - 0.5 * slope), slope


def _absolute_error(h: Array, t: Array, _: Array) -> tuple[Array, Array]:
    r = h - t
    return np.abs(r), np.sign(r)


def _quantile(h: Array, t: Array, q: Array) -> tuple[Array, Array]:
    """The pinball loss (Koenker and Bassett, 1978)."""
    r = h - t
    slope = np.where(r > 0, 1 - q, np.where(r < 0, -q, r))  # r: 0, or not a number
    return slope * r, slope


ELEMENTWISE_LOSS: dict[str, Callable[[Array, Array, Array], tuple[Array, Array]]] = {
    "binary_cross_entropy": _binary_cross_entropy,
    "squared_error": _squared_error,
    "poisson": _poisson,
    "huber": _huber,
    "absolute_error": _absolute_error,
    "quantile": _quantile,
}


class Reference(Backend):
    """The kernels in NumPy; the programs are those of `Backend`.

    Subnormal numbers are zero where `fastnn.system.float_mode` can have the processor do that, but
    not in threads of BLAS.
    """

    name = "numpy"

    predict = flushing(Backend.predict)
    train_epoch = flushing(Backend.train_epoch)
    forward = flushing(Backend.forward)
    backward = flushing(Backend.backward)

    @flushing
    def dense_forward(
        self,
        x: Any,
        weight: Array,
        bias: Array | None,
        activation: str,
        out: Array,
        preactivation: Array | None = None,
    ) -> None:
        if isinstance(x, np.ndarray):
            np.matmul(x, weight, out=out)
        else:
            out[...] = x @ weight
        if bias is not None:
            out += bias
        if preactivation is not None:
            preactivation[...] = out
        if activation != "identity":
            out[...] = FORWARD[activation](out)

    @flushing
    def softmax(self, z: Array, out: Array) -> None:
        np.subtract(z, z.max(axis=-1, keepdims=True), out=out)
        np.exp(out, out=out)
        out /= out.sum(axis=-1, keepdims=True)

    @flushing
    def softmax_cross_entropy(
        self,
        z: Array,
        labels: Array,
        sample_weight: Array | None,
        label_smoothing: float,
        delta: Array,
    ) -> float:
        rows = np.arange(len(z))
        shifted = z - z.max(axis=1, keepdims=True)
        np.exp(shifted, out=delta)
        total = delta.sum(axis=1, keepdims=True)
        wanted = shifted[rows, labels]
        delta /= total
        delta[rows, labels] -= 1 - label_smoothing
        if label_smoothing:
            wanted = (1 - label_smoothing) * wanted + label_smoothing * shifted.mean(axis=1)
            delta -= label_smoothing / z.shape[1]
        losses = np.log(total[:, 0]) - wanted
        return _weighted_sum(losses, sample_weight, delta)

    @flushing
    def elementwise_loss(
        self,
        loss: str,
        activation: str,
        z: Array,
        target: Array,
        sample_weight: Array | None,
        constants: Array,
        delta: Array,
    ) -> float:
        h = FORWARD[activation](z)
        losses, delta[...] = ELEMENTWISE_LOSS[loss](h, target, constants)
        if activation != "identity":
            delta *= DERIVATIVE[activation](h)
        return _weighted_sum(losses.sum(axis=1), sample_weight, delta)

    def weight_gradient(
        self, x: Any, delta: Array, weight_grad: Array, bias_grad: Array | None
    ) -> None:
        if isinstance(x, np.ndarray):
            np.matmul(x.T, delta, out=weight_grad)
        else:
            weight_grad[...] = x.T @ delta
        if bias_grad is not None:
            delta.sum(axis=0, out=bias_grad)

    def input_gradient(
        self, delta: Array, weight: Array, activation: str, y: Array, out: Array
    ) -> None:
        np.matmul(delta, weight.T, out=out)
        if activation != "identity":
            out *= DERIVATIVE[activation](y)

    def update(
        self, optimizer: Optimizer, step: int, params: Array, grads: Array, state: Array
    ) -> None:
        rate = float(learning_rates(optimizer, step - 1, 1)[0])
        rule, coefficients = optimizer.rule, optimizer.coefficients
        for start in range(0, len(params), UPDATE_BLOCK):
            block = slice(start, start + UPDATE_BLOCK)
            _update(rule, coefficients, rate, step, params[block], grads[block], state[:, block])


def _update(
    rule: str,
    coefficients: tuple[float, ...],
    rate: float,
    step: int,
    p: Array,
    g: Array,
    state: Array,
) -> None:
    """``p ← p − …`` by the rules in `fastnn.optimizers`."""
    real = p.dtype.type
    beta_1, beta_2, epsilon, weight_decay = coefficients
    match rule:
        case "sgd":
            p -= real(rate) * g
        case "momentum" | "nesterov":
            m = state[0]
            m *= real(beta_1)
            m += g
            p -= real(rate) * (g + real(beta_1) * m if rule == "nesterov" else m)
        case "rmsprop":
            v = state[0]
            v += real(1 - beta_2) * (g * g - v)
            p -= real(rate) * g / (np.sqrt(v) + real(epsilon))
        case "adam" | "adamw":
            m, v = state
            if weight_decay:
                p *= real(1 - rate * weight_decay)
            m += real(1 - beta_1) * (g - m)
            v += real(1 - beta_2) * (g * g - v)
            size = real(rate / (1 - beta_1**step))
            correction = real(1 / math.sqrt(1 - beta_2**step))
            p -= size * m / (np.sqrt(v) * correction + real(epsilon))
        case _:
            raise ValueError(f"there is no rule {rule!r}")


def _weighted_sum(losses: Array, sample_weight: Array | None, delta: Array) -> float:
    """Weight each row's delta; return the weighted sum of the rows' losses, summed in float64."""
    if sample_weight is None:
        return float(losses.sum(dtype=np.float64))
    delta *= sample_weight[:, None]
    return float((losses * sample_weight).sum(dtype=np.float64))
