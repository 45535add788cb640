"""MLPSearchCV on a Dask cluster is the local search, number for number; joblib's Dask backend."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clusters import killing

pytest.importorskip("distributed")
pytest.importorskip("sklearn.base")

import joblib
from scipy import sparse
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn.sklearn import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    MLPSearchCV,
    SoftmaxRegression,
)
from fastnn.training import spread_fits

CLASSIFIER = MLPClassifier((6,), max_iter=6, random_state=0)
REGRESSOR = MLPRegressor(hidden_layer_sizes=(6,), max_iter=6, random_state=0)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(spread_fits, "WORK_OF_CHUNK", 3e5)


def classes():
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    return (rng.normal(size=(150, 4)) + y[:, None]).astype(np.float32), y


def searched(estimator, parameters, x, y, *, fit_params=None, **options):
    """Return a search, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search = MLPSearchCV(clone(estimator), parameters, **options)
        search.fit(x, y, **(fit_params or {}))
    return search, sorted((w.category.__name__, str(w.message)) for w in caught)


def assert_same_search(client, estimator, parameters, x, y, **options):
    """Assert that a search on the cluster is the local one; return it."""
    theirs, it_said = searched(estimator, parameters, x, y, **options)
    ours, said = searched(estimator, parameters, x, y, client=client, **options)
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    for name, expected in theirs.cv_results_.items():
        if name == "params":
            assert repr(ours.cv_results_[name]) == repr(expected)
        elif not name.endswith("_time"):
            np.testing.assert_array_equal(ours.cv_results_[name], expected, err_msg=name)
    if hasattr(theirs, "best_estimator_"):
        np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))
    assert said == it_said
    return ours


@settings(max_examples=8)
@given(data=st.data())
def test_the_scores_of_the_local_search(shared_cluster, data):
    """Whatever the candidates, and whether they can be trained together."""
    x, y = classes()
    estimator = data.draw(st.sampled_from([CLASSIFIER, REGRESSOR]))
    if estimator is REGRESSOR:
        y = np.sin(x[:, 0]) + x[:, 1]
    x = data.draw(st.sampled_from([x, np.float64(x), np.asfortranarray(x), sparse.csr_matrix(x)]))
    values = {
        "alpha": [0.0, 0.1, 1.0],
        "activation": ["relu", "tanh", "logistic"],
        "batch_size": [7, 40, 1000],
        "early_stopping": [False, True],
        "hidden_layer_sizes": [(), (4,), (8, 3)],
        "learning_rate_init": [1e-3, 0.1],
        "solver": ["adam", "sgd", "adamw", "lbfgs"],
        "random_state": [0, 1],
    }
    names = data.draw(
        st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=2, unique=True)
    )
    parameters = {
        name: data.draw(st.lists(st.sampled_from(values[name]), min_size=1, max_size=2))
        for name in names
    }
    fit_params = {}
    if data.draw(st.integers(0, 3)) == 0:
        fit_params["sample_weight"] = np.random.default_rng(1).random(150)
    if data.draw(st.booleans()) and not sparse.issparse(x):
        estimator = make_pipeline(StandardScaler(), estimator)
        prefix = estimator.steps[-1][0]
        parameters = {f"{prefix}__{name}": of_name for name, of_name in parameters.items()}
        fit_params = {f"{prefix}__{name}": value for name, value in fit_params.items()}
    spread_fits.WORK_OF_CHUNK = data.draw(st.sampled_from([1.0, 3e5, 2e9]))
    assert_same_search(
        shared_cluster, estimator, parameters, x, y, search="grid", cv=2, fit_params=fit_params,
        return_train_score=True, refit=data.draw(st.booleans()),
    )  # fmt: skip


@pytest.mark.parametrize("search", ["random", "halving"])
def test_other_searches(shared_cluster, search):
    options = {"random_state": 0, "cv": 3, "search": search}
    parameters = {"alpha": loguniform(1e-6, 1.0), "solver": ["adam", "lbfgs"]}
    assert_same_search(shared_cluster, CLASSIFIER, parameters, *classes(), **options)


