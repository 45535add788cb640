"""A bag: rows left out, the best epoch, interrupts, time limits, weights, few rows."""

import _thread
import threading

import numpy as np
import pytest

from fastnn.bagging.recipe import CLASSES, NUMBERS, SMALL_SCALES
from fastnn.bagging.training import train

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
T = (X[:, :1] * 3 + X[:, 1:2]).astype(np.float64)
QUICK = {"epochs": 12, "hidden_layer_sizes": (16, 16)}


def recipe(of, **options):
    return of.__class__(**{**vars(of), **QUICK, **options})


def bag(y=Y, n_classes=2, of=CLASSES, n_models=3, seed=0, **options):
    own = {name: options.pop(name) for name in ("epochs", "learning_rate") if name in options}
    return train(
        X[: len(y)], y, n_classes=n_classes, recipe=recipe(of, **own), n_models=n_models,
        seed=seed, progress=False, **options,
    )  # fmt: skip


def test_no_network_has_learned_the_rows_that_it_left_out():
    whole_numbers = np.round(4 * T)  # so that mean and deviation are the same in any order
    before = bag(whole_numbers, 0, NUMBERS, epochs=8)
    swapped, left_out = whole_numbers.copy(), np.flatnonzero(before.folds == 1)
    swapped[left_out] = whole_numbers[left_out[::-1]]
    after = bag(swapped, 0, NUMBERS, epochs=8)
    np.testing.assert_array_equal(before.folds, after.folds)
    pairs = zip(before.histories, after.histories, strict=True)
    least = min(history.n_epochs for each in (before, after) for history in each.histories)
    assert least >= 3
    same = [a["loss"][:least] == b["loss"][:least] for a, b in pairs]  # they may end by others
    assert same == [False, True, False]


@pytest.mark.parametrize("n_classes", [2, 0])
def test_a_bag_is_drawn_from_its_seed(n_classes):
    y, of = (Y, CLASSES) if n_classes else (T, NUMBERS)
    one, two, other = (bag(y, n_classes, of, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.ensemble.parameters, two.ensemble.parameters)
    np.testing.assert_array_equal(one.folds, two.folds)
    assert not np.array_equal(one.folds, other.folds)


def test_the_best_epoch_is_kept():
    whole = bag(T, 0, NUMBERS, epochs=30)
    for i, history in enumerate(whole.histories):
        rows = whole.folds == i
        scale = T.std()
        predicted = whole.ensemble[i].predict(X[rows])
        loss = np.mean(np.square(predicted - T[rows, 0])) / 2 / scale**2
        assert loss == pytest.approx(min(history["val_loss"]), rel=0.02)


def test_an_interrupted_fit_keeps_the_networks_that_have_begun():
    timer = threading.Timer(0.4, _thread.interrupt_main)
    timer.start()
    with pytest.warns(RuntimeWarning, match="interrupted"):
        kept = bag(epochs=200_000, n_models=40)
    timer.cancel()
    assert 1 <= len(kept.ensemble) < 40
    assert len(kept.histories) == len(kept.ensemble)
    assert set(np.unique(kept.folds)) == {-1, *range(len(kept.ensemble))}
    assert np.isfinite(kept.ensemble.predict_proba(X)).all()


def test_a_time_limit_means_fewer_epochs_then_fewer_networks():
    free = bag(epochs=5)
    assert max(history.n_epochs for history in free.histories) == 5
    hurried = bag(epochs=1_000_000, time_limit=0.5)
    assert len(hurried.ensemble) == 3
    assert all(history.n_epochs < 1_000_000 for history in hurried.histories)
    least = bag(epochs=1_000_000, time_limit=1e-6)
    assert len(least.ensemble) == 1
    assert least.histories[0].n_epochs <= 4


def test_weights_count_where_rows_are_learned_and_where_they_are_watched():
    weight = np.where(Y == 1, 50.0, 1.0)
    weighted, plain = bag(sample_weight=weight), bag()
    share = [each.ensemble.predict(X).mean() for each in (weighted, plain)]
    assert share[0] > share[1] + 0.1
    ones = bag(sample_weight=np.ones(len(Y)))
    np.testing.assert_allclose(
        ones.ensemble.predict_proba(X), plain.ensemble.predict_proba(X), atol=1e-5
    )
    nothing = weight.copy()
    nothing[Y == 1] = 0.0
    assert bag(sample_weight=nothing).ensemble.predict(X).mean() < 0.05


@pytest.mark.parametrize("n_rows", [2, 3, 4, 5, 7, 11])
@pytest.mark.parametrize("n_classes", [2, 0])
def test_a_few_rows_are_enough(n_rows, n_classes):
    y = np.arange(n_rows) % 2 if n_classes else T[:n_rows]
    few = bag(y, n_classes, CLASSES if n_classes else NUMBERS, n_models=6)
    assert 1 <= len(few.ensemble) <= min(6, n_rows)
    out = few.ensemble.predict_proba(X) if n_classes else few.ensemble.predict(X)
    assert np.isfinite(out).all()


def test_large_tables_have_fewer_epochs_and_small_ones_slower_scales():
    few = recipe(CLASSES, epochs=100)
    few = few.__class__(**{**vars(few), "most_steps": 10})
    made = train(X, Y, n_classes=2, recipe=few, n_models=2, seed=0, progress=False)
    assert max(history.n_epochs for history in made.histories) <= 10
    small, large = CLASSES.optimizer(10, 1_000), CLASSES.optimizer(10, 10_000)
    assert small.rate_factors.feature_scales == SMALL_SCALES
    assert large.rate_factors.feature_scales == CLASSES.feature_scales


@pytest.mark.parametrize("offset", [0.0, 1e6, -1e9])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e8])
def test_targets_of_any_size_are_learned_alike(offset, scale):
    plain = bag(T, 0, NUMBERS, epochs=40)
    moved = bag(T * scale + offset * scale, 0, NUMBERS, epochs=40)
    back = moved.ensemble.predict(X).astype(np.float64) / scale - offset
    spread = T.std()
    error = np.sqrt(np.mean(np.square(back - plain.ensemble.predict(X)))) / spread
    assert error < 0.05
    low, high = T.min() * scale + offset * scale, T.max() * scale + offset * scale
    slack = 1e-6 * max(abs(low), abs(high))
    assert moved.ensemble.predict(100 * X).min() >= low - slack
    assert moved.ensemble.predict(100 * X).max() <= high + slack


