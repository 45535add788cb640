"""How far two right computations of a whole network in float32 may lie apart.

Each layer adds the differences that `bounds` derives for a dense layer and for its activation; they
pass through the layers behind, to first order, by the network's Jacobian:

    |Δ out| ≤ 2 Σ_l |J_l| (Δ z_l of layer l's sum),    J_l = ∂ out / ∂ z_l

The factor 2 is for higher orders, and for kinks within the reach of a difference.
"""

import numpy as np

from fastnn.backends.reference import FORWARD
from support import bounds

STEP = 1e-5  # of the central difference: its error, 1e-10 of the third derivative, is far below 2


def propagated(network, x, extra_roundings=0):
    """Return exact outputs (n_rows, n_out) in float64, and bounds of the same shape.

    Parameters
    ----------
    network : Network
        Of parameters that float32 holds, or that stand for what C multiplies out.
    x : ndarray
        Rows, in float or bytes.
    extra_roundings : int
        Of each product, besides those of a sum of products.
    """
    a = network.architecture
    h = x.astype(np.float64)
    n_roundings = extra_roundings
    if x.dtype == np.uint8:
        h = h * float(np.float32(a.input_scale))
        n_roundings += 2  # of the scale times a byte, and of how the scale is taken
    zs, dzs, slopes = [], [], []
    for layer, weight, bias in zip(a.layers, network.weights, network.biases, strict=True):
        name = layer.activation
        weight = weight.astype(np.float64)
        z = h @ weight + (0 if bias is None else bias.astype(np.float64))
        dz = bounds.preactivation(h, weight.astype(np.float32), bias)
        dz += n_roundings * bounds.eps("f4") * (np.abs(h) @ np.abs(weight))
        n_roundings = extra_roundings
        zs.append(z)
        if name == "softmax":
            h = np.exp(z - z.max(axis=1, keepdims=True))
            h /= h.sum(axis=1, keepdims=True)
            dz += bounds.eps("f4") * np.abs(z - z.max(axis=1, keepdims=True))
            slope, own = None, bounds.softmax(h, "f4")
        else:
            f = FORWARD[name]
            h = f(z)
            slope = (f(z + STEP) - f(z - STEP)) / (2 * STEP)
            own = bounds.activation(name, z, h, 0.0, "f4")
        dzs.append((dz, own))
        slopes.append(slope)
    with np.errstate(invalid="ignore", over="ignore"):
        return h, 2 * _through(network, h, dzs, slopes)


def _through(network, out, differences, slopes):
    """Sum up what each layer's differences make of the outputs, from the last layer on."""
    n = out.shape[1]
    total = 0
    jacobian = np.broadcast_to(np.eye(n), (len(out), n, n))  # ∂ out / ∂ h
    layers = list(zip(network.weights, differences, slopes, strict=True))
    for weight, (dz, own), slope in reversed(layers):
        total = total + np.einsum("nok,nk->no", np.abs(jacobian), own)
        if slope is None:  # softmax: p_i (δ_ij − p_j)
            jacobian = out[:, :, None] * (np.eye(n) - out[:, None, :])
        else:
            jacobian = jacobian * slope[:, None, :]
        total = total + np.einsum("nok,nk->no", np.abs(jacobian), dz)
        jacobian = jacobian @ weight.astype(np.float64).T
    return total
