"""Standardised columns, and networks that take them as they were."""

import numpy as np
import pytest
from examples import small_network

from fastnn.standardization import Standardization, fold

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
    assert of.mean.shape == of.deviation.shape == (1,)
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
