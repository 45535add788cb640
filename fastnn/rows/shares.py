"""Which rows of a table belong to each of many models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Shares(NamedTuple):
    """Which rows of a table belong to each model.

    Attributes
    ----------
    first, n_rows : ndarray of shape (n_models,) int64
        A model's rows are ``first`` to ``first + n_rows`` of `rows`, or of the table.
    rows : ndarray of int64, optional
        Row numbers of the table.
    """

    first: NDArray[np.int64]
    n_rows: NDArray[np.int64]
    rows: NDArray[np.int64] | None = None

    @classmethod
    def same(cls, n_models: int, n_rows: int) -> Shares:
        """Return all rows for each model."""
        return cls(np.zeros(n_models, np.int64), np.full(n_models, n_rows, np.int64))

    @classmethod
    def equal(cls, n_models: int, n_rows: int) -> Shares:
        """Return n_rows rows for each model, one model's after the other's."""
        return cls(np.arange(n_models, dtype=np.int64) * n_rows, np.full(n_models, n_rows))

    @classmethod
    def of_lists(cls, lists: Sequence[NDArray[np.int64]]) -> Shares:
        """Return a list of row numbers for each model."""
        count = np.array([len(rows) for rows in lists], np.int64)
        return cls(np.cumsum(count) - count, count, np.concatenate([*lists, np.empty(0, np.int64)]))

    @classmethod
    def of_groups(cls, groups: NDArray[np.int64], n_models: int) -> Shares:
        """Return for each model the rows whose entry in `groups` is its number, in their order."""
        count = np.bincount(groups, minlength=n_models).astype(np.int64)
        rows = np.argsort(groups, kind="stable").astype(np.int64)
        return cls(np.cumsum(count) - count, count, rows)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum (n_models,) of each model's values, one of each row of the table."""
        return np.array([values[self.of(i)].sum() for i in range(len(self.first))])

    def of(self, i: int) -> NDArray[np.int64]:
        """Return the rows of model i."""
        first, count = int(self.first[i]), int(self.n_rows[i])
        if self.rows is None:
            return np.arange(first, first + count)
        return self.rows[first : first + count]

    def part(self, models: NDArray[np.int64]) -> Shares:
        """Return the shares of some models; a list that several have in common is there once."""
        first, n_rows = self.first[models], self.n_rows[models]
        if self.rows is None:
            return Shares(first, n_rows)
        pairs, which = np.unique(np.stack([first, n_rows], 1), axis=0, return_inverse=True)
        part = Shares.of_lists([self.rows[start : start + n] for start, n in pairs.tolist()])
        return Shares(part.first[which.reshape(-1)], n_rows, part.rows)

    def used(self, n_rows: int) -> NDArray[np.int64]:
        """Return the numbers of the rows that belong to any model, of a table of so many rows."""
        spans = set(zip(self.first.tolist(), self.n_rows.tolist(), strict=True))
        rows = self.rows
        if rows is None:
            lists = [np.arange(first, first + n) for first, n in spans]
            rows = np.concatenate([*lists, np.empty(0, np.int64)])
        if 16 * len(rows) < n_rows:
            return np.unique(rows)
        is_used = np.zeros(n_rows, bool)
        is_used[rows] = True
        return np.flatnonzero(is_used)

    def among(self, used: NDArray[np.int64]) -> Shares:
        """Return the same shares of a table of the rows that are used, in their order."""
        if self.rows is None:
            return self._replace(first=np.searchsorted(used, self.first))
        return self._replace(rows=np.searchsorted(used, self.rows))
