"""One training option on one small network, a backend beside the reference."""

from dataclasses import replace

import numpy as np

from fastnn.architecture import LOSSES, Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD
from support.programs import (
    Problem,
    allowed,
    assert_trains_like_the_reference,
    is_unambiguous,
    parameters,
    targets,
)
from support.strategies import freeze, lay_out, values

N_ROWS, BATCH_SIZE = 40, 16  # two and a half batches

KNOWN = {}
"""For each of the options the problem and what is allowed on it, for the next backend."""


def assert_parity(backend, dtype, **options):
    """On the first data on which no rounding decides between two ways."""
    key = repr((dtype, sorted(options.items())))
    if key not in KNOWN:
        problems = (problem(dtype, seed, **options) for seed in range(100))
        found = next(filter(is_unambiguous, problems))
        KNOWN[key] = found, allowed(found)
    found, known = KNOWN[key]
    assert_trains_like_the_reference(backend, found, known=known)


def problem(
    dtype, seed, sizes=(31, 17, 16, 7), activation="tanh", output="softmax", loss=None, bias=True,
    x_dtype=None, layout="C", density=0.6, weighted=False, quantiles=(), label_smoothing=0.0,
    **options,
):  # fmt: skip
    rng = np.random.default_rng(seed)
    architecture = Architecture(
        sizes, (activation,) * (len(sizes) - 2), output, loss or LOSSES[output][0], bias, dtype,
        input_scale=1 / 64, huber_delta=0.2, quantiles=quantiles, label_smoothing=label_smoothing,
    )  # fmt: skip
    x = lay_out(rng, values(rng, (N_ROWS, sizes[0]), x_dtype or dtype, density), layout)
    y = targets(rng, architecture, N_ROWS)
    weight = rng.choice([0.0, 1.0, 0.3, 2.5], N_ROWS) if weighted else None
    orders = [rng.permutation(N_ROWS), rng.permutation(N_ROWS)]
    freeze(x, y, weight, *orders)
    training = replace(TrainingOptions(SGD(0.05), BATCH_SIZE), **options)
    return Problem(architecture, parameters(rng, architecture), x, y, orders, training, weight)
