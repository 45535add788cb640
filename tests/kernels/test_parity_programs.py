"""Both programs of every compiled backend, with every option, against the reference's."""

import numpy as np
import strategies as draw
from hypothesis import assume, given
from hypothesis import strategies as st
from programs import (
    MOVED,
    Jittered,
    Problem,
    assert_near,
    assert_trains_like_the_reference,
    parameters,
    targets,
    tolerance,
)
from strategies import freeze, lay_out, values

from fastnn.architecture import ACTIVATIONS, LOSSES, Architecture
from fastnn.backends.base import TrainingOptions
from fastnn.backends.reference import Reference

PAIRS = [(output, loss) for output, losses in LOSSES.items() for loss in losses]
X_DTYPES = ("float32", "float64", "uint8")
reference = Reference()


@st.composite
def networks(draw_, dtype=draw.dtypes, width=draw.widths):
    """An architecture of up to three hidden layers."""
    dtype = draw_(dtype)
    sizes = tuple(draw_(st.lists(width, min_size=2, max_size=5)))
    activations = tuple(draw_(st.sampled_from(ACTIVATIONS)) for _ in sizes[1:-1])
    output, loss = draw_(st.sampled_from(PAIRS))
    scale, huber_delta = draw_(st.sampled_from([1 / 255, 1 / 64])), draw_(st.sampled_from([0.2, 1]))
    return Architecture(
        sizes, activations, output, loss, draw_(st.booleans()), dtype, scale, huber_delta
    )


def inputs(rng, n, n_in, dtype, layout, density=1.0):
    return lay_out(rng, values(rng, (n, n_in), dtype, density), layout)


# -- predict --------------------------------------------------------------------------------------


def assert_predicts_like_the_reference(backend, architecture, params, x):
    """Into a view with a longer row stride; the tolerance is that of `programs`."""
    shape = (x.shape[0], architecture.n_out)
    expected = np.empty(shape, architecture.dtype)
    reference.predict(architecture, params, x, expected)
    others = []
    for seed in range(3):
        others.append(np.empty_like(expected))
        Jittered(seed).predict(architecture, params, x, others[-1])
    out = draw.Guarded(shape, architecture.dtype)
    backend.predict(architecture, params, x, out.view)
    limit = tolerance(expected, others)
    assume(limit <= MOVED[architecture.dtype] * max(1.0, np.abs(expected).max(initial=0)))
    assert_near(out.view, expected, limit, "predict")
    out.assert_untouched_around()


@given(
    seed=draw.seeds, architecture=networks(), n=draw.rows, x_dtype=st.sampled_from(X_DTYPES),
    layout=draw.layouts, density=draw.densities, read_only=st.booleans(),
)  # fmt: skip
def test_predict(compiled, seed, architecture, n, x_dtype, layout, density, read_only):
    rng = np.random.default_rng(seed)
    x, params = (
        inputs(rng, n, architecture.n_in, x_dtype, layout, density),
        parameters(rng, architecture),
    )
    if read_only:
        freeze(x, params)
    assert_predicts_like_the_reference(compiled, architecture, params, x)


@given(
    seed=draw.seeds, architecture=networks(width=draw.small_widths),
    n=st.sampled_from([512, 513, 1500, 2049]),
    layout=draw.layouts,
)  # fmt: skip
def test_predict_more_rows_than_are_taken_at_a_time(compiled, seed, architecture, n, layout):
    rng = np.random.default_rng(seed)
    x = inputs(rng, n, architecture.n_in, "uint8", layout, density=0.5)
    assert_predicts_like_the_reference(compiled, architecture, parameters(rng, architecture), x)


def test_predict_makes_a_nan_row_nan_and_no_other(backend):
    rng = np.random.default_rng(0)
    architecture = Architecture((17, 31, 7), ("tanh",), dtype="float64")
    x = rng.normal(size=(40, 17))
    x[[3, 39], [16, 0]] = np.nan
    out = np.zeros((40, 7))
    backend.predict(architecture, parameters(rng, architecture), x, out)
    assert np.isnan(out[[3, 39]]).all()
    assert np.isfinite(np.delete(out, [3, 39], axis=0)).all()


# -- train_epoch ----------------------------------------------------------------------------------


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


@given(problem=problems("float64"))
def test_train_epoch(compiled, problem):
    assert_trains_like_the_reference(compiled, problem, suitable=assume)


@given(problem=problems("float32"))
def test_train_epoch_in_single_precision(compiled, problem):
    assert_trains_like_the_reference(compiled, problem, suitable=assume)