def test_networks_that_diverge_are_not_kept():
    with pytest.raises(ValueError, match="diverged"), pytest.warns(RuntimeWarning):
        bag(T, 0, NUMBERS, epochs=8, learning_rate=1e30)


@pytest.mark.parametrize("seed", range(8))
def test_any_weights_and_callbacks_are_taken_with_few_rows(seed):
    rng = np.random.default_rng(seed)
    n_rows = int(rng.integers(2, 12))
    y = np.arange(n_rows) % 2 if seed % 2 else np.r_[np.zeros(n_rows - 1, int), 1]
    weight = rng.integers(0, 2, n_rows).astype(float)
    weight[rng.integers(n_rows)] = 1.0
    seen = []
    few = bag(
        y, 2, n_models=6, sample_weight=weight,
        callbacks=[lambda network, epoch, record: seen.append(epoch)],
    )  # fmt: skip
    assert np.isfinite(few.ensemble.predict_proba(X)).all()
    assert few.temperature > 0


@pytest.mark.parametrize("kind", ["constant", "nearly constant", "far off", "huge"])
def test_targets_at_the_edge_of_numbers_are_predicted_as_precisely_as_they_are_told(kind):
    y = {
        "constant": np.full((300, 1), 1_000_000_001.0),
        "nearly constant": 1e15 + RNG.random((300, 1)),
        "far off": 1e12 + T,
        "huge": 1e60 * T,
    }[kind]
    predicted = bag(y, 0, NUMBERS, epochs=20).ensemble.predict(X)
    assert predicted.min() >= y.min() - 1e-12 * np.abs(y).max()
    assert predicted.max() <= y.max() + 1e-12 * np.abs(y).max()
    error, mean = np.abs(predicted - y[:, 0]).mean(), np.abs(y - y.mean()).mean()
    assert error <= mean * (0.5 if kind in ("far off", "huge") else 1.01)


def test_targets_that_cannot_be_squared_are_refused_with_their_row():
    y = T.copy()
    y[7] = -1e200
    with pytest.raises(ValueError, match=r"within ±1e\+100, got -1e\+200 in row 7"):
        bag(y, 0, NUMBERS)


def test_the_best_epoch_is_that_of_weighted_rows():
    weight = np.random.default_rng(3).integers(1, 50, len(T)).astype(float)
    whole = bag(T, 0, NUMBERS, epochs=10, sample_weight=weight)
    variance = np.average(np.square(T[:, 0] - np.average(T[:, 0], weights=weight)), weights=weight)
    for i, history in enumerate(whole.histories):
        rows = whole.folds == i
        squares = np.square(whole.ensemble[i].predict(X[rows]) - T[rows, 0])
        loss = np.average(squares, weights=weight[rows]) / 2 / variance
        assert loss == pytest.approx(min(history["val_loss"]), rel=0.02)


@pytest.mark.parametrize(("y", "n_classes", "of"), [(Y, 2, CLASSES), (T, 0, NUMBERS)])
def test_networks_are_made_as_the_recipe_says(y, n_classes, of):
    ensemble = bag(y, n_classes, of, epochs=2).ensemble
    a = ensemble.architecture
    assert a.label_smoothing == (of.label_smoothing if n_classes else 0)
    assert set(a.activations) - {"relu"} == {of.activation}
    assert ensemble.seeds is not None
    assert ensemble.trained_on.inputs == "numbers"
