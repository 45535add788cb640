"""Data named on the command line: ``mnist``, ``digits`` or a file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from fastnn.cli.announcement import said_of_column
from fastnn.cli.options import (
    DATA_SETS,
    check_file,
    note,
    note_at_the_end,
    shows_progress,
)
from fastnn.datasets import (
    Dataset,
    Split,
    Table,
    digits,
    mnist,
    read_array,
    read_arrays,
    read_table,
)
from fastnn.datasets.readers.formats import (
    Option,
    format_by_name,
    holds_one_array,
    names_of,
    that_take,
)
from fastnn.datasets.readers.known_columns import NUMBERED
from fastnn.ensemble import Ensemble
from fastnn.network import Network
from fastnn.rows.trained_on import takes_bytes
from fastnn.system.memory_maps import file_map
from fastnn.system.printable import named
from fastnn.training.fit_description import rows_checksum
from fastnn.validation.frames import some

N_VALIDATION = 5_000
"""Training images of MNIST held out for validation, as usual."""


def training_data(options: argparse.Namespace) -> Dataset:
    """Return training, validation and test rows; ``y`` holds class indices, or numbers."""
    _check_options(options)
    if options.data == "mnist":
        return mnist(options.data_dir, validation=N_VALIDATION)
    if options.data == "digits":
        note("generating 20,000 images of digits …", options)
        return digits(validation=1_000)
    table = _table(options)
    data = _split(table, options.task)
    if file_map(table.x) is not None and table.x.dtype != np.uint8:
        note("columns are not standardized, since the file is memory-mapped", options)
    if data.class_labels is not None and (data.train.y == data.train.y[0]).all():
        raise ValueError(
            f"the training rows of {named(options.data)} have only one class, "
            f"{data.class_labels[data.train.y[0]].item()!r}: there must be at least two"
            + ("" if data.label_reason is None else f". The label is {said_of_column(data)}")
        )
    return data


def _split(table: Table, task: Any) -> Dataset:
    """Hold out rows of a file for test and validation: always the same rows of the same file."""
    if file_map(table.x) is None:
        return table.split(validation=None if table.validation else 0.1, task=task)
    return table.hold_out(task=task)


def remembered(data: Dataset) -> dict[str, Any]:
    """Return what to store in `TrainedOn` about the file that a network was trained on."""
    return remembered_names(data) | {"training_rows": rows_checksum(*data.train)}


def remembered_names(data: Dataset) -> dict[str, Any]:
    """Return the names among them."""
    names, label = (data.feature_names if data.has_names else None), data.label_name
    if names is None and label is not None and not NUMBERED.fullmatch(label):
        label = None  # the name of an array, not of a column
    return {"feature_names": names, "label_name": label}


class TestRows(NamedTuple):
    """Rows to evaluate a saved network on: inputs, and labels as in the data.

    `which` is "test" for rows held out by the file or the training, or "all". `n_others` counts the
    rows that the network was trained on. `labels` describes where y is from.
    """

    x: Any
    y: Any
    which: Literal["test", "all"]
    n_others: int = 0
    labels: str = "the labels"


def test_data(options: argparse.Namespace, network: Network | Ensemble) -> TestRows:
    """Return the test rows of a data set or the training file, or all rows of another file."""
    rows = _test_rows(options, network)
    _check_columns(options, rows.x, network.architecture.n_in)
    return rows._replace(x=_as_bytes(rows.x, network, options))


def _test_rows(options: argparse.Namespace, network: Network | Ensemble) -> TestRows:
    _check_options(options)
    if options.data in DATA_SETS:
        test = training_data(options).test
        return TestRows(test.x, test.y, "test")
    table = _table(options, network)
    labels = _said_of_source(table, options)
    if table.test is not None:
        return TestRows(table.test.x, table.test.y, "test", labels=labels)
    held_out = _held_out(table, network)
    if held_out is not None:
        return TestRows(held_out.x, held_out.y, "test", len(table.x) - len(held_out), labels)
    return TestRows(table.x, table.y, "all", labels=labels)


def _said_of_source(table: Table, options: argparse.Namespace) -> str:
    """Return where the labels of a table are from, for error messages."""
    if options.targets is not None:
        return named(options.targets)
    found = format_by_name(options.data)
    holder = "column" if found is None else found.labels
    return f"{holder} {table.label_name!r} of {named(options.data)}"


def measured_on(
    rows: TestRows, network: Network | Ensemble, options: argparse.Namespace
) -> dict[str, float]:
    """Return the metrics of a network on rows.

    Raises
    ------
    ValueError
        If a label is not one of the network's classes.
    """
    _check_labels(rows, network)
    return network.evaluate(rows.x, rows.y, progress=shows_progress(options))


def _check_labels(rows: TestRows, network: Network | Ensemble) -> None:
    architecture, y = network.architecture, np.asarray(rows.y)
    is_text = y.dtype.kind not in "fiub"
    if not architecture.classifies:
        if is_text:
            raise ValueError(
                f"{rows.labels} holds text such as {y.flat[0].item()!r}, but the network predicts "
                "numbers: select its targets with --target or --targets"
            )
        return
    if y.ndim != 1:
        return
    known = network.class_labels or range(architecture.n_out)
    unknown = [label for label in np.unique(y).tolist() if label not in known]
    if unknown:
        classes = some([str(label) for label in known])
        if network.class_labels is None:
            classes = f"whole numbers from 0 to {architecture.n_out - 1}"
        raise ValueError(
            f"{rows.labels} holds {unknown[0]!r}, which is not one of the network's classes, "
            f"{classes}: select another column with --target, or correct the file"
        )


def _held_out(table: Table, network: Network | Ensemble) -> Split | None:
    """Return the rows held out when the network was trained on this table, with their labels."""
    if network.trained_on is None or network.trained_on.training_rows is None:
        return None
    of_classes = network.architecture.output == "softmax"
    try:
        data = _split(table, "classification" if of_classes else "regression")
    except ValueError:  # its labels are of another kind; the evaluation reports that
        return None
    if not len(data.test) or rows_checksum(*data.train) != network.trained_on.training_rows:
        return None
    labels = data.class_labels
    return data.test if labels is None else replace(data.test, y=labels[data.test.y])


def prediction_rows(options: argparse.Namespace, network: Network | Ensemble) -> Any:
    """Return the inputs in a file (CSV, NPZ, NPY or IDX images), without labels."""
    _check_options(options)
    n_in = network.architecture.n_in
    if options.data in DATA_SETS:
        return test_data(options, network).x
    if holds_one_array(options.data):
        array = read_array(check_file(options.data))
        if array.ndim == 0:
            raise ValueError(f"{named(options.data)} holds a scalar, expected rows of {n_in}")
        rows = array.reshape(len(array), -1) if array.ndim > 1 else array[:, None]
        _check_columns(options, rows, n_in)
        return rows
    table = read_table(
        check_file(options.data), label=False, header=options.header, trained_on=network.trained_on
    )
    if table.x.shape[1] == n_in + 1:
        raise ValueError(
            f"{named(options.data)} has {n_in + 1} columns, but the network takes {n_in}: if one "
            "of them holds labels, remove it, or use `fastnn evaluate`"
        )
    _check_columns(options, table.x, n_in)
    _note_order(options, table, network)
    return _as_bytes(table.x, network, options)


def _as_bytes(x: Any, network: Network | Ensemble, options: argparse.Namespace) -> Any:
    """Return whole numbers 0 … 255 of a file as bytes, for a network that was trained on bytes.

    Text files have no dtypes, and integers in an NPZ file are read as floats.
    """
    known = network.trained_on
    if known is None or not takes_bytes(known.inputs, network.architecture.input_scale):
        return x
    if x.dtype.kind != "f" or file_map(x) is not None:
        return x
    if x.min() < 0 or x.max() > 255 or (x != np.floor(x)).any():
        return x
    if x.max() <= 1:
        found = format_by_name(options.data)
        from_columns = found is None or found.labels == "column"  # which have no dtype to go by
        taken = "bytes" if from_columns else "numbers"
        note(
            f"{named(options.data)} holds only 0 and 1, and the network was trained on bytes 0 to "
            f"255: they are read as {taken}. Write black-and-white images as 0 and 255",
            options,
        )
        return x.astype(np.uint8) if from_columns else x
    return x.astype(np.uint8)


def _note_order(options: argparse.Namespace, table: Table, network: Network | Ensemble) -> None:
    """Note that columns are matched by position if the file or the network has no names."""
    if options.json:
        return
    known = network.trained_on and network.trained_on.feature_names
    data = named(options.data)
    if known and table.feature_names != known:
        shown = ", ".join(known[:6]) + (", …" if len(known) > 6 else "")
        note_at_the_end(
            f"{data} has no column names: columns are matched by position, as {shown}", options
        )
    elif not known and table.has_names:
        note_at_the_end(
            f"the network has no column names: those of {data} are matched by position",
            options,
        )


def _table(options: argparse.Namespace, network: Network | Ensemble | None = None) -> Table:
    """Return the rows and labels of a file, or of the two files of an array and its targets."""
    path = check_file(options.data)
    if not holds_one_array(path):
        if network is None:
            return read_table(path, label=options.label, header=options.header)
        table = read_table(
            path, label=options.label, header=options.header, trained_on=network.trained_on
        )
        if table.x.shape[1] == network.architecture.n_in:
            _note_order(options, table, network)
        return table
    if options.targets is None:
        raise ValueError(
            f"{named(path)} holds rows without labels; give the file with labels as --targets FILE"
        )
    if not holds_one_array(check_file(options.targets)):
        raise ValueError(
            f"--targets must be an {names_of(that_take('targets'))} file, got "
            f"{named(options.targets)}"
        )
    return read_arrays(path, options.targets)


def _check_columns(options: argparse.Namespace, x: Any, n_in: int) -> None:
    if x.shape[1] != n_in:
        raise ValueError(
            f"{named(options.data)} has {x.shape[1]} input columns, but the network takes {n_in}"
        )


def _check_options(options: argparse.Namespace) -> None:
    """Check that no option was given that does not apply to the data."""
    if options.data_dir is not None and options.data != "mnist":
        raise ValueError(f"--data-dir is only for mnist, but the data are {named(options.data)}")
    is_array = holds_one_array(options.data)
    refused: dict[Option, bool] = {  # the readers of tables check their options by the contents
        "label": is_array or options.data in DATA_SETS,
        "header": is_array or options.data in DATA_SETS,
        "targets": not is_array,
    }
    for option, is_refused in refused.items():
        if is_refused and getattr(options, option) is not None:
            raise ValueError(
                f"--{option} is for {names_of(that_take(option), 'and')} files, but the data are "
                f"{named(options.data)}"
            )


def largest_class(network: Network | Ensemble, y: Any, weight: Any = None) -> dict[str, float]:
    """Return the fraction of rows in the most frequent class, the baseline of an accuracy.

    Empty for regressions and for several labels per row.
    """
    if not network.architecture.classifies or np.ndim(y) != 1:
        return {}
    _, classes = np.unique(y, return_inverse=True)
    counts = np.bincount(classes, weight)
    return {"largest_class": float(counts.max() / counts.sum())}


def labelled(split: Split, class_labels: Any) -> tuple[Any, Any]:
    """Return x and y of `split`, with y as class labels if there are any."""
    if class_labels is None:
        return split.x, split.y
    return split.x, np.asarray(class_labels)[split.y]
