"""Where data come in: scikit-learn's checks of X, y and weights, and the words it lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from fastnn.validation import bad_column, check_fits_dtype, check_numbers
from fastnn.validation.values import describe

DTYPES = (np.float64, np.float32, np.uint8)
"""What backends read as it is; anything else becomes the first of them."""


def checked_x(estimator: Any, X: Any) -> Any:
    """Return rows that a fitted estimator is asked about, dense or CSR."""
    X = _validated(estimator, X, reset=False)
    check_fits_dtype("X", X, estimator.network_.architecture.dtype)
    return X


def checked_x_y(
    estimator: Any, X: Any, y: Any, *, reset: bool, y_numeric: bool = False
) -> tuple[Any, NDArray[Any]]:
    """Return rows, and labels or targets: (n_samples,), or (n_samples, n_outputs) of several."""
    X, y = _validated(estimator, X, y, reset=reset, multi_output=True, y_numeric=y_numeric)
    if y_numeric:
        check_numbers(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return X, y


def checked_weight(sample_weight: Any, X: Any) -> NDArray[np.float64] | None:
    """Return a weight for each row of X, or None."""
    if sample_weight is None:
        return None
    checked: NDArray[np.float64] = _check_sample_weight(sample_weight, X, dtype=np.float64)
    return checked


def as_pair(eval_set: Any) -> tuple[Any, Any]:
    """Return X and y of an ``eval_set``."""
    if isinstance(eval_set, tuple | list) and len(eval_set) == 2:
        return eval_set[0], eval_set[1]
    got = describe(eval_set)
    if isinstance(eval_set, tuple | list):
        got = f"{len(eval_set)} values ({type(eval_set).__name__})"
    elif hasattr(eval_set, "shape"):
        got = f"an array of shape {eval_set.shape} ({type(eval_set).__name__})"
    raise ValueError(f"eval_set must be a tuple (X, y), got {got}")


def _validated(estimator: Any, X: Any, *y: Any, **options: Any) -> Any:
    """Return what scikit-learn's checks make of the data; an error names the column of a frame."""
    try:
        return validate_data(estimator, X, *y, accept_sparse="csr", dtype=DTYPES, **options)
    except (TypeError, ValueError) as error:
        if not (words := bad_column(X)):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        first, *more = str(error).split("\n")
        raise kind("\n".join([f"{first.rstrip('.:')}: {words}.", *more])) from None
