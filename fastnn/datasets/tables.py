"""A table: rows of numbers with a label each, ready to be split.

`fastnn.datasets.task` decides whether the labels are classes, which are then numbered in sorted
order, or the targets of a regression. A stratified split gives each part its share of every class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.split import Dataset, Split, held_out_rows
from fastnn.datasets.task import Task, TaskChoice, choose_task
from fastnn.system.memory_maps import walk

DEFAULT_TEST = 0.2
DEFAULT_VALIDATION = 0.1
MAX_HELD_OUT = 10_000
"""Rows held out of a file too large to copy: they tell an accuracy to half a percent."""

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of features with a label each, as a file has them.

    Parameters
    ----------
    name : str
        The file's name without its suffix.
    x : ndarray (n_rows, n_features), float64, float32 or uint8
        Features: float64 from a CSV or Parquet file; from an NPZ in the file's own precision,
        images as bytes, flags as bytes 0 and 1.
    y : ndarray (n_rows,) int64, float64 or strings; (n_rows, n_out) float64; or None
        Labels as the file has them; None if they were not asked for.
    feature_names : tuple of str
        The header's, or "column 1" and so on.
    label_name : str or None
        What the label column is called.
    validation, test : Split or None
        Rows that the file itself sets apart, with labels as it has them.
    has_names : bool
        Whether the feature names are the file's own, and no two alike: rows of another file can
        then be matched by them.
    label_reason : str or None
        Why this column is the label, if it was not named.
    notes : tuple of str
        What else was guessed about the file, or left out of it: a sentence each.
    """

    name: str
    x: Array
    y: Array | None
    feature_names: tuple[str, ...]
    label_name: str | None
    validation: Split | None = None
    test: Split | None = None
    has_names: bool = False
    label_reason: str | None = None
    notes: tuple[str, ...] = ()

    def split(
        self,
        *,
        test: int | float | None = None,
        validation: int | float | None = None,
        seed: int = 0,
        stratify: bool = True,
        task: Task | None = None,
    ) -> Dataset:
        """Shuffle the rows and set some apart.

        Parameters
        ----------
        test : int or float, optional
            Rows for the test: a number of them, or a fraction. By default the rows the file itself
            sets apart, or else 0.2.
        validation : int or float, optional
            Rows for validation, likewise. By default the file's own, or else none.
        seed : int, default 0
            Of the shuffle, and of the splits' `next_batch`.
        stratify : bool, default True
            Give the test its share of every class, to within one row, and validation its share of
            the rest. Regressions are shuffled only.
        task : {"classification", "regression"}, optional
            What y means. By default strings are classes, and so are a few different whole
            numbers, or many that count 0, 1, 2 … with several rows each; numbers with fractions and
            many different whole numbers are a regression, whatever their dtype. The dataset's
            `choice` says what was decided, and why.

        Returns
        -------
        Dataset
            For classes, ``y`` is int64 and counts into ``class_labels``, the sorted labels of all
            parts; for a regression it is float64 and ``class_labels`` is None.

        Raises
        ------
        ValueError
            If the table has no labels; if test or validation do not fit, or the file already sets
            such rows apart; if the labels do not suit the task; if, without a task, whole numbers
            may be either, or the labels number the rows or are text that hardly repeats.
        """
        if self.y is None:
            raise ValueError(f"{self.name} was read without labels; read it with label=None")
        n_rows = len(self.x)
        n_test = _share("test", test, self.test, DEFAULT_TEST, n_rows)
        n_validation = _share("validation", validation, self.validation, 0, n_rows)
        if n_test + n_validation >= n_rows:
            raise ValueError(
                f"test={n_test} and validation={n_validation} rows leave none of the {n_rows} for "
                "training"
            )
        parts = [part.y for part in (self.validation, self.test) if part is not None]
        choice, class_labels = choose_task([self.y, *parts], task)

        y = _targets(self.y, class_labels)
        classes = y if stratify and class_labels is not None else None
        rows = np.random.Generator(np.random.PCG64(seed)).permutation(n_rows)
        test_rows, rows = _set_apart(rows, classes, n_test)
        validation_rows, rows = _set_apart(rows, classes, n_validation)
        own = {
            name: Split(part.x, _targets(part.y, class_labels), seed)
            for name, part in (("validation", self.validation), ("test", self.test))
            if part is not None
        }
        return Dataset(
            self.name,
            Split(self.x[rows], y[rows], seed),
            own.get("validation") or Split(self.x[validation_rows], y[validation_rows], seed),
            own.get("test") or Split(self.x[test_rows], y[test_rows], seed),
            class_labels,
            **self._said(choice),
        )

    def hold_out(self, *, seed: int = 0, task: Task | None = None) -> Dataset:
        """Set some rows apart without moving the others, for rows that lie in a large file.

        A tenth of the rows, at most 10,000, are for validation, a fifth, at most 10,000, for the
        test: drawn at random and copied. The training rows are all rows, where they lie, with a
        `Dataset.train_weight` of 0 for those held out, which a training takes as absent.

        Parameters
        ----------
        seed : int, default 0
            Of the draw.
        task : {"classification", "regression"}, optional
            As for `split`.

        Returns
        -------
        Dataset

        Raises
        ------
        ValueError
            If the table has no labels, or they do not suit the task.
        """
        if self.y is None:
            raise ValueError(f"{self.name} was read without labels")
        n_rows = len(self.x)
        n_test = min(MAX_HELD_OUT, round(DEFAULT_TEST * n_rows))
        n_validation = min(MAX_HELD_OUT, round(DEFAULT_VALIDATION * n_rows))
        choice, class_labels = choose_task([self.y], task)
        y = _targets(self.y, class_labels)
        drawn = np.random.Generator(np.random.PCG64(seed)).permutation(n_rows)
        weight = np.ones(n_rows)
        weight[drawn[: n_test + n_validation]] = 0.0
        test, validation = (
            np.sort(rows)  # to read the file from front to back
            for rows in (drawn[:n_test], drawn[n_test : n_test + n_validation])
        )
        return Dataset(
            self.name,
            Split(self.x, y, seed),
            Split(_copied(self.x, validation), y[validation], seed),
            Split(_copied(self.x, test), y[test], seed),
            class_labels,
            train_weight=weight,
            **self._said(choice),
        )

    def _said(self, choice: TaskChoice) -> dict[str, Any]:
        """Return what a dataset takes over from its table."""
        return {
            "feature_names": self.feature_names,
            "label_name": self.label_name,
            "has_names": self.has_names,
            "label_reason": self.label_reason,
            "choice": choice,
            "notes": self.notes,
        }


