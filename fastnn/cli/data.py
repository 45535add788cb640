"""From the word on the command line, ``mnist``, ``digits`` or a file, to rows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastnn.cli.options import note
from fastnn.datasets import Dataset, Split, digits, mnist, read_idx, read_table
from fastnn.datasets.mnist import FOLDER_ARGUMENT

N_VALIDATION = 5_000
"""Training images of MNIST that are set apart to watch the training, as usual."""


def training_data(options: argparse.Namespace) -> Dataset:
    """Return training, validation and test rows; ``y`` holds class indices, or numbers."""
    if options.data == "mnist":
        return _mnist(options.data_dir)
    if options.data == "digits":
        note("making 20,000 images of digits …", options)
        return digits(validation=1_000)
    table = read_table(_file(options.data), label=options.label)
    return table.split(validation=None if table.validation else 0.1, task=options.task)


class TestRows(NamedTuple):
    """Rows to measure a saved network on: inputs, and labels as the data have them.

    A file may set no rows apart for that; then they are all its rows.
    """

    x: Any
    y: Any
    set_apart: bool = True


def test_data(options: argparse.Namespace) -> TestRows:
    """Return the test rows of a data set, or all rows of a file that sets none apart."""
    if options.data in ("mnist", "digits"):
        return TestRows(*training_data(options).test)
    table = read_table(_file(options.data), label=options.label)
    rows: Split | None = table.test
    return TestRows(table.x, table.y, False) if rows is None else TestRows(*rows)


def prediction_rows(options: argparse.Namespace, n_in: int) -> Any:
    """Return the inputs in a file without labels: CSV, NPZ or IDX images."""
    if options.data in ("mnist", "digits"):
        return test_data(options).x
    if _is_idx(options.data):
        array = read_idx(options.data)
        return array.reshape(len(array), -1) if array.ndim > 1 else array[:, None]
    table = read_table(_file(options.data), label=False)
    if table.x.shape[1] == n_in + 1:
        raise ValueError(
            f"{options.data} has {n_in + 1} columns, the network takes {n_in}: if one of them "
            "holds labels, remove it, or use `fastnn evaluate`"
        )
    return table.x


def _mnist(folder: str | None) -> Dataset:
    try:
        return mnist(folder, validation=N_VALIDATION)
    except (ImportError, OSError) as error:
        if FOLDER_ARGUMENT not in str(error):
            raise
        text = str(error).replace(FOLDER_ARGUMENT, "--data-dir DIR")
        raise (ImportError if isinstance(error, ImportError) else OSError)(text) from error


def _file(path: str) -> str:
    if not Path(path).exists():
        raise FileNotFoundError(
            f"there is no file {path!r}, nor a data set of that name: those are mnist and digits"
        )
    return path


def _is_idx(path: str) -> bool:
    return path.removesuffix(".gz").endswith(("-ubyte", ".idx", ".idx1", ".idx3"))


def labelled(split: Split, class_labels: Any) -> tuple[Any, Any]:
    """Return x and y of `split`, y as the labels themselves if classes have names."""
    if class_labels is None:
        return split.x, split.y
    return split.x, np.asarray(class_labels)[split.y]
