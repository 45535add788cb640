"""Rows in one NPY or IDX file and their labels in another; large rows stay on the disk.

A file of more than `WINDOW_BYTES` is mapped, not read, if its numbers are of a kind that networks
read as they are. What a header claims is compared with the size of the file before it is believed,
and what is read with the memory that it may take; nothing is ever unpickled.
"""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.idx import GZIP_MAGIC, read_open_idx
from fastnn.datasets.npz_table import features_of, labels_of, read_npy_header
from fastnn.datasets.sources import readable_twice
from fastnn.datasets.tables import Table
from fastnn.memory_budget import Budget, memory_errors_of
from fastnn.memory_maps import WINDOW_BYTES, file_map

IDX_ENDINGS = ("-ubyte", ".idx", ".idx1", ".idx3")
MAPPED_DTYPES = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))

Array = NDArray[Any]


def holds_one_array(path: str | os.PathLike[str]) -> bool:
    """Say whether a file is NPY or IDX by its name: an array without labels."""
    name = os.fspath(path)
    return name.lower().endswith(".npy") or name.removesuffix(".gz").endswith(IDX_ENDINGS)


def read_array(path: str | os.PathLike[str]) -> Array:
    """Read an NPY or IDX file, or map it if it is larger than `WINDOW_BYTES`.

    Parameters
    ----------
    path : str or os.PathLike
        IDX may be gzip-compressed, and is then read whatever its size.

    Returns
    -------
    ndarray
        In the file's shape; a read-only map of a large file of uint8, float32 or float64 in this
        machine's byte order, an array of its own otherwise.

    Raises
    ------
    ValueError
        If the file is damaged or holds no plain numbers or strings; if it is large and in Fortran
        order; or if it takes more memory than `fastnn.memory_budget` allows a file of its size, or
        than is free.
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
        Rows (n_rows, …); those of more than one dimension, as images are, become flat. They are
        mapped, not read, if they are large (see `read_array`).
    y_path : str or os.PathLike
        Labels or numbers (n_rows,), or (n_rows, n_out); one-hot labels become integers.

    Returns
    -------
    Table
        To be split with `Table.hold_out` if its x is a map, with `Table.split` if not.

    Raises
    ------
    ValueError
        If a file is not as described, or takes too much memory (see `read_array`), or they differ
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
    """Return what `read_array` does, and the account of the memory that was taken for it."""
    with path.open("rb") as opened, memory_errors_of(str(path)):
        file, budget = readable_twice(opened, str(path))
        if path.suffix.lower() == ".npy":
            array = _map_npy(file, path)
        else:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            array = read_open_idx(file, path, budget, mmap=not packed)
            if packed:
                return array, budget
        if file_map(array) and array.nbytes > WINDOW_BYTES and array.dtype in MAPPED_DTYPES:
            return array, budget
        budget.take(array.nbytes, f"it is read as {array.dtype} {array.shape}")
        native = array.dtype.newbyteorder("=")
        return np.array(array, native, order="C", subok=False), budget


def _map_npy(file: BinaryIO, path: Path) -> Array:
    """Return the array in an NPY file, mapped, or a view of the file's memory."""
    dtype, shape, fortran_order = read_npy_header(file, str(path))
    n_bytes = dtype.itemsize * math.prod(shape)
    offset = file.tell()
    size = file.seek(0, os.SEEK_END)
    if size - offset != n_bytes:
        raise ValueError(
            f"{path}: an NPY file of {dtype} {shape} is {offset + n_bytes} bytes long, this one is "
            f"{size}; it is truncated or something else"
        )
    if not n_bytes:
        return np.empty(shape, dtype)
    if fortran_order and len(shape) > 1 and n_bytes > WINDOW_BYTES:
        raise ValueError(
            f"{path} is in Fortran order: each row lies scattered over the whole file, which is "
            "too large to be turned here; save it in C order: numpy.save(path, "
            "numpy.ascontiguousarray(array))"
        )
    flat: Array
    if isinstance(file, io.BytesIO):
        flat = np.frombuffer(file.getbuffer()[offset:], dtype)
    else:
        flat = np.memmap(file, dtype, mode="r", offset=offset, shape=math.prod(shape))
    return flat.reshape(shape, order="F" if fortran_order else "C")
