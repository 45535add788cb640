"""Importances are the loss that shuffling a column costs."""

import numpy as np
import pytest

import fastnn
from fastnn.bagging.importances import permutation_importances

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3000, 5)).astype(np.float32)


def linear(weights):
    ensemble = fastnn.Ensemble((5, 1), 2, output="identity", seed=0)
    for weight in ensemble.weights[0]:
        weight[:, 0] = weights
    return ensemble


def test_of_a_linear_model_they_are_known():
    """Shuffling x_j adds 2 w_j² Var(x_j) to the squared error."""
    weights = np.array([3.0, 1.0, 0.0, 0.5, 0.5])
    ensemble = linear(weights)
    y = ensemble.predict(X)[:, None].astype(np.float64)
    found = permutation_importances(
        ensemble, X, y, None, [0, 1, 2, 3, 3], 5, np.random.default_rng(1)
    )
    expected = 2 * np.array([9.0, 1.0, 0.0, 0.5, 0.0]) / y.var()
    np.testing.assert_allclose(found, expected, rtol=0.1, atol=1e-12)


def test_each_row_is_asked_of_its_own_model():
    ensemble = linear([1.0, 0, 0, 0, 0])
    ensemble.weights[0][1] = 0  # the second model knows nothing
    y = X[:, :1].astype(np.float64)
    of_first = permutation_importances(
        ensemble, X, y, np.zeros(len(X), int), range(5), 5, np.random.default_rng(1)
    )
    of_second = permutation_importances(
        ensemble, X, y, np.ones(len(X), int), range(5), 5, np.random.default_rng(1)
    )
    assert of_first[0] == pytest.approx(2.0, rel=0.1)
    np.testing.assert_array_equal(of_second, 0)
    assert not of_first[1:].any()


def test_of_classes_they_are_of_the_log_loss():
    ensemble = fastnn.Ensemble((5, 2), 1, seed=0)
    ensemble.weights[0][...] = 0
    ensemble.weights[0][0, 1, 1] = 4
    y = (X[:, 1] > 0).astype(np.int64)
    found = permutation_importances(ensemble, X, y, None, range(5), 5, np.random.default_rng(1))
    assert found[1] > 1
    assert not np.delete(found, 1).any()


@pytest.mark.parametrize("seed", range(3))
def test_rows_keep_their_models_when_they_are_drawn(seed):
    rng = np.random.default_rng(seed)
    ensemble = linear([1.0, 0, 0, 0, 0])
    ensemble.weights[0][1] = 0
    ensemble.weights[0][1, 1, 0] = 2.0
    models = rng.integers(0, 2, len(X))
    y = ensemble.predict(X, groups=models)[:, None].astype(np.float64)
    found = permutation_importances(ensemble, X, y, models, range(5), 5, rng)
    share = models.mean()
    expected = 2 * np.array([1 - share, 4 * share, 0, 0, 0]) / y.var()
    np.testing.assert_allclose(found, expected, rtol=0.2, atol=1e-12)


def test_few_rows_are_shuffled_several_times():
    ensemble = linear([1.0, 0, 0, 0, 0])
    x = X[:50]
    y = ensemble.predict(x)[:, None].astype(np.float64)
    found = [
        permutation_importances(ensemble, x, y, None, range(5), 5, np.random.default_rng(seed))[0]
        for seed in range(20)
    ]
    assert np.std(found) < 0.1  # of one shuffle 2 / sqrt(50)
