"""Rows of a file for a saved network that takes tables: read as its training table was."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.cli import reading
from fastnn.cli.target import as_written, held_out_rows, labels_of, target_column
from fastnn.datasets.task import Task
from fastnn.system.printable import named
from fastnn.tabular import Columns, Frame
from fastnn.tabular.frame import Column
from fastnn.tabular.kinds import missing_in
from fastnn.tabular.names import check_known
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
    keep: Collection[str] = (),
) -> Rows:
    """Read a file as the training table was read; columns are matched by name later.

    Parameters
    ----------
    options : argparse.Namespace
    model : Network or Ensemble
        With columns.
    given : str, optional
        The column of the target, by default the one in training.
    keep : collection of str
        Columns to be copied.

    Raises
    ------
    ValueError
        If a cell cannot be read as in training, or a column to keep is not there.
    """
    columns: Columns = model.columns
    label = model.trained_on.label_name
    with reading.read_again(options.data):
        kinds = {column.name: column.encoding.kind for column in columns.table if column.encoding}
        kinds |= {name: "text" for name in keep if name not in kinds}
        if not columns.has_names:
            kinds = _kinds_by_position(reading.read(options), columns, label)
        kinds_of_x = {name: kind for name, kind in kinds.items() if name != label}
        frame = reading.read(options, kinds_of_x, _notations(columns, list(kinds)))
        check_known("--keep", keep, frame.names)
        if given is not None:
            label = target_column(frame, given, _source(options)).name
        target = None
        if label in frame.names and not _is_complete(frame, columns):
            target = as_written(options, frame[label], kinds)
        kept: tuple[Column, ...] = ()
        if keep:
            again = reading.read(options, dict.fromkeys(frame.names, "text"), as_is=keep)
            kept = tuple(again[name] for name in keep)
    known = {column.name for column in columns.table}
    others = [name for name in keep if name not in known]
    if columns.has_names:
        names = [label] if label is not None and label not in known else []
    else:
        names = [] if target is None else [target.name]
    return Rows(frame.without([*names, *others]), target, kept)


def _notations(columns: Columns, names: Sequence[str]) -> dict[str, str]:
    """Return how columns were written in the training file, by name, or by place of `names`.

    Numbers without decimals are like the others, if these are alike.
    """
    read = [column for column in columns.table if column.encoding is not None]
    if not columns.has_names:
        read = read if len(read) == len(names) else []
    else:
        names = [column.name for column in read]
    marks = {column.notation for column in read if column.notation in (".", ",")}
    mark = marks.pop() if len(marks) == 1 else None
    found = {
        name: column.notation or (mark if column.read_as == "number" else None)
        for name, column in zip(names, read, strict=False)
    }
    return {name: notation for name, notation in found.items() if notation is not None}


def _is_complete(frame: Frame, columns: Columns) -> bool:
    """Return whether a table without names has all columns but that of the target."""
    return not columns.has_names and len(frame.columns) == len(columns.table)


def _kinds_by_position(frame: Frame, columns: Columns, label: str | None) -> dict[str, Any]:
    """Return the kinds for a file without names, whose columns are numbered."""
    names = list(frame.names)
    if len(names) == len(columns.table) + 1 and label in names:
        names.remove(label)
    if len(names) != len(columns.table):
        return {}
    return {
        name: column.encoding.kind
        for name, column in zip(names, columns.table, strict=True)
        if column.encoding is not None
    }


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
        raise ValueError(f"{_source(options)}: its table {text.removeprefix('x ')}") from None


def _source(options: argparse.Namespace) -> str:
    return "standard input" if options.data == "-" else named(options.data)


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
    source = _source(options)
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
    missing = missing_in(found.target)
    if missing.all():
        raise ValueError(f"{source}: all cells of the target {found.target.name!r} are missing")
    known = np.flatnonzero(~missing)
    frame = found.frame.rows(known)
    labels = labels_of(found.target, source)[known]
    y = _targets(model, labels, found.target.name, source)
    n_missing = int(missing.sum())
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
