"""The labels of a classifier: their checks, their weights, and the labels of its network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from fastnn.architecture import Architecture
from fastnn.network import Network
from fastnn.tabular.cells import is_missing
from fastnn.validation import check_class_labels

MANY_ROWS = 20  # from where on scikit-learn wonders whether labels are as many as rows

SHOWN = 10  # labels in a message


def sound_labels(y: Any) -> Any:
    """Return labels as they came; those of Python objects as an array of the type they all have.

    Raises
    ------
    ValueError
        If a label is missing, or some are text and others numbers; the message has the row.
    """
    if y is None or isinstance(y, str | bytes) or issparse(y) or not hasattr(y, "__len__"):
        return y
    if isinstance(y, list | tuple):  # of which NumPy would make text, if some are
        if any(isinstance(label, list | tuple | np.ndarray) for label in y):
            return y
        array = np.empty(len(y), object)
        array[:] = y
    else:
        array = np.asarray(y)
    if array.dtype.kind not in "OTfmM" or not array.size:
        return y
    labels = array.astype(object).ravel().tolist()
    of_type = {kind: _type_of(kind) for kind in set(map(type, labels))}
    numbers = [i for i, label in enumerate(labels) if is_missing(label)]
    if numbers:
        rows = [i // (array.size // len(array)) for i in numbers]
        more = f" and {len(rows) - 1:,} others" if len(rows) > 1 else ""
        raise ValueError(
            f"y has no label in row {rows[0]}{more} (Input y contains NaN): leave such rows out, "
            "of X too"
        )
    if array.dtype.kind != "O":
        return y
    if {"text", "number"} <= set(of_type.values()):
        first, other = labels[0], next(v for v in labels if not _are_alike(v, labels[0]))
        raise ValueError(
            f"y must hold labels of one type, got {first!r} ({type(first).__name__}) in row 0 and "
            f"{other!r} ({type(other).__name__}) in row {labels.index(other)}: convert them, as by "
            "[str(label) for label in y]"
        )
    if len(of_type) == 1 and "number" in of_type.values() and not isinstance(y, list | tuple):
        return np.array(labels).reshape(array.shape)
    return y


def _are_alike(one: Any, other: Any) -> bool:
    return _type_of(type(one)) == _type_of(type(other))


def _type_of(kind: type) -> str:
    if issubclass(kind, str):
        return "text"
    return "number" if issubclass(kind, bool | int | float | np.number | np.bool_) else "other"


def labels_for_files(
    classes: NDArray[Any], architecture: Architecture
) -> tuple[tuple[Any, ...] | None, bool]:
    """Return classes as labels of a network, and whether they are their text instead.

    Files hold text and numbers. Of other classes, such as times, labels are the text of them; there
    are none if that is not distinct, or there is one class.
    """
    try:
        return check_class_labels(classes, architecture), False
    except TypeError:
        texts = [str(label) for label in classes]
        return (tuple(texts) if len(set(texts)) == len(texts) else None), True
    except ValueError:
        return None, True


def check_kind(name: str, y: NDArray[Any], binarizer: LabelBinarizer) -> None:
    """Check that y is single-label or multilabel, as in the first fit."""
    if not binarizer.y_type_.startswith("multilabel"):
        if y.ndim != 1:
            raise ValueError(
                f"{name} must hold one label per sample, of shape (n_samples,), got shape {y.shape}"
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
    """Check that y has the same kind and only known labels."""
    check_kind(name, y, binarizer)
    if y.ndim == 2:
        return
    known = binarizer.classes_.tolist()
    if unknown := set(y.tolist()).difference(known):
        raise ValueError(
            f"{name} has labels that are not among the classes: {_shortened(unknown)}; the classes "
            f"are {_shortened(known)}"
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
    """Return the weight of each row by `class_weight`."""
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
    """Return the classes as labels of a network, or None if impossible or not needed."""
    classes = binarizer.classes_
    if binarizer.y_type_.startswith("multilabel"):
        return None
    counted = classes.dtype.kind in "iuf" and np.array_equal(classes, np.arange(len(classes)))
    if counted:  # the default of a network
        return None
    return labels_for_files(classes, network.architecture)[0]


def _values(y: NDArray[Any]) -> str:
    return f" with the values {_shortened(set(y.ravel().tolist()))}"


def _shortened(labels: Any) -> str:
    try:
        labels = sorted(labels)
    except TypeError:  # they cannot be compared
        labels = sorted(labels, key=repr)
    shown = ", ".join(repr(label) for label in labels[:SHOWN])
    return shown if len(labels) <= SHOWN else f"{shown} and {len(labels) - SHOWN} more"
