"""Perceptrons as transformers: the last hidden layer's outputs are features."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def perceptron(kind=MLPClassifier, sizes=(6, 5), **options):
    return kind(hidden_layer_sizes=sizes, max_iter=5, random_state=0, **options)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_transform_returns_the_last_hidden_layer(kind):
    model = perceptron(kind).fit(X, Y)
    h = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    h = np.maximum(h @ model.coefs_[1] + model.intercepts_[1], 0)
    np.testing.assert_allclose(model.transform(X), h, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(model.transform(X), model.network_.hidden(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_features_have_the_dtype_of_the_samples(dtype):
    x = X.astype(dtype)
    assert perceptron().fit(x, Y).transform(x).dtype == dtype


def test_fit_transform_is_fit_and_transform():
    np.testing.assert_array_equal(
        perceptron().fit_transform(X, Y), perceptron().fit(X, Y).transform(X)
    )


def test_features_are_named_after_the_class():
    names = perceptron().fit(X, Y).get_feature_names_out()
    assert list(names) == [f"mlpclassifier{i}" for i in range(5)]


def test_a_pipeline_hands_the_features_on():
    pytest.importorskip("pandas")
    model = make_pipeline(StandardScaler(), perceptron(), LogisticRegression(max_iter=500))
    model.set_output(transform="pandas")
    model.fit(X, Y)
    assert list(model[:-1].transform(X).columns) == [f"mlpclassifier{i}" for i in range(5)]
    assert model.score(X, Y) > 0.6


def test_before_a_fit_there_are_no_features():
    with pytest.raises(NotFittedError):
        perceptron().transform(X)
    with pytest.raises(NotFittedError):
        perceptron().get_feature_names_out()


def test_without_hidden_layers_there_are_none():
    with pytest.raises(ValueError, match="no hidden layers"):
        perceptron(sizes=()).fit(X, Y).transform(X)


@pytest.mark.parametrize("name", ["transform", "fit_transform", "get_feature_names_out"])
def test_a_regression_is_no_transformer(name):
    assert not hasattr(SoftmaxRegression(), name)
    assert SoftmaxRegression().__sklearn_tags__().transformer_tags is None


def test_equal_seeds_draw_alike_from_call_to_call():
    """Whether what draws is made anew or used again."""
    once, copied = perceptron(), perceptron()
    for _ in range(3):
        once.partial_fit(X, Y, classes=[0, 1, 2])
        copied.partial_fit(X, Y, classes=[0, 1, 2])
        copied._seeded_by = None
    np.testing.assert_array_equal(once.network_.parameters, copied.network_.parameters)
