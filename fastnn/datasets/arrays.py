"""Rows in one NPY or IDX file and their labels in another; large rows stay on the disk.

A file of more than `WINDOW_BYTES` is mapped, not read, if its numbers are of a kind that networks
read as they are. What a header claims is compared with the size of the file before it is believed,
and nothing is ever unpickled.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.idx import GZIP_MAGIC, read_idx
from fastnn.datasets.npz_table import check_text, features_of, labels_of, read_npy_header
from fastnn.datasets.tables import Table
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
        If the file is damaged or holds no plain numbers or strings; or if it is large and in
        Fortran order.
    OSError
        If the file cannot be opened or read.
    """
    path = Path(path)
    with path.open("rb") as file:
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    is_npy = path.suffix.lower() == ".npy"
    mapped = _map_npy(path) if is_npy else read_idx(path, mmap=not packed)
    check_text(mapped, str(path))
    if packed or (mapped.nbytes > WINDOW_BYTES and mapped.dtype in MAPPED_DTYPES):
        return mapped
    return np.array(mapped, mapped.dtype.newbyteorder("="), order="C", subok=False)


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
        If a file is not as described, or they differ in their number of rows.
    OSError
        If a file cannot be opened or read.
    """
    x = read_array(x_path)
    if file_map(x) is None:
        x = features_of(x, f"{x_path}: x")
    elif x.ndim < 2:
        raise ValueError(f"{x_path} has shape {x.shape}; expected rows (n_rows, n_features)")
    else:
        x = x.reshape(len(x), -1)
    y = read_array(y_path)
    if y.ndim and len(y) != len(x):
        raise ValueError(
            f"{x_path} has {len(x)} rows, but {y_path} has {len(y)}: there must be one for each row"
        )
    names = tuple(f"column {i + 1}" for i in range(x.shape[1]))
    return Table(Path(x_path).stem, x, labels_of(y, f"{y_path}: y", len(x)), names, "y")


def _map_npy(path: Path) -> Array:
    with path.open("rb") as file:
        dtype, shape, fortran_order = read_npy_header(file, str(path))
        n_bytes = dtype.itemsize * math.prod(shape)
        offset, size = file.tell(), os.fstat(file.fileno()).st_size
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
    flat: Array = np.memmap(path, dtype, mode="r", offset=offset, shape=math.prod(shape))
    return flat.reshape(shape, order="F" if fortran_order else "C")
