"""What hypothesis draws for programs: architectures, inputs, and whole trainings."""

import numpy as np
from hypothesis import strategies as st

from fastnn.architecture import ACTIVATIONS, LOSSES, Architecture
from fastnn.backends.minibatch import TrainingOptions
from support import strategies as draw
from support.programs import Problem, parameters, targets
from support.strategies import freeze, lay_out, values

PAIRS = [(output, loss) for output, losses in LOSSES.items() for loss in losses]
X_DTYPES = ("float32", "float64", "uint8")


@st.composite
def networks(draw_, dtype=draw.dtypes, width=draw.widths):
    """An architecture of up to three hidden layers."""
    dtype = draw_(dtype)
    sizes = tuple(draw_(st.lists(width, min_size=2, max_size=5)))
    activations = tuple(draw_(st.sampled_from(ACTIVATIONS)) for _ in sizes[1:-1])
    output, loss = draw_(st.sampled_from(PAIRS))
    scale, huber_delta = draw_(st.sampled_from([1 / 255, 1 / 64])), draw_(st.sampled_from([0.2, 1]))
    return Architecture(
        sizes, activations, output, loss, draw_(st.booleans()), dtype, scale, huber_delta,
        label_smoothing=draw_(st.sampled_from([0.0, 0.1])) if output == "softmax" else 0.0,
        quantiles=draw_(quantiles_for(sizes[-1])) if loss == "quantile" else (),
    )  # fmt: skip


def quantiles_for(n_out):
    """One for all outputs, or one for each."""
    q = st.floats(0.05, 0.95)
    return st.lists(q, min_size=1, max_size=1).map(tuple) | st.lists(
        q, min_size=n_out, max_size=n_out
    ).map(tuple)


def inputs(rng, n, n_in, dtype, layout, density=1.0):
    return lay_out(rng, values(rng, (n, n_in), dtype, density), layout)


@st.composite
def problems(draw_, dtype):
    """Everything that training can be asked to do, in up to a dozen steps."""
    single = dtype == "float32"
    width = draw.small_widths if single else draw.widths
    architecture = draw_(networks(st.just(dtype), width))
    n = draw_(st.sampled_from([1, 3, 100, 513]))
    rng = np.random.default_rng(draw_(draw.seeds))
    x_dtype, layout = draw_(st.sampled_from(X_DTYPES)), draw_(draw.layouts)
    x = inputs(rng, n, architecture.n_in, x_dtype, layout, draw_(draw.densities))
    y = targets(rng, architecture, n)
    weight = rng.choice([0.0, 1.0, 0.3, 2.5], n) if draw_(st.booleans()) else None
    batch_size = draw_(st.sampled_from([1, 2, 7, 64, 100, 600]))
    n_seen = min(draw_(st.sampled_from([n, max(1, n // 2)])), 6 * batch_size)
    orders = [rng.permutation(n)[:n_seen], rng.integers(0, n, n_seen)]  # rows may come again
    dropout = tuple(draw_(st.sampled_from([0.0, 0.25, 0.5])) for _ in architecture.activations)
    reduction = draw_(st.sampled_from(["mean", "sum"]))
    rate = 0.05 if reduction == "mean" else 0.05 / min(batch_size, n)
    options = TrainingOptions(
        draw_(draw.optimizers(epsilon=1e-3, rate=rate)),
        batch_size,
        reduction=reduction,
        l1=draw_(st.sampled_from([0.0, 0.0, 1e-3])),
        l2=draw_(st.sampled_from([0.0, 1e-2])),
        max_norm=draw_(st.sampled_from([0.0, 0.0, 0.8])),
        clip_norm=draw_(st.sampled_from([0.0, 0.5])),
        dropout=dropout if any(dropout) else (),
        dropout_seed=draw_(st.integers(0, 2**63 - 1)),
    )
    freeze(x, y, weight, *orders)
    return Problem(architecture, parameters(rng, architecture), x, y, orders, options, weight)
