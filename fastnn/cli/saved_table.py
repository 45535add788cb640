"""Rows of a file for a saved network that takes tables: read as its training table was."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.cli import reading
from fastnn.cli.column_options import resolved
from fastnn.cli.target import as_written, given_column, held_out_rows, known_rows, labels_of
from fastnn.datasets.task import Task
from fastnn.system.printable import named
from fastnn.tabular import Columns, Frame
from fastnn.tabular.frame import Column
from fastnn.tabular.names import check_known
from fastnn.tabular.read_column import ReadColumn
from fastnn.training.fit_description import rows_checksum
from fastnn.validation.frames import some


class Rows(NamedTuple):
    """Rows to predict.

    Attributes
    ----------
    frame : Frame
        Without the column of the target.
    target : Column or None
        It, if the file has it.
    kept : tuple of Column
        Columns to be copied beside the predictions, as text.
    """

    frame: Frame
    target: Column | None
    kept: tuple[Column, ...] = ()


def takes_tables(model: Any) -> bool:
    """Return whether a saved network, or ensemble, takes tables as they come."""
    return model.columns is not None


def rows(
    options: argparse.Namespace,
    model: Any,
    *,
    given: str | None = None,
    keep: Sequence[str] | None = None,
) -> Rows:
    """Read a file as the training table was read.

    Its columns are matched by name later, or by position if the file or the network has no names,
    with a note. Others than those that are read are not looked at.

    Parameters
    ----------
    options : argparse.Namespace
    model : Network or Ensemble
        With columns.
    given : str, optional
        The column of the target, by default the one in training.
    keep : sequence of str, optional
        Columns to be copied, as `fastnn.cli.column_options.resolved` takes them.

    Raises
    ------
    ValueError
        If a cell cannot be read as in training, or a column to keep is not there; or if columns
        are matched by position and their number is another.
    """
    columns: Columns = model.columns
    with reading.read_again(options.data):
        found = None
        if columns.has_names:
            found = _by_name(options, columns, model.trained_on.label_name, given)
        if found is None or not found.frame.has_names:
            found = _by_position(options, columns, model.trained_on.label_name, given)
        names = resolved(keep, found.names)
        check_known("--keep", names, found.names)
        kept: tuple[Column, ...] = ()
        if names:
            kinds = dict.fromkeys(names, "text")
            again = reading.read(options, kinds, as_is=names, drop=lambda all: {*all} - {*names})
            kept = tuple(again[name] for name in names)
        target = found.target
        if target is not None:
            target = as_written(options, target, {target.name: target.kind})
    known = {column.name for column in columns.table}
    only_kept = [name for name in names if name not in known] if found.frame.has_names else []
    return Rows(found.frame.without(only_kept), target, kept)


class _Read(NamedTuple):
    """Columns to predict from, the target if the file has it, and the names of all columns."""

    frame: Frame
    target: Column | None
    names: tuple[str, ...]


def _by_name(
    options: argparse.Namespace, columns: Columns, label: str | None, given: str | None
) -> _Read:
    """Read the columns that the network reads, and the target."""
    read = {column.name: column for column in columns.table if column.encoding}
    target = label

    def unread(names: Sequence[str]) -> Collection[str]:
        nonlocal target
        if given is not None:
            target = given_column(names, given, reading.source_name(options.data)).name
        return {*names} - {*read, target} if {*names} & {*read} else ()

    kinds = {name: c.encoding.kind for name, c in read.items() if c.encoding and name != label}
    frame = reading.read(options, kinds, _notations(list(read.values()), list(read)), drop=unread)
    found = frame[target] if target is not None and target in frame.names else None
    known = {column.name for column in columns.table}
    others = [name for name in (label, target) if name is not None and name not in known]
    return _Read(frame.without(others), found, frame.names)


def _by_position(
    options: argparse.Namespace, columns: Columns, label: str | None, given: str | None
) -> _Read:
    """Read a file whose columns are those of the training table in its order, as a note says.

    It may have the target, too, if that is selected or its name tells which it is.
    """
    source, n = reading.source_name(options.data), len(columns.table)
    plain = reading.read(options)
    names, target = list(plain.names), None
    if given is not None:
        target = given_column(names, given, source).name
    elif label in names and len(names) == n + 1:
        target = label
    features = [name for name in names if name != target]
    why = f"{source} has no header" if not plain.has_names else "the network knows no names"
    trained = [column.name for column in columns.table]
    if len(features) != n:
        advice = ""
        if len(names) == n + 1 and given is None:
            advice = "; if one is the target, " + (
                "select it, as --target -1 the last one"
                if options.command == "evaluate"
                else "leave it out, or write the names of all into a first line"
            )
        raise ValueError(
            f"columns are matched by position, since {why}: expected the {n} columns of the "
            f"training table in its order, {some(trained)}, got {len(features)}"
            f"{' beside the target' if target is not None else ''}{advice}"
        )
    read = [(name, c) for name, c in zip(features, columns.table, strict=True) if c.encoding]
    kinds = {name: c.encoding.kind for name, c in read if c.encoding}
    notations = _notations([c for _, c in read], [name for name, _ in read])
    frame = reading.read(options, kinds, notations)
    note = f"columns are matched by position, as {some(trained)}, since {why}"
    if not plain.has_names and columns.has_names:
        note += " (--header if its first line holds names)"
    found = None if target is None else frame[target]
    frame = frame.without(() if target is None else (target,))
    return _Read(replace(frame, notes=(*frame.notes, note)), found, tuple(names))


def _notations(read: Sequence[ReadColumn], names: Sequence[str]) -> dict[str, str]:
    """Return how columns were written in the training file, by their names in another.

    Numbers without decimals are like the others, if these are alike.
    """
    marks = {column.notation for column in read if column.notation in (".", ",")}
    mark = marks.pop() if len(marks) == 1 else None
    found = {
        name: column.notation or (mark if column.read_as == "number" else None)
        for name, column in zip(names, read, strict=True)
    }
    return {name: notation for name, notation in found.items() if notation is not None}


def classes_of(model: Any) -> tuple[Any, ...] | None:
    """Return the classes of a network, of which a row has one; None if it predicts others."""
    a = model.architecture
    if not a.one_class_a_row:
        return None
    return model.class_labels or tuple(range(a.n_classes))


def probabilities(model: Any, p: NDArray[Any]) -> NDArray[Any]:
    """Return the probability of each class (n_rows, n_classes); one output is of the second."""
    if model.architecture.one_class_a_row and p.shape[1] == 1:
        return np.hstack([1 - p, p])
    return p


def asked(options: argparse.Namespace, call: Any, frame: Frame) -> Any:
    """Return what a network says about a table; an error about x names the file."""
    try:
        return call(frame, progress=False)
    except (TypeError, ValueError) as error:
        text = str(error)
        if not text.startswith("x "):
            raise
        raise ValueError(
            f"{reading.source_name(options.data)}: its table {text.removeprefix('x ')}"
        ) from None


class Labelled(NamedTuple):
    """Rows to evaluate a network on.

    Attributes
    ----------
    frame : Frame
    y : ndarray
        Classes (n_rows,) int64, or numbers (n_rows, 1).
    target : str
    n_missing : int
        Rows that were left out, since their target is missing.
    n_others : int
        Rows of the file that the network was trained on, which were left out.
    all_learned : bool
        Whether the network was trained on all these rows.
    """

    frame: Frame
    y: NDArray[Any]
    target: str
    n_missing: int
    n_others: int
    all_learned: bool


def labelled(options: argparse.Namespace, model: Any) -> Labelled:
    """Return the rows of a file with their targets; of the training file those held out.

    Raises
    ------
    ValueError
        If there is no target, or one that is none of the network's classes.
    """
    source = reading.source_name(options.data)
    a = model.architecture
    if a.classifies and not a.one_class_a_row:
        raise ValueError(
            f"{named(options.model)} predicts {a.n_out} labels per row, which is evaluated in "
            "Python only: fastnn.load(path).evaluate(x, y)"
        )
    if options.label is None and model.trained_on.label_name is None:
        raise ValueError(
            f"{named(options.model)} does not know the name of the column that it predicts: give "
            "it as --target"
        )
    found = rows(options, model, given=options.label)
    if found.target is None:
        raise ValueError(
            f"{source} has no column {model.trained_on.label_name!r}, which the network predicts: "
            f"it has {some(found.frame.names)}; select another with --target"
        )
    known = known_rows(found.target, source)
    frame = found.frame.rows(known)
    labels = labels_of(found.frame, found.target, source)
    n_missing = len(labels) - len(known)
    labels = labels[known]
    y = _targets(model, labels, found.target.name, source)
    checksum = model.trained_on.training_rows
    if checksum is None:
        return Labelled(frame, y, found.target.name, n_missing, 0, False)

    def are_learned(rows: NDArray[np.int64]) -> bool:
        label = model.trained_on.label_name
        ignored = () if label is None else (label,)
        x = asked(options, lambda x, **_: model.columns.rows(x, ignored=ignored), frame.rows(rows))
        return bool(rows_checksum(x, y[rows]) == checksum)

    task: Task = "classification" if model.architecture.classifies else "regression"
    try:
        train, test = held_out_rows(labels, task)
    except ValueError:  # too few rows, or other labels
        return Labelled(frame, y, found.target.name, n_missing, 0, False)
    if are_learned(train):
        return Labelled(frame.rows(test), y[test], found.target.name, n_missing, len(train), False)
    return Labelled(frame, y, found.target.name, n_missing, 0, are_learned(np.arange(len(y))))


def _targets(model: Any, labels: NDArray[Any], name: str, source: str) -> NDArray[Any]:
    """Return labels as classes of a network (n_rows,), or as numbers (n_rows, 1)."""
    is_text = labels.dtype.kind == "U"
    if not model.architecture.classifies:
        if is_text:
            raise ValueError(
                f"{source}: the target {name!r} holds text such as {labels[0].item()!r}, but the "
                "network predicts numbers: select another column with --target"
            )
        return labels.astype(np.float64)[:, None]
    known = classes_of(model)
    assert known is not None
    if not is_text and isinstance(known[0], str):
        labels = labels.astype(str)
    numbers = {label: k for k, label in enumerate(known)}
    distinct, at = np.unique(labels, return_inverse=True)
    unknown = [label for label in distinct.tolist() if label not in numbers]
    if unknown:
        raise ValueError(
            f"{source}: the target {name!r} holds {unknown[0]!r}, which is not one of the "
            f"network's classes, {some([str(label) for label in known])}: select another column "
            "with --target, or correct the file"
        )
    return np.array([numbers[label] for label in distinct.tolist()], np.int64)[at]
