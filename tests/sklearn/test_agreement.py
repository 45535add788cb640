"""fastnn.sklearn beside sklearn.neural_network: options, attributes, weights and loss curves.

The tables in docs/scikit-learn.md say which options and attributes there are; here each row of them
is tried, on data so small that both train in a moment.
"""

import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from sklearn import neural_network
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification

from fastnn import sklearn as ours

PAGE = Path(__file__).parents[2] / "docs" / "scikit-learn.md"

# Largest relative difference of a loss curve.
CLOSE = {"sgd": 1e-9, "lbfgs": 1e-7, "adam": 1e-9}

CLASSIFIER, REGRESSOR = "MLPClassifier", "MLPRegressor"

# A value of each parameter that is not the default, with what it takes to matter; and what to
# compare it with, if that is not the default of the same parameter.
OPTIONS = {
    "hidden_layer_sizes": {"hidden_layer_sizes": (20, 10)},
    "activation": {"activation": "logistic"},
    "solver": {"solver": "lbfgs"},
    "alpha": {"alpha": 3.0},
    "batch_size": {"batch_size": 32},
    "learning_rate": {"learning_rate": "invscaling", "learning_rate_init": 0.2},
    "learning_rate_init": {"learning_rate_init": 0.05},
    "power_t": {"learning_rate": "invscaling", "power_t": 0.3},
    "max_iter": {"max_iter": 3},
    "shuffle": {"shuffle": False},
    "random_state": {"random_state": 7},
    "tol": {"tol": 0.2, "n_iter_no_change": 1, "max_iter": 100},
    "momentum": {"momentum": 0.5},
    "nesterovs_momentum": {"nesterovs_momentum": False},
    "early_stopping": {"early_stopping": True},
    "validation_fraction": {"early_stopping": True, "validation_fraction": 0.3},
    "beta_1": {"solver": "adam", "beta_1": 0.5},
    "beta_2": {"solver": "adam", "beta_2": 0.9},
    "epsilon": {"solver": "adam", "epsilon": 0.1},
    "n_iter_no_change": {"tol": 0.2, "n_iter_no_change": 2, "max_iter": 100},
    "max_fun": {"solver": "lbfgs", "max_fun": 4},
    "loss": {"loss": "poisson"},
}
ELSEWHERE = {"verbose", "warm_start"}  # tests of their own below


def rows(table):
    """The first column of the table whose first column is called so."""
    text = PAGE.read_text(encoding="utf-8")
    lines = text[text.index(f"| {table} |") :].splitlines()
    return [
        re.match(r"\| `(\w+)`", line)[1] for line in lines[2 : lines.index("", 2)] if "|" in line
    ]


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:400] / 16, y[:400]


@pytest.fixture(scope="module")
def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return x / x.std(axis=0), y / 100


