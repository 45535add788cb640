"""Scores of predictions, of classes and of numbers, in NumPy.

Each takes what is true first, then what was predicted, then the weights of the rows. They agree
with the functions of the same names in `sklearn.metrics`, which fastnn does not need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64] | None
Classes = NDArray[np.int64]
Numbers = NDArray[np.floating[Any]]


def _mean(values: NDArray[Any], weight: Weights) -> float:
    return float(np.average(values, weights=weight))


# -- of classes (n_rows,) int64 --------------------------------------------------------------------


def accuracy(y: Classes, predicted: Classes, weight: Weights = None) -> float:
    """Return the share of rows whose class was predicted."""
    return _mean(y == predicted, weight)


def confusion(
    y: Classes, predicted: Classes, n_classes: int, weight: Weights = None
) -> NDArray[np.float64]:
    """Return the weights of rows by true class (row) and predicted class (column)."""
    pairs = np.bincount(y * n_classes + predicted, weight, n_classes * n_classes)
    return pairs.reshape(n_classes, n_classes).astype(np.float64)


def balanced_accuracy(
    y: Classes, predicted: Classes, n_classes: int, weight: Weights = None
) -> float:
    """Return the mean, over classes that there are, of the share of their rows predicted."""
    counts = confusion(y, predicted, n_classes, weight)
    of_class = counts.sum(axis=1)
    there = of_class > 0
    return float((np.diag(counts)[there] / of_class[there]).mean()) if there.any() else np.nan


def f1(y: Classes, predicted: Classes, n_classes: int, weight: Weights = None) -> float:
    """Return 2 TP / (2 TP + FP + FN): of class 1 of two, else the mean over classes.

    A class that is neither there nor predicted is left out of the mean, as in scikit-learn without
    ``labels=``; of two classes it is 0.
    """
    counts = confusion(y, predicted, n_classes, weight)
    right = np.diag(counts)
    either = counts.sum(axis=0) + counts.sum(axis=1)
    of_class = 2 * right / np.where(either > 0, either, 1.0)
    if n_classes == 2:
        return float(of_class[1])
    return float(of_class[either > 0].mean()) if (either > 0).any() else np.nan


def roc_auc(y: Classes, p: Numbers, weight: Weights = None) -> float:
    """Return the area under the receiver operating characteristic.

    Parameters
    ----------
    y : ndarray of shape (n_rows,) int64
    p : ndarray of shape (n_rows, n_classes)
        Probabilities. With two classes the area is that of the second; with more, the mean of each
        class against the others, over classes that there are.
    weight : ndarray of shape (n_rows,), optional

    Returns
    -------
    float
        NaN if all rows are of one class.
    """
    n_classes = p.shape[1]
    ones = [1] if n_classes == 2 else range(n_classes)
    areas = [_area(y == k, p[:, k], weight) for k in ones]
    known = [area for area in areas if area == area]
    return float(np.mean(known)) if known else np.nan


def _area(is_one: NDArray[np.bool_], score: Numbers, weight: Weights) -> float:
    """Return the probability that a row of ones scores higher than another; ties count half."""
    weight = np.ones(len(score)) if weight is None else weight
    levels, at = np.unique(score, return_inverse=True)
    ones = np.bincount(at, weight * is_one, len(levels))
    others = np.bincount(at, weight * ~is_one, len(levels))
    total = ones.sum() * others.sum()
    if not total > 0:
        return np.nan
    below = np.cumsum(others) - others / 2
    return float((ones * below).sum() / total)


def log_loss(y: Classes, p: Numbers, weight: Weights = None) -> float:
    """Return the mean of −log p of each row's class; probabilities below eps count as eps."""
    own = p[np.arange(len(y)), y].astype(np.float64)
    return _mean(-np.log(np.maximum(own, np.finfo(p.dtype).eps)), weight)


def calibration_error(y: Classes, p: Numbers, weight: Weights = None, n_bins: int = 10) -> float:
    """Return the mean distance of confidence from accuracy, over bins of confidence.

    The expected calibration error of Naeini et al. (2015) for the predicted class.
    """
    of_bin, confidence, right = reliability(y, p, weight, n_bins)
    return float((of_bin * np.abs(confidence - right)).sum() / of_bin.sum())


def reliability(
    y: Classes, p: Numbers, weight: Weights = None, n_bins: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight of rows, mean confidence and accuracy in bins of equal width.

    Each of shape (n_bins,); confidence and accuracy of an empty bin are 0.
    """
    weight = np.ones(len(y)) if weight is None else weight
    predicted = p.argmax(axis=1)
    confidence = p[np.arange(len(y)), predicted].astype(np.float64)
    at = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    of_bin = np.bincount(at, weight, n_bins)
    some = np.where(of_bin > 0, of_bin, 1.0)
    mean = np.bincount(at, weight * confidence, n_bins) / some
    right = np.bincount(at, weight * (predicted == y), n_bins) / some
    return of_bin.astype(np.float64), mean, right


# -- of numbers (n_rows,) or (n_rows, n_out) -------------------------------------------------------


def rmse(y: Numbers, predicted: Numbers, weight: Weights = None) -> float:
    """Return the root of the mean squared error, averaged over outputs."""
    squares = np.average(np.square(y - predicted), axis=0, weights=weight)
    return float(np.sqrt(squares).mean())


def mae(y: Numbers, predicted: Numbers, weight: Weights = None) -> float:
    """Return the mean absolute error, averaged over outputs."""
    return float(np.average(np.abs(y - predicted), axis=0, weights=weight).mean())


def r2(y: Numbers, predicted: Numbers, weight: Weights = None) -> float:
    """Return 1 − Σ(y − ŷ)² / Σ(y − ȳ)², averaged over outputs; see `fastnn.model.evaluation`."""
    centred = y - np.average(y, axis=0, weights=weight)
    unit = np.abs(centred).max(axis=0)
    unit = np.where((unit > 0) & (unit < 1e-100), unit, 1.0)  # squares underflow
    errors = np.average(np.square((y - predicted) / unit), axis=0, weights=weight)
    spread = np.average(np.square(centred / unit), axis=0, weights=weight)
    errors, spread = np.atleast_1d(errors), np.atleast_1d(spread)
    constant = spread == 0
    of_output = 1 - errors / np.where(constant, 1.0, spread)
    of_output[constant] = errors[constant] == 0
    return float(of_output.mean())
