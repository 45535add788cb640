"""Import of scikit-learn's fitted perceptrons, linear models and their pipelines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastnn.exchange.assembly import Dense, assemble
from fastnn.exchange.class_labels import unless_numbers
from fastnn.exchange.folding import Activation, Step, fold, folded_dtype
from fastnn.exchange.sklearn_steps import Wrapped, check_can_be_scaled, unwrapped
from fastnn.model.model import Model
from fastnn.model.persistence import from_bytes, to_bytes
from fastnn.rows.trained_on import TrainedOn
from fastnn.system.packages import imported
from fastnn.validation.values import describe

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
OUTPUTS = {"softmax": "softmax", "logistic": "sigmoid", "identity": "identity", "exp": "exp"}
"""fastnn's names of scikit-learn's activations."""


def from_sklearn(estimator: Any) -> Model:
    """Return the model of a fitted scikit-learn estimator; see `fastnn.from_sklearn`."""
    imported("sklearn", extra="sklearn")
    wrapped = unwrapped(estimator)
    network = _of_estimator(wrapped.estimator)
    if wrapped.before or wrapped.after:
        network = _folded(network, wrapped)
    if wrapped.feature_names is not None:
        trained_on = network.trained_on or TrainedOn()
        network.trained_on = replace(trained_on, feature_names=wrapped.feature_names)
    return network


def _of_estimator(estimator: Any) -> Model:
    """Return the network of a single estimator."""
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

    own = not isinstance(estimator, type) and _is_own(estimator)
    linear = (LinearRegression, Ridge, RidgeCV, ElasticNet, ElasticNetCV, LassoCV)
    others = (*linear, MLPClassifier, MLPRegressor, LogisticRegression)
    if isinstance(estimator, type) or not (own or isinstance(estimator, others)):
        raise TypeError(
            "estimator must be a fitted MLPClassifier, MLPRegressor, LogisticRegression or linear "
            "regression, or fastnn.sklearn's SoftmaxRegression, or a Pipeline of scalers and "
            f"one of them, got {describe(estimator)}"
        )
    check_is_fitted(estimator)  # NotFittedError is a ValueError
    if own:
        network = from_bytes(to_bytes(estimator.network_))
        a, classes = network.architecture, getattr(estimator, "classes_", np.empty(0))
        if a.one_class_a_row and len(classes) == a.n_classes and classes.dtype.kind == "f":
            network.class_labels = tuple(classes.tolist())  # 0.0, 1.0 go without there
        return network
    if isinstance(estimator, LogisticRegression):
        return _of_logistic_regression(estimator)
    if isinstance(estimator, linear):
        coef = np.atleast_2d(estimator.coef_)
        bias = np.broadcast_to(estimator.intercept_, (len(coef),))
        return assemble([Dense("coef_", coef.T, bias)], [], "identity")
    return _of_perceptron(estimator)


def _is_own(estimator: Any) -> bool:
    """Return whether an estimator is from `fastnn.sklearn`, which this module cannot import."""
    kinds = type(estimator).__mro__
    return hasattr(estimator, "fit") and any(
        kind.__module__.startswith("fastnn.sklearn.") for kind in kinds
    )


def _folded(network: Model, wrapped: Wrapped) -> Model:
    """Return a network with the scalings folded into its first and last layers."""
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
        class_labels=network.class_labels,
        dtype=folded_dtype(steps),
    )
    folded.architecture = replace(folded.architecture, loss=a.loss, huber_delta=a.huber_delta)
    return folded


def _of_perceptron(estimator: Any) -> Model:
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
        class_labels=labels,
    )


def _of_logistic_regression(estimator: Any) -> Model:
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
        class_labels=unless_numbers(estimator.classes_.tolist(), n_classes),
    )