def pair(name, x, y, fit_options=None, **options):
    """Both fitted, scikit-learn's first."""
    options = {"solver": "sgd", "max_iter": 8, "random_state": 0, **options}
    fitted = []
    for module in (neural_network, ours):
        estimator = getattr(module, name)(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.append(estimator.fit(x, y, **(fit_options or {})))
    return fitted


def assert_agree(theirs, mine):
    close = CLOSE[mine.solver]
    assert mine.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(mine.loss_, theirs.loss_, rtol=close)
    if mine.solver != "lbfgs":
        np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=close)
    for mine_w, their_w in zip(
        mine.coefs_ + mine.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_allclose(mine_w, their_w, rtol=10 * close, atol=10 * close)


# -- the table of parameters ----------------------------------------------------------------------


def test_the_table_lists_every_parameter_of_scikit_learn_and_the_tests_try_them():
    theirs = {
        parameter
        for name in (CLASSIFIER, REGRESSOR)
        for parameter in inspect.signature(getattr(neural_network, name)).parameters
    }
    assert set(rows("parameter")) == theirs == OPTIONS.keys() | ELSEWHERE


@pytest.mark.parametrize("name", [CLASSIFIER, REGRESSOR])
def test_defaults_are_scikit_learns(name):
    mine = inspect.signature(getattr(ours, name)).parameters
    theirs = inspect.signature(getattr(neural_network, name)).parameters
    assert list(mine)[: len(theirs)] == list(theirs)
    for parameter in theirs.values():
        assert mine[parameter.name].default == parameter.default, parameter.name
        assert mine[parameter.name].kind == parameter.kind, parameter.name


@pytest.mark.parametrize("parameter", rows("parameter"))
def test_each_parameter_does_what_scikit_learns_does(parameter, digits, diabetes):
    if parameter in ELSEWHERE:
        return
    options = OPTIONS[parameter]
    name, data = (REGRESSOR, diabetes) if parameter == "loss" else (CLASSIFIER, digits)
    theirs, mine = pair(name, *data, **options)
    assert_agree(theirs, mine)
    without = {k: v for k, v in options.items() if k != parameter}
    _, default = pair(name, *data, **without)
    if parameter in ("max_iter", "n_iter_no_change", "tol"):
        assert default.n_iter_ != mine.n_iter_, "the option has no effect"
    else:
        assert not np.allclose(default.loss_, mine.loss_, rtol=1e-6), "the option has no effect"


VALUES = {
    "hidden_layer_sizes": [5, (5, 4), [5, 4], np.array([5, 4]), (), 0, (5, -1), "x", None, 2.5],
    "activation": ["logistic", "softmax", None],
    "solver": ["lbfgs", "newton", None],
    "batch_size": ["auto", 1, np.int64(7), 1000, 0, "x", None, 2.5],
    "learning_rate": ["adaptive", "x", None, 0.1],
    "shuffle": [np.bool_(True), 1, "x", None],
    "random_state": [None, np.random.RandomState(0), np.int64(3), -1, "x", 1.5],
    "verbose": [np.bool_(False), 0, 2, -1, 0.5, None, "x"],
}
for name in ("warm_start", "nesterovs_momentum", "early_stopping"):
    VALUES[name] = VALUES["shuffle"]
for name in ("alpha", "learning_rate_init", "power_t", "tol", "momentum", "validation_fraction",
             "beta_1", "beta_2", "epsilon"):  # fmt: skip
    VALUES[name] = [0, 1, -1, 0.5, np.float32(0.5), 1.0, 2.0, np.nan, np.inf, "x", None, [1]]
for name in ("max_iter", "max_fun", "n_iter_no_change"):
    VALUES[name] = [2, np.int64(2), 0, -1, 1.5, np.inf, "x", None]


@pytest.mark.parametrize("parameter", VALUES)
def test_what_scikit_learn_accepts_and_refuses_is_accepted_and_refused(parameter, digits):
    x, y = digits[0][:60], digits[1][:60] % 2
    for value in VALUES[parameter]:
        options = {"hidden_layer_sizes": (3,), "max_iter": 2, "solver": "sgd", parameter: value}
        if parameter == "validation_fraction":
            options["early_stopping"] = True
        outcomes = []
        for module in (neural_network, ours):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    module.MLPClassifier(**options).fit(x, y)
                except Exception as error:
                    outcomes.append([kind for kind in (ValueError, TypeError)
                                     if isinstance(error, kind)])  # fmt: skip
                else:
                    outcomes.append("accepted")
        theirs, mine = outcomes
        assert set(theirs) <= set(mine), f"{parameter}={value!r}"
        assert (theirs == "accepted") == (mine == "accepted"), f"{parameter}={value!r}"


def test_verbose_prints_scikit_learns_lines(digits, capsys):
    printed = []
    for module in (neural_network, ours):
        estimator = module.MLPClassifier(
            (10,), solver="sgd", max_iter=5, early_stopping=True, verbose=True, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(*digits)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "Iteration 5, loss = " in printed[1]


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_warm_start_goes_on(digits, solver):
    fitted = []
    for module in (neural_network, ours):
        estimator = module.MLPClassifier(
            (10,), solver=solver, max_iter=4, warm_start=True, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(*digits)
            fitted.append(estimator.fit(*digits))
    assert_agree(*fitted)
    assert solver == "lbfgs" or len(fitted[1].loss_curve_) == 8


def test_warm_start_after_convergence_stops_where_scikit_learns_does(digits):
    options = {"warm_start": True, "tol": 0.1, "n_iter_no_change": 2, "learning_rate_init": 0.05}
    fitted = pair(CLASSIFIER, *digits, max_iter=100, **options)
    assert fitted[1].n_iter_ < 100
    for estimator in fitted:
        for _ in range(2):
            estimator.fit(*digits)
    assert_agree(*fitted)
    assert fitted[1].n_iter_ == 1, "still without progress"


# -- the table of attributes ----------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", [CLASSIFIER, REGRESSOR])
def test_attributes_are_scikit_learns(name, solver, early_stopping, digits, diabetes):
    pandas = pytest.importorskip("pandas")
    x, y = digits if name == CLASSIFIER else diabetes
    x = pandas.DataFrame(x, columns=[f"column {i}" for i in range(x.shape[1])])
    theirs, mine = pair(name, x, y, solver=solver, early_stopping=early_stopping)
    for attribute in rows("attribute"):
        assert hasattr(mine, attribute) == hasattr(theirs, attribute), attribute
        if not hasattr(theirs, attribute):
            continue
        got, expected = getattr(mine, attribute), getattr(theirs, attribute)
        if attribute in ("coefs_", "intercepts_"):
            assert [w.shape for w in got] == [w.shape for w in expected]
            assert [w.dtype for w in got] == [w.dtype for w in expected]
        elif attribute in ("classes_", "feature_names_in_", "out_activation_") or expected is None:
            assert np.array_equal(got, expected), attribute
        else:
            np.testing.assert_allclose(got, expected, rtol=CLOSE[solver], err_msg=attribute)


def test_the_table_lists_every_attribute_of_scikit_learn(digits):
    pandas = pytest.importorskip("pandas")
    x = pandas.DataFrame(digits[0]).add_prefix("column ")
    theirs, _ = pair(CLASSIFIER, x, digits[1], early_stopping=True)
    public = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
    assert set(rows("attribute")) == public


# -- tasks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_loss_curves_begin_alike_to_twelve_digits(digits, solver):
    theirs, mine = pair(CLASSIFIER, *digits, solver=solver, max_iter=4)
    np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_activations_agree(digits, solver, activation):
    assert_agree(*pair(CLASSIFIER, *digits, solver=solver, activation=activation))


@pytest.mark.parametrize("activation", ["logistic", "relu"])
def test_networks_without_hidden_layers_agree(digits, activation):
    assert_agree(*pair(CLASSIFIER, *digits, hidden_layer_sizes=(), activation=activation))


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_two_classes_agree(digits, solver):
    x, y = digits
    y = np.where(y < 5, "low", "high")
    theirs, mine = pair(CLASSIFIER, x, y, solver=solver)
    assert_agree(theirs, mine)
    assert mine.out_activation_ == "logistic"
    close = 50 * CLOSE[solver]
    np.testing.assert_allclose(mine.predict_proba(x), theirs.predict_proba(x), atol=close)
    np.testing.assert_allclose(mine.predict_log_proba(x), theirs.predict_log_proba(x), atol=close)
    assert np.array_equal(mine.predict(x), theirs.predict(x))


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_several_labels_agree(solver):
    x, y = make_multilabel_classification(300, 20, n_classes=4, random_state=0)
    theirs, mine = pair(CLASSIFIER, x / 10, y, solver=solver)
    assert_agree(theirs, mine)
    assert np.array_equal(mine.predict(x / 10), theirs.predict(x / 10))
    assert mine.predict_proba(x / 10).shape == (300, 4)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_regressors_agree(diabetes, solver, loss, n_outputs):
    x, y = diabetes
    y = y if n_outputs == 1 else np.column_stack([y, 2 - y / 2, y**2 / 4])
    theirs, mine = pair(REGRESSOR, x, y, solver=solver, loss=loss, learning_rate_init=1e-3)
    assert_agree(theirs, mine)
    close = 50 * CLOSE[solver]
    np.testing.assert_allclose(mine.predict(x), theirs.predict(x), rtol=close, atol=close)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_sample_weights_agree(digits, solver):
    weight = np.random.default_rng(0).integers(0, 4, len(digits[1])).astype(float)
    options = {"solver": solver, "batch_size": 50}
    assert_agree(*pair(CLASSIFIER, *digits, {"sample_weight": weight}, **options))


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_sample_weights_of_regressors_agree(diabetes, solver, loss):
    weight = np.random.default_rng(0).random(len(diabetes[1]))
    assert_agree(*pair(REGRESSOR, *diabetes, {"sample_weight": weight}, solver=solver, loss=loss))


@pytest.mark.parametrize("sample_weight", [False, True])
def test_early_stopping_restores_the_best_as_scikit_learn_does(digits, sample_weight):
    weight = np.random.default_rng(1).random(len(digits[1])) if sample_weight else None
    theirs, mine = pair(
        CLASSIFIER, *digits, {"sample_weight": weight}, early_stopping=True, max_iter=200,
        n_iter_no_change=3, learning_rate_init=0.2,
    )  # fmt: skip
    assert_agree(theirs, mine)
    assert mine.n_iter_ < 200
    np.testing.assert_allclose(mine.validation_scores_, theirs.validation_scores_)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_early_stopping_of_regressors_agrees(diabetes, loss):
    options = {"loss": loss, "early_stopping": True, "solver": "adam", "learning_rate_init": 1e-3}
    theirs, mine = pair(REGRESSOR, *diabetes, **options)
    assert_agree(theirs, mine)
    np.testing.assert_allclose(mine.validation_scores_, theirs.validation_scores_)


def test_adaptive_rates_agree(digits):
    theirs, mine = pair(
        CLASSIFIER, *digits, learning_rate="adaptive", learning_rate_init=0.3, tol=0.01,
        n_iter_no_change=2, max_iter=60,
    )  # fmt: skip
    assert_agree(theirs, mine)


def test_sparse_rows_agree(digits):
    sparse = pytest.importorskip("scipy.sparse")
    for layout in (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix):
        assert_agree(*pair(CLASSIFIER, layout(digits[0]), digits[1]))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_agrees(digits, solver):
    x, y = digits
    fitted = []
    for module in (neural_network, ours):
        estimator = module.MLPClassifier((10,), solver=solver, random_state=0)
        for _ in range(3):
            for first in range(0, 400, 100):
                part = slice(first, first + 100)
                estimator.partial_fit(x[part], y[part], classes=np.arange(10))
        fitted.append(estimator)
    assert_agree(*fitted)
    assert fitted[1].t_ == fitted[0].t_ == 1200


def test_losses_differ_only_where_scikit_learn_clips_probabilities(digits):
    x = 200.0 * digits[0]
    theirs, mine = pair(CLASSIFIER, x, digits[1], solver="adam", max_iter=2)
    assert theirs.loss_ < mine.loss_, "it takes no probability for less than 2e-16"
    for mine_w, their_w in zip(mine.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine_w, their_w, rtol=1e-6, atol=1e-9)


def test_float32_stays_float32(digits):
    x = digits[0].astype(np.float32)
    theirs, mine = pair(CLASSIFIER, x, digits[1])
    assert mine.predict_proba(x).dtype == theirs.predict_proba(x).dtype == np.float32
    np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=1e-4)
