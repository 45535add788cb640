"""From the word on the command line, ``mnist``, ``digits`` or a file, to rows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastnn.cli.announcement import said_of_column
from fastnn.cli.options import DATA_SETS, STANDARD_INPUT, note
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
from fastnn.datasets.arrays import holds_one_array
from fastnn.datasets.mnist import FOLDER_ARGUMENT
from fastnn.memory_maps import file_map

N_VALIDATION = 5_000
"""Training images of MNIST that are set apart to watch the training, as usual."""


def training_data(options: argparse.Namespace) -> Dataset:
    """Return training, validation and test rows; ``y`` holds class indices, or numbers."""
    _check_options(options)
    if options.data == "mnist":
        return _mnist(options.data_dir)
    if options.data == "digits":
        note("making 20,000 images of digits …", options)
        return digits(validation=1_000)
    table = _table(options)
    if file_map(table.x) is None:
        data = table.split(validation=None if table.validation else 0.1, task=options.task)
    else:
        data = table.hold_out(task=options.task)
        if table.x.dtype != np.uint8:
            note("columns are taken as they are: a file this large is not standardised", options)
    if data.class_labels is not None and (data.train.y == data.train.y[0]).all():
        raise ValueError(
            f"the training rows of {options.data} hold only one class, "
            f"{data.class_labels[data.train.y[0]].item()!r}: there must be at least two to tell "
            "apart"
            + ("" if data.label_reason is None else f". The label is {said_of_column(data)}")
        )
    return data


class TestRows(NamedTuple):
    """Rows to measure a saved network on: inputs, and labels as the data have them.

    A file may set no rows apart for that; then they are all its rows.
    """

    x: Any
    y: Any
    set_apart: bool = True


def test_data(options: argparse.Namespace, n_in: int) -> TestRows:
    """Return the test rows of a data set, or all rows of a file that sets none apart."""
    rows = _test_rows(options)
    _check_columns(options, rows.x, n_in)
    return rows


def _test_rows(options: argparse.Namespace) -> TestRows:
    _check_options(options)
    if options.data in DATA_SETS:
        return TestRows(*training_data(options).test)
    table = _table(options)
    rows: Split | None = table.test
    return TestRows(table.x, table.y, False) if rows is None else TestRows(*rows)


def prediction_rows(options: argparse.Namespace, n_in: int) -> Any:
    """Return the inputs in a file without labels: CSV, NPZ, NPY or IDX images."""
    _check_options(options)
    if options.data in DATA_SETS:
        return test_data(options, n_in).x
    if holds_one_array(options.data):
        array = read_array(_file(options.data))
        if array.ndim == 0:
            raise ValueError(f"{options.data} holds one number, expected rows of {n_in}")
        rows = array.reshape(len(array), -1) if array.ndim > 1 else array[:, None]
        _check_columns(options, rows, n_in)
        return rows
    table = read_table(_file(options.data), label=False, header=options.header)
    if table.x.shape[1] == n_in + 1:
        raise ValueError(
            f"{options.data} has {n_in + 1} columns, the network takes {n_in}: if one of them "
            "holds labels, remove it, or use `fastnn evaluate`"
        )
    _check_columns(options, table.x, n_in)
    return table.x


def _table(options: argparse.Namespace) -> Table:
    """Return the rows and labels of a file, or of the two files of an array and its targets."""
    path = _file(options.data)
    if not holds_one_array(path):
        return read_table(path, label=options.label, header=options.header)
    if options.targets is None:
        raise ValueError(
            f"{path} holds rows without labels; name the file that has these: --targets FILE"
        )
    if not holds_one_array(_file(options.targets)):
        raise ValueError(f"--targets must be an NPY or IDX file, got {options.targets}")
    return read_arrays(path, options.targets)


def _check_columns(options: argparse.Namespace, x: Any, n_in: int) -> None:
    if x.shape[1] != n_in:
        raise ValueError(
            f"{options.data} has {x.shape[1]} columns of inputs, but the network takes {n_in}"
        )


def _check_options(options: argparse.Namespace) -> None:
    """Check that no option was given that the data have no use for."""
    if options.data_dir is not None and options.data != "mnist":
        raise ValueError(f"--data-dir is for mnist alone, the data are {options.data}")
    is_array = holds_one_array(options.data)
    for option in ("label", "header"):
        if getattr(options, option) is not None and (is_array or options.data in DATA_SETS):
            raise ValueError(f"--{option} is for CSV files, the data are {options.data}")
    if options.targets is not None and not is_array:
        raise ValueError(f"--targets is for NPY and IDX files, the data are {options.data}")


def _mnist(folder: str | None) -> Dataset:
    try:
        return mnist(folder, validation=N_VALIDATION)
    except (ImportError, OSError) as error:
        if FOLDER_ARGUMENT not in str(error):
            raise
        text = str(error).replace(FOLDER_ARGUMENT, "--data-dir DIR")
        raise (ImportError if isinstance(error, ImportError) else OSError)(text) from error


def _file(path: str) -> str:
    if path == STANDARD_INPUT:
        return path
    if "://" in path:
        raise ValueError(f"{path} is an address: download the file and name that")
    if not Path(path).exists():
        raise FileNotFoundError(
            f"there is no file {path!r}, nor a data set of that name: those are mnist and digits"
        )
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    return path


def labelled(split: Split, class_labels: Any) -> tuple[Any, Any]:
    """Return x and y of `split`, y as the labels themselves if classes have names."""
    if class_labels is None:
        return split.x, split.y
    return split.x, np.asarray(class_labels)[split.y]
