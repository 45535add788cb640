"""Checks of sparse matrices: compiled code follows their numbers wherever they lead.

A CSR matrix of n_rows rows is sound if

    0 = indptr[0] ≤ indptr[1] ≤ … ≤ indptr[n_rows] ≤ len(indices) = len(data)

and each index is a column. SciPy takes much else, replaces a matrix's arrays while it looks, and
converts other formats without looking. So a check begins with a matrix of its own that holds the
same arrays, which nobody else can replace, and never changes the caller's.

Another thread may still write to the arrays. Compiled code of fastnn's own looks at each number
when it follows it; SciPy does not, so what SciPy or Numba is going to follow is copied before it is
looked at.
"""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.validation.values import describe

FEW_ROWS = 4
"""A pass over less than this part of the rows has only their entries looked at."""


def is_sparse(x: Any) -> bool:
    """Say whether x is a sparse matrix or array of SciPy's."""
    sparse = sys.modules.get("scipy.sparse")  # whoever holds one has imported it
    return sparse is not None and bool(sparse.issparse(x))


def is_csr(x: Any) -> bool:
    """Say whether x is one in CSR format."""
    return is_sparse(x) and x.format == "csr"


def own_csr(x: Any, copied: tuple[str, ...] = ()) -> Any:
    """Return a CSR matrix of SciPy's as one with arrays that nobody else can replace.

    They are contiguous, aligned, in this machine's byte order, and int32 or int64, both alike: the
    caller's, where those are so and not to be `copied`, else copies. The entries are not looked at:
    see `check_entries`.

    Raises
    ------
    TypeError
        If its indices are not integers.
    ValueError
        If it is not two-dimensional, or lengths do not agree.
    """
    own = copy.copy(x)
    _own_compressed(own, "CSR", copied=copied)
    return own


def check_entries(x: Any, rows: NDArray[np.int64] | None = None) -> None:
    """Check that the entries of a matrix of `own_csr`'s lie inside it: all, or those of some rows.

    Raises
    ------
    ValueError
        If they do not.
    """
    if rows is None or FEW_ROWS * len(rows) >= x.shape[0]:
        _check_compressed(x, "CSR", *x.shape)
        return
    starts, ends = x.indptr[rows], x.indptr[rows + 1]
    is_sound = (starts >= 0) & (starts <= ends) & (ends <= len(x.indices))
    if x.indptr[0] != 0 or not is_sound.all():
        _check_compressed(x, "CSR", *x.shape)  # which names what is wrong
    _check_numbers(x[rows].indices, "CSR", "indices", x.shape[1])


