"""Checks of sparse matrices: compiled code uses their indices as memory offsets.

A CSR matrix of n_rows rows is valid if

    0 = indptr[0] ≤ indptr[1] ≤ … ≤ indptr[n_rows] ≤ len(indices) = len(data)

and each index is a column. SciPy accepts invalid matrices, may replace their arrays during a check,
and converts other formats without checks. So a check first makes a private matrix with the
same arrays, which other code cannot replace, and never changes the caller's matrix.

Another thread may still write to the arrays. fastnn's compiled code checks each number when it is
used; SciPy and Numba do not, so arrays for these are copied before they are checked.
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
"""For a pass over less than 1 / FEW_ROWS of the rows, only their entries are checked."""


def is_sparse(x: Any) -> bool:
    """Return whether x is a SciPy sparse matrix or array."""
    sparse = sys.modules.get("scipy.sparse")  # imported if there is a sparse matrix
    return sparse is not None and bool(sparse.issparse(x))


def is_csr(x: Any) -> bool:
    """Return whether x is a sparse matrix in CSR format."""
    return is_sparse(x) and x.format == "csr"


def own_csr(x: Any, copied: tuple[str, ...] = ()) -> Any:
    """Return a private CSR matrix, whose arrays other code cannot replace.

    They are contiguous, aligned and in native byte order, and indices and indptr are both int32 or
    both int64: the caller's arrays if they are so and not listed in `copied`, otherwise copies.
    Entries are not checked: see `check_entries`.

    Raises
    ------
    TypeError
        If its indices are not integers.
    ValueError
        If it is not two-dimensional, or lengths do not match.
    """
    own = copy.copy(x)
    _own_compressed(own, "CSR", copied=copied)
    return own


def check_entries(x: Any, rows: NDArray[np.int64] | None = None) -> None:
    """Check that the entries of a matrix from `own_csr` are in bounds, for all or some rows.

    Raises
    ------
    ValueError
        If they are not.
    """
    if rows is None or FEW_ROWS * len(rows) >= x.shape[0]:
        _check_compressed(x, "CSR", *x.shape)
        return
    starts, ends = x.indptr[rows], x.indptr[rows + 1]
    is_sound = (starts >= 0) & (starts <= ends) & (ends <= len(x.indices))
    if x.indptr[0] != 0 or not is_sound.all():
        _check_compressed(x, "CSR", *x.shape)  # raises a specific error
    _check_numbers(x[rows].indices, "CSR", "indices", x.shape[1])


def sound_csr(x: Any) -> Any:
    """Return any sparse matrix as a valid private CSR matrix, and anything else unchanged.

    Its indptr is a copy, so that its rows can be taken safely at any time; see `rows_of_csr`.

    Raises
    ------
    TypeError, ValueError
        If its arrays do not match, or entries are out of bounds.
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
        case "csc":  # checked before SciPy converts it
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
    """Return rows of a valid matrix, with copied column indices.

    Its `indptr` is a copy too: see `own_csr`.

    Raises
    ------
    ValueError
        If another thread has written invalid column indices to x.
    """
    taken = copy.copy(x[rows])
    taken.indices = np.array(taken.indices)
    _check_numbers(taken.indices, "CSR", "indices", x.shape[1])
    return taken


def _own_compressed(
    own: Any, kind: str, n_major: int | None = None, copied: tuple[str, ...] = ()
) -> None:
    """Make the three arrays of a matrix plain ones, and check that their lengths match."""
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
            f"x is not a valid {kind} matrix: indices and data must have the same length, got "
            f"{len(own.indices)} and {len(own.data)}"
        )


def _integers(values: Any, kind: str, name: str) -> Array:
    """Return indices or indptr in native byte order."""
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
    """Return a view of values if contiguous, aligned and of the dtype, otherwise a copy."""
    flags = values.flags
    if values.dtype == dtype and flags.c_contiguous and flags.aligned:
        return values.view()
    return np.array(values, dtype, order="C")


def _native(values: Array) -> Array:
    if values.dtype.isnative:
        return values
    return values.astype(values.dtype.newbyteorder("="))


def _check_compressed(x: Any, kind: str, n_major: int, n_minor: int) -> None:
    """Check indptr and the indices of the entries."""
    indptr, end = x.indptr, len(x.indices)
    if indptr[0] != 0:
        raise ValueError(
            f"x is not a valid {kind} matrix: indptr must start with 0, got {indptr[0]}"
        )
    falls = indptr[:-1] > indptr[1:]  # not np.diff, which may overflow
    if falls.any():
        at = int(falls.argmax())
        raise ValueError(
            f"x is not a valid {kind} matrix: indptr must not decrease, got {indptr[at + 1]} after "
            f"{indptr[at]} at index {at + 1} of {n_major}"
        )
    if indptr[-1] > end:
        raise ValueError(
            f"x is not a valid {kind} matrix: indptr must not end above {end}, the length of "
            f"indices and data, got {indptr[-1]}"
        )
    _check_numbers(x.indices[: indptr[-1]], kind, "indices", n_minor)


def _check_numbers(numbers: Array, kind: str, name: str, end: int) -> None:
    """Check that all numbers of a contiguous array lie in [0, end)."""
    # Viewed as unsigned, negative numbers are the largest.
    if numbers.size and numbers.view(f"u{numbers.itemsize}").max() >= end:
        at = int(((numbers < 0) | (numbers >= end)).argmax())
        raise ValueError(
            f"x is not a valid {kind} matrix: {name} must lie in [0, {end}), got {numbers[at]} at "
            f"index {at}"
        )
