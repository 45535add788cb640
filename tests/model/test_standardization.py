"""Standardised columns, and networks that take them as they were."""

import numpy as np
import pytest
from support.examples import small_network

from fastnn.model.standardization import LEAST_STEPS, Standardization, fold

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)) * [1e-3, 1.0, 1e3, 1.0] + [0.0, 5.0, -1e4, 0.0]
X[:, 3] = 7.25  # constant
T = RNG.normal(size=(50, 2)) * [10.0, 1e-2] + [100.0, 3.0]


def test_columns_get_mean_zero_and_deviation_one():
    scaled = Standardization.of(X).apply(X, np.float64)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), [1, 1, 1, 0], rtol=1e-12)


def test_a_constant_column_becomes_zero():
    assert not Standardization.of(X).apply(X, np.float64)[:, 3].any()


def test_one_column_may_have_one_dimension():
    of = Standardization.of(T[:, 0])
    assert of.mean.shape == of.deviation.shape == of.varies.shape == (1,)
    assert of.deviation[0] == pytest.approx(T[:, 0].std())


@pytest.mark.parametrize("sizes", [(4, 2), (4, 6, 2), (4, 6, 5, 2)])
@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-9), ("float32", 2e-2)])
def test_a_folded_network_predicts_raw_numbers_from_raw_columns(sizes, dtype, bound):
    # float32: W₁ absorbs a mean of 1e4 at deviation 1e3, ten times eps, over 4 columns
    inputs, targets = Standardization.of(X), Standardization.of(T)
    net = small_network(sizes, output="identity", dtype=dtype)
    expected = net.predict(inputs.apply(X, dtype)) * targets.deviation + targets.mean
    fold(net, inputs, targets)
    np.testing.assert_allclose(net.predict(X), expected, rtol=bound)


def test_a_folded_classifier_predicts_the_same_classes():
    inputs = Standardization.of(X)
    net = small_network()
    expected = net.predict_proba(inputs.apply(X, np.float64))
    fold(net, inputs, Standardization.none(3))
    np.testing.assert_allclose(net.predict_proba(X), expected, rtol=1e-9)


def test_a_network_without_biases_cannot_take_a_mean():
    with pytest.raises(ValueError, match="only be folded into a network with biases"):
        fold(small_network(bias=False), Standardization.of(X), Standardization.none(3))


# -- columns that do not vary, and columns far from zero ------------------------------------------

CONSTANTS = [0.0, 0.1, 1e9 + 0.1, 123456789.123, 2024.0, 2.0**63, -1e-300, 1e300, 1 / 3]


@pytest.mark.parametrize("value", [*CONSTANTS, *map(np.float32, CONSTANTS[:7])])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 600, 5001])
def test_a_constant_is_recognised_whatever_its_size(value, n_rows):
    of = Standardization.of(np.full((n_rows, 1), value))
    assert (of.mean[0], of.deviation[0], of.varies[0]) == (value, 1, False)


def test_ids_that_float64_cannot_tell_apart_are_a_constant():
    ids = np.array([float(2**63 + i) for i in range(600)])
    assert not Standardization.of(ids).varies[0]


@pytest.mark.parametrize("mean", [0.3, 1e9, -1.7e18])
def test_what_varies_by_the_rounding_of_float64_alone_does_not_vary(mean):
    steps = np.spacing(abs(mean)) * RNG.integers(-3, 4, 200)
    assert not Standardization.of(mean + steps).varies[0]
    clear = 8 * LEAST_STEPS * np.spacing(abs(mean)) * RNG.normal(size=200)
    assert Standardization.of(mean + clear).varies[0]


@pytest.mark.parametrize("size", [1e-200, 1e-160, 1e-30, 1.0, 1e30, 1e140])
def test_deviations_of_every_size_are_measured(size):
    values = RNG.normal(size=500)
    of = Standardization.of(values * size)
    assert of.deviation[0] == pytest.approx(values.std() * size, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("sizes", [(4, 3), (4, 6, 3)])
def test_weights_of_a_constant_are_exactly_zero_after_folding(sizes, dtype):
    net = small_network(sizes, dtype=dtype)
    fold(net, Standardization.of(X), Standardization.none(3))
    assert not net.weights[0][3].any()
    assert net.weights[0][:3].all()
    other = X.copy()
    other[:, 3] = RNG.normal(size=len(X)) * 1e6
    np.testing.assert_array_equal(net.predict_proba(other), net.predict_proba(X))


def test_rows_in_which_a_constant_varies_are_standardised_as_the_folded_network_takes_them():
    other = X.copy()
    other[:, 3] = 1e6
    assert not Standardization.of(X).apply(other, np.float64)[:, 3].any()


@pytest.mark.parametrize("seed", range(20))
def test_columns_far_from_zero_lose_nothing_when_folded(seed):
    """But what the columns' own numbers are rounded by: eps |μ / σ| for each, |weight| times."""
    rng = np.random.default_rng(seed)
    ratio = 10.0 ** rng.uniform(0, 12, 6)
    deviation = 10.0 ** rng.uniform(-9, 9, 6)
    x = rng.normal(ratio * deviation, deviation, (300, 6))
    inputs = Standardization.of(x)
    net = small_network((6, 3), output="identity")
    weight = np.abs(net.weights[0])
    expected = net.predict(inputs.apply(x, np.float64))
    fold(net, inputs, Standardization.none(3))
    eps = np.finfo(np.float64).eps
    bound = 8 * eps * ((np.abs(inputs.mean / inputs.deviation) + 6) @ weight + 1)
    assert (np.abs(net.predict(x) - expected) <= bound).all()


def test_means_and_deviations_stay_with_the_network():
    net, inputs = small_network((4, 3)), Standardization.of(X)
    fold(net, inputs, Standardization.none(3))
    assert net.trained_on.mean == tuple(inputs.mean.tolist())
    assert net.trained_on.deviation == tuple(inputs.deviation.tolist())
    as_they_are = small_network((4, 3), output="identity")
    fold(as_they_are, None, Standardization.of(RNG.normal(size=(9, 3))))
    assert as_they_are.trained_on is None


@pytest.mark.parametrize(("mean", "needed"), [(2024, False), (1.7e9, True), (0.0, False)])
def test_targets_far_from_zero_need_float64(mean, needed):
    assert Standardization.of(RNG.normal(mean, 10, 500)).needs_float64 == needed
