"""Rows in one NPY or IDX file and their labels in another; large files are memory-mapped.

A file of more than `WINDOW_BYTES` is mapped, not read, if networks can read its dtype directly.
Sizes stated in a header are checked against the size of the file, and memory against the budget;
nothing is ever unpickled.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fastnn.datasets.readers.formats import array_format
from fastnn.datasets.readers.npz import features_of, labels_of
from fastnn.datasets.readers.sources import readable_twice
from fastnn.datasets.tables import Table
from fastnn.system.file_kinds import HEAD_BYTES
from fastnn.system.memory_budget import Budget, memory_errors_of
from fastnn.system.memory_maps import file_map

Array = NDArray[Any]


def read_array(path: str | os.PathLike[str]) -> Array:
    """Read an NPY or IDX file, or map it if it is larger than `WINDOW_BYTES`.

    Parameters
    ----------
    path : str or os.PathLike
        IDX may be gzip-compressed, and is then always read.

    Returns
    -------
    ndarray
        In the shape of the file; a read-only map of a large file of uint8, float32 or float64 in
        native byte order, otherwise an array in memory.

    Raises
    ------
    ValueError
        If the file is damaged or does not hold plain numbers or strings; if it is large and in
        Fortran order; or if it needs more memory than `fastnn.system.memory_budget` allows for a
        file of its size, or than is free.
    OSError
        If the file cannot be opened or read.
    """
    array, _ = _read(Path(path))
    return array


def read_arrays(x_path: str | os.PathLike[str], y_path: str | os.PathLike[str]) -> Table:
    """Read rows of features from one NPY or IDX file and their labels from another.

    Parameters
    ----------
    x_path : str or os.PathLike
        Rows (n_rows, …); rows with several dimensions, such as images, are flattened. They are
        mapped, not read, if they are large (see `read_array`).
    y_path : str or os.PathLike
        Labels or numbers (n_rows,), or (n_rows, n_out); one-hot labels become integers.

    Returns
    -------
    Table
        Split it with `Table.hold_out` if its x is a memory map, otherwise with `Table.split`.

    Raises
    ------
    ValueError
        If a file is invalid, or needs too much memory (see `read_array`), or they differ
        in their number of rows.
    OSError
        If a file cannot be opened or read.
    """
    x, budget = _read(Path(x_path))
    if file_map(x) is None:
        with memory_errors_of(str(x_path)):
            x = features_of(x, f"{x_path}: x", budget)
    elif x.ndim < 2:
        raise ValueError(f"{x_path} has shape {x.shape}; expected rows (n_rows, n_features)")
    else:
        x = x.reshape(len(x), -1)
    y, budget = _read(Path(y_path))
    if y.ndim and len(y) != len(x):
        raise ValueError(
            f"{x_path} has {len(x)} rows, but {y_path} has {len(y)}: there must be one for each row"
        )
    with memory_errors_of(str(y_path)):
        y = labels_of(y, f"{y_path}: y", len(x), budget)
    names = tuple(f"column {i + 1}" for i in range(x.shape[1]))
    return Table(Path(x_path).stem, x, y, names, "y")


def _read(path: Path) -> tuple[Array, Budget]:
    """Return the result of `read_array`, and the memory budget of the file."""
    with path.open("rb") as opened, memory_errors_of(str(path)):
        file, budget = readable_twice(opened, str(path))
        head = file.read(HEAD_BYTES)
        file.seek(0)
        return array_format(path, head).read(file, path, budget), budget
