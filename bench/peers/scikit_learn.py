"""scikit-learn's MLPClassifier, through ``fit`` with ``warm_start``; its overheads are its own.

Penalty, momentum, early stopping and the tolerance are switched off, so that it does the same
arithmetic as the rest and stops when the rest does. It draws its own shuffles.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from cases import SEED, Array, Net, TrainCase
from peers import base

ACTIVATIONS = {"sigmoid": "logistic", "relu": "relu"}
NEVER = 10**9  # epochs without improvement before it stops


def classifier(net: Net, parameters: list[Array], **options: Any) -> MLPClassifier:
    """Return a classifier of these parameters, written over those that a first fit drew."""
    made = MLPClassifier(
        net.sizes[1:-1],
        activation=ACTIVATIONS[net.activation],
        alpha=0.0,
        momentum=0.0,
        nesterovs_momentum=False,
        tol=0.0,
        n_iter_no_change=NEVER,
        warm_start=True,
        random_state=SEED,
        **options,
    )
    n_classes = net.sizes[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.set_params(max_iter=1)
        made.fit(np.zeros((n_classes, net.sizes[0]), np.float32), np.arange(n_classes))
    set_parameters(made, parameters)
    return made


def set_parameters(made: MLPClassifier, parameters: list[Array]) -> None:
    """Write weights, then biases, into the classifier."""
    for array, value in zip([*made.coefs_, *made.intercepts_], parameters, strict=True):
        array[...] = value


class Trainer(base.Trainer):
    """`fit` goes on from the parameters it finds, with a fresh optimizer."""

    ADAM_BOUND = 2e-2
    """Its Adam adds ε to √v before the correction of v, not after: another ε in the first steps."""

    def __init__(self, case: TrainCase, x: Array, y: NDArray[np.int64]) -> None:
        super().__init__(case, x, y)
        self.bound = self.ADAM_BOUND if case.optimizer == "adam" else None
        self.classifier = classifier(
            case.net,
            self.start,
            solver=case.optimizer,
            batch_size=case.batch_size,
            learning_rate_init=case.learning_rate,
        )

    def reset(self) -> None:
        set_parameters(self.classifier, self.start)

    def train(self, epochs: int) -> None:
        self.reset()
        self._fit(self.x, self.y, max_iter=epochs, shuffle=True)

    def learn(self, epochs: int, after_epoch: Callable[[], None]) -> None:
        """A `partial_fit` is an epoch: the only way to look at the network between two of them."""
        self.reset()
        self.classifier.set_params(shuffle=True)
        del self.classifier._optimizer  # the next call makes a fresh one, as `fit` does
        for _ in range(epochs):
            self.classifier.partial_fit(self.x, self.y)
            after_epoch()

    def one_pass(self, order: NDArray[np.int64]) -> None:
        self._fit(self.x[order], self.y[order], max_iter=1, shuffle=False)

    def parameters(self) -> list[Array]:
        return [p.copy() for p in (*self.classifier.coefs_, *self.classifier.intercepts_)]

    def _fit(self, x: Array, y: NDArray[np.int64], **options: Any) -> None:
        self.classifier.set_params(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.classifier.fit(x, y)


class Predictor(base.Predictor):
    """`predict_proba`, checks included."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.classifier = classifier(net, parameters)

    @property
    def call(self) -> Callable[[Any], Any]:
        call: Callable[[Any], Any] = self.classifier.predict_proba
        return call


def estimator(**parameters: Any) -> MLPClassifier:
    """Return a classifier with these parameters, and else as it comes."""
    return MLPClassifier(**parameters)
