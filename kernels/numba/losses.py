"""Losses computed from the last layer's z, and their delta.

Softmax with cross-entropy, row by row, shifted by the row maximum to prevent overflow:

    loss = log Σ exp z − z[label]        δ = (softmax(z) − onehot(label)) · weight

and element by element

    binary cross-entropy   log(1 + eᶻ) − t z      sigmoid(z) − t
    squared error          (z − t)² / 2           z − t
    Poisson                eᶻ − t z               eᶻ − t
    Huber                  s (r − s/2)            s = clip(r, −d, d),  r = z − t
    absolute error         |r|                    sign(r)

z, target and delta are (n, stride) with n_out columns in use; delta's padding is zero afterwards. A
An empty ``weight`` means ones. Losses are summed in float64.
"""

import math

import numpy as np

from .activations import sigmoid, softplus
from .compiling import exact_kernel, kernel
from .exponential import exp_in_place

CODES = {
    "cross_entropy": 0,
    "binary_cross_entropy": 1,
    "squared_error": 2,
    "poisson": 3,
    "huber": 4,
    "absolute_error": 5,
}
CROSS_ENTROPY, BINARY_CROSS_ENTROPY, SQUARED_ERROR, POISSON, HUBER, ABSOLUTE_ERROR = CODES.values()


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


@kernel
def softmax_cross_entropy(z, n_out, labels, weight, delta):
    """Return ``Σ_rows weight · (log Σ exp z − z[label])``; ``delta = (p − onehot) · weight``."""
    softmax_loss = 0.0
    one = z.dtype.type(1.0)
    _exp_of_shifted_rows(z, n_out, delta)
    for r in range(len(z)):
        row = delta[r]
        total = row[0]
        largest = z[r, 0]
        for j in range(1, n_out):
            total += row[j]
            largest = max(largest, z[r, j])
        loss = _row_loss(total, z[r, labels[r]], largest)
        factor = weight[r] if len(weight) else one
        softmax_loss += factor * loss
        for j in range(n_out):
            row[j] /= total
        row[labels[r]] -= one
        for j in range(n_out):
            row[j] *= factor
        for j in range(n_out, len(row)):
            row[j] = 0
    return softmax_loss


@kernel
def elementwise_loss(code, z, n_out, target, weight, huber_delta, delta):
    """Return the weighted sum of a loss without softmax; ``delta = ∂loss/∂z · weight``."""
    total = 0.0
    one = z.dtype.type(1.0)
    limit = z.dtype.type(huber_delta)
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
                slope = limit if residual > limit else residual
                d[j] = -limit if residual < -limit else slope
                loss += d[j] * (residual - 0.5 * d[j])
        elif code == ABSOLUTE_ERROR:
            for j in range(n_out):
                residual = v[j] - t[j]
                loss += abs(residual)
                d[j] = np.sign(residual)
        else:
            raise ValueError("no loss without softmax has this code")
        factor = weight[r] if len(weight) else one
        total += factor * loss
        for j in range(n_out):
            d[j] *= factor
        for j in range(n_out, delta.shape[1]):
            delta[r, j] = 0
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
