"""Ensemble.fit(folds=): each model learns all rows but its fold, and is measured on that."""

import numpy as np
import pytest
from support.backends import backends_under_test

import fastnn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
FOLDS = RNG.integers(-1, 3, 120)


def stopping():
    return fastnn.EarlyStopping("val_loss", patience=4)


@pytest.mark.parametrize("backend", sorted(backends_under_test()))
@pytest.mark.parametrize("weighted", [False, True])
def test_each_model_has_the_bits_of_a_network_trained_without_its_fold(backend, weighted):
    weight = RNG.integers(1, 4, 120).astype(float) if weighted else None
    ensemble = fastnn.Ensemble((5, 9, 2), 3, activation="relu", seed=1, backend=backend)
    history = ensemble.fit(
        X, Y, folds=FOLDS, sample_weight=weight, epochs=12, batch_size=16,
        optimizer=fastnn.Adam(0.02), callbacks=stopping(),
    )  # fmt: skip
    for i in range(3):
        alone = fastnn.Network(
            (5, 9, 2), activation="relu", seed=int(ensemble.seeds[i]), backend=backend
        )
        learned = i != FOLDS
        of_alone = alone.fit(
            X[learned], Y[learned], validation_data=(X[i == FOLDS], Y[i == FOLDS]),
            sample_weight=None if weight is None else weight[learned], epochs=12, batch_size=16,
            optimizer=fastnn.Adam(0.02), callbacks=stopping(),
        )  # fmt: skip
        np.testing.assert_array_equal(ensemble[i].parameters, alone.parameters)
        n = of_alone.n_epochs
        assert history.n_epochs[i] == n
        np.testing.assert_array_equal(history["val_loss"][i, :n], of_alone["val_loss"])


def test_rows_that_a_model_left_out_are_asked_by_groups():
    ensemble = fastnn.Ensemble((5, 9, 2), 3, seed=1)
    ensemble.fit(X, Y, folds=FOLDS, epochs=2)
    left_out = FOLDS >= 0
    asked = ensemble.predict_proba(X[left_out], groups=FOLDS[left_out])
    each = ensemble.predict_proba(X[left_out], reduce=None)
    np.testing.assert_array_equal(asked, each[FOLDS[left_out], np.arange(left_out.sum())])


@pytest.mark.parametrize(
    ("folds", "options", "error", "words"),
    [
        (FOLDS[:5], {}, ValueError, "folds"),
        (FOLDS + 1.5, {}, TypeError, "folds must hold the number of the model"),
        (FOLDS + 1, {}, ValueError, "folds must be numbers of models, 0 to 2, or -1"),
        (FOLDS - 1, {}, ValueError, "folds must be numbers of models"),
        (np.zeros(120, int), {}, ValueError, "no rows to learn from"),
        (FOLDS[:, None], {}, ValueError, r"folds must have shape \(n_rows,\)"),
        (FOLDS, {"groups": np.zeros(120, int)}, ValueError, "and so does groups="),
        (FOLDS, {"bootstrap": True}, ValueError, "and so does bootstrap="),
        (FOLDS, {"validation_data": (X, Y)}, ValueError, "and so does validation_data="),
    ],
)
def test_folds_that_say_too_little_or_too_much_are_refused(folds, options, error, words):
    ensemble = fastnn.Ensemble((5, 9, 2), 3, seed=1)
    before = ensemble.parameters.copy()
    with pytest.raises(error, match=words):
        ensemble.fit(X, Y, folds=folds, **options)
    np.testing.assert_array_equal(ensemble.parameters, before)
