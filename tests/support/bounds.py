"""How far two right implementations of a kernel may lie apart, element by element.

Each function takes a kernel's inputs and the reference's result and returns bounds in float64. With
``eps`` the distance from 1 to the next float, one rounding errs by eps/2, and two implementations
differ by at most twice what one errs:

- **A sum of K products** errs by at most ``K eps/2 Σ|x||w|`` in any order (Higham, 2002, §3.1),
  and, roundings being as good as independent, by no more than ``λ √K eps/2 Σ|x||w|`` but for a
  chance of ``2K exp(−λ²/2)`` (Higham and Mary, 2019); λ = 8 makes that 1e-11. Two differ by twice
  the smaller one.
- **An elementwise function** of exact arguments may be 4 ULP off on either side: 8 eps. Where its
  formula rounds an intermediate that it then magnifies, the bound says so.
- **An error of an argument** passes on times the largest slope of the function.

Results under the smallest normal number may be flushed to zero, and so may what they are made of.
"""

import math

import numpy as np

from fastnn.architecture import SELU_ALPHA, SELU_SCALE
from fastnn.backends.reference import DERIVATIVE, FORWARD, tanh_softplus

ULPS = 8.0
"""Of an elementwise function: 4 each of the reference and of its twin."""

SLOPES = {"gelu": 1.13, "silu": 1.10, "mish": 1.09, "selu": SELU_SCALE * SELU_ALPHA}
"""The largest slope of each hidden activation for which it is above 1."""


def eps(dtype):
    return float(np.finfo(dtype).eps)


def tiny(dtype):
    return float(np.finfo(dtype).tiny)


def sum_factor(n_terms, dtype):
    """What ``Σ|terms|`` is multiplied by for the difference of two sums."""
    return min(n_terms, 8.0 * math.sqrt(n_terms)) * eps(dtype)


def magnitude(x):
    """|x| as a dense float64 array; duplicate entries of a CSR matrix add up."""
    if isinstance(x, np.ndarray):
        return np.abs(x.astype(np.float64))
    return type(x)((np.abs(x.data.astype(float)), x.indices, x.indptr), shape=x.shape).toarray()


def preactivation(x, weight, bias):
    """Of ``x @ weight + bias``."""
    n_terms = 1 + (weight.shape[0] if isinstance(x, np.ndarray) else 2 * weight.shape[0])
    size = magnitude(x) @ magnitude(weight)
    if bias is not None:
        size = size + magnitude(bias)
    return sum_factor(n_terms + 1, weight.dtype) * size


def activation(name, z, y, dz, dtype):
    """Of ``y = f(z)`` when z may differ by dz."""
    e, y, z = eps(dtype), magnitude(y), magnitude(z)
    match name:
        case "identity" | "relu":
            return dz + 0 * y
        case "exp":
            return y * (np.expm1(dz) + ULPS * e) + tiny(dtype)
        case "gelu":
            # erfc(z/√2) magnifies the rounding of its argument by (z/√2) · 2 (z/√2) = z²
            return SLOPES[name] * dz + y * (ULPS + 2 * z * z) * e + (1 + z) * tiny(dtype)
        case "silu" | "mish":  # z times what may be flushed, as in gelu
            return SLOPES[name] * dz + y * ULPS * e + (1 + z) * tiny(dtype)
        case _:
            return SLOPES.get(name, 1.0) * dz + y * ULPS * e + tiny(dtype)


def derivative(name, y, d, dtype):
    """Of the activation's derivative ``d``, taken from y (z, for gelu, silu and mish)."""
    e, y = eps(dtype), y.astype(np.float64)
    flushed = (1 + np.abs(y)) * tiny(dtype)  # what is taken as zero, by itself or times z
    match name:
        case "identity" | "relu":
            return np.zeros_like(y)
        case "leaky_relu":
            return e * np.abs(d)
        case "sigmoid":  # y (1 − y), perhaps as y − y²
            return 2 * e * np.abs(y)
        case "tanh" | "elu":  # 1 − y², 1 + y: a rounding of something up to 1
            return 4 * e + 0 * y
        case "selu":  # λα + y: the same, of something up to 1.76
            return 8 * e + 0 * y
        case "softplus":
            return ULPS * e * np.abs(d)
        case "gelu":  # Φ + z φ may cancel; exp(−z²/2) magnifies its argument's rounding
            phi = np.exp(-0.5 * y * y) / math.sqrt(2 * math.pi)
            cdf = np.vectorize(math.erfc, otypes=[float])(-y * math.sqrt(0.5)) / 2
            return (ULPS + 2 * y * y) * e * (cdf + np.abs(y) * phi) + flushed
        case "silu":  # s (1 + z (1 − s)) may cancel, and 1 − s rounds to something up to 1
            s = 0.5 * (1 + np.tanh(0.5 * y))
            size = s * (1 + np.abs(y) * (1 - s))
            return ULPS * e * size + 2 * e * s * np.abs(y) + flushed
        case "mish":  # t + z t' may cancel; each is a quotient of sums and products of exp
            t, slope = tanh_softplus(y)
            return ULPS * e * (t + np.abs(y) * slope) + flushed


