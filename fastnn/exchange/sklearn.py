"""Networks from scikit-learn's fitted perceptrons and logistic regressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import validation
from fastnn.backends import NAMES, get_backend
from fastnn.exchange.assembly import Dense, assemble
from fastnn.exchange.class_labels import unless_numbers
from fastnn.exchange.packages import imported
from fastnn.persistence import from_bytes, to_bytes
from fastnn.validation.values import describe
from fastnn.vocabulary import BackendName

if TYPE_CHECKING:
    from fastnn.network import Network

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
OUTPUTS = {"softmax": "softmax", "logistic": "sigmoid", "identity": "identity", "exp": "exp"}
"""fastnn's names of scikit-learn's."""


def from_sklearn(estimator: Any, *, backend: BackendName = "auto") -> Network:
    """Return a network that predicts what a fitted scikit-learn estimator does.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or LogisticRegression
        scikit-learn's, or `fastnn.sklearn`'s `MLPClassifier`, `MLPRegressor` or
        `SoftmaxRegression`; fitted.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        Who computes.

    Returns
    -------
    Network
        A copy, float64 if the estimator's weights are, else float32. Rows of bytes are the numbers
        they are (`input_scale` is 1). The estimator's classes are
        its `class_labels`, where they are not the ints 0, 1, 2 and so on; two classes are one
        sigmoid output, the probability of the second. Several labels a row are as many sigmoid
        outputs, without class labels.

    Raises
    ------
    ImportError
        If scikit-learn is not installed: ``pip install "fastnn[sklearn]"``.
    TypeError
        If it is another estimator.
    ValueError
        If it is not fitted, or a logistic regression of more than two classes, each against the
        rest.
    BackendUnavailableError
        If that backend cannot run here.
    """
    imported("sklearn", extra="sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.utils.validation import check_is_fitted

    from fastnn.sklearn import MLPClassifier as FastClassifier
    from fastnn.sklearn import MLPRegressor as FastRegressor
    from fastnn.sklearn import SoftmaxRegression

    get_backend(validation.check_backend_name(backend, (*NAMES, "auto"), "backend="))
    own = (FastClassifier, FastRegressor, SoftmaxRegression)
    if isinstance(estimator, type) or not isinstance(
        estimator, (*own, MLPClassifier, MLPRegressor, LogisticRegression)
    ):
        raise TypeError(
            "estimator must be a fitted MLPClassifier, MLPRegressor or LogisticRegression, or "
            f"fastnn.sklearn's SoftmaxRegression, got {describe(estimator)}"
        )
    check_is_fitted(estimator)  # NotFittedError is a ValueError
    if isinstance(estimator, own):
        network = from_bytes(to_bytes(estimator.network_))
        network.backend = backend
        a, classes = network.architecture, getattr(estimator, "classes_", np.empty(0))
        if a.one_class_a_row and len(classes) == a.n_classes and classes.dtype.kind == "f":
            network.class_labels = tuple(classes.tolist())  # 0.0, 1.0 go without there
        return network
    if isinstance(estimator, LogisticRegression):
        return _of_logistic_regression(estimator, backend)
    return _of_perceptron(estimator, backend)


def _of_perceptron(estimator: Any, backend: BackendName) -> Network:
    layers = [
        Dense(f"coefs_[{i}]", np.asarray(weight), np.asarray(bias))
        for i, (weight, bias) in enumerate(
            zip(estimator.coefs_, estimator.intercepts_, strict=True)
        )
    ]
    activation = ACTIVATIONS[estimator.activation]
    output = OUTPUTS[estimator.out_activation_]
    classes = getattr(estimator, "classes_", None)
    several = output == "sigmoid" and estimator.n_outputs_ > 1  # yes or no for each class
    labels = None if classes is None or several else unless_numbers(classes.tolist(), len(classes))
    return assemble(
        layers,
        [activation] * (len(layers) - 1),
        output,
        backend=backend,
        class_labels=labels,
    )


def _of_logistic_regression(estimator: Any, backend: BackendName) -> Network:
    n_classes = len(estimator.classes_)
    one_against_rest = (
        estimator.solver == "liblinear" or getattr(estimator, "multi_class", "") == "ovr"
    )
    if n_classes > 2 and one_against_rest:
        raise ValueError(
            "a LogisticRegression of one class against the rest has no softmax: fit one of another "
            "solver"
        )
    coef = estimator.coef_.toarray() if hasattr(estimator.coef_, "toarray") else estimator.coef_
    n_out = len(coef)
    bias = np.broadcast_to(estimator.intercept_, (n_out,))
    if n_out == 1 and getattr(estimator, "multi_class", "") == "multinomial":
        coef, bias = 2 * coef, 2 * bias  # a softmax of -z and z is the sigmoid of 2 z
    return assemble(
        [Dense("coef_", coef.T, bias)],
        [],
        "sigmoid" if n_out == 1 else "softmax",
        backend=backend,
        class_labels=unless_numbers(estimator.classes_.tolist(), n_classes),
    )
