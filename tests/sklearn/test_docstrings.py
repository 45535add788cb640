"""The docstrings of fastnn.sklearn: what an editor shows of an estimator, and that it is so."""

import ast
import doctest
import inspect
import re
import sys

import pytest

pytest.importorskip("sklearn.base")

from sklearn.datasets import load_iris

from fastnn.sklearn import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    MLPSearchCV,
    SoftmaxRegression,
)

ESTIMATORS = [MLPClassifier, MLPRegressor, SoftmaxRegression]
OF_SEVERAL = [MLPEnsembleClassifier, MLPEnsembleRegressor, MLPSearchCV]
METHODS = ("fit", "partial_fit", "predict", "predict_proba", "predict_log_proba")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def described(estimator, section):
    """What a section of the class's docstring describes: name → (its line, its text)."""
    text = inspect.getdoc(estimator)
    body = re.search(rf"^{section}\n-+\n(.*?)(?=\n\n\w|\Z)", text, re.MULTILINE | re.DOTALL)[1]
    entries = re.findall(r"^(\w+) : (.+)\n((?: +.+\n?)+)", body, re.MULTILINE)
    return {name: (line, words) for name, line, words in entries}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_parameter_is_described_with_its_default_in_order(estimator):
    entries = described(estimator, "Parameters")
    parameters = inspect.signature(estimator).parameters
    assert list(entries) == list(parameters)
    for name, parameter in parameters.items():
        stated = re.search(r"default (.+)$", entries[name][0])[1]
        assert ast.literal_eval(stated) == parameter.default, name


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_every_attribute_that_a_fit_leaves_is_described(estimator, solver):
    pandas = pytest.importorskip("pandas")
    x, y = load_iris(return_X_y=True)
    frame = pandas.DataFrame(x).add_prefix("column ")
    fit_options = {} if solver == "lbfgs" else {"eval_set": (frame, y)}
    model = estimator(solver=solver, max_iter=2).fit(frame, y, **fit_options)
    entries = described(estimator, "Attributes")
    public = [name for name in dir(model) if re.fullmatch(r"[^_].*_", name)]
    left = {name for name in public if hasattr(model, name)}
    assert left <= entries.keys()
    absent = {name for name in entries if not hasattr(model, name)}
    assert absent == {
        name for name, (_, words) in entries.items()
        if solver == "lbfgs" and re.search(r'Not for\s+"lbfgs"|best of them|eval_set', words)
    }  # fmt: skip


def test_attributes_of_softmax_regression_are_there():
    x, y = load_iris(return_X_y=True)
    model = SoftmaxRegression().fit(x, y)
    for name in described(SoftmaxRegression, "Attributes").keys() - {"feature_names_in_"}:
        assert hasattr(model, name), name


@pytest.mark.parametrize("estimator", ESTIMATORS + OF_SEVERAL)
def test_every_argument_of_a_method_is_described(estimator):
    for name in METHODS:
        if method := getattr(estimator, name, None):
            text = inspect.getdoc(method)
            arguments = [a for a in inspect.signature(method).parameters if a != "self"]
            assert [a for a in arguments if not re.search(rf"^(\*\*)?{a} : ", text, re.M)] == [], (
                name
            )


@pytest.mark.parametrize("estimator", OF_SEVERAL)
def test_every_parameter_of_several_is_named_in_the_docstring(estimator):
    text = inspect.getdoc(estimator).split("Attributes\n-----")[0]
    for name in inspect.signature(estimator).parameters:
        assert re.search(rf"\b{name}\b", text), name


@pytest.mark.parametrize("estimator", ESTIMATORS + OF_SEVERAL)
def test_examples_are_true(estimator):
    finder = doctest.DocTestFinder(recurse=False)
    (examples,) = finder.find(estimator, estimator.__name__, sys.modules[estimator.__module__])
    assert examples.examples
    assert doctest.DocTestRunner(verbose=False).run(examples).failed == 0