def sound_csr(x: Any) -> Any:
    """Return any sparse matrix as a sound CSR one of its own, and what is not sparse as it is.

    Nobody else can change where its rows begin, so that its rows can be taken at any time; see
    `rows_of_csr`.

    Raises
    ------
    TypeError, ValueError
        If its parts do not agree, or entries lie outside it.
    """
    if not is_sparse(x):
        return x
    own = copy.copy(x)
    if own.ndim != 2:
        raise ValueError(f"x must be a matrix of two dimensions, got shape {own.shape}")
    n_rows, n_columns = own.shape
    match own.format:
        case "csr":
            _own_compressed(own, "CSR", copied=("indptr",))
            _check_compressed(own, "CSR", n_rows, n_columns)
            return own
        case "csc":  # what SciPy converts is looked at before it does
            _own_compressed(own, "CSC", copied=("indices", "indptr"))
            _check_compressed(own, "CSC", n_columns, n_rows)
        case "bsr":
            height, width = own.data.shape[1:] if np.ndim(own.data) == 3 else (0, 0)
            if not (height and width) or n_rows % height or n_columns % width:
                raise ValueError(
                    f"x is not a valid BSR matrix: blocks of shape {np.shape(own.data)[1:]} do not "
                    f"fill {own.shape}"
                )
            _own_compressed(own, "BSR", n_rows // height, copied=("indices", "indptr"))
            _check_compressed(own, "BSR", n_rows // height, n_columns // width)
        case "coo":
            own.row, own.col = (np.array(part) for part in (own.row, own.col))
            if not len(own.row) == len(own.col) == len(own.data):
                raise ValueError(
                    f"x is not a valid COO matrix: row, col and data have lengths {len(own.row)}, "
                    f"{len(own.col)} and {len(own.data)}"
                )
            for name, numbers, end in (("row", own.row, n_rows), ("col", own.col, n_columns)):
                _check_numbers(_integers(numbers, "COO", name), "COO", name, end)
    made = own_csr(own.tocsr())
    check_entries(made)
    return made


def rows_of_csr(x: Any, rows: Any) -> Any:
    """Return rows of a sound matrix as one that shares no numbers of columns with it.

    Nobody else can write to its `indptr`: see `own_csr`.

    Raises
    ------
    ValueError
        If another thread has written column numbers to x that are none.
    """
    taken = copy.copy(x[rows])
    taken.indices = np.array(taken.indices)
    _check_numbers(taken.indices, "CSR", "indices", x.shape[1])
    return taken


def _own_compressed(
    own: Any, kind: str, n_major: int | None = None, copied: tuple[str, ...] = ()
) -> None:
    """Bring the three arrays of a matrix to plain ones, and check that their lengths agree."""
    if own.ndim != 2:
        raise ValueError(f"x must be a matrix of two dimensions, got shape {own.shape}")
    if n_major is None:
        n_major = own.shape[1 if kind == "CSC" else 0]
    data = _native(np.asarray(own.data))
    indices = _integers(own.indices, kind, "indices")
    indptr = _integers(own.indptr, kind, "indptr")
    both = np.int32 if indices.dtype == indptr.dtype == np.int32 else np.int64
    own.data, own.indices, own.indptr = (
        _plain(data, data.dtype), _plain(indices, both), _plain(indptr, both)
    )  # fmt: skip
    for name in copied:
        setattr(own, name, getattr(own, name).copy())
    if own.data.ndim != (3 if kind == "BSR" else 1):
        raise ValueError(f"x is not a valid {kind} matrix: data has shape {own.data.shape}")
    if len(own.indptr) != n_major + 1:
        raise ValueError(
            f"x is not a valid {kind} matrix: indptr must have length {n_major + 1} for shape "
            f"{own.shape}, got {len(own.indptr)}"
        )
    if len(own.indices) != len(own.data):
        raise ValueError(
            f"x is not a valid {kind} matrix: indices and data must be of one length, got "
            f"{len(own.indices)} and {len(own.data)}"
        )


def _integers(values: Any, kind: str, name: str) -> Array:
    """Return row or column numbers, or where they begin, in this machine's byte order."""
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "iu":
        raise TypeError(
            f"x is not a valid {kind} matrix: {name} must hold integers, got {describe(values)}"
        )
    if numbers.ndim != 1:
        raise ValueError(
            f"x is not a valid {kind} matrix: {name} must have one dimension, got shape "
            f"{numbers.shape}"
        )
    return _native(numbers)


def _plain(values: Array, dtype: Any) -> Array:
    """Return a view of values, if contiguous, aligned and of the dtype, else a copy that is."""
    flags = values.flags
    if values.dtype == dtype and flags.c_contiguous and flags.aligned:
        return values.view()
    return np.array(values, dtype, order="C")


def _native(values: Array) -> Array:
    if values.dtype.isnative:
        return values
    return values.astype(values.dtype.newbyteorder("="))


def _check_compressed(x: Any, kind: str, n_major: int, n_minor: int) -> None:
    """Check where rows begin, or columns, and the numbers of their entries."""
    indptr, end = x.indptr, len(x.indices)
    if indptr[0] != 0:
        raise ValueError(
            f"x is not a valid {kind} matrix: indptr must begin with 0, got {indptr[0]}"
        )
    falls = indptr[:-1] > indptr[1:]  # no differences, which may wrap around
    if falls.any():
        at = int(falls.argmax())
        raise ValueError(
            f"x is not a valid {kind} matrix: indptr must not fall, got {indptr[at + 1]} after "
            f"{indptr[at]} at index {at + 1} of {n_major}"
        )
    if indptr[-1] > end:
        raise ValueError(
            f"x is not a valid {kind} matrix: indptr must end at most at {end}, the length of "
            f"indices and data, got {indptr[-1]}"
        )
    _check_numbers(x.indices[: indptr[-1]], kind, "indices", n_minor)


def _check_numbers(numbers: Array, kind: str, name: str, end: int) -> None:
    """Check that all numbers, a contiguous array's, lie in [0, end)."""
    # Negative ones are the largest of all without their sign.
    if numbers.size and numbers.view(f"u{numbers.itemsize}").max() >= end:
        at = int(((numbers < 0) | (numbers >= end)).argmax())
        raise ValueError(
            f"x is not a valid {kind} matrix: {name} must lie in [0, {end}), got {numbers[at]} at "
            f"index {at}"
        )