def input_gradient(delta, weight, name, y, slope, product, dtype):
    """Of ``(δ Wᵀ) ∘ slope``, where ``product = δ Wᵀ``."""
    dot = sum_factor(weight.shape[1] + 1, dtype) * (magnitude(delta) @ magnitude(weight).T)
    slope, product = magnitude(slope), magnitude(product)
    return (
        dot * slope
        + (product + dot) * derivative(name, y, slope, dtype)
        + 2 * eps(dtype) * product * slope
        + tiny(dtype)
    )


def weight_gradient(x, delta, dtype):
    """Of ``xᵀ δ`` and of the column sums of δ."""
    copies = 1 if isinstance(x, np.ndarray) else 2
    factor = sum_factor(copies * len(delta) + 1, dtype)
    size = magnitude(delta)
    return factor * (magnitude(x).T @ size), factor * size.sum(axis=0)


def softmax(p, dtype):
    """z − max rounds alike everywhere; then two exp, a sum of k positive terms, a division."""
    return magnitude(p) * ((2 * ULPS + 4) * eps(dtype) + sum_factor(p.shape[-1], dtype)) + tiny(
        dtype
    )


def smoothed(labels, label_smoothing, n_classes):
    """What is wanted of softmax: ``(1 − ε) onehot + ε / n_classes``."""
    return (1 - label_smoothing) * np.eye(n_classes)[labels] + label_smoothing / n_classes


def softmax_cross_entropy(p, target, row_loss, weight, dtype):
    """Of the loss and of its delta, from p and each row's loss without its weight."""
    relative = (ULPS + 4) * eps(dtype) + sum_factor(p.shape[1], dtype)
    rounded = np.where(target == 1, 0, 2 * target)  # ones and zeros are exact
    delta = weight[:, None] * (softmax(p, dtype) + 2 * eps(dtype) * (np.abs(p - target) + rounded))
    loss = weight * (relative + ULPS * eps(dtype) * (math.log(p.shape[1]) + np.abs(row_loss)))
    return float(loss.sum()) + accumulation(weight * row_loss), delta


def elementwise_loss(name, activation_name, z, target, weight, constants, dtype):
    """Of the loss of ``h = activation(z)`` and of its delta."""
    z, t, e = z.astype(np.float64), target.astype(np.float64), eps(dtype)
    h = FORWARD[activation_name](z)
    dh = activation(activation_name, z, h, 0.0, dtype)
    weight, r, bend = weight[:, None], np.abs(h - t), dh
    match name:
        case "binary_cross_entropy":
            size = np.logaddexp(0, h) + np.abs(t * h)
            slope = 1 + np.abs(t)
        case "poisson":
            size = np.exp(h) + np.abs(t * h)
            slope = np.exp(h) + np.abs(t)
        case "squared_error":
            size, slope = 0.5 * r * r, r
        case "huber":
            slope = np.minimum(r, constants)
            size = slope * r
        case "absolute_error":
            size, slope, bend = r, np.sign(r), 0.0
        case "quantile":
            slope = np.where(h > t, 1 - constants, np.where(h < t, constants, 0))
            size, bend = slope * r, 0.0
    loss = weight * (size * (ULPS * e + sum_factor(z.shape[1], dtype)) + slope * dh)
    delta = slope * ULPS * e
    if activation_name != "identity":  # times f', whose own derivative is at most 2
        f = DERIVATIVE[activation_name](h)
        df = derivative(activation_name, h, f, dtype) + 2 * dh
        delta = (delta + bend) * np.abs(f) + slope * df
    return float(loss.sum()) + accumulation(weight * size), weight * delta + tiny(dtype)


def accumulation(terms):
    """Of a sum over rows, kept in float64 whatever the network's dtype."""
    return sum_factor(terms.size + 1, np.float64) * float(np.abs(terms).sum())


def update(optimizer, step, params, grads, before, after):
    """Of the parameters and the state, from the state's vectors before and after."""
    e, (decay_1, decay_2, epsilon, weight_decay) = eps(params.dtype), optimizer.coefficients
    rate = float(optimizer.learning_rates(step - 1, 1)[0])
    p, g = magnitude(params), magnitude(grads)
    before, after = magnitude(before), magnitude(after)
    match optimizer.rule:
        case "sgd":
            return 4 * e * (p + rate * g), before
        case "momentum" | "nesterov":
            size = decay_1 * before[0] + g
            return 8 * e * (p + rate * (g + size)), 4 * e * size[None]
    (v,), (new_v,) = before[-1:], after[-1:]
    dv = 4 * e * (v + (1 - decay_2) * (g * g + v)) + tiny(params.dtype)
    correction = 1 if optimizer.rule == "rmsprop" else 1 / math.sqrt(1 - decay_2**step)
    with np.errstate(divide="ignore", invalid="ignore"):  # at v = 0, where g = 0
        root = np.where(new_v > 0, dv / (2 * np.sqrt(new_v)), 0.0) * correction
    root = np.minimum(root, np.sqrt(dv) * correction)
    below = np.sqrt(new_v) * correction + epsilon
    relative = root / below + ULPS * e
    if optimizer.rule == "rmsprop":
        return 4 * e * p + rate * g / below * relative, dv[None]
    dm = 4 * e * (before[0] + (1 - decay_1) * (g + before[0]))
    size = rate / (1 - decay_1**step)
    dp = 4 * e * p * (1 + rate * weight_decay) + size / below * (dm + after[0] * relative)
    return dp, np.stack([dm, dv])
