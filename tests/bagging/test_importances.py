"""Importances are the loss that shuffling a column costs."""

import numpy as np
import pytest

import fastnn
from fastnn.bagging import importances
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


@pytest.mark.parametrize("output", ["softmax", "identity"])
@pytest.mark.parametrize("hidden", [(), (7,), (6, 4)])
@pytest.mark.parametrize("has_models", [False, True])
def test_they_are_the_losses_of_shuffled_rows(output, hidden, has_models):
    """Although only the part of the first layer that changes is computed again."""
    rng, n = np.random.default_rng(3), 2000
    ensemble = fastnn.Ensemble((5, *hidden, 3), 2, output=output, seed=1)
    for bias in ensemble.biases:
        bias[...] = rng.normal(size=bias.shape)
    x, models = X[:n], rng.integers(2, size=n) if has_models else None
    classifies = output == "softmax"
    y = rng.integers(3, size=n) if classifies else rng.normal(size=(n, 3))

    def loss(rows, y, models):
        if classifies:
            p = ensemble.predict_proba(rows, groups=models)
            return -np.log(p[np.arange(n), y]).mean()
        return np.square((ensemble.predict(rows, groups=models) - y) / y.std(axis=0)).mean()

    found = permutation_importances(
        ensemble, x, y, models, [0, 2, 2, 1, 4], 5, np.random.default_rng(1)
    )
    same = np.random.default_rng(1)
    chosen = same.permutation(n)
    order = chosen[same.permutation(n)]
    own = None if models is None else models[chosen]
    before = loss(x[chosen], y[chosen], own)
    for column, inputs in {0: [0], 1: [3], 2: [1, 2], 4: [4]}.items():
        shuffled = x[chosen]
        shuffled[:, inputs] = x[np.ix_(order, inputs)]
        expected = loss(shuffled, y[chosen], own) - before
        assert found[column] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert found[3] == 0


def test_many_columns_and_little_time_are_of_fewer_rows(monkeypatch):
    n_rows = []
    of_sample = importances._Sample.__init__

    def counted(self, ensemble, x, y, models, chosen, n, rng):
        n_rows.append(n)
        of_sample(self, ensemble, x, y, models, chosen, n, rng)

    monkeypatch.setattr(importances._Sample, "__init__", counted)
    ensemble, y = linear([1.0, 1, 1, 1, 1]), X[:, :1].astype(np.float64)

    def measured(seconds, end):
        n_rows.clear()
        clock = iter(np.arange(100) * seconds)
        permutation_importances(
            ensemble, X, y, None, range(5), 5, np.random.default_rng(0), end, lambda: next(clock)
        )
        return n_rows

    assert measured(1.0, None) == [2000]
    assert measured(1.0, 100.0) == [2000]
    assert measured(1.0, 6.0) == [2000, 1000]
    assert measured(1.0, 0.0) == [2000, importances.LEAST_ROWS]
    monkeypatch.setattr(importances, "ROWS_OF_ALL", 5 * 300)
    assert measured(1.0, None) == [300]


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
