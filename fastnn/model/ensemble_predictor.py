"""An ensemble frozen for serving."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.backends.predictor import Predictor
from fastnn.backends.subnormals import flush
from fastnn.rows.checked import RowReader


class EnsemblePredictor:
    """The mean of the outputs of networks frozen for serving; see `Ensemble.predictor`.

    Parameters
    ----------
    predictors : iterable of Predictor
    reader : RowReader, optional
        Makes rows of tables, once for all predictors.
    """

    def __init__(self, predictors: Iterable[Predictor], reader: RowReader | None = None) -> None:
        self._predictors, self._reader = tuple(predictors), reader

    @property
    def of_rows(self) -> EnsemblePredictor:
        """The predictor of rows of numbers, as the columns make them."""
        return EnsemblePredictor(self._predictors)

    def __call__(self, x: Any) -> Array:
        """Return the mean output (n_rows, n_out), or (n_out,) for one row."""
        if self._reader is not None:
            x = self._reader(x)
        first = self._predictors[0](x)
        total = first.astype(np.float64)
        for predictor in self._predictors[1:]:
            total += predictor(x)
        total /= len(self._predictors)
        mean = total.astype(first.dtype)
        flush(mean)
        return mean
