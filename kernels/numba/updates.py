"""Optimizer updates, penalties and norm constraints.

With gradient g, rate η and update t, over vectors in the layout of the parameters:

    SGD        p ← p − η g
    momentum   m ← μ m + g,               p ← p − η m            (Nesterov: p ← p − η (g + μ m))
    RMSprop    v ← ρ v + (1 − ρ) g²,      p ← p − η g / (√v + ε)
    Adam       m ← β₁ m + (1 − β₁) g,     v ← β₂ v + (1 − β₂) g²,
               p ← p − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
    AdamW      p ← p − η λ p, then Adam

The padding has zero gradient and state, and so stays zero. Subnormal numbers are set to zero: the
averages of a gradient that has become zero decay into that range, where arithmetic
is a hundred times slower.
"""

import math

import numpy as np

from .compiling import kernel
from .layout import BIAS_AT, N_IN, STRIDE, WEIGHT_AT

CODES = {"sgd": 0, "momentum": 1, "nesterov": 2, "rmsprop": 3, "adam": 4, "adamw": 5}
SGD, MOMENTUM, NESTEROV, RMSPROP, ADAM, ADAMW = CODES.values()

SMALLEST_FLOAT, SMALLEST_DOUBLE = 2.0**-126, 2.0**-1022  # normal numbers


@kernel
def update(rule, coefficients, rate, step, p, g, first, second):
    """One step of an optimizer, in place on p (n,) and its state; step counts from 1.

    first, second (n,) are the rule's state vectors; those that it does not have are not read.
    """
    beta_1, beta_2, epsilon, weight_decay = coefficients
    real = p.dtype.type
    tiny = real(SMALLEST_FLOAT if p.itemsize == 4 else SMALLEST_DOUBLE)
    if rule == SGD:
        eta = real(rate)
        for i in range(len(p)):
            p[i] -= eta * g[i]
    elif rule in (MOMENTUM, NESTEROV):
        m = first
        mu, eta = real(beta_1), real(rate)
        # p − η (a g + b m): b is 1 and a 0, or for Nesterov μ and 1
        own, remembered = real(rule == NESTEROV), mu if rule == NESTEROV else real(1.0)
        for i in range(len(p)):
            m[i] = _normal(mu * m[i] + g[i], tiny)
            p[i] -= eta * (own * g[i] + remembered * m[i])
    elif rule == RMSPROP:
        v = first
        forget, eta, eps = real(1.0 - beta_2), real(rate), real(epsilon)
        for i in range(len(p)):
            v[i] = _normal(v[i] + forget * (g[i] * g[i] - v[i]), tiny)
            p[i] -= eta * g[i] / (np.sqrt(v[i]) + eps)
    elif rule in (ADAM, ADAMW):
        m, v = first, second
        keep = real(1.0 - rate * weight_decay)
        forget_1, forget_2, eps = real(1.0 - beta_1), real(1.0 - beta_2), real(epsilon)
        size = real(rate / (1.0 - beta_1**step))
        correction = real(1.0 / math.sqrt(1.0 - beta_2**step))
        for i in range(len(p)):
            m[i] = _normal(m[i] + forget_1 * (g[i] - m[i]), tiny)
            v[i] = _normal(v[i] + forget_2 * (g[i] * g[i] - v[i]), tiny)
            step_i = size * m[i] / (np.sqrt(v[i]) * correction + eps)
            p[i] = _normal(keep * p[i] - step_i, tiny)
    else:
        raise ValueError("no rule has this code")


