"""What sample weights mean: how often a row counts, whatever their size."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import blobs, same_bits, small_network
from support.trainer_calls import OPTIMIZER, checked_partial_fit, error_of, everything

from fastnn import SGD
from fastnn.validation.weights import HEAVIEST, LIGHTEST

X, Y = blobs()
WHOLE = {"epochs": 5, "batch_size": 10**9, "shuffle": False, "optimizer": SGD(0.3)}


@pytest.mark.parametrize("output", ["softmax", "identity"])
def test_weight_two_is_the_row_twice(backend, output):
    twice = np.arange(120) % 5 == 0
    weighted, repeated = (small_network(backend=backend.name, output=output) for _ in range(2))
    y = Y if output == "softmax" else X[:, :3]
    weighted.fit(X, y, sample_weight=1.0 + twice, **WHOLE)
    repeated.fit(np.r_[X, X[twice]], np.r_[y, y[twice]], **WHOLE)
    np.testing.assert_allclose(weighted.parameters, repeated.parameters, rtol=0, atol=1e-13)


def test_weight_zero_is_the_row_absent(backend):
    kept = np.arange(120) % 5 != 0
    weighted, without = (small_network(backend=backend.name) for _ in range(2))
    a = weighted.fit(X, Y, sample_weight=kept, **WHOLE)
    b = without.fit(X[kept], Y[kept], **WHOLE)
    np.testing.assert_allclose(weighted.parameters, without.parameters, rtol=0, atol=1e-13)
    np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-13)
    np.testing.assert_allclose(a["accuracy"], b["accuracy"], rtol=1e-13)


def test_a_minibatch_without_weight_teaches_nothing(backend):
    net = small_network(backend=backend.name)
    before = net.parameters.copy()
    weight = np.r_[np.zeros(60), np.ones(60)]
    seen = net.partial_fit(X, Y, batch_size=60, shuffle=False, optimizer=SGD(0.3),
                           sample_weight=weight)  # fmt: skip
    alone = small_network(backend=backend.name)
    same_rows = alone.partial_fit(X[60:], Y[60:], batch_size=60, shuffle=False, optimizer=SGD(0.3))
    assert not same_bits(before, net.parameters)
    np.testing.assert_allclose(net.parameters, alone.parameters, rtol=0, atol=1e-14)
    assert seen["loss"] == pytest.approx(same_rows["loss"], rel=1e-13)


def test_equal_weights_change_nothing_but_rounding(backend):
    a, b = (small_network(backend=backend.name) for _ in range(2))
    for net, weight in ((a, np.full(120, 3.0)), (b, None)):
        net.fit(X, Y, epochs=2, batch_size=7, sample_weight=weight)
    np.testing.assert_allclose(a.parameters, b.parameters, rtol=0, atol=1e-11)


def test_with_reduction_sum_a_weight_is_a_longer_step():
    a, b = small_network(), small_network()
    for net, weight, rate in ((a, np.full(120, 3.0), 0.01), (b, None, 0.03)):
        net.fit(X, Y, epochs=2, batch_size=7, optimizer=SGD(rate), reduction="sum",
                sample_weight=weight)  # fmt: skip
    np.testing.assert_allclose(a.parameters, b.parameters, rtol=0, atol=1e-12)


def learned_with(backend, weight, way, output, dtype, n_rows):
    """The parameters after some updates with these weights, and what is measured then."""
    net = small_network(backend=backend, output=output, dtype=dtype)
    y = Y if output == "softmax" else X[:, :3]
    if way == "fit":
        net.fit(X, y, epochs=2, batch_size=n_rows, sample_weight=weight, optimizer=SGD(0.1))
    trainer = net.trainer(optimizer=SGD(0.1))
    if way == "trainer":
        trainer(X[:7], y[:7])  # compiled code looks at minibatches after the first
        for rows in (slice(i, i + n_rows) for i in range(0, 120, n_rows)):
            trainer(X[rows], y[rows], weight[rows])
    value, gradient = trainer.value_and_gradient(X, y, weight)
    return net.parameters, gradient, value, net.evaluate(X, y, weight)["loss"]


def sums_within_the_limits(weight, n_rows):
    with np.errstate(over="ignore"):
        sums = [weight[i : i + n_rows].sum() for i in range(0, 120, n_rows)]
        return all(LIGHTEST <= total <= HEAVIEST for total in (*sums, weight.sum()))


@pytest.mark.parametrize("backend", ["numpy", "numba", "cython"])
@given(
    exponent=st.integers(-1074, 1023) | st.integers(-935, 925),
    way=st.sampled_from(["fit", "trainer"]),
    output=st.sampled_from(["softmax", "identity"]),
    dtype=st.sampled_from(["float32", "float64"]),
    n_rows=st.sampled_from([1, 7, 120]),
    seed=st.integers(0, 9),
)
def test_weights_of_any_size_give_the_parameters_of_their_ratios(
    backend, exponent, way, output, dtype, n_rows, seed
):
    """A mean is the same for weights times a power of two: the same bits, or an error."""
    weight = np.random.default_rng(seed).random(120) + 0.1
    with np.errstate(all="ignore"):
        scaled = np.ldexp(weight, exponent)
    told = way, output, dtype, n_rows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if not sums_within_the_limits(scaled, n_rows if way == "trainer" else 120):
            with pytest.raises(ValueError, match="sample_weight"):
                learned_with(backend, scaled, *told)
            return
        found = learned_with(backend, scaled, *told)
    expected = learned_with(backend, weight, *told)
    assert same_bits(found[0], expected[0])
    assert same_bits(found[1], expected[1])
    assert found[2:] == expected[2:]


SIZES = [-0.5, -1e-300, -5e-324, -0.0, 0.0, 5e-324, 1e-310, 1e-279, 2.0, 1e279, np.inf, np.nan]


@pytest.mark.parametrize("others", [0.0, 1e-310, 1e-290, 1e-281, 1.0, 1e279, 1e290])
def test_a_trainer_takes_the_weights_that_partial_fit_takes(backend, others):
    """Where compiled code looks at them, and where the checks do: one odd weight among others."""
    one, other = (small_network(backend=backend.name) for _ in range(2))
    trainer = one.trainer(optimizer=OPTIMIZER)
    trainer(X[:7], Y[:7])  # compiled code looks at minibatches after the first
    checked_partial_fit(other, X[:7], Y[:7], None)
    for i, size in enumerate(SIZES):
        weight = np.full(7, others)
        weight[i % 7] = size
        wrong = error_of(lambda w=weight: trainer(X[:7], Y[:7], w))
        expected = error_of(lambda w=weight: checked_partial_fit(other, X[:7], Y[:7], w))
        assert (type(wrong), str(wrong)) == (type(expected), str(expected)), size
        assert everything(one) == everything(other), size


@pytest.mark.parametrize("backend", ["numpy", "numba", "cython"])
@given(
    tiny=st.sampled_from([5e-324, 1e-310, 2.2e-308]),
    which=st.lists(st.booleans(), min_size=120, max_size=120),
    n_rows=st.sampled_from([1, 7, 120]),
)
def test_weights_too_small_for_all_their_digits_are_zero(backend, tiny, which, n_rows):
    """Also in a minibatch of nothing else."""
    weight = np.where(which, tiny, 1.0)
    weight[0] = 1.0
    told = "fit", "softmax", "float64", n_rows
    found, expected = (
        learned_with(backend, w, *told) for w in (weight, np.where(weight < 1, 0.0, 1.0))
    )
    assert same_bits(found[0], expected[0])
    assert same_bits(found[1], expected[1])
    assert found[2:] == expected[2:]
