"""The temperature is where the log-loss is smallest, and it is found in the networks."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import fastnn
from fastnn import scores
from fastnn.bagging.calibration import HIGH, LOW, fold_temperature, temperature_of


def loss_at(temperature, logits, y, weight):
    """The log-loss with half a row of unknown class among the n rows."""
    z = logits / temperature
    log_p = z - z.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    n = len(y) if weight is None else np.count_nonzero(weight)
    target = np.full(z.shape, 1 / (2 * n + 1) / z.shape[1])
    target[np.arange(len(y)), y] += 2 * n / (2 * n + 1)
    return np.average(-(target * log_p).sum(axis=1), weights=weight)


@pytest.mark.parametrize("seed", range(20))
def test_no_other_temperature_has_a_smaller_loss(seed):
    rng = np.random.default_rng(seed)
    n, n_classes = int(rng.integers(30, 300)), int(rng.integers(2, 6))
    logits = rng.normal(size=(n, n_classes)) * 10 ** rng.uniform(-2, 2)
    y = np.where(rng.random(n) < 0.7, logits.argmax(axis=1), rng.integers(0, n_classes, n))
    weight = rng.integers(0, 4, n).astype(float) if seed % 2 else None
    ours = temperature_of(logits, y, weight)
    best = minimize_scalar(
        lambda t: loss_at(np.exp(t), logits, y, weight),
        bounds=(np.log(LOW), np.log(HIGH)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    assert loss_at(ours, logits, y, weight) <= best.fun * (1 + 1e-6) + 1e-12


def test_rows_that_say_nothing_have_temperature_one_and_extremes_are_bounded():
    logits = np.array([[1.0, -1.0], [2.0, 0.0]])
    assert temperature_of(logits, np.array([0, 1]), np.zeros(2)) == 1.0
    assert temperature_of(logits / 1000, np.array([0, 0])) == pytest.approx(LOW, rel=0.01)
    assert temperature_of(logits, np.array([1, 1])) == pytest.approx(HIGH, rel=0.01)


@pytest.mark.parametrize("n", [20, 40, 80])
@pytest.mark.parametrize("seed", range(6))
def test_rows_that_are_all_right_do_not_make_probabilities_certain(n, seed):
    """Two normal distributions whose log-odds are known: new rows are wrong now and then."""
    rng = np.random.default_rng(seed)

    def drawn(n):
        y = np.arange(n) % 2
        x = rng.normal(size=n) + np.where(y, 2.2, -2.2)
        return np.stack([-2.2 * x, 2.2 * x], axis=1), y

    logits, y = drawn(n)
    right = logits.argmax(axis=1) == y
    temperature = temperature_of(logits[right], y[right])
    new, y_new = drawn(20_000)

    def held_out(t):
        p = np.exp((new - new.max(axis=1, keepdims=True)) / t)
        return scores.log_loss(y_new, p / p.sum(axis=1, keepdims=True))

    assert 0.2 < temperature < 3.0
    assert held_out(temperature) < 3 * held_out(1.0)


def test_a_folded_temperature_divides_the_logits():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 4)).astype(np.float32), rng.integers(0, 3, 300)
    ensemble = fastnn.Ensemble((4, 8, 3), 3, activation="tanh", seed=0)
    ensemble.fit(x, y, epochs=30, optimizer=fastnn.Adam(0.03))
    before = np.log(ensemble.predict_proba(x, reduce=None).astype(np.float64))
    fold_temperature(ensemble, 2.5)
    after = np.exp(before / 2.5)
    after /= after.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(ensemble.predict_proba(x, reduce=None), after, atol=1e-6)
