"""Inference of the task from the labels: classification or regression, with the reason.

Text is classes. Numbers with fractions are a regression, and so are many different whole numbers;
a few of them, or consecutive numbers from 0 or 1 with several rows each, are classes, where 1.0 is
the same label as 1. Cases in between are a regression if written with a decimal point, as amounts
are, and otherwise an error that asks for the task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnn.validation.parameters import parameter

Array = NDArray[Any]
Task = Literal["classification", "regression"]

FEW = 10
"""Maximum number of different whole numbers that are classes, if each occurs twice or more: digits,
a rating from 1 to 10."""
MANY = 50
"""Above this number, whole numbers are not classes unless they are consecutive: years, prices."""
ROWS_A_CLASS = 5
"""Minimum occurrences of each of more than `FEW` consecutive numbers: unlike classes, counts of
events have rare large values."""


@dataclass(frozen=True)
class TaskChoice:
    """The task, and why.

    Parameters
    ----------
    task : {"classification", "regression"}
    reason : str
        Such as ``"214 different whole numbers"``.
    named : bool
        Whether the task was given, not inferred.
    open : bool
        Whether the other task would be possible too.
    """

    task: Task
    reason: str
    named: bool = False
    open: bool = False


def choose_task(parts: list[Array], task: Task | None) -> tuple[TaskChoice, Array | None]:
    """Return the task, and the sorted labels of all parts if they are classes.

    Parameters
    ----------
    parts : list of ndarray
        Labels as in files: int64, float64 or text (n_rows,), or float64 (n_rows, n_out).
    task : {"classification", "regression"}, optional
        The task, if given.

    Raises
    ------
    ValueError
        If they do not match the given task; if, without one, it is unclear, or the
        labels are row numbers, or text that hardly repeats.
    """
    if task not in (None, "classification", "regression"):
        raise ValueError(f"task must be classification or regression, got {task!r}")
    if len({(y.dtype.kind == "U", y.shape[1:]) for y in parts}) > 1:
        raise ValueError("the labels of the file's parts differ in kind or width")
    y = np.concatenate(parts)
    if y.ndim == 2:
        return several_numbers(y.shape[1], task), None
    labels, counts = np.unique(y, return_counts=True)
    if task is None and y.dtype.kind != "U" and (labels == np.trunc(labels)).all():
        check_no_row_numbers(parts[0])
    return choose_task_of(labels, counts, task)


def choose_task_of(
    labels: Array, counts: NDArray[np.int64], task: Task | None
) -> tuple[TaskChoice, Array | None]:
    """Return the same for labels that are distinct and sorted, and how often each occurs."""
    n_rows = int(counts.sum())
    if labels.dtype.kind == "U":
        return _of_text(labels, n_rows, task), labels
    if (labels != np.trunc(labels)).any():
        return _of_fractions(labels, n_rows, task), None
    if task is None:
        choice = _of_whole_numbers(labels, counts, labels.dtype.kind == "f")
    else:
        choice = TaskChoice(task, _different(labels, "whole number"), named=True)
    if choice.task == "regression":
        return choice, None
    exact = np.abs(labels).max() < 2**53
    return choice, labels.astype(np.int64) if exact else labels


def several_numbers(n_numbers: int, task: Task | None) -> TaskChoice:
    """Return the task of targets (n_rows, n_numbers)."""
    if task == "classification":
        raise ValueError(
            f"{parameter('task', 'classification')} needs one label per row, text or a whole "
            f"number; these are {n_numbers} numbers per row"
        )
    return TaskChoice("regression", f"{n_numbers} numbers per row", named=task is not None)


def _of_text(labels: Array, n_rows: int, task: Task | None) -> TaskChoice:
    if task == "regression":
        raise ValueError(
            f"{parameter('task', 'regression')} needs numbers, but labels are text, such as "
            f"{str(labels[0])!r}"
        )
    n_labels = len(labels)
    hardly_repeats = n_labels == n_rows or 2 * n_labels > max(n_rows, 2 * FEW)
    if task is None and n_rows > 1 and hardly_repeats:
        raise ValueError(
            f"the labels are text, {n_labels} different ones in {n_rows} rows, such as "
            f"{str(labels[0])!r}: probably names or identifiers. Select the label column with "
            f"{parameter('label')}, or use {parameter('task', 'classification')} if these are "
            "classes"
        )
    return TaskChoice("classification", f"text, {n_labels} different", named=task is not None)


def _of_fractions(labels: Array, n_rows: int, task: Task | None) -> TaskChoice:
    if task == "classification":
        raise ValueError(
            f"{parameter('task', 'classification')} needs one label per row, text or a whole "
            "number; these are numbers with fractions"
        )
    if task is None and len(labels) == 1 and n_rows > 1:
        raise ValueError(
            f"all {n_rows} rows have the label {labels[0]}. Select the label column with "
            f"{parameter('label')}"
        )
    return TaskChoice("regression", _different(labels, "number"), named=task is not None)


def _of_whole_numbers(labels: Array, counts: NDArray[np.int64], as_floats: bool) -> TaskChoice:
    n_labels, n_rows, rarest = len(labels), counts.sum(), counts.min()
    low, high = labels[0], labels[-1]
    found = _different(labels, "whole number")
    if n_labels <= 2 < n_rows or (n_labels <= FEW and rarest >= 2):
        return TaskChoice("classification", found, open=True)
    if low in (0, 1) and high - low + 1 == n_labels and rarest >= ROWS_A_CLASS:
        reason = f"{found}, {low:.0f} to {high:.0f}, each in at least {rarest} rows"
        return TaskChoice("classification", reason, open=True)
    if n_labels > MANY or (n_labels > FEW and (as_floats or 2 * n_labels > n_rows)):
        return TaskChoice("regression", found, open=True)
    raise ValueError(
        f"{n_labels} different whole numbers as labels of {n_rows} rows, from {low:.0f} to "
        f"{high:.0f}: specify whether they are classes or amounts, with "
        f"{parameter('task', 'classification')} or {parameter('task', 'regression')}"
    )


def check_no_row_numbers(y: Array) -> None:
    """Check that labels do not count the rows from 0 or 1."""
    if len(y) > 2 and y[0] in (0, 1) and y[-1] - y[0] == len(y) - 1 and (np.diff(y) == 1).all():
        raise ValueError(
            f"the labels are row numbers, {y[0]:.0f}, {y[1]:.0f}, {y[2]:.0f} and so on: "
            f"{len(y)} different whole numbers as labels of {len(y)} rows. Select the label column "
            f"with {parameter('label')}, or use {parameter('task', 'regression')} if these are "
            "amounts"
        )


def _different(labels: Array, what: str) -> str:
    return f"{len(labels)} different {what}{'s' if len(labels) > 1 else ''}"
