"""Both programs of every compiled backend, with every option, against the reference's."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from support import strategies as draw
from support.problems import X_DTYPES, inputs, networks, problems
from support.programs import (
    MOVED,
    Jittered,
    assert_near,
    assert_trains_like_the_reference,
    parameters,
    tolerance,
)
from support.strategies import freeze

from fastnn.architecture import Architecture
from fastnn.backends.reference import Reference

reference = Reference()


# -- predict --------------------------------------------------------------------------------------


def assert_predicts_like_the_reference(backend, architecture, params, x, n_layers=None):
    """Into a view with a longer row stride; the tolerance is that of `programs`."""
    shape = (x.shape[0], architecture.sizes[-1 if n_layers is None else n_layers])
    expected = np.empty(shape, architecture.dtype)
    reference.predict(architecture, params, x, expected, n_layers)
    others = []
    for seed in range(3):
        others.append(np.empty_like(expected))
        Jittered(seed).predict(architecture, params, x, others[-1], n_layers)
    out = draw.Guarded(shape, architecture.dtype)
    backend.predict(architecture, params, x, out.view, n_layers)
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
    data=st.data(), seed=draw.seeds, architecture=networks(), n=draw.rows,
    x_dtype=st.sampled_from(X_DTYPES), layout=draw.layouts, density=draw.densities,
)  # fmt: skip
def test_predict_the_outputs_of_any_layer(
    compiled, data, seed, architecture, n, x_dtype, layout, density
):
    rng = np.random.default_rng(seed)
    x = inputs(rng, n, architecture.n_in, x_dtype, layout, density)
    n_layers = data.draw(st.integers(1, len(architecture.layers)))
    assert_predicts_like_the_reference(
        compiled, architecture, parameters(rng, architecture), x, n_layers
    )


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


@given(problem=problems("float64"))
def test_train_epoch(each_set, problem):
    assert_trains_like_the_reference(each_set, problem, suitable=assume)


@given(problem=problems("float32"))
def test_train_epoch_in_single_precision(compiled, problem):
    assert_trains_like_the_reference(compiled, problem, suitable=assume)
