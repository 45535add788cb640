"""Reading NPZ files: a zip of NPY members, of which only those needed are opened.

Nothing is unpickled, and sizes are checked before memory is allocated: the size in the NPY header
must match the zip directory, and this the number of compressed bytes and the memory budget (see
`fastnn.system.memory_budget`).
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.readers.conversion import blocks, converted, decoded, first_not_finite
from fastnn.datasets.readers.npy import check_text, read_npy_header
from fastnn.datasets.readers.sources import Source
from fastnn.datasets.split import Split
from fastnn.datasets.tables import Table
from fastnn.system.memory_budget import Budget
from fastnn.validation.frames import some
from fastnn.validation.values import words_of

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


def read_npz_table(source: Source, *, with_labels: bool) -> Table:
    """Read an NPZ file; `fastnn.datasets.read_table` says which arrays it has."""
    parts = read_npz(source.stream, source.name, source.budget, with_labels=with_labels)
    x, y = parts["all"] if "all" in parts else parts["train"]

    def own(part: str) -> Split | None:
        part_x, part_y = parts.get(part, (x[:0], None))
        return None if part_y is None else Split(part_x, part_y)

    names = tuple(f"column {i + 1}" for i in range(x.shape[1]))
    label_name = None if y is None else "y"
    return Table(source.path.stem, x, y, names, label_name, own("validation"), own("test"))


def read_npz(
    stream: BinaryIO, source: str, budget: Budget, *, with_labels: bool
) -> dict[str, Rows]:
    """Return the x (n_rows, n_features) and y of each part a file has.

    The parts are "all", from the arrays x and y, or "train" with "test" and "validation" if
    present, from x_train, y_train and so on; names are not case-sensitive. Without labels, y is
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
                raise ValueError(f"it has x{suffix} but no labels y{suffix}")
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
            found = some(sorted(members)) or "none"
            raise ValueError(
                "expected arrays x and y, or x_train, y_train, x_test and y_test, and optionally "
                f"x_validation and y_validation; found {found}"
            )
        widths = {part: x.shape[1] for part, (x, _) in parts.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(f"its parts differ in their number of features: {widths}")
        return parts


@contextmanager
def said_of(source: str, kind: str) -> Iterator[None]:
    """Convert any error in reading a damaged archive to a ValueError about the file."""
    try:
        yield
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{source} is not a whole {kind.split(' ', 1)[1]} ({words_of(error)}); it is truncated "
            "or something else"
        ) from error
    except MemoryError:  # not a fault of the file
        raise
    except ValueError as error:
        if str(error).startswith(source):
            raise
        raise ValueError(f"{source}: {error}") from error
    except Exception as error:  # zlib.error, EOFError, NotImplementedError, struct.error, …
        raise ValueError(
            f"{source} cannot be read as {kind} ({type(error).__name__}: {words_of(error)}); it is "
            "damaged or compressed in an unusual way"
        ) from error


def _forget(read: Array, kept: Array, budget: Budget) -> None:
    """Count an array as freed if it was copied."""
    if not np.may_share_memory(read, kept):
        budget.give_back(read.nbytes)


def _read_member(archive: zipfile.ZipFile, member: str, budget: Budget) -> Array:
    info = archive.getinfo(member)
    n_bytes, packed = info.file_size, info.compress_size
    if n_bytes > MAX_DEFLATE_RATIO * packed + PIECE:
        raise ValueError(f"{member} claims {n_bytes} bytes from {packed} compressed; impossible")
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
    check_text(flat, member)
    return flat.reshape(shape, order="F" if fortran_order else "C")


def features_of(x: Array, key: str, budget: Budget) -> Array:
    """Return x as (n_rows, n_features), uint8, float32 or float64."""
    if x.ndim < 2:
        raise ValueError(
            f"{key} has shape {x.shape}; expected rows of features (n_rows, n_features)"
        )
    if x.dtype.kind not in "buif":
        raise ValueError(f"{key} has dtype {x.dtype}; expected numbers")
    if 0 in x.shape:
        raise ValueError(f"{key} has shape {x.shape}: it must have at least one row and column")
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
            budget.take(8 * n_rows, f"{key} is converted to int64 {(n_rows,)}")
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
    """Return whether each row of y (n_rows, n_out) has a single 1 and otherwise 0."""
    for rows in blocks(y, 8):
        part = y[rows]
        if not ((part == 0) | (part == 1)).all() or not (part.sum(axis=1) == 1).all():
            return False
    return True
