"""Arrays in files as Dask arrays: NPY, stacks of NPY files, Zarr, and others that have chunks.

A block of an NPY file is read by the task that needs it, which opens the file itself: the graph
holds the path, the shape and two row numbers.
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastnn.dask.files import Files
from fastnn.dask.tables import n_partitions
from fastnn.datasets.readers.npy import read_npy_header
from fastnn.system.packages import imported
from fastnn.system.printable import named
from fastnn.validation.values import describe

STACK = "info"
"""The file of a stack, as `dask.array.to_npy_stack` writes it, that describes it."""


class NpyFile:
    """The array of an NPY file, of which a slice is read by whoever takes it.

    Parameters
    ----------
    path : str
        Absolute.

    Raises
    ------
    ValueError
        If it is damaged, or does not hold plain numbers or strings.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "rb") as file:
            self.dtype, self.shape, is_fortran = read_npy_header(file, path)
            self._n_bytes = file.tell() + self.dtype.itemsize * math.prod(self.shape)
        stat = os.stat(path)
        if stat.st_size != self._n_bytes:
            raise ValueError(
                f"{named(path)}: an NPY file of {self.dtype} {self.shape} is {self._n_bytes:,} "
                f"bytes long, this one is {stat.st_size:,}; it is truncated or something else"
            )
        if is_fortran and len(self.shape) > 1:
            raise ValueError(
                f"{named(path)} is in Fortran order, each row scattered over the whole file: save "
                "it in C order, numpy.save(path, numpy.ascontiguousarray(array))"
            )
        self._written = stat.st_mtime_ns

    @property
    def ndim(self) -> int:
        """Dimensions."""
        return len(self.shape)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        try:
            size = os.path.getsize(self.path)
        except OSError as error:
            raise FileNotFoundError(
                f"this worker cannot read {named(self.path)} ({error.strerror}): put it on a file "
                "system that all workers share"
            ) from None
        if size != self._n_bytes:
            raise ValueError(f"{named(self.path)} was changed since it was looked at")
        return np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[index])

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.path, self._n_bytes, self._written


def npy_files(files: Files, least: int | None) -> Any:
    """Return NPY files, one below the other, as a Dask array.

    Raises
    ------
    ValueError
        If they are not on a file system of this machine, or their rows differ in form; if it is a
        stack that is cut along its columns.
    """
    if not files.is_local:
        raise ValueError(
            f"{files.name}: NPY files are read from file systems that are mounted on each worker; "
            "for object stores convert them to Parquet or Zarr"
        )
    folders = {str(PurePath(path).parent) for path in files.paths}
    for folder in folders:
        if len(files.paths) > 1 or isinstance(files.whole, str):
            _check_stack(os.path.join(folder, STACK), files)
    arrays = [NpyFile(path) for path in files.paths]
    first = arrays[0]
    for each in arrays:
        if each.ndim < 1 or (each.dtype, each.shape[1:]) != (first.dtype, first.shape[1:]):
            raise ValueError(
                f"{named(each.path)} holds {each.dtype} {each.shape}, but {named(first.path)} "
                f"{first.dtype} {first.shape}: all files need rows of one shape and dtype"
            )
    return _below_each_other(arrays, least)


def zarr_arrays(files: Files, least: int | None) -> tuple[Any, Any]:
    """Return the array of a Zarr store, or x and y of a group that has them.

    Raises
    ------
    ImportError
        If Zarr is not installed.
    ValueError
        If it is another group.
    """
    try:
        import zarr
    except ImportError as error:
        raise ImportError(
            f"{files.name} is a Zarr store, which needs zarr: pip install zarr, here and on all "
            f"workers ({error})"
        ) from None
    try:
        opened = zarr.open(files.whole, mode="r")
    except Exception as error:  # of many kinds, by version
        raise ValueError(f"{files.name} cannot be read as Zarr: {error}") from None
    if hasattr(opened, "chunks"):
        return chunked(opened, least), None
    names = sorted(opened.keys())
    if not {"x", "y"} <= set(names):
        raise ValueError(
            f"{files.name} is a Zarr group with {', '.join(names) or 'nothing'}: expected arrays x "
            "and y, or the path of one array in it"
        )
    return chunked(opened["x"], least), chunked(opened["y"], least)


def chunked(array: Any, least: int | None = None) -> Any:
    """Return anything with ``.shape``, ``.dtype`` and ``.chunks``, cut between its chunks' rows.

    Raises
    ------
    TypeError
        If it has none of them.
    """
    if not all(hasattr(array, name) for name in ("shape", "dtype", "chunks")):
        raise TypeError(
            "expected a path, or an array with .shape, .dtype and .chunks such as Zarr's, got "
            f"{describe(array)}: for an array in memory use dask.array.from_array, or save it "
            "and give its path"
        )
    if hasattr(array, "dask"):
        return array
    unit = (array.chunks or (1,))[0]  # None of an HDF5 dataset in one piece
    return _below_each_other([array], least, unit)


def flat(array: Any) -> Any:
    """Return rows of several dimensions, such as images, as rows (n_rows, n)."""
    if array.ndim == 1:
        return array.reshape(-1, 1)
    if array.ndim == 2:
        return array.rechunk({1: -1}) if array.numblocks[1] > 1 else array
    return array.reshape(array.shape[0], math.prod(array.shape[1:]))


def _below_each_other(arrays: Sequence[Any], least: int | None, unit: int = 1) -> Any:
    """Return arrays of one form as one Dask array whose blocks are of several rows of one."""
    da = imported("dask.array", "dask")
    n_rows = sum(array.shape[0] for array in arrays)
    row_bytes = arrays[0].dtype.itemsize * math.prod(arrays[0].shape[1:])
    n_blocks = n_partitions(n_rows * row_bytes, least)
    rows = max(1, -(-n_rows // n_blocks))
    if unit > 1:  # no chunk is read by two tasks, if that does not make blocks much larger
        rows = unit * max(1, round(rows / unit)) if rows > unit // 2 else rows
    parts = [
        da.from_array(
            array,
            chunks=(rows, *array.shape[1:]),
            inline_array=True,
            meta=np.empty((0,) * len(array.shape), array.dtype),
        )
        for array in arrays
    ]
    return parts[0] if len(parts) == 1 else da.concatenate(parts)


class _PlainValues(pickle.Unpickler):
    """Reads a pickle of plain values and dtypes, and refuses any that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to other data")


def _check_stack(path: str, files: Files) -> None:
    """Check that a stack, if it is one, is cut along its rows."""
    if not os.path.isfile(path):
        return
    try:
        with open(path, "rb") as file:
            axis = _PlainValues(file).load()["axis"]
    except Exception as error:  # a pickle that is damaged raises anything
        raise ValueError(
            f"{named(path)} does not describe a stack as dask.array.to_npy_stack writes it "
            f"({error}): remove it to read the files in the order of their names"
        ) from None
    if axis != 0:
        raise ValueError(
            f"{files.name} is a stack along axis {axis}, so that no file holds whole rows: write "
            "it with dask.array.to_npy_stack(folder, array, axis=0)"
        )