def test_candidates_that_fail(shared_cluster):
    parameters = {"solver": ["sgd"], "learning_rate_init": [1e-2, 1e200, -1.0], "momentum": [0.0]}
    options = {"search": "grid", "cv": 3}
    search = assert_same_search(shared_cluster, CLASSIFIER, parameters, *classes(), **options)
    assert np.isnan(search.cv_results_["mean_test_score"]).sum() == 2
    with pytest.raises(ValueError, match="learning_rate_init"):
        searched(
            CLASSIFIER, {"solver": ["lbfgs"], "learning_rate_init": [-1.0]}, *classes(), **options,
            client=shared_cluster, error_score="raise",
        )  # fmt: skip


def test_what_a_worker_warns_of_is_heard_here(shared_cluster):
    x, y = classes()
    search = MLPSearchCV(
        clone(CLASSIFIER), {"solver": ["lbfgs"]}, search="grid", cv=2, client=shared_cluster,
        refit=False,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match="lbfgs"):
        search.fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(x, y)


def test_estimators_of_others(shared_cluster):
    options = {"search": "grid", "cv": 3}
    parameters = {"C": [0.1, 1.0]}
    assert_same_search(shared_cluster, LogisticRegression(), parameters, *classes(), **options)


def test_a_worker_that_is_killed_changes_nothing(dask_client):
    parameters = {"alpha": [0.0, 0.01, 0.1, 1.0], "solver": ["adam", "lbfgs"]}
    slow = MLPClassifier((30,), max_iter=150, tol=0.0, random_state=0)
    with killing(dask_client, 0.4):
        assert_same_search(dask_client, slow, parameters, *classes(), search="grid", cv=3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_copies_know_the_client_if_they_can(shared_cluster):
    x, y = classes()
    search = MLPSearchCV(CLASSIFIER, {"alpha": [0.1, 1.0]}, n_iter=2, client=shared_cluster)
    assert search.get_params()["client"] is shared_cluster
    again = clone(search)
    assert again.client is shared_cluster
    assert again.estimator is not search.estimator
    fitted = again.fit(x, y)
    assert not hasattr(clone(fitted), "cv_results_")
    for restored in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert restored.client is None
        np.testing.assert_array_equal(restored.predict_proba(x), fitted.predict_proba(x))
    pipeline = make_pipeline(StandardScaler(), search)
    assert clone(pipeline).steps[-1][1].client is shared_cluster
    scores = cross_val_score(pipeline, x, y, cv=2, error_score="raise")
    local = make_pipeline(StandardScaler(), clone(search).set_params(client=None))
    np.testing.assert_array_equal(scores, cross_val_score(local, x, y, cv=2))


@pytest.mark.parametrize("client", ["tcp://127.0.0.1:8786", 2])
def test_what_is_no_client(client):
    with pytest.raises(TypeError, match=r"client must be a distributed\.Client"):
        MLPSearchCV(CLASSIFIER, {"alpha": [0.1]}, client=client).fit(*classes())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "estimator",
    [
        CLASSIFIER,
        REGRESSOR,
        SoftmaxRegression(max_iter=5, random_state=0),
        MLPEnsembleClassifier((4,), n_estimators=3, max_iter=3, random_state=0),
        MLPEnsembleRegressor(hidden_layer_sizes=(4,), n_estimators=3, max_iter=3, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_joblib_spreads_fits_over_dask(shared_cluster, estimator):
    x, y = classes()
    local = cross_val_score(estimator, x, y, cv=2, error_score="raise")
    with joblib.parallel_config("dask", client=shared_cluster):
        spread = cross_val_score(estimator, x, y, cv=2, error_score="raise")
    np.testing.assert_array_equal(spread, local)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [GridSearchCV, MLPSearchCV])
def test_joblib_spreads_searches_over_dask(shared_cluster, kind):
    x, y = classes()
    grid = {"alpha": [0.1, 1.0], "solver": ["adam", "lbfgs"]}
    options = {} if kind is GridSearchCV else {"search": "grid"}
    local = kind(CLASSIFIER, grid, cv=2, **options).fit(x, y)
    with joblib.parallel_config("dask", client=shared_cluster):
        spread = kind(CLASSIFIER, grid, cv=2, n_jobs=2, **options).fit(x, y)
    scores = "mean_test_score"
    np.testing.assert_array_equal(spread.cv_results_[scores], local.cv_results_[scores])