@kernel
def apply_gradient(training, layers, rate, step, p, g, slots, sums):
    """One step of all parameters, in place on p and slots; with factors, group by group.

    The groups are the weights and biases of each layer; training.factors has their rows of
    (factor of the rate, factor of the weight decay), and last that of the feature scales. With
    these, the first layer's part of p holds V = diag(s) W, and slots, after the rule's vectors, W
    and s:

        ∂W_ij = s_i ∂V_ij          ∂s_i = Σ_j W_ij ∂V_ij

    g is used as scratch, and sums, at least n_in numbers of float64.
    """
    n = training.n_vectors
    if len(training.factors) == 0:
        first = slots[0] if n > 0 else g[:0]
        second = slots[1] if n > 1 else g[:0]
        update(training.rule, training.coefficients, rate, step, p, g, first, second)
        return
    for i in range(len(layers)):
        layer = layers[i]
        at, size = layer[WEIGHT_AT], layer[N_IN] * layer[STRIDE]
        if i == 0 and len(slots) > n:
            n_in, stride = layer[N_IN], layer[STRIDE]
            raw, scales = slots[n][at : at + size], slots[n + 1]
            for k in range(n_in):
                s, total = scales[k], p.dtype.type(0)
                for j in range(at + k * stride, at + (k + 1) * stride):
                    total += raw[j - at] * g[j]
                    g[j] *= s
                sums[k] = total
            _update_group(training, 0, rate, step, raw, g, slots, at)
            for k in range(n_in):
                g[at + k] = sums[k]
            first = scales[n_in : (1 + min(n, 1)) * n_in]
            second = scales[2 * n_in : (1 + max(n, 1)) * n_in]
            decays = training.factors[-1, 1]
            beta_1, beta_2, epsilon, weight_decay = training.coefficients
            coefficients = beta_1, beta_2, epsilon, weight_decay * decays
            own_rate = rate * training.factors[-1, 0]
            update(
                training.rule, coefficients, own_rate, step, scales[:n_in], g[at : at + n_in],
                first, second,
            )  # fmt: skip
            write_scaled(p[at : at + size], raw, scales, n_in, stride)
        else:
            _update_group(training, 2 * i, rate, step, p[at : at + size], g, slots, at)
        if layer[BIAS_AT] >= 0:
            at, size = layer[BIAS_AT], layer[STRIDE]
            _update_group(training, 2 * i + 1, rate, step, p[at : at + size], g, slots, at)


@kernel
def _update_group(training, number, rate, step, p, g, slots, at):
    """The same for one group: parameters p, whose gradient and state begin at element `at`."""
    beta_1, beta_2, epsilon, weight_decay = training.coefficients
    coefficients = beta_1, beta_2, epsilon, weight_decay * training.factors[number, 1]
    first = second = g[:0]
    if training.n_vectors > 0:
        first = slots[0][at : at + len(p)]
    if training.n_vectors > 1:
        second = slots[1][at : at + len(p)]
    own_rate = rate * training.factors[number, 0]
    update(training.rule, coefficients, own_rate, step, p, g[at : at + len(p)], first, second)


@kernel
def write_scaled(seen, raw, scales, n_in, stride):
    """``V = diag(s) W``, row by row."""
    tiny = seen.dtype.type(SMALLEST_FLOAT if seen.itemsize == 4 else SMALLEST_DOUBLE)
    for k in range(n_in):
        s = scales[k]
        for j in range(k * stride, (k + 1) * stride):
            seen[j] = _normal(s * raw[j], tiny)


@kernel
def _normal(x, tiny):
    """Return x, or zero where it is subnormal; a NaN stays one."""
    return tiny - tiny if abs(x) < tiny else x


@kernel
def add_penalty(l1, l2, w, g):
    """Add the gradient of ``l1 Σ|w| + l2/2 Σw²`` over w (n_weight_slots,) to g; return that."""
    real = w.dtype.type
    squares, magnitudes = 0.0, 0.0
    if l2 != 0:
        slope = real(l2)
        for i in range(len(w)):
            g[i] += slope * w[i]
            squares += np.float64(w[i]) * np.float64(w[i])
    if l1 != 0:
        slope = real(l1)
        for i in range(len(w)):
            g[i] += slope * np.sign(w[i])
            magnitudes += np.float64(abs(w[i]))
    return 0.5 * l2 * squares + l1 * magnitudes


@kernel
def clip_to_norm(g, max_norm):
    """Scale the whole gradient down to the norm `max_norm` if it is larger."""
    squares = 0.0
    for i in range(len(g)):
        squares += np.float64(g[i]) * np.float64(g[i])
    norm = math.sqrt(squares)
    if norm > max_norm:
        factor = g.dtype.type(max_norm / norm)
        for i in range(len(g)):
            g[i] *= factor


@kernel
def limit_column_norms(weight, n_out, max_norm, squares):
    """Scale the weights into each unit, a column, down to the norm `max_norm` if it is larger.

    weight (n_in, stride); squares: float64 scratch of at least `n_out` elements, which receives the
    factors of the columns.
    """
    for j in range(n_out):
        squares[j] = 0
    for i in range(len(weight)):
        for j in range(n_out):
            squares[j] += np.float64(weight[i, j]) * np.float64(weight[i, j])
    for j in range(n_out):
        norm = math.sqrt(squares[j])
        squares[j] = max_norm / norm if norm > max_norm else 1.0
    for i in range(len(weight)):
        for j in range(n_out):
            weight[i, j] *= squares[j]
