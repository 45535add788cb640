"""Rows with true class, predicted class and its probability."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.model.evaluation import ROWS_AT_A_TIME
from fastnn.network import Network
from fastnn.plots.checks import checked_network, of_checked_rows
from fastnn.rows.checked import checked_x
from fastnn.system.memory_maps import walk


class Classified(NamedTuple):
    """Predictions of a classifier for n rows.

    Attributes
    ----------
    truth, predicted : ndarray (n,), int64
        Class indices.
    probability : ndarray (n,)
        Of the predicted class.
    labels : tuple
        Names of the classes.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[Any]
    labels: tuple[Any, ...]

    def counts(self) -> NDArray[np.int64]:
        """Return the confusion matrix: true classes (rows), predicted classes (columns)."""
        n = len(self.labels)
        pairs = np.bincount(self.truth * n + self.predicted, minlength=n * n)
        return pairs.reshape(n, n).astype(np.int64)

    def mistakes(self) -> NDArray[np.int64]:
        """Return the misclassified rows, the most confident first."""
        wrong = np.flatnonzero(self.truth != self.predicted)
        return wrong[np.argsort(-self.probability[wrong], kind="stable")]


def classify(network: Network, x: Any, y: Any) -> Classified:
    """Return the predictions of `network` for x with y: class indices, labels or one-hot rows."""
    a = checked_network(network).architecture
    validation.check_one_class_a_row(a)
    x = checked_x(a, network.trained_on, x)
    validation.check_not_empty(x.shape[0])
    truth = validation.check_labels(y, x.shape[0], a.n_classes, network.class_labels)
    predicted = np.empty(x.shape[0], np.int64)
    probability = np.empty(x.shape[0], a.dtype)
    of_rows = of_checked_rows(network)
    for rows in walk(x, ROWS_AT_A_TIME):
        chances = of_rows.predict_proba(x[rows], progress=False)
        if a.output == "softmax":
            predicted[rows] = chances.argmax(axis=1)
            probability[rows] = chances.max(axis=1)
        else:
            yes = chances[:, 0]
            predicted[rows] = yes > 0.5
            probability[rows] = np.where(yes > 0.5, yes, 1.0 - yes)
    return Classified(truth, predicted, probability, class_names(network))


def class_names(network: Network) -> tuple[Any, ...]:
    """Return the names of the classes; empty if rows do not have exactly one class."""
    return network.class_labels or tuple(range(network.architecture.n_classes))
