"""NPZ into arrays: a zip of NPY members, of which only the ones a table needs are opened.

Nothing is unpickled, and no memory is reserved on a member's word alone: what its NPY header
claims must agree with the size in the zip directory, and that with the compressed bytes there are,
and with the memory that reading the file may take (see `fastnn.memory_budget`).
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.conversion import blocks, converted, decoded, first_not_finite
from fastnn.memory_budget import Budget

MAX_DEFLATE_RATIO = 1032  # no deflate stream grows more than this (zlib technical details)
PIECE = 1 << 20  # bytes read at a time
PARTS = {
    "all": ("",),
    "train": ("_train",),
    "validation": ("_validation", "_valid", "_val"),
    "test": ("_test",),
}

Array = NDArray[Any]
Rows = tuple[Array, Array | None]


def read_npz(
    stream: BinaryIO, source: str, budget: Budget, *, with_labels: bool
) -> dict[str, Rows]:
    """Return the x (n_rows, n_features) and y of each part a file has.

    The parts are "all", from the arrays x and y, or "train" with "test" and "validation" if they
    are there, from x_train, y_train and so on; capital letters do not matter. Without labels, y is
    None.
    """
    with said_of(source, "an NPZ file"), zipfile.ZipFile(stream) as archive:
        members = {name.removesuffix(".npy").lower(): name for name in archive.namelist()}
        parts: dict[str, Rows] = {}
        for part, suffixes in PARTS.items():
            suffix = next((s for s in suffixes if f"x{s}" in members), None)
            if suffix is None or (part != "all" and "all" in parts):
                continue
            if with_labels and f"y{suffix}" not in members:
                raise ValueError(f"it has x{suffix} and no labels y{suffix}")
            read = _read_member(archive, members[f"x{suffix}"], budget)
            x = features_of(read, f"x{suffix}", budget)
            _forget(read, x, budget)
            y = None
            if with_labels:
                read = _read_member(archive, members[f"y{suffix}"], budget)
                y = labels_of(read, f"y{suffix}", len(x), budget)
                _forget(read, y, budget)
            parts[part] = (x, y)
        if "all" not in parts and "train" not in parts:
            found = ", ".join(sorted(members)) or "none"
            raise ValueError(
                "expected arrays x and y, or x_train, y_train, x_test and y_test, and perhaps "
                f"x_validation and y_validation; found {found}"
            )
        widths = {part: x.shape[1] for part, (x, _) in parts.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(f"its parts differ in their number of features: {widths}")
        return parts


@contextmanager
def said_of(source: str, kind: str) -> Iterator[None]:
    """Turn whatever a damaged archive does to its readers into a ValueError about the file."""
    try:
        yield
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{source} is not a whole {kind.split(' ', 1)[1]} ({error}); it is truncated or "
            "something else"
        ) from error
    except MemoryError:  # it is the machine that lacks something
        raise
    except ValueError as error:
        if str(error).startswith(source):
            raise
        raise ValueError(f"{source}: {error}") from error
    except Exception as error:  # zlib.error, EOFError, NotImplementedError, struct.error, …
        raise ValueError(
            f"{source} cannot be read as {kind} ({type(error).__name__}: {error}); it is damaged "
            "or packed in an unusual way"
        ) from error


def _forget(read: Array, kept: Array, budget: Budget) -> None:
    """Count an array as given back where what was made of it is a copy."""
    if not np.may_share_memory(read, kept):
        budget.give_back(read.nbytes)


def _read_member(archive: zipfile.ZipFile, member: str, budget: Budget) -> Array:
    info = archive.getinfo(member)
    n_bytes, packed = info.file_size, info.compress_size
    if n_bytes > MAX_DEFLATE_RATIO * packed + PIECE:
        raise ValueError(f"{member} claims {n_bytes} bytes from {packed} packed ones; impossible")
    grows = f"grows from {packed} to" if packed < n_bytes else "holds"
    budget.take(n_bytes, f"{member} {grows} {n_bytes} bytes")
    with archive.open(info) as file:
        dtype, shape, fortran_order = read_npy_header(file, member)
        expected = dtype.itemsize * math.prod(shape)
        there = n_bytes - file.tell()
        if expected != there:
            raise ValueError(
                f"{member} claims {dtype} {shape}, {expected} bytes, and has {there} of them"
            )
        flat = np.empty(math.prod(shape), dtype)
        body = flat.view(np.uint8).data
        done = 0
        while piece := file.read(PIECE):  # to the end, where the checksum is compared
            body[done : done + len(piece)] = piece
            done += len(piece)
        if done < len(body):
            raise ValueError(f"{member} ends after {done} of {len(body)} bytes; it is truncated")
    return flat.reshape(shape, order="F" if fortran_order else "C")


def read_npy_header(file: IO[bytes], member: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Return the dtype, shape and Fortran order that the NPY file `member` claims."""
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(file)
        if version not in read:  # 3.0 is for field names
            raise ValueError(f"NPY version {version}")
        with warnings.catch_warnings():  # of headers that Python 2 wrote
            warnings.simplefilter("ignore")
            shape, fortran_order, dtype = read[version](file)
    except Exception as error:  # the header is a Python literal: its parser has many words
        raise ValueError(f"{member} is not a plain NPY array ({error})") from error
    if dtype.hasobject:
        raise ValueError(
            f"{member} holds Python objects, which would be unpickled, and a pickle can run any "
            "code; save numbers or strings: numpy.asarray(values, dtype=…)"
        )
    if dtype.names is not None or dtype.itemsize == 0:
        raise ValueError(f"{member} has dtype {dtype}; expected plain numbers or strings")
    if any(size < 0 for size in shape) or math.prod(max(size, 1) for size in shape) >= 2**48:
        raise ValueError(f"{member} claims the shape {shape}")
    return dtype, shape, fortran_order