def _share(
    name: str, share: int | float | None, own: Split | None, default: int | float, n_rows: int
) -> int:
    """Return how many rows to set apart, none if the file brings its own."""
    if own is None:
        return held_out_rows(default if share is None else share, n_rows, name)
    if share is not None:
        raise ValueError(f"the file has {len(own)} {name} rows of its own; leave {name}= out")
    return 0


def _copied(x: Array, rows: NDArray[np.int64]) -> Array:
    """Return x[rows], sorted rows of a large file, with little of it resident at a time."""
    copy = np.empty((len(rows), x.shape[1]), x.dtype)
    for part in walk(x, len(x)):
        first, last = np.searchsorted(rows, (part.start, part.stop))
        copy[first:last] = x[rows[first:last]]
    return copy


def _targets(y: Array, class_labels: Array | None) -> Array:
    """Return y as float64, or as int64 indices into the class labels."""
    if class_labels is None:
        return y.astype(np.float64)
    return np.searchsorted(class_labels, y).astype(np.int64)


def _set_apart(
    rows: NDArray[np.int64], classes: NDArray[np.int64] | None, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return count of the shuffled rows, and the rest, both in their order.

    With classes, each gives its share, rounded down, and those with the largest remainders one
    row more.
    """
    if classes is None:
        return rows[:count], rows[count:]
    row_class = classes[rows]
    size = np.bincount(row_class)
    share, remainder = np.divmod(size * count, len(rows))
    share[np.argsort(-remainder, kind="stable")[: count - share.sum()]] += 1
    by_class = np.argsort(row_class, kind="stable")
    begin = np.cumsum(size) - size
    rank = np.empty_like(rows)  # of each row among those of its class
    rank[by_class] = np.arange(len(rows)) - begin[row_class[by_class]]
    apart = rank < share[row_class]
    return rows[apart], rows[~apart]
