"""The fit of one estimator, by its own method."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from numpy.typing import NDArray
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params


class Wanted(NamedTuple):
    """A fit.

    Attributes
    ----------
    estimator : estimator
        Changed by the fit.
    X, y
        What a caller hands to `fit`, of all rows.
    rows : ndarray of int
        The rows to learn from.
    fit_params : dict
        More arguments of `fit`; those with an entry for each row of X are cut to the rows.
    """

    estimator: Any
    X: Any
    y: Any
    rows: NDArray[Any]
    fit_params: dict[str, Any]


class Done(NamedTuple):
    """What came of a fit.

    Attributes
    ----------
    estimator : estimator
        Fitted, unless there was an error; another object than the wanted one if another process
        fitted it.
    error : Exception or None
    seconds : float
        Its own time, and its share of the common training.
    """

    estimator: Any
    error: Exception | None
    seconds: float


def fitted(wanted: Wanted) -> Done:
    """Fit an estimator by its own method."""
    start, error = time.perf_counter(), None
    estimator, X, y, rows, fit_params = wanted
    try:
        X_of_rows, y_of_rows = _safe_split(estimator, X, y, rows)
        fit_params = _check_method_params(X, params=fit_params, indices=rows)
        if y_of_rows is None:
            estimator.fit(X_of_rows, **fit_params)
        else:
            estimator.fit(X_of_rows, y_of_rows, **fit_params)
    except Exception as failure:
        error = failure
    return Done(estimator, error, time.perf_counter() - start)
