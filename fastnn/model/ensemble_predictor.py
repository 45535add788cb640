"""An ensemble frozen for serving."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.backends.predictor import Predictor


class EnsemblePredictor:
    """The mean of the outputs of networks frozen for serving; see `Ensemble.predictor`.

    Parameters
    ----------
    predictors : iterable of Predictor
    """

    def __init__(self, predictors: Iterable[Predictor]) -> None:
        self._predictors = tuple(predictors)

    def __call__(self, x: Any) -> Array:
        """Return the mean output (n_rows, n_out), or (n_out,) for one row."""
        first = self._predictors[0](x)
        total = first.astype(np.float64)
        for predictor in self._predictors[1:]:
            total += predictor(x)
        total /= len(self._predictors)
        return total.astype(first.dtype)
