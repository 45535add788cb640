"""SoftmaxRegression beside scikit-learn's LogisticRegression."""

import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from fastnn.sklearn import SoftmaxRegression

METHODS = {"decision_function", "predict", "predict_proba", "predict_log_proba", "score"}


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:400] / 16, y[:400]


def test_the_page_says_what_becomes_of_every_parameter_of_logistic_regression(digits):
    text = (Path(__file__).parents[2] / "docs" / "scikit-learn.md").read_text(encoding="utf-8")
    table = text[text.index("| in `LogisticRegression` |") :]
    rows = [line.split("|")[1:3] for line in table[: table.index("\n\n")].splitlines()[2:]]
    told = {name: fate for names, fate in rows for name in re.findall(r"`(\w+)`", names)}
    assert inspect.signature(LogisticRegression).parameters.keys() <= told.keys()
    mine = inspect.signature(SoftmaxRegression).parameters
    for name, fate in told.items():
        if not name.endswith("_") and name not in METHODS:
            assert (name in mine) == ("absent" not in fate and name != "n_jobs"), name
    model = SoftmaxRegression().fit(*digits)
    for name in METHODS | {name for name in told if name.endswith("_")} - {"feature_names_in_"}:
        assert hasattr(model, name), name


@pytest.mark.parametrize("options", [{}, {"C": 0.1}, {"fit_intercept": False}])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_softmax_regression_finds_the_minimum_of_logistic_regression(digits, options, n_classes):
    x, y = digits
    y = y % n_classes
    options = {"tol": 1e-7, "max_iter": 2000, **options}
    theirs = LogisticRegression(**options).fit(x, y)
    mine = SoftmaxRegression(**options).fit(x, y)
    # the way there is the same for most of it
    same = {"max_iter": 15} | {k: v for k, v in options.items() if k in ("C", "fit_intercept")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        on_the_way = [
            make(**same).fit(x, y).coef_ for make in (LogisticRegression, SoftmaxRegression)
        ]
    np.testing.assert_allclose(*on_the_way, atol=1e-10)
    assert mine.coef_.shape == theirs.coef_.shape
    assert mine.intercept_.shape == theirs.intercept_.shape
    np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=2e-4)
    # for more than two classes only differences of intercepts are determined
    np.testing.assert_allclose(mine.predict_proba(x), theirs.predict_proba(x), atol=2e-4)
    assert np.array_equal(mine.predict(x), theirs.predict(x))


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 2: 0.5}])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_class_weights_are_those_of_logistic_regression(digits, n_classes, class_weight, weigh):
    x, y = digits
    y = np.where(y == 3, 0, y) % n_classes
    if n_classes == 2 and isinstance(class_weight, dict):
        class_weight = {0: 3.0}
    weight = np.random.default_rng(0).random(len(y)) if weigh else None
    theirs = LogisticRegression(class_weight=class_weight).fit(x, y, weight)
    mine = SoftmaxRegression(class_weight=class_weight).fit(x, y, weight)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(mine.intercept_, theirs.intercept_, atol=1e-6)


@pytest.mark.parametrize("layout", [np.asarray, "csr_array"])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_decision_functions_agree(digits, n_classes, layout):
    x, y = digits
    if layout == "csr_array":
        layout = pytest.importorskip("scipy.sparse").csr_array
    theirs = LogisticRegression().fit(layout(x), y % n_classes)
    mine = SoftmaxRegression().fit(layout(x), y % n_classes)
    expected = theirs.decision_function(layout(x))
    np.testing.assert_allclose(mine.decision_function(layout(x)), expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Setting penalty=None")  # of scikit-learn 1.8
def test_without_a_penalty_softmax_regression_agrees(digits):
    theirs = LogisticRegression(C=np.inf).fit(*digits)
    mine = SoftmaxRegression(C=np.inf).fit(*digits)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=1e-4)
    assert np.abs(mine.coef_).max() > 2 * np.abs(SoftmaxRegression().fit(*digits).coef_).max()


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_minibatches_come_close_to_the_minimum(digits, solver):
    x, y = digits
    exact = SoftmaxRegression(max_iter=1000).fit(x, y)
    rough = SoftmaxRegression(
        solver=solver, max_iter=300, random_state=0, tol=1e-6,
        learning_rate_init={"sgd": 0.3, "adam": 0.01}[solver],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rough.fit(x, y)
    assert exact.loss_ <= rough.loss_ < 1.03 * exact.loss_
    assert (exact.predict(x) == rough.predict(x)).mean() > 0.98


@pytest.mark.parametrize("kind", [LogisticRegression, SoftmaxRegression])
def test_a_single_class_and_several_labels_are_refused(digits, kind):
    x, y = digits
    with pytest.raises(ValueError, match=r"at least 2 classes.* only one class"):
        kind().fit(x, np.full(len(y), 3))
    columns = np.stack([y > 3, y > 5], axis=1).astype(int)
    with pytest.raises(ValueError, match=r"y should be a 1d array, got an array of shape \(400, 2"):
        kind().fit(x, columns)
    assert not kind().__sklearn_tags__().classifier_tags.multi_label


def test_a_call_of_partial_fit_may_see_a_single_class(digits):
    x, y = digits
    model = SoftmaxRegression(solver="adam").partial_fit(x[y == 3], y[y == 3], classes=range(10))
    assert model.predict_proba(x).shape == (400, 10)
    with pytest.raises(ValueError, match="only one class"):
        SoftmaxRegression(solver="adam").partial_fit(x, np.full(len(y), 3), classes=[3])


def test_negative_weights_are_taken_as_logistic_regression_takes_them(digits):
    x, y = digits
    weight = np.where(np.arange(len(y)) % 50, 1.0, -0.05)
    theirs, mine = (kind().fit(x, y, weight) for kind in (LogisticRegression, SoftmaxRegression))
    np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=1e-5)
    positive = SoftmaxRegression().fit(x, y, np.maximum(weight, 0))
    assert np.abs(mine.coef_ - positive.coef_).max() > 1e-3
