"""The score of an estimator, from sums over partitions."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array

from fastnn.dask.partitions import Raw, checked_weights, n_rows_of, named
from fastnn.model.evaluation import Totals, centre


def score(raw: Raw, number: int, estimator: Any) -> Totals | None:
    """Return what a score is made of, for an estimator of rows that are here.

    None if the partition has no rows. The checks are those of scikit-learn's scores.
    """
    x, y, weight = raw
    with named(number):
        n_rows = n_rows_of(raw)
        if not n_rows:
            return None
        given = checked_weights(weight, n_rows)
        weights = np.ones(n_rows) if given is None else given
        predicted, total, nothing = estimator.predict(x), float(weights.sum()), np.zeros(1)
        if hasattr(estimator, "classes_"):
            right = 0.0
            if total:
                right = accuracy_score(y, predicted, sample_weight=weights, normalize=False)
            return Totals(0, total, 0.0, float(right), nothing, nothing, nothing, nothing)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y").reshape(n_rows, -1)
        predicted = predicted.reshape(n_rows, -1)
        if y.shape != predicted.shape:
            raise ValueError(
                f"y has {y.shape[1]} targets per row, but the estimator predicts "
                f"{predicted.shape[1]}"
            )
        error = y - predicted
        return Totals(
            0, total, 0.0, 0.0, weights @ np.square(error), weights @ np.abs(error),
            *centre(y, weights),
        )  # fmt: skip
