"""What `fastnn train` must know of a table before it trains: found by workers, then joined.

One pass over the partitions checks that their values are numbers, counts rows and labels, and
measures the training columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.cluster import Cluster
from fastnn.dask.moments import Moments, moments_of
from fastnn.dask.partitions import MOST_CLASSES, Raw, n_rows_of, named
from fastnn.dask.splits import label_values, numbers, split_rows
from fastnn.datasets.task import (
    Task,
    TaskChoice,
    check_no_row_numbers,
    choose_task_of,
    several_numbers,
)
from fastnn.system.printable import named as printable
from fastnn.validation.parameters import parameter

PARTS = ("train", "validation", "test")


class Labels(NamedTuple):
    """The labels of some rows: the distinct ones and how often each occurs."""

    values: Array
    counts: NDArray[np.int64]


class Found(NamedTuple):
    """What a worker found in a partition.

    Attributes
    ----------
    n_rows : dict
        By part of the split.
    dtype : str
        Of x; "" without rows.
    width : int or None
        Columns of y; None of a single one without a second axis.
    is_text : bool
        Whether labels are text.
    is_one_hot : bool
        Whether each row of y has a single 1 and otherwise 0.
    labels : dict or None
        By part of the split; None if there are more than `MOST_CLASSES`, or several columns.
    inputs, targets : Moments or None
        Of the training rows.
    """

    n_rows: dict[str, int]
    dtype: str = ""
    width: int | None = None
    is_text: bool = False
    is_one_hot: bool = False
    labels: dict[str, Labels] | None = None
    inputs: Moments | None = None
    targets: Moments | None = None


def find(raw: Raw, number: int, names: Sequence[str], seed: int) -> Found:
    """Return what is found in a partition whose columns have these names.

    Raises
    ------
    ValueError
        If a value is not finite, or a label is neither text nor a number.
    """
    n_rows = n_rows_of(raw)
    rows = split_rows(n_rows, number, seed)
    counts: dict[str, int] = {part: len(rows[part]) for part in rows}
    if not n_rows:
        return Found(dict.fromkeys(counts, 0))
    with named(number):
        x, y = numbers(raw[0]), label_values(raw[1])
        _check_finite(x, names, "column")
        is_text = y.dtype.kind == "U"
        if not is_text:
            _check_finite(y, [""], "the label")
    train = rows["train"]
    one_hot = y.ndim == 2 and y.shape[1] > 1 and _is_one_hot(y)
    labels: dict[str, Labels] | None = None
    if y.ndim == 1 or one_hot:
        distinct, of_row = np.unique(np.argmax(y, axis=1) if one_hot else y, return_inverse=True)
        if len(distinct) <= MOST_CLASSES:
            labels = {
                part: Labels(distinct, np.bincount(of_row[rows[part]], minlength=len(distinct)))
                for part in rows
            }
    return Found(
        counts,
        x.dtype.name,
        None if y.ndim == 1 else y.shape[1],
        is_text,
        one_hot,
        labels,
        None if x.dtype == np.uint8 or not len(train) else Moments.of(x[train]),
        None if is_text or not len(train) else Moments.of(y[train].reshape(len(train), -1)),
    )


class Survey(NamedTuple):
    """What was found in all partitions.

    Attributes
    ----------
    n_rows : dict
        By part of the split.
    largest : int
        Training rows of the largest partition.
    n_filled : int
        Partitions that have training rows.
    dtype : str
        Of x: "uint8", "float32" or "float64".
    n_out : int
        Classes or targets.
    choice : TaskChoice
    class_labels : ndarray or None
        Sorted; None of a regression.
    one_hot : bool
        Whether the labels are one-hot rows.
    counts : dict
        How many rows each class has, by part of the split; empty of a regression.
    inputs, targets : Moments or None
        None of bytes, and of text.
    """

    n_rows: dict[str, int]
    largest: int
    n_filled: int
    dtype: str
    n_out: int
    choice: TaskChoice
    class_labels: Array | None
    one_hot: bool
    counts: dict[str, NDArray[np.int64]]
    inputs: Moments | None
    targets: Moments | None


def survey(
    cluster: Cluster,
    nodes: Sequence[Any],
    names: Sequence[str],
    task: Task | None,
    seed: int,
    table_name: str,
) -> Survey:
    """Return what is found in the partitions of a table.

    Parameters
    ----------
    cluster : Cluster
    nodes : sequence
        Of partitions (x, y, None), by number.
    names : sequence of str
        Of the columns of x.
    task : {"classification", "regression"}, optional
        As for `Table.split`.
    seed : int
        Of the split.
    table_name : str
        What errors call the table.

    Raises
    ------
    ValueError
        If it has no rows, or its values or labels are invalid.
    """
    shared = cluster.share(tuple(names))

    def build(number: int) -> Any:
        return cluster.call(find, nodes[number], number, shared, seed)

    tasks = [cluster.submit(partial(build, number), [shared]) for number in range(len(nodes))]
    found: list[Found] = cluster.results(tasks)
    n_rows = {part: sum(each.n_rows[part] for each in found) for part in PARTS}
    filled = [each for each in found if each.dtype]
    if not n_rows["train"]:
        raise ValueError(f"{table_name} has no rows in any of its {len(found)} partitions")
    dtypes = sorted({each.dtype for each in filled})
    if len(dtypes) > 1:
        raise ValueError(
            f"the partitions of {table_name} hold values of {' and '.join(dtypes)}: convert all "
            "to one dtype"
        )
    choice, labels, width = _choose(filled, task)
    inputs = [each.inputs for each in filled if each.inputs is not None]
    targets = [each.targets for each in filled if each.targets is not None]
    return Survey(
        n_rows,
        max(each.n_rows["train"] for each in found),
        sum(each.n_rows["train"] > 0 for each in found),
        dtypes[0],
        width if labels is None else len(labels),
        choice,
        labels,
        labels is not None and filled[0].is_one_hot,
        {} if labels is None else _counts(filled, labels),
        moments_of(inputs) if inputs else None,
        moments_of(targets) if targets else None,
    )


def _choose(found: Sequence[Found], task: Task | None) -> tuple[TaskChoice, Array | None, int]:
    """Return the task, the labels if they are classes, and the columns of y."""
    if len({(each.is_text, each.width) for each in found}) > 1:
        raise ValueError("the labels of the partitions differ in kind or width")
    width = found[0].width
    if width is not None and not all(each.is_one_hot for each in found):
        return several_numbers(width, task), None, width
    if all(each.labels is not None for each in found):
        labels, counts = _joined([part for each in found for part in (each.labels or {}).values()])
        whole = labels.dtype.kind != "U" and bool((labels == np.trunc(labels)).all())
        if task is None and whole and counts.max() == 1:
            check_no_row_numbers(labels)
        choice, labels_or_none = choose_task_of(labels, counts, task)
        return choice, labels_or_none, 1
    many = f"more than {MOST_CLASSES:,} different"
    if found[0].is_text or task == "classification":
        kind = "text" if found[0].is_text else "numbers"
        raise ValueError(
            f"the labels are {kind}, {many} ones in a partition, too many for classes: select the "
            f"label column with {parameter('label')}"
        )
    return TaskChoice("regression", f"{many} numbers", named=task is not None), None, 1


def _joined(parts: Sequence[Labels]) -> Labels:
    """Return the distinct labels of all parts, sorted, and how often each occurs."""
    counts: Counter[Any] = Counter()
    for values, of_part in parts:
        for value, count in zip(values.tolist(), of_part.tolist(), strict=True):
            counts[value] += count
    values = np.unique(np.concatenate([part.values for part in parts]))
    return Labels(values, np.array([counts[value] for value in values.tolist()], np.int64))


def _counts(found: Sequence[Found], labels: Array) -> dict[str, NDArray[np.int64]]:
    counts = {part: np.zeros(len(labels), np.int64) for part in PARTS}
    for each in found:
        for part, (values, of_part) in (each.labels or {}).items():
            counts[part][np.searchsorted(labels, values)] += of_part
    return counts


def _check_finite(values: Array, names: Sequence[str], what: str) -> None:
    """Check that numbers are finite; errors give the row within the partition."""
    if values.dtype.kind != "f":
        return
    finite = np.isfinite(values)
    if finite.all():
        return
    row, column = divmod(int(np.argmin(finite)), values.shape[1] if values.ndim == 2 else 1)
    where = f"{what} {printable(names[column])}" if what == "column" else what
    raise ValueError(
        f"{where}: got {values.flat[np.argmin(finite)]} in row {row} of the partition, expected a "
        f"finite number; {np.count_nonzero(~finite)} of {finite.size} values are not. Fill such "
        "cells, for example with the median, or remove their rows or the column"
    )


def _is_one_hot(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
