"""Temperature scaling: one number that makes the probabilities of a classifier honest.

    p_k = softmax(z / T)_k,    T = argmin −Σ_i w_i log p_{i, y_i}

over rows that the networks have not learned (Guo et al., 2017). The loss is convex in β = 1/T. If
all n rows were right, it would be smallest at T = 0. So the target of each row is

    (1 − ε) own class + ε / K each,    ε = 1 / (2n + 1),

as if half a row of unknown class had been seen (compare Platt, 1999, section 2.2). T is folded into
the last layer, W_L ← W_L / T and b_L ← b_L / T, so that the network is an ordinary one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnn.ensemble import Ensemble

LOW, HIGH = 0.05, 20.0
"""Bounds of the temperature."""

NEWTON_STEPS = 50


def temperature_of(
    logits: NDArray[np.floating],
    y: NDArray[np.int64],
    sample_weight: NDArray[np.float64] | None = None,
) -> float:
    """Return the temperature at which the weighted log-loss is smallest.

    Parameters
    ----------
    logits : ndarray of shape (n_rows, n_classes)
        Or logarithms of probabilities: what is the same for all classes of a row does not matter.
    y : ndarray of shape (n_rows,) int64
    sample_weight : ndarray of shape (n_rows,), optional
        Rows of weight 0 do not count; without any others the temperature is 1.

    Returns
    -------
    float
        Between 0.05 and 20.
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    if not weight.sum() > 0:
        return 1.0
    weight = weight / weight.sum()
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    unsure = 1 / (2 * np.count_nonzero(weight) + 1)
    own = (1 - unsure) * z[np.arange(len(y)), y] + unsure * z.mean(axis=1)
    low, high = 1 / HIGH, 1 / LOW  # of β, between which the root of the slope lies
    beta = 1.0
    for _ in range(NEWTON_STEPS):
        p = np.exp(beta * z)
        p /= p.sum(axis=1, keepdims=True)
        mean = (p * z).sum(axis=1)
        slope = float(weight @ (mean - own))
        curvature = float(weight @ ((p * z * z).sum(axis=1) - mean * mean))
        low, high = (beta, high) if slope < 0 else (low, beta)
        step = beta - slope / curvature if curvature > 0 else np.nan
        after = step if low < step < high else (low + high) / 2
        if abs(after - beta) <= 1e-6 * beta:
            return 1 / after
        beta = after
    return 1 / beta


def fold_temperature(ensemble: Ensemble, temperature: float) -> None:
    """Divide the last layer of each network by the temperature, in place."""
    last, bias = ensemble.weights[-1], ensemble.biases[-1]
    last /= last.dtype.type(temperature)
    if bias is not None:
        bias /= bias.dtype.type(temperature)
