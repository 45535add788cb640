"""MLPSearchCV is scikit-learn's own search with the same estimator, number for number."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn.base")

from scipy.stats import loguniform, randint
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.examples import same_bits

from fastnn.sklearn import MLPClassifier, MLPRegressor, MLPSearchCV, joint_training

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more of the:UserWarning"),
]

CLASSIFIER = MLPClassifier((6,), max_iter=6, random_state=0)
REGRESSOR = MLPRegressor(hidden_layer_sizes=(6,), max_iter=6, random_state=0)
DISTRIBUTIONS = {"alpha": loguniform(1e-6, 1.0), "batch_size": randint(5, 40),
                 "solver": ["adam", "sgd"], "activation": ["relu", "tanh"]}  # fmt: skip
GRID = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(4,), (8, 3)], "solver": ["adam", "lbfgs"]}
THEIRS = {"grid": GridSearchCV, "random": RandomizedSearchCV, "halving": HalvingRandomSearchCV}


def classes():
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    return rng.normal(size=(150, 4)) + y[:, None], y


def numbers():
    x = np.random.default_rng(0).normal(size=(150, 4))
    return x, np.sin(x[:, 0]) + x[:, 1]


def of_step(parameters):
    return {f"mlpclassifier__{name}": values for name, values in parameters.items()}


def assert_same_search(kind, estimator, parameters, x, y, *, fit_params=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = THEIRS[kind](clone(estimator), parameters, **options)
        theirs.fit(x, y, **(fit_params or {}))
        of = {"param_grid" if kind == "grid" else "param_distributions": parameters}
        mine = MLPSearchCV(clone(estimator), search=kind, **of, **options)
        mine.fit(x, y, **(fit_params or {}))
    assert theirs.cv_results_.keys() == mine.cv_results_.keys()
    for name, expected in theirs.cv_results_.items():
        got = mine.cv_results_[name]
        if name.endswith("_time"):
            assert (got >= 0).all(), name
        elif name == "params":
            assert repr(got) == repr(expected)
        else:
            np.testing.assert_array_equal(got, expected, err_msg=name)
            assert got.dtype == expected.dtype, name
    fitted = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
    assert fitted == {name for name in vars(mine) if name.endswith("_") and name[0] != "_"}
    for name in fitted & {"best_index_", "best_score_", "best_params_", "n_splits_", "multimetric_",
                          "n_candidates_", "n_resources_", "n_iterations_"}:  # fmt: skip
        assert getattr(mine, name) == getattr(theirs, name), name
    if hasattr(theirs, "best_estimator_"):
        assert type(mine.best_estimator_) is type(theirs.best_estimator_)
        assert vars(mine.best_estimator_).keys() == vars(theirs.best_estimator_).keys()
        np.testing.assert_array_equal(mine.predict(x), theirs.predict(x))
        assert mine.score(x, y) == theirs.score(x, y)
        assert mine.n_features_in_ == theirs.n_features_in_
    return mine


RANDOM = {"n_iter": 5, "random_state": 0, "cv": 3}


@pytest.mark.parametrize("kind", THEIRS)
@pytest.mark.parametrize("estimator", [CLASSIFIER, REGRESSOR], ids=["classifier", "regressor"])
def test_scores_are_scikit_learns(kind, estimator):
    x, y = classes() if estimator is CLASSIFIER else numbers()
    options = {"grid": {"cv": 3}, "random": RANDOM,
               "halving": {"random_state": 0, "cv": 3, "min_resources": 30}}[kind]  # fmt: skip
    assert_same_search(kind, estimator, GRID if kind == "grid" else DISTRIBUTIONS, x, y, **options)


def test_halving_by_epochs():
    options = {"resource": "max_iter", "max_resources": 12, "min_resources": 3, "random_state": 1}
    search = assert_same_search("halving", CLASSIFIER, DISTRIBUTIONS, *classes(), **options)
    assert search.n_candidates_ == [4, 2]


@pytest.mark.parametrize(
    "options",
    [
        {"scoring": "neg_log_loss", "return_train_score": True},
        {"scoring": ["accuracy", "f1_macro"], "refit": "f1_macro"},
        {"scoring": {"a": "accuracy"}, "refit": False},
        {"scoring": lambda estimator, x, y: {"loss": -estimator.loss_}, "refit": "loss"},
        {"refit": lambda results: 2},
        {"cv": KFold(3, shuffle=True, random_state=4)},
        {
            "scoring": lambda estimator, x, y: estimator.no_such_attribute_,
            "error_score": -1.0,
            "refit": False,
        },
    ],
)
def test_options(options):
    assert_same_search("random", CLASSIFIER, DISTRIBUTIONS, *classes(), **RANDOM | options)


def test_groups_text_labels_and_frames():
    x, y = classes()
    frame = pd.DataFrame(x, columns=list("abcd"))
    labels = pd.Series(np.array(["x", "y", "z"])[y])
    groups = np.arange(150) // 30
    search = assert_same_search(
        "random", CLASSIFIER, DISTRIBUTIONS, frame, labels,
        fit_params={"groups": groups}, **RANDOM | {"cv": GroupKFold(5)},
    )  # fmt: skip
    assert list(search.feature_names_in_) == list("abcd")
    assert set(search.classes_) == {"x", "y", "z"}


def test_sample_weights():
    weight = np.random.default_rng(1).random(150)
    assert_same_search(
        "random", CLASSIFIER, DISTRIBUTIONS, *classes(), fit_params={"sample_weight": weight},
        **RANDOM | {"n_iter": 2},
    )  # fmt: skip


@pytest.mark.parametrize("estimator", [CLASSIFIER, make_pipeline(StandardScaler(), CLASSIFIER)])
def test_candidates_that_fail(estimator):
    parameters = {"solver": ["sgd"], "learning_rate_init": [1e-2, 1e200, -1.0], "momentum": [0.0]}
    if estimator is not CLASSIFIER:
        parameters = of_step(parameters)
    search = assert_same_search("grid", estimator, parameters, *classes(), cv=3)
    assert np.isnan(search.cv_results_["mean_test_score"]).sum() == 2
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        MLPSearchCV(estimator, param_grid=parameters, search="grid", error_score="raise").fit(
            *classes()
        )


def test_pipelines_are_trained_together(monkeypatch):
    sizes = []
    train = joint_training._Call.train

    def counted(call):
        sizes.append((len(call.members), len(call.tables)))
        train(call)

    monkeypatch.setattr(joint_training._Call, "train", counted)
    pipeline = make_pipeline(StandardScaler(), CLASSIFIER)
    parameters = of_step({"alpha": [0.0, 0.1, 1.0]}) | {"standardscaler__with_std": [True, False]}
    assert_same_search("grid", pipeline, parameters, *classes(), cv=3)
    assert sizes == [(18, 6)]  # a table for each fold and scaling


def test_estimators_of_others():
    assert_same_search("grid", LogisticRegression(), {"C": [0.1, 1.0]}, *classes(), cv=3, n_jobs=1)


def test_copies():
    x, y = classes()
    search = MLPSearchCV(CLASSIFIER, {"alpha": [0.1, 1.0]}, n_iter=2, random_state=0)
    fitted = clone(search).fit(x, y)
    again = pickle.loads(pickle.dumps(fitted))
    assert same_bits(again.predict_proba(x), fitted.predict_proba(x))
    assert not hasattr(clone(fitted), "cv_results_")
    assert fitted.estimator is not search.estimator
    assert "__sklearn_clone__" not in vars(fitted.estimator) | vars(fitted.best_estimator_)
    assert not hasattr(clone(fitted.best_estimator_), "network_")


def test_a_second_fit_forgets_the_first():
    x, y = classes()
    search = MLPSearchCV(CLASSIFIER, DISTRIBUTIONS, search="halving", random_state=0)
    search.fit(x, y)
    assert hasattr(search, "n_candidates_")
    search.set_params(search="random", n_iter=1, refit=False).fit(x, y)
    assert not hasattr(search, "n_candidates_")
    assert not hasattr(search, "best_estimator_")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": "bayes"}, "search must be one of .*got 'bayes'"),
        ({"search": "grid", "param_distributions": None}, "search='grid' needs param_grid"),
        (
            {"search": "grid", "param_distributions": {}, "param_grid": {}},
            "search='grid' needs param_grid, and nothing",
        ),
        ({"param_grid": {"alpha": [1.0]}}, "search='random' needs param_distributions, and noth"),
        ({"n_iter": 0}, "n_iter"),
        ({"cv": 1}, "cv.*of MLPSearchCV must be"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        MLPSearchCV(CLASSIFIER, **{"param_distributions": {"alpha": [1.0]}} | options).fit(
            *classes()
        )


def test_a_grid_may_be_the_second_argument():
    x, y = classes()
    grid = {"alpha": [0.1, 1.0]}
    found = [
        MLPSearchCV(CLASSIFIER, *positional, search="grid", cv=2, **named).fit(x, y).best_score_
        for positional, named in (((grid,), {}), ((), {"param_grid": grid}))
    ]
    assert found[0] == found[1]
