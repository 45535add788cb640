"""Which column of a table is predicted, and what its cells mean: classes or numbers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.bagging.targets import LARGEST
from fastnn.cli import reading
from fastnn.cli.settings import default_name
from fastnn.datasets.readers.label_column import LABEL_NAMES
from fastnn.datasets.tables import DEFAULT_TEST, Table
from fastnn.datasets.task import Task, TaskChoice, choose_task
from fastnn.tabular.frame import Column, Frame
from fastnn.tabular.identifiers import is_named_so, why_number, why_text
from fastnn.tabular.kinds import factorized, missing_in
from fastnn.tabular.names import near
from fastnn.validation.frames import some

USUAL_NAMES = (
    *("label", "labels", "target", "targets", "outcome", "response"),
    *("survived", "churn", "diagnosis"),  # of tables that people begin with
    *("class", "species", "y"),
)
"""What people call the column to be predicted, in the order of preference, in lower case.

``class`` is late since it may be one of a ship's or a school's.
"""

assert {*LABEL_NAMES} <= {*USUAL_NAMES}

FLAGS = {0.0: "false", 1.0: "true"}


@dataclass(frozen=True)
class Target:
    """The column to be predicted.

    Attributes
    ----------
    index : int
    name : str
    reason : str or None
        Why it was chosen, if it was not given.
    """

    index: int
    name: str
    reason: str | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """A table without the column to be predicted, and that column.

    Attributes
    ----------
    name : str
        Of the data, for titles.
    frame : Frame
        The rows whose target is known.
    labels : ndarray of shape (n_rows,)
        As in the file: int64, float64 or text.
    classes : ndarray of shape (n_classes,) or None
        Sorted; None for a regression.
    target : Target
    choice : TaskChoice
    n_columns : int
        Columns of the file, that of the target too.
    n_missing : int
        Rows that are left out, since their target is missing.
    note : str or None
        What was guessed about the target's cells.
    """

    name: str
    frame: Frame
    labels: NDArray[Any]
    classes: NDArray[Any] | None
    target: Target
    choice: TaskChoice
    n_columns: int
    n_missing: int
    note: str | None = None

    @property
    def y(self) -> NDArray[Any]:
        """Classes (n_rows,) int64, or numbers (n_rows, 1) float64."""
        if self.classes is None:
            return self.labels.astype(np.float64)[:, None]
        return np.searchsorted(self.classes, self.labels).astype(np.int64)

    @property
    def n_classes(self) -> int:
        """0 for a regression."""
        return 0 if self.classes is None else len(self.classes)

    def rows(self, which: NDArray[Any]) -> Problem:
        """Return the problem of some of the rows."""
        return replace(self, frame=self.frame.rows(which), labels=self.labels[which])

    def held_out(self) -> tuple[Problem, Problem]:
        """Return training and test rows: a fifth, always the same ones of a file, stratified."""
        train, test = held_out_rows(self.labels, self.choice.task)
        return self.rows(train), self.rows(test)


def held_out_rows(labels: NDArray[Any], task: Task) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of training rows, and of test rows: a fifth, stratified.

    They are always the same for the same labels.
    """
    numbers = np.arange(len(labels), dtype=np.float64)[:, None]
    parts = Table("table", numbers, labels, ("row",), "target").split(test=DEFAULT_TEST, task=task)
    train, test = (np.sort(part.x[:, 0].astype(np.int64)) for part in (parts.train, parts.test))
    return train, test


def problem(
    options: argparse.Namespace,
    kinds: Any,
    drop: Callable[[Sequence[str]], Collection[str]],
) -> Problem:
    """Read a table and choose the column to be predicted and the task.

    Parameters
    ----------
    options : argparse.Namespace
    kinds : mapping
        Kinds of columns that are not guessed, for `read_frame`.
    drop : callable
        Returns which columns are not looked at, given the names of all.

    Raises
    ------
    ValueError
        If the table cannot be read, or there is no such column, or nothing to learn in it.
    """
    source = reading.source_name(options.data)
    frame = reading.read(options, kinds, drop=drop)
    target = target_column(frame, options.label, source)
    if target.name in drop(frame.names):
        raise ValueError(
            f"--drop or --kind leaves out {target.name!r}, which is the target: --target selects "
            "another"
        )
    column = as_written(options, frame[target.name], kinds)
    known = known_rows(column, source)
    labels = labels_of(frame, column, source)[known]
    try:
        choice, classes = choose_task([labels], options.task)
    except ValueError as error:
        raise ValueError(f"{source}, target {said(target)}: {error}") from None
    if classes is None:
        _check_sizes(frame, labels, known, target.name, source)
    elif len(classes) < 2:
        raise ValueError(
            f"all rows of {source} have one class, {classes[0].item()!r}: there must be at least "
            f"two. The target is {said(target)}"
        )
    return Problem(
        Path(default_name(options.data)).stem,
        frame.without([target.name]).rows(known),
        labels,
        classes,
        target,
        choice,
        len(frame.columns),
        len(column.values) - len(known),
        column.note,
    )


def said(target: Target) -> str:
    """Return the target, why it was chosen, and the option that selects another."""
    if target.reason is None:
        return repr(target.name)
    return f"{target.name!r}, {target.reason} (--target selects another)"


