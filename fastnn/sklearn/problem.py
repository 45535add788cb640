"""The data of `fit` as prepared by an estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.validation import check_fits_dtype


@dataclass
class Problem:
    """Training data: rows, targets in the backend's form, weights or None.

    Targets have any float dtype until `in_dtype` converts them to the network's.
    """

    x: Any
    y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    def part(self, rows: NDArray[np.int64]) -> Problem:
        """Return a copy of some rows."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return Problem(self.x[rows], self.y[rows], weight)

    def in_dtype(self, dtype: str) -> Problem:
        """Return it with targets in a network's dtype; class indices stay integers."""
        check_fits_dtype("X", self.x, dtype)
        if self.y.dtype.kind != "f":
            return self
        check_fits_dtype("y", self.y, dtype)
        return Problem(self.x, np.ascontiguousarray(self.y, dtype), self.sample_weight)

    def weight_of(self, rows: NDArray[np.int64]) -> float:
        """Return the sum of some rows' weights."""
        if self.sample_weight is None:
            return float(len(rows))
        return float(self.sample_weight[rows].sum())
