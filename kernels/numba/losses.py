"""Losses computed from the last layer's z, and their delta.

Softmax with cross-entropy, row by row, shifted by the row maximum to prevent overflow:

    loss = log Σ exp z − t · z        δ = (softmax(z) − t) · weight

with the target t = onehot(label), smoothed (1 − ε) onehot(label) + ε / n_out,

and element by element, of h = f(z), the derivative by h then multiplied by f':

    binary cross-entropy   log(1 + eʰ) − t h      sigmoid(h) − t
    squared error          (h − t)² / 2           h − t
    Poisson                eʰ − t h               eʰ − t
    Huber                  s (r − s/2)            s = clip(r, −d, d),  r = h − t
    absolute error         |r|                    sign(r)
    quantile               s r                    s = 1 − q if r > 0, −q if r < 0

z, target and delta are (n, stride) with n_out columns in use; delta's padding is zero afterwards. A
An empty ``weight`` means ones. Losses are summed in float64.
"""

import math

import numpy as np

from .activations import IDENTITY, activate, multiply_by_derivative, sigmoid, softplus
from .compiling import exact_kernel, kernel
from .exponential import exp_in_place

CODES = {
    "cross_entropy": 0,
    "binary_cross_entropy": 1,
    "squared_error": 2,
    "poisson": 3,
    "huber": 4,
    "absolute_error": 5,
    "quantile": 6,
}
(
    CROSS_ENTROPY,
    BINARY_CROSS_ENTROPY,
    SQUARED_ERROR,
    POISSON,
    HUBER,
    ABSOLUTE_ERROR,
    QUANTILE,
) = CODES.values()


@kernel
def _exp_of_shifted_rows(z, n_out, out):
    """``out = exp(z − max z)``, one loop over all rows and their padding, as rows are short."""
    for r in range(len(z)):
        largest = z[r, 0]
        for j in range(1, n_out):
            # also true if largest is NaN, so that the whole row becomes NaN
            largest = largest if largest != largest or z[r, j] <= largest else z[r, j]
        for j in range(n_out):
            out[r, j] = z[r, j] - largest
        for j in range(n_out, out.shape[1]):
            out[r, j] = 0
    exp_in_place(out.reshape(out.size))


@kernel
def softmax(z, n_out, out):
    """``out = exp(z − max z) / Σ exp(z − max z)``; z and out may be the same."""
    _exp_of_shifted_rows(z, n_out, out)
    for r in range(len(z)):
        row = out[r]
        total = out[r, 0]
        for j in range(1, n_out):
            total += row[j]
        for j in range(n_out):
            row[j] /= total


@exact_kernel
def _row_loss(total, z, largest):
    """Return ``log Σ exp(z − max z) − (z − max z)``: reordered, it would lose the digits of z."""
    return math.log(np.float64(total)) - np.float64(z - largest)


@exact_kernel
def _smoothed_row_loss(total, z, n_out, label, largest, smoothing):
    """Return ``log Σ exp(z − max z) − t · (z − max z)`` for a row z."""
    shifted = 0.0
    for j in range(n_out):
        shifted += np.float64(z[j] - largest)
    wanted = (1.0 - smoothing) * np.float64(z[label] - largest) + smoothing / n_out * shifted
    return math.log(np.float64(total)) - wanted


@kernel
def softmax_cross_entropy(z, n_out, labels, weight, label_smoothing, delta):
    """Return ``Σ_rows weight · (log Σ exp z − t · z)``; ``delta = (p − t) · weight``."""
    softmax_loss = 0.0
    one = z.dtype.type(1.0)
    at_label = z.dtype.type(1.0 - label_smoothing)
    everywhere = z.dtype.type(label_smoothing / n_out)
    _exp_of_shifted_rows(z, n_out, delta)
    for r in range(len(z)):
        row = delta[r]
        total = row[0]
        largest = z[r, 0]
        for j in range(1, n_out):
            total += row[j]
            largest = max(largest, z[r, j])
        if label_smoothing == 0:
            loss = _row_loss(total, z[r, labels[r]], largest)
        else:
            loss = _smoothed_row_loss(total, z[r], n_out, labels[r], largest, label_smoothing)
        factor = weight[r] if len(weight) else one
        softmax_loss += factor * loss
        for j in range(n_out):
            row[j] /= total
        row[labels[r]] -= at_label
        if label_smoothing != 0:
            for j in range(n_out):
                row[j] -= everywhere
        for j in range(n_out):
            row[j] *= factor
        for j in range(n_out, len(row)):
            row[j] = 0
    return softmax_loss


@kernel
def elementwise_loss(code, activation, z, n_out, target, weight, constants, delta):
    """Return the weighted sum of a loss of h = f(z); ``delta = ∂loss/∂z · weight``.

    `activation` is the code of f; z becomes h. constants (n_out,) are those of the loss.
    """
    total = 0.0
    one = z.dtype.type(1.0)
    if activation != IDENTITY:
        activate(activation, z.reshape(z.size))
    for r in range(len(z)):
        loss = 0.0
        v, t, d = z[r, :n_out], target[r, :n_out], delta[r, :n_out]
        if code == BINARY_CROSS_ENTROPY:
            for j in range(n_out):
                x = np.float64(v[j])
                loss += softplus(x) - t[j] * x
                d[j] = sigmoid(x) - t[j]
        elif code == SQUARED_ERROR:
            for j in range(n_out):
                d[j] = v[j] - t[j]
                loss += 0.5 * (d[j] * d[j])
        elif code == POISSON:
            for j in range(n_out):
                d[j] = v[j]
            exp_in_place(d)
            for j in range(n_out):
                loss += d[j] - t[j] * v[j]
                d[j] -= t[j]
        elif code == HUBER:
            for j in range(n_out):
                residual = v[j] - t[j]
                limit = constants[j]
                slope = limit if residual > limit else residual
                d[j] = -limit if residual < -limit else slope
                loss += d[j] * (residual - 0.5 * d[j])
        elif code == ABSOLUTE_ERROR:
            for j in range(n_out):
                residual = v[j] - t[j]
                loss += abs(residual)
                d[j] = np.sign(residual)
        elif code == QUANTILE:
            for j in range(n_out):
                residual = v[j] - t[j]
                d[j] = residual  # 0, or not a number
                if residual > 0:
                    d[j] = one - constants[j]
                elif residual < 0:
                    d[j] = -constants[j]
                loss += d[j] * residual
        else:
            raise ValueError("no loss without softmax has this code")
        factor = weight[r] if len(weight) else one
        total += factor * loss
        for j in range(n_out):
            d[j] *= factor
        for j in range(n_out, delta.shape[1]):
            delta[r, j] = 0
    if activation != IDENTITY:
        multiply_by_derivative(activation, z.reshape(z.size), delta.reshape(delta.size))
    return total


@kernel
def label_is_largest(z, n_out, label):
    """Return whether the first of the largest z (n_out,) is at `label`."""
    best = 0
    for j in range(1, n_out):
        # NaN counts as largest, as in NumPy
        if z[best] == z[best] and not z[j] <= z[best]:
            best = j
    return best == label


@kernel
def signs_agree(z, n_out, target):
    """Return whether z is positive exactly where `target` is above one half."""
    agree = True
    for j in range(n_out):
        agree &= (z[j] > 0) == (target[j] > 0.5)
    return agree
