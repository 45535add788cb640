"""Networks from scikit-learn's fitted estimators: they predict the same."""

import sys

import numpy as np
import pytest
from support.examples import blobs, same_bits
from support.random_networks import THOROUGH

import fastnn

pytest.importorskip("sklearn.base")

from sklearn.linear_model import LogisticRegression, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

import fastnn.sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, CLASSES = blobs(n_classes=3)
NAMES = np.array(["no", "perhaps", "yes"])
SEVERAL = (X[:, :3] > 0).astype(int)


def same_predictions(estimator, network, x):
    """Whether they predict the same: labels exactly, numbers to the network's precision."""
    tolerance = 1e-6 if network.architecture.dtype == "float32" else 1e-12
    expected, found = estimator.predict(x), network.predict(x)
    if not hasattr(estimator, "predict_proba"):
        np.testing.assert_allclose(
            found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max()
        )
        return
    assert found.tolist() == expected.tolist()
    p = network.predict_proba(x)
    if p.shape[1] == 1:
        p = np.hstack([1 - p, p])
    np.testing.assert_allclose(p, estimator.predict_proba(x), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize(
    ("y", "output"),
    [(CLASSES, "softmax"), (NAMES[CLASSES], "softmax"), (CLASSES > 0, "sigmoid"),
     (NAMES[CLASSES % 2], "sigmoid"), (CLASSES % 2 * 7 - 3, "sigmoid"), (SEVERAL, "sigmoid")],
)  # fmt: skip
def test_a_classifier_becomes_a_network(y, output, activation, dtype):
    estimator = MLPClassifier((7, 5), activation=activation, max_iter=3, random_state=0)
    estimator.fit(X.astype(dtype), y)
    network = fastnn.from_sklearn(estimator)
    a = network.architecture
    assert (a.output, a.dtype) == (output, np.dtype(dtype).name)
    same_predictions(estimator, network, X.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [X[:, 0], X[:, :2]])
def test_a_regressor_becomes_a_network(y, dtype):
    estimator = MLPRegressor(hidden_layer_sizes=(7,), max_iter=3, random_state=0)
    estimator.fit(X.astype(dtype), y)
    network = fastnn.from_sklearn(estimator)
    assert network.architecture.output == "identity"
    same_predictions(estimator, network, X.astype(dtype))


def test_a_poisson_regressor_becomes_an_exp_output():
    estimator = MLPRegressor(loss="poisson", hidden_layer_sizes=(7,), max_iter=3, random_state=0)
    estimator.fit(X, CLASSES)
    network = fastnn.from_sklearn(estimator)
    assert (network.architecture.output, network.architecture.loss) == ("exp", "poisson")
    same_predictions(estimator, network, X)


@pytest.mark.parametrize("y", [CLASSES, NAMES[CLASSES], CLASSES % 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_logistic_regression_becomes_a_network_without_hidden_layers(y, fit_intercept):
    estimator = LogisticRegression(fit_intercept=fit_intercept).fit(X, y)
    network = fastnn.from_sklearn(estimator)
    assert len(network.weights) == 1
    same_predictions(estimator, network, X)


@pytest.mark.parametrize(
    "estimator",
    [
        fastnn.sklearn.MLPClassifier((7,), max_iter=3, activation="gelu"),
        fastnn.sklearn.SoftmaxRegression(),
        fastnn.sklearn.MLPRegressor(hidden_layer_sizes=(7,), max_iter=3),
    ],
    ids=lambda e: type(e).__name__,
)
def test_fastnns_own_estimators_give_a_copy_of_their_network(estimator):
    numbers = isinstance(estimator, fastnn.sklearn.MLPRegressor)
    estimator.fit(X, X[:, :2] if numbers else NAMES[CLASSES])
    network = fastnn.from_sklearn(estimator, backend="numpy")
    assert network.backend == "numpy"
    same_predictions(estimator, network, X)
    before = estimator.predict(X).tolist()
    network.parameters = 0 * network.parameters
    assert estimator.predict(X).tolist() == before


@pytest.mark.parametrize("classes", [[False, True], [0.0, 1.0]])
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        MLPClassifier((3,), max_iter=3),
        fastnn.sklearn.SoftmaxRegression(),
        fastnn.sklearn.MLPClassifier((3,), max_iter=3),
    ],
    ids=repr,
)
def test_classes_that_equal_0_and_1_keep_their_kind(estimator, classes):
    estimator.fit(X, np.array(classes)[CLASSES % 2])
    network = fastnn.from_sklearn(estimator)
    assert network.class_labels == tuple(classes)
    assert network.predict(X).dtype == estimator.predict(X).dtype


@pytest.mark.parametrize("y", [CLASSES, CLASSES % 2])
def test_a_sparsified_logistic_regression_is_read(y):
    estimator = LogisticRegression().fit(X, y)
    expected = fastnn.from_sklearn(estimator)
    assert same_bits(fastnn.from_sklearn(estimator.sparsify()).parameters, expected.parameters)


@pytest.mark.filterwarnings("ignore:'multi_class' was deprecated:FutureWarning")
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_multinomial_logistic_regression_of_two_classes_is_a_softmax(fit_intercept):
    """Older versions of scikit-learn compute one of -z and z, which is the sigmoid of 2 z."""
    options = {"fit_intercept": fit_intercept}
    if "multi_class" in LogisticRegression().get_params():
        estimator = LogisticRegression(multi_class="multinomial", **options).fit(X, CLASSES % 2)
        same_predictions(estimator, fastnn.from_sklearn(estimator), X)
    estimator = LogisticRegression(**options).fit(X, CLASSES % 2)
    z = estimator.decision_function(X)
    estimator.multi_class = "multinomial"
    p = fastnn.from_sklearn(estimator).predict_proba(X)[:, 0]
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-2 * z)), rtol=1e-12)


