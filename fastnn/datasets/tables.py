"""A table from a CSV or NPZ file: rows of numbers with a label each, ready to be split.

Labels that are strings or whole numbers are classes, numbered in sorted order; other numbers are
the targets of a regression. A stratified split gives each part its share of every class.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.known_columns import KnownColumns
from fastnn.datasets.split import Dataset, Split, held_out_rows
from fastnn.memory_maps import walk
from fastnn.trained_on import TrainedOn

ZIP_MAGIC = b"PK\x03\x04"
DEFAULT_TEST = 0.2
DEFAULT_VALIDATION = 0.1
MAX_HELD_OUT = 10_000
"""Rows held out of a file too large to copy: they tell an accuracy to half a percent."""

Array = NDArray[Any]
Task = Literal["classification", "regression"]


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of features with a label each, as a file has them.

    Parameters
    ----------
    name : str
        The file's name without its suffix.
    x : ndarray (n_rows, n_features), float64, float32 or uint8
        Features: float64 from a CSV; from an NPZ in the file's own precision, images as bytes.
    y : ndarray (n_rows,) int64, float64 or strings; (n_rows, n_out) float64; or None
        Labels as the file has them; None if they were not asked for.
    feature_names : tuple of str
        The header's, or "column 1" and so on.
    label_name : str or None
        What the label column is called.
    validation, test : Split or None
        Rows that the file itself sets apart, with labels as it has them.
    """

    name: str
    x: Array
    y: Array | None
    feature_names: tuple[str, ...]
    label_name: str | None
    validation: Split | None = None
    test: Split | None = None

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
            What y means. By default strings and whole numbers are classes.

        Returns
        -------
        Dataset
            For classes, ``y`` is int64 and counts into ``class_labels``, the sorted labels of all
            parts; for a regression it is float64 and ``class_labels`` is None.

        Raises
        ------
        ValueError
            If the table has no labels; if test or validation do not fit, or the file already sets
            such rows apart; if more than half of the rows have a whole number of their own and
            task does not say what that means; if the labels do not suit the task.
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
        class_labels = _class_labels([self.y, *parts], task)

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
            feature_names=self.feature_names,
            label_name=self.label_name,
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
        class_labels = _class_labels([self.y], task)
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
            feature_names=self.feature_names,
            label_name=self.label_name,
        )


def read_table(
    path: str | os.PathLike[str],
    *,
    label: str | int | None = None,
    header: bool | None = None,
    trained_on: TrainedOn | None = None,
) -> Table:
    """Read features and labels from a CSV or NPZ file.

    A CSV file is UTF-8 text, one row a line, separated by comma, semicolon or tab (whichever the
    first line has most of), cells quoted or not. Every cell but the label must be a finite number.

    An NPZ file has arrays ``x`` and ``y``, or ``x_train`` and ``y_train`` with perhaps ``x_test``,
    ``y_test``, ``x_validation`` and ``y_validation``. Rows of more than one dimension, as images
    are, become flat; one-hot labels become integers. Nothing is ever unpickled.

    Parameters
    ----------
    path : str or os.PathLike
        NPZ if it ends in ``.npz`` or begins as a zip file does; CSV otherwise.
    label : str or int, optional
        The label column of a CSV file: its name in the header, or its index, from the end if
        negative; a string of digits is an index if no column is called that. By default a column
        called label, target, class or y in the header, or else the last column. False reads a
        file without labels, to predict on: every column of a CSV is a feature then.
    header : bool, optional
        Whether the first line of a CSV file names the columns. By default it does if none of its
        cells is a number, or if they count the columns from 0 beside a usual name of a label.
    trained_on : TrainedOn, optional
        The `Network.trained_on` of a network that the rows are for. If it knows the names of its
        columns, a CSV file with a header is matched by name: the features come in the network's
        order, and its label is the label, or left out with ``label=False``. A file without a
        header, and an NPZ, are read as ever.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If the file is not such a table, or lacks known columns or has others. For a CSV, the
        message names the line and the column.
    TypeError
        If label or header is of the wrong kind.
    OSError
        If the file cannot be opened or read.
    """
    if label is True or not isinstance(label, str | int | None):
        raise TypeError(f"label must be a column's name or index, or False for none, got {label!r}")
    if not isinstance(header, bool | None):
        raise TypeError(f"header must be True, False or None, got {header!r}")
    path = Path(path)
    with path.open("rb") as file:
        is_npz = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC or path.suffix.lower() == ".npz"
    if not is_npz:
        from fastnn.datasets.csv_table import read_csv  # here, for a quick `import fastnn`

        known = None
        if trained_on is not None:
            known = KnownColumns(trained_on.feature_names, trained_on.label_name)
        columns = read_csv(path, label, header, known)
        return Table(
            path.stem, columns.features, columns.labels, columns.feature_names, columns.label_name
        )
    if label is not None and label is not False:
        raise ValueError(f"{path}: label={label!r} names a column of a CSV; an NPZ has its array y")
    from fastnn.datasets.npz_table import read_npz

    parts = read_npz(path, with_labels=label is None)
    x, y = parts["all"] if "all" in parts else parts["train"]

    def own(part: str) -> Split | None:
        part_x, part_y = parts.get(part, (x[:0], None))
        return None if part_y is None else Split(part_x, part_y)

    names = tuple(f"column {i + 1}" for i in range(x.shape[1]))
    label_name = None if y is None else "y"
    return Table(path.stem, x, y, names, label_name, own("validation"), own("test"))


def _share(
    name: str, share: int | float | None, own: Split | None, default: int | float, n_rows: int
) -> int:
    """Return how many rows to set apart, none if the file brings its own."""
    if own is None:
        return held_out_rows(default if share is None else share, n_rows, name)
    if share is not None:
        raise ValueError(f"the file has {len(own)} {name} rows of its own; leave {name}= out")
    return 0


def _class_labels(parts: list[Array], task: Task | None) -> Array | None:
    """Return the sorted labels of all parts if they are classes, None if they are targets."""
    if task not in (None, "classification", "regression"):
        raise ValueError(f"task must be classification or regression, got {task!r}")
    if len({(y.dtype.kind == "U", y.shape[1:]) for y in parts}) > 1:
        raise ValueError("the labels of the file's parts differ in kind or width")
    y = np.concatenate(parts)
    is_text = y.dtype.kind == "U"
    if task == "regression":
        if is_text:
            raise ValueError(
                f"task='regression' needs numbers, but labels are text, as {str(y[0])!r}"
            )
        return None
    countable = is_text or (y.ndim == 1 and bool((y == np.trunc(y)).all()))
    if not countable:
        if task is None:
            return None
        raise ValueError(
            "task='classification' needs one label a row, text or a whole number; these are "
            "fractions, or several numbers a row"
        )
    labels = np.unique(y)
    if task is None and not is_text and 2 * len(labels) > len(y):
        raise ValueError(
            f"{len(labels)} different whole numbers as labels of {len(y)} rows: say whether they "
            "are classes or amounts, with task='classification' or task='regression'"
        )
    exact = not is_text and np.abs(labels).max() < 2**53
    return labels.astype(np.int64) if exact else labels


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
