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

CODES = {"sgd": 0, "momentum": 1, "nesterov": 2, "rmsprop": 3, "adam": 4, "adamw": 5}
SGD, MOMENTUM, NESTEROV, RMSPROP, ADAM, ADAMW = CODES.values()

SMALLEST_FLOAT, SMALLEST_DOUBLE = 2.0**-126, 2.0**-1022  # normal numbers


@kernel
def update(rule, coefficients, rate, step, p, g, state):
    """One step of an optimizer, in place on p (n,) and state (n_state, n); step counts from 1."""
    beta_1, beta_2, epsilon, weight_decay = coefficients
    real = p.dtype.type
    tiny = real(SMALLEST_FLOAT if p.itemsize == 4 else SMALLEST_DOUBLE)
    if rule == SGD:
        eta = real(rate)
        for i in range(len(p)):
            p[i] -= eta * g[i]
    elif rule in (MOMENTUM, NESTEROV):
        m = state[0]
        mu, eta = real(beta_1), real(rate)
        # p − η (a g + b m): b is 1 and a 0, or for Nesterov μ and 1
        own, remembered = real(rule == NESTEROV), mu if rule == NESTEROV else real(1.0)
        for i in range(len(p)):
            m[i] = _normal(mu * m[i] + g[i], tiny)
            p[i] -= eta * (own * g[i] + remembered * m[i])
    elif rule == RMSPROP:
        v = state[0]
        forget, eta, eps = real(1.0 - beta_2), real(rate), real(epsilon)
        for i in range(len(p)):
            v[i] = _normal(v[i] + forget * (g[i] * g[i] - v[i]), tiny)
            p[i] -= eta * g[i] / (np.sqrt(v[i]) + eps)
    elif rule in (ADAM, ADAMW):
        m, v = state[0], state[1]
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

    weight (n_in, stride); squares: float64 scratch of at least `n_out` elements.
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
