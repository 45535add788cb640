"""A set: where a table comes from, how large it is, and what is to be predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Task = Literal["binary", "multiclass", "regression"]
SAMPLE_SEED = 20_240_229  # of --max-rows
FEWEST = 10  # rows of a class in a sample: two for each fold


@dataclass(frozen=True)
class Table:
    """A loaded set.

    Attributes
    ----------
    x : pandas.DataFrame of shape (n_rows, n_columns)
        Numbers and booleans, text (object) and what is missing, as the package has them.
    y : ndarray of shape (n_rows,)
        Classes as int64, counted from 0 in sorted order, or float64.
    classes : tuple of str
        Their names; empty for a regression.
    """

    name: str
    task: Task
    x: Any
    y: np.ndarray
    classes: tuple[str, ...]

    @property
    def categorical(self) -> list[str]:
        """The names of the columns that hold text."""
        return [c for c in self.x.columns if self.x[c].dtype.kind not in "iufb"]


@dataclass(frozen=True)
class Set:
    """A set that can be loaded.

    Attributes
    ----------
    name : str
    task : {"binary", "multiclass", "regression"}
    n_rows, n_columns : int
        Of the table, without the target.
    load : callable
        Returns the frame and the target, as a pair.
    """

    name: str
    task: Task
    n_rows: int
    n_columns: int
    load: Callable[[], tuple[Any, Any]]

    def table(self, max_rows: int | None = None) -> Table:
        """Load it, or a random sample of `max_rows` rows, without the classes that are rare there.

        Raises
        ------
        ImportError
            If the package that holds it is not installed.
        ValueError
            If the package holds other rows than those that were measured.
        """
        x, y = self.load()
        if x.shape != (self.n_rows, self.n_columns):
            raise ValueError(
                f"{self.name}: loaded {x.shape[0]} rows of {x.shape[1]} columns, expected"
                f" {self.n_rows} of {self.n_columns}: another version of the package?"
            )
        y = np.asarray(y)
        if max_rows is not None and max_rows < len(y):
            rows = np.random.default_rng(SAMPLE_SEED).permutation(len(y))[:max_rows]
            if self.task != "regression":
                names, which, counts = np.unique(y[rows], return_inverse=True, return_counts=True)
                rows = rows[counts[which] >= FEWEST]
            x, y = x.iloc[rows], y[rows]
        x = x.reset_index(drop=True)
        if self.task == "regression":
            return Table(self.name, self.task, x, y.astype(np.float64), ())
        names, y = np.unique(y.astype(str), return_inverse=True)
        return Table(self.name, self.task, x, y.astype(np.int64), tuple(map(str, names)))
