"""Random networks and rows for them, the same each time: what exports are tested with."""

import os

import numpy as np

import fastnn
from fastnn.architecture import ACTIVATIONS, LOSSES

THOROUGH = os.environ.get("FASTNN_TEST_PROFILE") == "thorough"
N_NETWORKS = 1000 if THOROUGH else 40
"""How many networks a sweep takes."""

N_ROWS = 8
MOST_HIDDEN = 5
WIDEST = 300


def random_network(seed):
    """Return a network and rows x (8, n_in) for it.

    Any number of hidden layers from 0 to 5, of widths 1 to 300, each with an activation of its own;
    every output, loss and kind of class labels; with and without biases; float32 and float64. x is
    of the network's dtype or uint8; its first row is zero, as is a fifth of the rest. The weights
    are Glorot's and the biases not zero, so that activations keep their size from layer to layer.
    """
    rng = np.random.default_rng([seed, 20_001])
    n_hidden = int(rng.integers(MOST_HIDDEN + 1))
    output = str(rng.choice(list(LOSSES)))
    sizes = [_width(rng) for _ in range(n_hidden + 2)]
    loss = str(rng.choice(LOSSES[output]))
    n_quantiles = sizes[-1] if rng.random() < 0.5 else 1
    network = fastnn.Network(
        sizes,
        activation=[str(a) for a in rng.choice(ACTIVATIONS, n_hidden)],
        output=output,
        loss=loss,
        quantiles=rng.uniform(0.1, 0.9, n_quantiles) if loss == "quantile" else None,
        label_smoothing=float(rng.choice([0.0, 0.1])) if output == "softmax" else 0.0,
        huber_delta=float(rng.uniform(0.5, 2)),
        bias=bool(rng.random() < 0.75),
        dtype=str(rng.choice(["float32", "float64"])),
        input_scale=float(rng.choice([1 / 255, 1 / 128, 0.0123])),
        seed=rng,
        class_labels=_class_labels(rng, output, sizes[-1]),
    )
    for bias in network.biases:
        if bias is not None:
            bias[...] = rng.uniform(0.05, 0.5, bias.shape) * rng.choice([-1, 1], bias.shape)
    shape = (N_ROWS, sizes[0])
    if rng.random() < 0.4:
        x = rng.integers(0, 256, shape, np.uint8)
    else:
        x = rng.normal(size=shape).astype(network.architecture.dtype)
    x[rng.random(shape) < 0.2] = 0
    x[0] = 0
    return network, x


def _width(rng):
    """A width from 1 to 300, as often below 17 as above."""
    return int(np.exp(rng.uniform(0, np.log(WIDEST + 1))))


def _class_labels(rng, output, n_out):
    """None, or labels of one of several kinds where the output can have some."""
    if output not in ("softmax", "sigmoid") or (output == "sigmoid" and n_out > 1):
        return None
    n = n_out if output == "softmax" else 2
    numbers = rng.permutation(2 * n)[:n]
    match rng.integers(6):
        case 0:
            return [f"class {i}" for i in numbers]
        case 1:
            return [f'"{i}\\é?' for i in numbers]  # what a writer of text must take care with
        case 2:
            return [int(i) - n for i in numbers]
        case 3:
            return [float(i) / 4 for i in numbers]
    return None
