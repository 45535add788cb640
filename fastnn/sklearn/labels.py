"""The labels of a classifier: which are known, what they weigh, what a network can call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from fastnn.network import Network
from fastnn.validation import check_class_labels

MANY_ROWS = 20  # from where on scikit-learn wonders whether labels are as many as rows

SHOWN = 10  # labels in a message


def check_kind(name: str, y: NDArray[Any], binarizer: LabelBinarizer) -> None:
    """Check that y is of one label a sample, or of zeros and ones for each, as what was fitted."""
    if not binarizer.y_type_.startswith("multilabel"):
        if y.ndim != 1:
            raise ValueError(
                f"{name} must hold one label a sample, of shape (n_samples,), got shape {y.shape}"
            )
        return
    n_labels = len(binarizer.classes_)
    values = np.asarray(y.data) if issparse(y) else y
    if y.ndim != 2 or y.shape[1] != n_labels or not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"{name} must hold 0 or 1 for each of {n_labels} labels, of shape (n_samples, "
            f"{n_labels}), got shape {y.shape}{'' if y.ndim == 1 else _values(values)}"
        )


def check_known(name: str, y: NDArray[Any], binarizer: LabelBinarizer) -> None:
    """Check that y holds what was fitted: of that kind, and no other labels."""
    check_kind(name, y, binarizer)
    if y.ndim == 2:
        return
    known = binarizer.classes_.tolist()
    if unknown := set(y.tolist()).difference(known):
        raise ValueError(
            f"{name} has labels that are not among the classes: {_shortened(unknown)}; known are "
            f"{_shortened(known)}"
        )


def known_targets(y: NDArray[Any], binarizer: LabelBinarizer) -> NDArray[Any] | None:
    """Return the targets of whole numbers that are all among the classes; None for other labels."""
    classes, kind = binarizer.classes_, binarizer.y_type_
    if kind not in ("multiclass", "binary") or type(y) is not np.ndarray or y.ndim != 1:
        return None
    few = len(y) <= MANY_ROWS or 2 * len(classes) <= len(y)  # else scikit-learn may warn
    if y.dtype.kind not in "iu" or y.dtype != classes.dtype or not few:
        return None
    numbers = np.searchsorted(classes[1:], y, side="right")  # of the class at or below each
    if not (classes[numbers] == y).all():
        return None
    if kind == "multiclass":
        return numbers.astype(np.int64, copy=False)
    return numbers[:, None].astype(np.float32)


def weights_of_classes(
    class_weight: Mapping[Any, float] | str,
    classes: NDArray[Any],
    y: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return what `class_weight` makes each row weigh."""
    weights: NDArray[np.float64]
    if y.ndim == 2:
        weights = compute_sample_weight(class_weight, y)
        return weights
    numbers = np.searchsorted(classes, y)
    if isinstance(class_weight, str) and class_weight == "balanced":
        sums = np.bincount(numbers, sample_weight, len(classes)).astype(np.float64)
        weights = sums.sum() / len(sums) / np.where(sums > 0, sums, np.inf)
    else:
        weights = compute_class_weight(class_weight, classes=classes, y=y)
    return weights[numbers]


def labels_of_network(network: Network, binarizer: LabelBinarizer) -> tuple[Any, ...] | None:
    """Return the classes as a network's file can hold them, or None if it cannot or need not."""
    classes = binarizer.classes_
    if binarizer.y_type_.startswith("multilabel"):
        return None
    counted = classes.dtype.kind in "iuf" and np.array_equal(classes, np.arange(len(classes)))
    if counted:  # what a network says by itself
        return None
    try:
        a = network.architecture
        return check_class_labels(classes, a)
    except (TypeError, ValueError):  # a single class, or a kind that no file holds
        return None


def _values(y: NDArray[Any]) -> str:
    return f" with the values {_shortened(set(y.ravel().tolist()))}"


def _shortened(labels: Any) -> str:
    try:
        labels = sorted(labels)
    except TypeError:  # no order between them
        labels = sorted(labels, key=repr)
    shown = ", ".join(repr(label) for label in labels[:SHOWN])
    return shown if len(labels) <= SHOWN else f"{shown} and {len(labels) - SHOWN} more"
