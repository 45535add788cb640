"""Mean and deviation of columns that are spread over partitions.

Of two sets of n and m rows, with the means μ and ν, the deviations σ and τ, and δ = ν − μ, all
n + m rows have

    μ + δ m / (n + m),    √( (n σ² + m τ²) / (n + m) + δ² n m / (n + m)² )

(Chan, Golub and LeVeque, 1983). It is computed without squares of large or small numbers. Constant
columns keep their mean to the last digit, and a deviation of 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.dask.rounds import tree
from fastnn.model.standardization import Standardization, moments

Vector = NDArray[np.float64]


class Moments(NamedTuple):
    """What is known of columns.

    Attributes
    ----------
    n_rows : int
    mean, deviation : ndarray of shape (n_columns,)
    low, high : ndarray of shape (n_columns,)
        The least and the largest value.
    """

    n_rows: int
    mean: Vector
    deviation: Vector
    low: Vector
    high: Vector

    @classmethod
    def of(cls, columns: Array) -> Moments:
        """Measure columns (n_rows, n_columns), with at least one row."""
        low, high = (of_all(axis=0).astype(np.float64) for of_all in (columns.min, columns.max))
        return cls(len(columns), *moments(columns), low, high)

    def joined(self, other: Moments) -> Moments:
        """Return those of the rows of both."""
        n_rows = self.n_rows + other.n_rows
        ours, theirs = self.n_rows / n_rows, other.n_rows / n_rows
        with np.errstate(over="ignore", invalid="ignore"):  # then the deviation is not finite
            apart = other.mean - self.mean
            deviation = _hypot(
                _hypot(self.deviation * math.sqrt(ours), other.deviation * math.sqrt(theirs)),
                np.abs(apart) * (math.sqrt(ours) * math.sqrt(theirs)),
            )
            mean = self.mean + apart * theirs
        return Moments(
            n_rows, mean, deviation, np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )  # fmt: skip

    @property
    def standardization(self) -> Standardization:
        """The standardization of these columns."""
        return Standardization.of_moments(self.mean, self.deviation)


def moments_of(parts: Sequence[Moments]) -> Moments:
    """Return those of the rows of all partitions, joined in a fixed tree."""
    nodes = list(parts)
    for level in tree(len(nodes)):
        joined = []
        for which in level:
            of_group = nodes[which[0]]
            for i in which[1:]:
                of_group = of_group.joined(nodes[i])
            joined.append(of_group)
        nodes = joined
    return nodes[0]


def _hypot(a: Vector, b: Vector) -> Vector:
    """Return √(a² + b²) by operations that round alike everywhere."""
    larger, smaller = np.maximum(a, b), np.minimum(a, b)
    unit = np.where(larger > 0, larger, 1.0)
    length: Vector = unit * np.sqrt(np.square(larger / unit) + np.square(smaller / unit))
    return length
