"""Checks of X, y and weights by scikit-learn, with more specific errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from fastnn.rows.trained_on import TrainedOn, kind_of, takes_bytes
from fastnn.sklearn.labels import sound_labels
from fastnn.validation import (
    bad_column,
    check_fits_dtype,
    check_not_bytes_as_floats,
    check_not_bytes_or_numbers,
    check_numbers,
    check_whole_bytes,
)
from fastnn.validation.first_look import are_plain_targets, are_sound_rows
from fastnn.validation.sparse import sound_csr

DTYPES = (np.float64, np.float32, np.uint8)
"""Dtypes that backends read directly; anything else becomes the first of them."""


def checked_x(estimator: Any, X: Any) -> Any:
    """Return checked rows for a fitted estimator, dense or CSR."""
    if _is_sound(estimator, X):
        return X
    X = _validated(estimator, X, reset=False)
    check_fits_dtype("X", X, _network_of(estimator).architecture.dtype)
    return X


def checked_x_y(
    estimator: Any, X: Any, y: Any, *, reset: bool, y_numeric: bool = False
) -> tuple[Any, NDArray[Any]]:
    """Return rows, and labels or targets (n_samples,) or (n_samples, n_outputs)."""
    if not reset and _is_sound(estimator, X) and are_plain_targets(y, len(X)):
        return X, y
    y = y if y_numeric else sound_labels(y)
    X, y = _validated(estimator, X, y, reset=reset, multi_output=True, y_numeric=y_numeric)
    if y_numeric:
        check_numbers(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return X, y


def checked_weight(sample_weight: Any, X: Any) -> NDArray[np.float64] | None:
    """Return one weight per row of X, or None."""
    if sample_weight is None:
        return None
    checked: NDArray[np.float64] = _check_sample_weight(sample_weight, X, dtype=np.float64)
    return checked


def trained_on(estimator: Any, X: Any) -> TrainedOn:
    """Return what the network of an estimator records about its first training rows."""
    names = getattr(estimator, "feature_names_in_", None)
    return TrainedOn(
        kind_of(X, estimator.input_scale),
        None if names is None else tuple(str(name) for name in names),
    )


def _network_of(estimator: Any) -> Any:
    """Return the network that knows what rows an estimator was trained on, or None.

    In an ensemble, whose members were trained on the same table, it is the first one's.
    """
    members = getattr(estimator, "estimators_", None)
    return getattr(members[0] if members else estimator, "network_", None)


def _is_sound(estimator: Any, X: Any) -> bool:
    """Say whether X is what scikit-learn's checks of a fitted estimator would return as it is.

    An estimator that knows names of columns is left to them, since they warn of an array.
    """
    if not are_sound_rows(X, getattr(estimator, "n_features_in_", -1)) or not X.size:
        return False
    if getattr(estimator, "feature_names_in_", None) is not None:
        return False
    network = _network_of(estimator)
    if network is None or network.trained_on is None:
        return False
    known = network.trained_on
    return bool(
        X.dtype == np.uint8 or not takes_bytes(known.inputs, network.architecture.input_scale)
    )


def _validated(estimator: Any, X: Any, *y: Any, reset: bool, **options: Any) -> Any:
    """Return the data as checked by scikit-learn; errors name the column of a frame.

    bool counts as uint8. An estimator that was trained on bytes reads integers as bytes, and
    refuses floats in that range, as `fastnn.rows.checked.checked_x` does for networks.
    """
    kinds = _kinds(X)
    network = None if reset else _network_of(estimator)
    known = None if network is None else network.trained_on
    of_fractions = known is not None and known.inputs == "fractions"
    if kinds == "b" and not of_fractions:
        X = (X if hasattr(X, "astype") else np.asarray(X)).astype(np.uint8)
    validated = _validated_by_sklearn(estimator, X, *y, reset=reset, **options)
    if network is None or known is None:
        return validated
    rows, scale = validated[0] if y else validated, network.architecture.input_scale
    are_integers = bool(kinds) and {*kinds} <= set("iu") and rows.dtype != np.uint8
    if of_fractions and are_integers:
        check_not_bytes_or_numbers(rows.astype(np.int64))
    if not takes_bytes(known.inputs, scale):
        return validated
    if are_integers:
        rows = check_whole_bytes(rows.astype(np.int64))
    else:
        check_not_bytes_as_floats(rows, scale)
    return (rows, *validated[1:]) if y else rows


def _kinds(X: Any) -> str:
    """Return the dtype kinds in X as NumPy's letters, "?" if unknown."""
    if isinstance(X, list | tuple):
        try:
            X = np.asarray(X)
        except ValueError:  # rows of different lengths: scikit-learn reports them
            return ""
    dtypes = X.dtypes if hasattr(X, "dtypes") else [getattr(X, "dtype", None)]
    return "".join(sorted({getattr(dtype, "kind", "?") for dtype in dtypes}))


def _validated_by_sklearn(estimator: Any, X: Any, *y: Any, **options: Any) -> Any:
    try:
        X = sound_csr(X)
        return validate_data(estimator, X, *y, accept_sparse="csr", dtype=DTYPES, **options)
    except (TypeError, ValueError) as error:
        if not (words := bad_column(X)):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        first, *more = str(error).split("\n")
        raise kind("\n".join([f"{first.rstrip('.:')}: {words}.", *more])) from None
