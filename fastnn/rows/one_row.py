"""A single row: read as a minibatch of one, and its result given back as one row.

One row is one-dimensional, (n_in,); or a series of pandas whose index holds the names of columns,
as ``frame.iloc[0]`` and ``frame.iterrows()`` give, which is a row of that frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnn.validation import is_frame
from fastnn.validation.values import as_array


def row_of_frame(x: Any) -> Any:
    """Return a series that is a row of a frame as a frame of one row; None for anything else."""
    if len(getattr(x, "shape", ())) != 1 or not (hasattr(x, "to_frame") and hasattr(x, "index")):
        return None
    return x.to_frame().T if all(isinstance(name, str) for name in x.index) else None


def as_rows(x: Any, *, is_table: bool = False) -> tuple[Any, bool]:
    """Return one row (n_in,) as rows (1, n_in), anything else as it is; and whether it was one.

    With `is_table`, they are a table of mixed columns, and not converted.
    """
    if is_table:
        return _as_table(x)
    if isinstance(x, list | tuple):
        x = as_array("x", x)
    if hasattr(x, "indptr"):
        return x, False
    n_dims = getattr(x, "ndim", None)
    if n_dims is None and not is_frame(x):  # a series of polars, an array.array
        n_dims = as_array("x", x).ndim
    if n_dims != 1:
        return x, False
    frame = row_of_frame(x)
    return as_array("x", x)[None] if frame is None else frame, True


def _as_table(x: Any) -> tuple[Any, bool]:
    """Return a row of a mixed table, as a dict, a list, a series or a record, as a table of one."""
    frame = row_of_frame(x)
    if frame is not None:
        return frame, True
    if isinstance(x, Mapping):
        is_row = any(map(_is_cell, x.values()))
        return ([dict(x)] if is_row else x), is_row
    if isinstance(x, np.void) and x.dtype.names is not None:
        return np.array([x], x.dtype), True
    if isinstance(x, np.ndarray):
        is_row = x.ndim == 1 and x.dtype.names is None
        return (x[None] if is_row else x), is_row
    if isinstance(x, list | tuple):
        is_row = bool(x) and all(map(_is_cell, x))
        return ([x] if is_row else x), is_row
    return x, False


def _is_cell(value: Any) -> bool:
    return isinstance(value, str) or not hasattr(value, "__len__")


def as_minibatch(x: Any, y: Any, *, is_table: bool = False) -> tuple[Any, Any, bool]:
    """Return one row, and the label or targets of one, as several of each; see `as_rows`."""
    rows, is_row = as_rows(x, is_table=is_table)
    if is_row and y is not None:
        y = as_array("y", y)[None]
    return rows, y, is_row


def of_one_row(x: Any, is_row: bool) -> Any:
    """Return checked rows as a plain array, of one row (n_in,) if it was one; CSR as it is."""
    if not isinstance(x, np.ndarray):
        return x
    x = np.asarray(x)
    return x[0] if is_row else x
