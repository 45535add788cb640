"""Columns from NumPy arrays, and from lists of Python objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.cells import TIME, object_column
from fastnn.tabular.frame import Column
from fastnn.tabular.whole_numbers import number_column
from fastnn.validation.values import as_array, shortened


def array_column(name: str, values: Any) -> Column:
    """Return an array or a list (n_rows,) as a column, of the kind of its dtype.

    Raises
    ------
    TypeError
        If its dtype is none of numbers, flags, text and times.
    ValueError
        If it is not one-dimensional.
    """
    if isinstance(values, list | tuple):
        return object_column(name, _objects(values))
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    values = np.asarray(values) if mask is None else np.ma.getdata(values)
    if values.ndim != 1:
        raise ValueError(
            f"x must hold one-dimensional columns, but {shortened(repr(name))} has shape "
            f"{values.shape}"
        )
    column = _of_dtype(name, values)
    if mask is None or not mask.any():
        return column
    filled = column.values.copy()
    filled[mask] = {"text": None, "time": np.datetime64("NaT")}.get(column.kind, np.nan)
    return replace(column, values=filled)


def _of_dtype(name: str, values: NDArray[Any]) -> Column:
    kind = values.dtype.kind
    if kind == "b":
        return Column(name, "flag", values.astype(np.float64))
    if kind in "iuf":
        numbers = np.asarray(values, np.float64)
        return number_column(name, numbers, were_whole=kind != "f")
    if kind in "SUT":
        return object_column(name, values.astype(object))
    if kind == "O":
        return object_column(name, values)
    if kind == "M":
        return Column(name, "time", values.astype(TIME), has_zone=False)
    if kind == "m":
        seconds = values.astype("timedelta64[us]") / np.timedelta64(1, "s")
        return Column(name, "number", seconds, note="durations are read in seconds")
    raise TypeError(
        f"x must hold text, numbers, flags or times, but its column {shortened(repr(name))} has "
        f"the dtype {values.dtype}: leave it out, or make columns of it"
    )


def columns_of_rows(x: Any) -> list[Column]:
    """Return a table (n_rows, n_columns), an array or a list of lists, as columns called by number.

    Raises
    ------
    TypeError, ValueError
        If it is not two-dimensional, or a column has no kind.
    """
    array = _table(x) if isinstance(x, list | tuple) else x
    if array.ndim != 2:
        raise ValueError(
            f"x must be a table of shape (n_rows, n_columns), got shape {array.shape}: one row is "
            "x.reshape(1, -1), one column x.reshape(-1, 1)"
        )
    return [array_column(f"column {i + 1}", array[:, i]) for i in range(array.shape[1])]


def _table(rows: Any) -> NDArray[Any]:
    array = as_array("x", [] if not len(rows) else list(map(list, rows)))
    if array.dtype.kind in "biuf" and len({type(cell) for row in rows for cell in row}) <= 1:
        return array
    table = np.empty((len(rows), len(rows[0]) if len(rows) else 0), object)
    for i, row in enumerate(rows):  # NumPy would make text, or floats, of flags and whole numbers
        table[i] = _objects(row)
    return table


def _objects(values: Any) -> NDArray[Any]:
    cells = np.empty(len(values), object)
    cells[:] = values
    return cells