def target_column(frame: Frame, given: str | None, source: str) -> Target:
    """Return the column that is predicted: the given one, else one by its name, else the last.

    Raises
    ------
    ValueError
        If there is no such column, or no other one.
    """
    names = frame.names
    if len(names) < 2:
        raise ValueError(
            f"{source} has {'one column' if names else 'no columns'}; expected at least one to "
            "learn from and one to predict (--delimiter says what separates them)"
        )
    if given is not None:
        return given_column(names, given, source)
    return _by_name(names) or _last(frame)


def given_column(names: Sequence[str], given: str, source: str) -> Target:
    """Return the column of that name, or index.

    Raises
    ------
    ValueError
        If there is none.
    """
    if given in names:
        return Target(list(names).index(given), given)
    try:
        index = int(given)
    except ValueError:
        like = near(given, names)
        hint = f"; did you mean {like!r}?" if like is not None else ""
        raise ValueError(f"{source} has no column {given!r}: it has {some(names)}{hint}") from None
    if not -len(names) <= index < len(names):
        raise ValueError(
            f"{source} has {len(names)} columns; --target {index} is out of range, count from 0 to "
            f"{len(names) - 1}, or from the end with -1"
        )
    return Target(index % len(names), names[index])


def _by_name(names: Sequence[str]) -> Target | None:
    """Return the column with a usual name, and name others that have one.

    A column y between others is a coordinate, if there is a column x.
    """
    lowered = [name.lower() for name in names]
    found = [
        lowered.index(usual)
        for usual in USUAL_NAMES
        if usual in lowered
        and (usual != "y" or "x" not in lowered or lowered.index("y") in (0, len(names) - 1))
    ]
    if not found:
        return None
    index, *others = found
    reason = f"column {index + 1} of {len(names)}, by its name"
    if others:
        reason += f", rather than {some([names[i] for i in others])}"
    return Target(index, names[index], reason)


def _last(frame: Frame) -> Target:
    """Return the last column that does not name the rows."""
    n = len(frame.columns)
    passed = []
    for index in reversed(range(n)):
        column = frame.columns[index]
        if column.kind == "time" or _identifies(column, index):
            passed.append(column.name)
            continue
        reason = "the last column" if not passed else f"the last column but {some(passed)}"
        return Target(index, column.name, reason + ("" if frame.has_names else ", without names"))
    raise ValueError(
        "no column seems worth predicting, as all of them name rows or hold times: select one with "
        "--target"
    )


def _identifies(column: Column, place: int) -> bool:
    """Return whether a column names rows instead of describing them."""
    if is_named_so(column.name):
        return True
    missing = missing_in(column)
    if column.kind == "number":
        x = column.values[~missing]
        return why_number(column.name, x, place, is_complete=not missing.any()) is not None
    if column.kind == "text":
        return why_text(factorized(column.values)[1], int((~missing).sum())) is not None
    return False


def as_written(options: argparse.Namespace, column: Column, kinds: Any) -> Column:
    """Return a column of flags as the words in the file; others as they are."""
    if column.kind != "flag":
        return column
    again = reading.read(
        options,
        {**(kinds or {}), column.name: "text"},
        drop=lambda names: {*names} - {column.name},
    )[column.name]
    if {*again.values.tolist()} <= {"0", "1", None}:  # flags of a Parquet file
        words = [FLAGS.get(value) for value in column.values.tolist()]
        return replace(again, values=np.array(words, object))
    return again


def known_rows(column: Column, source: str) -> NDArray[np.int64]:
    """Return the numbers of the rows whose target is not missing.

    Raises
    ------
    ValueError
        If there are none.
    """
    missing = missing_in(column)
    if missing.all():
        why = f" ({column.note})" if column.note else ""
        raise ValueError(f"{source}: all cells of the target {column.name!r} are missing{why}")
    return np.flatnonzero(~missing)


def _check_sizes(
    frame: Frame, labels: NDArray[Any], known: NDArray[np.int64], name: str, source: str
) -> None:
    """Refuse targets whose squares overflow, which are those of rows `known`; name the place."""
    too_large = np.flatnonzero(np.abs(labels) > LARGEST)
    if len(too_large):
        first = too_large[0]
        raise ValueError(
            f"{source}, {frame.place_of(known[first])}: the target {name!r} is {labels[first]}, "
            f"and must be within ±{LARGEST:g}: correct it, leave the row out, or scale all targets "
            "down"
        )


def labels_of(frame: Frame, column: Column, source: str) -> NDArray[Any]:
    """Return the cells of a target as labels: int64, float64, or text; missing ones as anything.

    `column` is one of the frame's.

    Raises
    ------
    ValueError
        If they are times, or infinite.
    """
    if column.kind == "time":
        raise ValueError(
            f"{source}: the target {column.name!r} holds times, which are not predicted: select "
            "another column with --target, or write it as a number, such as days since a date"
        )
    values = column.values
    if column.kind == "text":
        return np.array(["" if value is None else value for value in values.tolist()], str)
    known = values[~np.isnan(values)]
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise ValueError(
            f"{source}: the target {column.name!r} holds infinite numbers, {len(infinite):,} of "
            f"{len(values):,}, the first in {frame.place_of(infinite[0])}: make them missing, or "
            "correct them"
        )
    filled = np.where(np.isnan(values), 0.0, values)
    is_whole = (known == np.trunc(known)).all() and (np.abs(known) < 2**53).all()
    return filled.astype(np.int64) if is_whole else filled
