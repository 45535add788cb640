"""Ensembles in scikit-learn's API: each member is the estimator trained alone."""

import pickle

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn.base")

from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.examples import blobs, same_bits

from fastnn.sklearn import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    joint_training,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OPTIONS = {"hidden_layer_sizes": (5,), "max_iter": 6, "random_state": 3, "n_estimators": 4,
           "learning_rate_init": 0.1}  # fmt: skip
ENSEMBLES = {MLPEnsembleClassifier: MLPClassifier, MLPEnsembleRegressor: MLPRegressor}


@pytest.fixture(params=[{}, {"bootstrap": True}, {"solver": "lbfgs"}, {"early_stopping": True}],
                ids=repr)  # fmt: skip
def options(request):
    return OPTIONS | request.param


@pytest.mark.parametrize("kind", ENSEMBLES)
@pytest.mark.parametrize("layout", [np.asarray, np.float32, sparse.csr_array])
def test_members_have_the_bits_of_estimators_alone(kind, layout, options):
    x, y = blobs()
    x = layout(x)
    ensemble = kind(**options).fit(x, y)
    assert len({member.random_state for member in ensemble.estimators_}) == 4
    for member, rows in zip(ensemble.estimators_, ensemble.estimators_samples_, strict=True):
        assert type(member) is ENSEMBLES[kind]
        alone = clone(member).fit(x[rows], y[rows])
        assert same_bits(alone.network_.parameters, member.network_.parameters)
        assert alone.loss_ == member.loss_


def test_it_is_one_call(monkeypatch):
    calls = []
    monkeypatch.setattr(
        joint_training._Call, "train",
        lambda call, train=joint_training._Call.train: (calls.append(call), train(call)),
    )  # fmt: skip
    x, y = blobs()
    for bootstrap in (False, True):
        MLPEnsembleClassifier(**OPTIONS, bootstrap=bootstrap).fit(x, y)
    assert [(len(call.members), len(call.tables)) for call in calls] == [(4, 1), (4, 1)]
    assert np.shares_memory(calls[0].tables[0], x)


def test_probabilities_are_means():
    x, y = blobs()
    ensemble = MLPEnsembleClassifier(**OPTIONS).fit(x, np.array(["a", "b", "c"])[y])
    expected = np.mean([member.predict_proba(x) for member in ensemble.estimators_], axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(x), expected, rtol=1e-14)
    np.testing.assert_allclose(ensemble.predict_log_proba(x), np.log(expected), rtol=1e-12)
    assert set(ensemble.predict(x)) <= {"a", "b", "c"}
    assert ensemble.score(x, np.array(["a", "b", "c"])[y]) > 0.5


@pytest.mark.parametrize("n_classes", [2, 5])
def test_members_that_miss_classes(n_classes):
    x, y = blobs(n_rows=6, n_classes=n_classes)
    y = np.where(np.arange(6) < 6 - n_classes, 0, y)
    ensemble = MLPEnsembleClassifier(**OPTIONS | {"n_estimators": 30}, bootstrap=True).fit(x, y)
    known = {len(member.classes_) for member in ensemble.estimators_}
    assert len(known) > 1
    p = ensemble.predict_proba(x)
    assert p.shape == (6, n_classes)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert set(ensemble.predict(x)) <= set(range(n_classes))


def test_several_labels():
    x, _ = blobs()
    y = (x[:, :3] > 0).astype(int)
    ensemble = MLPEnsembleClassifier(**OPTIONS).fit(x, y)
    assert ensemble.predict_proba(x).shape == (120, 3)
    assert ensemble.predict(x).shape == (120, 3)
    assert set(np.unique(ensemble.predict(x))) <= {0, 1}


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_means_and_deviations_of_predictions(n_outputs):
    x, _ = blobs()
    y = x[:, 0] if n_outputs == 1 else x[:, :2]
    ensemble = MLPEnsembleRegressor(**OPTIONS).fit(x, y)
    each = np.array([member.predict(x) for member in ensemble.estimators_])
    mean, deviation = ensemble.predict(x, return_std=True)
    assert mean.shape == deviation.shape == y.shape
    np.testing.assert_allclose(mean, each.mean(axis=0), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(deviation, each.std(axis=0), rtol=1e-10)
    np.testing.assert_array_equal(ensemble.predict(x), mean)


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_parameters_are_the_members_with_their_defaults(kind):
    mine, theirs = kind().get_params(), ENSEMBLES[kind]().get_params()
    assert mine == theirs | {"n_estimators": 10, "bootstrap": False}


def test_weights_frames_pipelines_and_copies():
    x, y = blobs()
    frame = pd.DataFrame(x).add_prefix("column ")
    weight = np.random.default_rng(0).random(120)
    ensemble = MLPEnsembleClassifier(**OPTIONS, bootstrap=True).fit(frame, y, weight)
    assert list(ensemble.feature_names_in_) == list(frame)
    rows = ensemble.estimators_samples_[1]
    alone = clone(ensemble.estimators_[1]).fit(x[rows], y[rows], weight[rows])
    assert same_bits(alone.network_.parameters, ensemble.estimators_[1].network_.parameters)
    again = pickle.loads(pickle.dumps(ensemble))
    assert same_bits(again.predict_proba(frame), ensemble.predict_proba(frame))
    assert np.array_equal(again.estimators_samples_[1], rows)
    assert not hasattr(clone(ensemble), "estimators_")
    assert make_pipeline(StandardScaler(), clone(ensemble)).fit(frame, y).score(frame, y) > 0.5
    with pytest.raises(ValueError, match="feature names"):
        ensemble.predict(frame.add_suffix("?"))


def test_a_warm_start_goes_on():
    x, y = blobs()
    ensemble = MLPEnsembleRegressor(**OPTIONS, warm_start=True).fit(x, y).fit(x, y)
    assert len(ensemble.estimators_[0].loss_curve_) == 12
    with pytest.raises(ValueError, match="as many samples as before, 120"):
        ensemble.fit(x[:50], y[:50])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_estimators": 0}, "n_estimators must be"),
        ({"bootstrap": 3}, "bootstrap must be"),
        ({"alpha": -1.0}, "alpha must be"),
        ({"learning_rate_init": 1e200, "solver": "sgd"}, "non-finite"),
    ],
)
def test_refusals_leave_it_as_it_was(options, message):
    ensemble = MLPEnsembleClassifier(**OPTIONS | options)
    with pytest.raises(ValueError, match=message):
        ensemble.fit(*blobs())
    assert not hasattr(ensemble, "estimators_")
    assert not hasattr(ensemble, "n_features_in_")