@pytest.mark.parametrize("seed", range(200 if THOROUGH else 10))
def test_random_perceptrons_predict_the_same(seed):
    rng = np.random.default_rng(seed)
    n_in, n_out = (int(n) for n in rng.integers(1, 40, 2))
    hidden = tuple(int(n) for n in rng.integers(1, 100, rng.integers(0, 4)))
    dtype = rng.choice([np.float32, np.float64])
    x = rng.normal(size=(60, n_in)).astype(dtype)
    activation = str(rng.choice(["identity", "logistic", "tanh", "relu"]))
    options = {"hidden_layer_sizes": hidden, "activation": activation, "max_iter": 1}
    if rng.random() < 0.5:
        estimator = MLPClassifier(**options, random_state=seed)
        estimator.fit(x, np.arange(60) % (2 + n_out % 20))
    else:
        estimator = MLPRegressor(**options, random_state=seed)
        estimator.fit(x, rng.normal(size=(60, n_out)).squeeze())
    same_predictions(estimator, fastnn.from_sklearn(estimator), x)


def test_what_is_not_fitted_or_another_estimator_is_refused(monkeypatch):
    for estimator in (MLPClassifier(), LogisticRegression(), fastnn.sklearn.MLPRegressor()):
        with pytest.raises(ValueError, match="not fitted yet"):
            fastnn.from_sklearn(estimator)
    for other in (SGDRegressor().fit(X, CLASSES), MLPClassifier, None):
        with pytest.raises(TypeError, match="estimator must be a fitted MLPClassifier"):
            fastnn.from_sklearn(other)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'pip install "fastnn\[sklearn\]"'):
        fastnn.from_sklearn(None)


def test_rows_of_bytes_are_the_numbers_they_are():
    x, y = blobs(200, 6)
    x = (20 * x - (20 * x).min()).clip(0, 255).astype(np.uint8)
    estimator = MLPClassifier((8,), max_iter=50, random_state=0)
    estimator.fit(x, y)
    assert (fastnn.from_sklearn(estimator).predict(x) == estimator.predict(x)).all()


def test_what_fastnn_sklearn_has_besides_estimators_is_refused():
    from fastnn.sklearn import history, problem

    for value in (history.History(), problem.Problem.__new__(problem.Problem)):
        with pytest.raises(TypeError, match="estimator must be a fitted"):
            fastnn.from_sklearn(value)