def features_of(x: Array, key: str, budget: Budget) -> Array:
    """Return x as (n_rows, n_features), uint8, float32 or float64."""
    if x.ndim < 2:
        raise ValueError(
            f"{key} has shape {x.shape}; expected rows of features (n_rows, n_features)"
        )
    if x.dtype.kind not in "buif":
        raise ValueError(f"{key} has dtype {x.dtype}; expected numbers")
    if 0 in x.shape:
        raise ValueError(f"{key} has shape {x.shape}: nothing to learn from")
    narrow = x.dtype.itemsize <= (4 if x.dtype.kind == "f" else 2)
    dtype: Any = np.float32 if narrow else np.float64
    if x.dtype in (np.uint8, np.bool_):
        dtype = np.uint8
    x = converted(x, dtype, budget, key).reshape(len(x), -1)
    bad = first_not_finite(x)
    if bad is not None:
        row, column = bad
        raise ValueError(
            f"{key}, row {row}, column {column}: got {x[bad]}, expected a finite number"
        )
    return x


def labels_of(y: Array, key: str, n_rows: int, budget: Budget) -> Array:
    """Return y as (n_rows,) integers, floats or strings, or (n_rows, n_out) floats."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or len(y) != n_rows or 0 in y.shape:
        raise ValueError(f"{key} has shape {y.shape}; expected one label for each of {n_rows} rows")
    if y.dtype.kind == "S" and y.ndim == 1:
        return decoded(y, budget, key)
    if y.dtype.kind == "U" and y.ndim == 1:
        return y
    if y.dtype.kind not in "buif":
        raise ValueError(f"{key} has dtype {y.dtype}; expected numbers or strings")
    if y.ndim == 2:
        if _is_one_hot(y):
            budget.take(8 * n_rows, f"{key} is turned into int64 {(n_rows,)}")
            classes: Array = np.argmax(y, axis=1).astype(np.int64, copy=False)
            return classes
        y = converted(y, np.float64, budget, key)
    if y.dtype == np.uint64 and y.max() >= 2**63:
        raise ValueError(f"{key} holds labels of 2**63 and more; number the classes from 0")
    y = converted(y, np.float64 if y.dtype.kind == "f" else np.int64, budget, key)
    bad = first_not_finite(y)
    if bad is not None:
        raise ValueError(f"{key}, row {bad[0]}: got {y[bad[0]]}, expected finite numbers")
    return y


def _is_one_hot(y: Array) -> bool:
    """Tell whether each row of y (n_rows, n_out) has a single 1 and otherwise 0."""
    for rows in blocks(y, 8):
        part = y[rows]
        if not ((part == 0) | (part == 1)).all() or not (part.sum(axis=1) == 1).all():
            return False
    return True
