"""A table: rows of numbers with one label each, to be split.

`fastnn.datasets.task` infers whether the labels are classes, which are then numbered in sorted
order, or the targets of a regression. A stratified split has the same class fractions in each part.
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
"""Rows held out of a file too large to copy: enough for an accuracy to half a percent."""

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of features with one label each, as in a file.

    Parameters
    ----------
    name : str
        The file name without its extension.
    x : ndarray (n_rows, n_features), float64, float32 or uint8
        Features: float64 from a CSV or Parquet file; from an NPZ in the precision of the file,
        images as bytes, flags as bytes 0 and 1.
    y : ndarray (n_rows,) int64, float64 or strings; (n_rows, n_out) float64; or None
        Labels as in the file; None if they were not requested.
    feature_names : tuple of str
        From the header, or "column 1" and so on.
    label_name : str or None
        Name of the label column.
    validation, test : Split or None
        Separate validation and test rows in the file, with labels as in the file.
    has_names : bool
        Whether the feature names are from the file, and distinct, so that rows of another file can
        be matched by name.
    label_reason : str or None
        Why this column was chosen as the label, if it was not given.
    notes : tuple of str
        What else was inferred about the file, or left out, one sentence each.
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
        """Shuffle the rows and split them into training, validation and test rows.

        Parameters
        ----------
        test : int or float, optional
            Number or fraction of test rows. By default the separate test rows of the
            file, or 0.2 if it has none.
        validation : int or float, optional
            Number or fraction of validation rows. By default those of the file, or none.
        seed : int, default 0
            Of the shuffle, and of `next_batch` of the splits.
        stratify : bool, default True
            Whether to keep the fractions of the classes in each part, to within one row.
            Regressions are only shuffled.
        task : {"classification", "regression"}, optional
            How to interpret y. By default strings are classes, and so are a few different whole
            numbers, or many consecutive ones from 0 or 1 with several rows each; numbers with
            fractions and many different whole numbers are a regression, whatever their dtype. The
            dataset's `choice` has the result and the reason.

        Returns
        -------
        Dataset
            For classes, ``y`` is int64 indices into ``class_labels``, the sorted labels of all
            parts; for a regression it is float64 and ``class_labels`` is None.

        Raises
        ------
        ValueError
            If the table has no labels; if test or validation are too large, or the file already has
            such rows; if the labels do not match the task; if, without a task, it is unclear, or
            the labels are row numbers or text that hardly repeats.
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
        """Hold out some rows without moving the others, for large files.

        A tenth of the rows, at most 10,000, are for validation, a fifth, at most 10,000, for the
        test: drawn at random and copied. The training rows are all rows of the file, with a
        `Dataset.train_weight` of 0 for those held out.

        Parameters
        ----------
        seed : int, default 0
            Of the random draw.
        task : {"classification", "regression"}, optional
            As for `split`.

        Returns
        -------
        Dataset

        Raises
        ------
        ValueError
            If the table has no labels, or they do not match the task.
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
        """Return the properties that a dataset inherits from its table."""
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
    """Return the number of rows to hold out, none if the file has separate ones."""
    if own is None:
        return held_out_rows(default if share is None else share, n_rows, name)
    if share is not None:
        raise ValueError(f"the file already has {len(own)} separate {name} rows; omit {name}=")
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
    """Return `count` of the shuffled rows, and the rest, both in order.

    With classes, each contributes proportionally, rounded down, and those with the largest
    remainders one row more.
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
