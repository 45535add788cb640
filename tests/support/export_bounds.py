"""How far another library's prediction of a network may lie from fastnn's.

Both round in the same precision but in another order, so that their difference is a sum of many
small and independent ones, whose variances add. With ``eps`` the distance from 1 to the next float:

- **z = Σ h w + b**, a sum of K products: its partial sums walk from 0 to z, and each of the K steps
  rounds one, of a size whose square is taken as ``Σ (h w)² + z²``, by eps/2 or less. That of the
  layer before, with variance v, passes on as ``v @ w²``.
- **an activation** errs by ULPs of its result times its largest slope. Other libraries' are further
  off than fastnn's, which are right to a few ULP of the result: ``erf + 1`` and ``exp − 1`` cancel,
  and ONNX Runtime's float32 sigmoid and tanh are right to a few ULP of 1. These count as ULPs of 1,
  and where they multiply z, of z.
- **softmax** is off by what its z are, on either side of the fraction, and by the rounding of
  ``z − max z``, eps/2 or less of at most ``2 max|z|``, in both libraries.

The bound is 4 of these deviations. None of it was fitted to what the libraries do:

- A rounding is as good as uniform, of variance ``(eps/2)²/3``, and two libraries round: 2/3 of the
  ``(eps/2)²`` taken. The squares of a walk that ends in z are ``Σ (h w)²/6 + z²/3`` on average, a
  third or less of what is taken. So 4 deviations here are ``4 √(3/2 · 3) = 8.5`` of the true ones,
  or more, about the λ = 8 by which `bounds` bounds such sums, at a chance of 1e-11.
- Of an elementwise function, 4 deviations are the 8 ULP of `bounds`, 4 in either library: one is 2.

Relative to a result whose terms cancel there is no bound: no float32 sum of 300 terms is right to
1e-6 of what is left of them.
"""

import numpy as np

from fastnn.architecture import SELU_ALPHA, SELU_SCALE
from fastnn.backends.reference import FORWARD
from support import bounds

DEVIATIONS = 4
ULPS = bounds.ULPS / DEVIATIONS
"""One deviation of an elementwise function."""

OF_ONE = dict.fromkeys(("sigmoid", "tanh", "elu", "softplus"), 1.0)
OF_ONE["selu"] = SELU_SCALE * SELU_ALPHA  # times what is right to a few ULP of 1
TIMES_Z = ("gelu", "silu", "mish")


def prediction(network, x):
    """Bounds (n_rows, n_out) of the difference, element by element, from one pass in float64."""
    a = network.architecture
    e = bounds.eps(a.dtype)
    scale = a.input_scale if x.dtype == np.uint8 else 1.0
    h = x.astype(np.float64) * scale
    variance = np.zeros_like(h)
    for layer, weight, bias in a.views(network.parameters):
        w = weight.astype(np.float64)
        b = np.zeros(layer.n_out) if bias is None else bias.astype(np.float64)
        z = h @ w + b
        walk = (h * h) @ (w * w) + b * b + z * z
        variance = variance @ (w * w) + e * e * (layer.n_in + 1) / 4 * walk
        if layer.activation == "softmax":
            exp = np.exp(z - z.max(axis=1, keepdims=True))
            h = exp / exp.sum(axis=1, keepdims=True)
            dz = 2 * DEVIATIONS * np.sqrt(variance.max(axis=1, keepdims=True))
            dz += 2 * e * np.abs(z).max(axis=1, keepdims=True)
            return h * np.expm1(dz) + bounds.softmax(h, a.dtype)
        h = FORWARD[layer.activation](z)
        if layer.activation == "exp":
            return h * (np.expm1(DEVIATIONS * np.sqrt(variance)) + bounds.ULPS * e)
        if layer.activation != "identity":
            ulps = np.abs(h) + OF_ONE.get(layer.activation, 0.0)
            ulps += np.abs(z) * (layer.activation in TIMES_Z)
            slope = bounds.SLOPES.get(layer.activation, 1.0)
            variance = slope**2 * variance + (ULPS * e * ulps) ** 2
    return DEVIATIONS * np.sqrt(variance) + bounds.tiny(a.dtype)


def same_classes(network, expected, bound, labels, found):
    """Whether labels agree wherever the probabilities are further from a tie than their bounds."""
    if network.architecture.output == "softmax":
        best = expected.argmax(axis=1)
        rows = np.arange(len(best))
        reach = expected + bound
        reach[rows, best] = -1
        decided = expected[rows, best] - bound[rows, best] > reach.max(axis=1)
    else:
        decided = np.abs(expected - 0.5) > bound
    return bool(np.all((labels == found) | ~decided.reshape(labels.shape)))
