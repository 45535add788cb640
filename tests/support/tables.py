"""Random tables whose columns lie far from zero or differ in size, and networks for them."""

import numpy as np

import fastnn
from fastnn.model.standardization import Standardization, fold

FARTHEST = 1e6
"""Of a mean to its deviation. What float64 rounds there, 1e6 times its eps, is far below float32's
eps, so that bounds for float32 hold for both."""


def random_table(rng, n_rows=64):
    """Return rows (n_rows, n_in) that float32 holds, in float64.

    Columns have deviations from 1e-6 to 1e9, means up to a million times as far from zero, and one
    in four does not vary.
    """
    n_in = int(rng.integers(1, 12))
    deviation = 10.0 ** rng.uniform(-6, 9, n_in)
    mean = deviation * 10.0 ** rng.uniform(-2, np.log10(FARTHEST), n_in) * rng.choice([-1, 1], n_in)
    deviation[rng.random(n_in) < 0.25] = 0
    x = rng.normal(mean, deviation, (n_rows, n_in))
    return x.astype(np.float32).astype(np.float64)


def folded_network(rng, x, **options):
    """Return a network of random weights for standardised columns of x, folded; float64."""
    inputs = Standardization.of(x)
    output = str(rng.choice(["softmax", "sigmoid", "identity"]))
    n_out = int(rng.integers(2 if output == "softmax" else 1, 5))
    hidden = rng.integers(1, 40, int(rng.integers(0, 3)))
    network = fastnn.Network(
        (x.shape[1], *hidden.tolist(), n_out),
        **{
            "activation": str(rng.choice(["relu", "tanh", "sigmoid", "gelu"])),
            "output": output,
            "dtype": "float64",
            "seed": rng,
        }
        | options,
    )
    for bias in network.biases:
        bias[...] = rng.uniform(-0.5, 0.5, bias.shape)
    fold(network, inputs, Standardization.none(n_out))
    return network
