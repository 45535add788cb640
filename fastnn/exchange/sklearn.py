"""Networks from scikit-learn's fitted perceptrons and linear models, and pipelines of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import validation
from fastnn.backends import NAMES, get_backend
from fastnn.exchange.assembly import Dense, assemble
from fastnn.exchange.class_labels import unless_numbers
from fastnn.exchange.folding import Activation, Step, fold, folded_dtype
from fastnn.exchange.packages import imported
from fastnn.exchange.sklearn_steps import Wrapped, check_can_be_scaled, unwrapped
from fastnn.model.persistence import from_bytes, to_bytes
from fastnn.rows.trained_on import TrainedOn
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
    estimator : MLPClassifier, MLPRegressor, LogisticRegression, LinearRegression, Ridge, …
        scikit-learn's (Lasso and ElasticNet too), or `fastnn.sklearn`'s `MLPClassifier`,
        `MLPRegressor` or `SoftmaxRegression`; fitted. Or a Pipeline that ends in one, behind
        StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler and "passthrough"; a
        TransformedTargetRegressor of a regressor and such a scaler; a GridSearchCV or
        RandomizedSearchCV, whose best_estimator_ is read.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        Who computes.

    Returns
    -------
    Network
        A copy, float64 if the estimator's weights are, else float32. Rows of bytes are the numbers
        they are (`input_scale` is 1). The estimator's classes are
        its `class_labels`, where they are not the ints 0, 1, 2 and so on; two classes are one
        sigmoid output, the probability of the second. Several labels a row are as many sigmoid
        outputs, without class labels. Scalers are folded into the first layer, those of targets
        into the last, in float64: the network takes the rows as the pipeline does. It is float64
        too if a mean is more than 256 spreads from zero, so that folding it loses nothing. Columns'
        names, if the estimator was fitted on a frame, are the network's (`Network.trained_on`).

    Raises
    ------
    ImportError
        If scikit-learn is not installed: ``pip install "fastnn[sklearn]"``.
    TypeError
        If it is another estimator, or a pipeline has another step.
    ValueError
        If it is not fitted, or a logistic regression of more than two classes, each against the
        rest; or if a scaler clips.
    BackendUnavailableError
        If that backend cannot run here.
    """
    imported("sklearn", extra="sklearn")
    get_backend(validation.check_backend_name(backend, (*NAMES, "auto"), "backend="))
    wrapped = unwrapped(estimator)
    network = _of_estimator(wrapped.estimator, backend)
    if wrapped.before or wrapped.after:
        network = _folded(network, wrapped, backend)
    if wrapped.feature_names is not None:
        trained_on = network.trained_on or TrainedOn()
        network.trained_on = replace(trained_on, feature_names=wrapped.feature_names)
    return network


def _of_estimator(estimator: Any, backend: BackendName) -> Network:
    """Return the network of an estimator by itself."""
    from sklearn.linear_model import (
        ElasticNet,
        ElasticNetCV,
        LassoCV,
        LinearRegression,
        LogisticRegression,
        Ridge,
        RidgeCV,
    )
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.utils.validation import check_is_fitted

    from fastnn.sklearn import MLPClassifier as FastClassifier
    from fastnn.sklearn import MLPRegressor as FastRegressor
    from fastnn.sklearn import SoftmaxRegression

    own = (FastClassifier, FastRegressor, SoftmaxRegression)
    linear = (LinearRegression, Ridge, RidgeCV, ElasticNet, ElasticNetCV, LassoCV)
    if isinstance(estimator, type) or not isinstance(
        estimator, (*own, *linear, MLPClassifier, MLPRegressor, LogisticRegression)
    ):
        raise TypeError(
            "estimator must be a fitted MLPClassifier, MLPRegressor, LogisticRegression or linear "
            "regression, or fastnn.sklearn's SoftmaxRegression, or a Pipeline of scalers and "
            f"one of them, got {describe(estimator)}"
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
    if isinstance(estimator, linear):
        coef = np.atleast_2d(estimator.coef_)
        bias = np.broadcast_to(estimator.intercept_, (len(coef),))
        return assemble([Dense("coef_", coef.T, bias)], [], "identity", backend=backend)
    return _of_perceptron(estimator, backend)


def _folded(network: Network, wrapped: Wrapped, backend: BackendName) -> Network:
    """Return a network with the scalings around it in its first and last layers."""
    a = network.architecture
    if wrapped.after:
        check_can_be_scaled(a.output, wrapped.estimator)
    steps: list[Step] = [*wrapped.before]
    activations = [*a.activations, "identity"]
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        steps.append(Dense(f"layer {i + 1}", weight, bias))
        steps.append(Activation(f"layer {i + 1}", activations[i]))
    layers, folded_activations = fold([*steps, *wrapped.after])
    folded = assemble(
        layers,
        folded_activations,
        a.output,
        backend=backend,
        class_labels=network.class_labels,
        dtype=folded_dtype(steps),
    )
    folded.architecture = replace(folded.architecture, loss=a.loss, huber_delta=a.huber_delta)
    return folded


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
