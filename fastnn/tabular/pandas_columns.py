"""Columns from pandas, of every dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.tabular.arrays import array_column
from fastnn.tabular.cells import TIME, UTC_NOTE, object_column
from fastnn.tabular.frame import Column
from fastnn.tabular.kinds import as_kind
from fastnn.tabular.libraries import is_of
from fastnn.tabular.whole_numbers import number_column


def is_pandas(x: Any) -> bool:
    """Return whether x is a frame or a series of pandas."""
    return hasattr(x, "iloc") and is_of(x, "pandas")


def pandas_columns(x: Any) -> list[tuple[Any, Any]]:
    """Return the names of a frame's columns, and the columns as series."""
    return [(name, x.iloc[:, i]) for i, name in enumerate(x.columns)]


def pandas_column(name: str, series: Any) -> Column:
    """Return a series as a column.

    Raises
    ------
    TypeError
        If it holds other values than text, numbers, flags and times.
    """
    dtype = series.dtype
    if hasattr(dtype, "pyarrow_dtype"):
        from fastnn.tabular.arrow_columns import arrow_column

        return arrow_column(name, series.array.__arrow_array__())
    if hasattr(dtype, "categories"):
        return _categorical(name, series)
    if hasattr(dtype, "freq") and dtype.kind == "O":  # periods
        times = series.dt.to_timestamp().to_numpy().astype(TIME)
        note = "periods are read as the times they start at"
        return Column(name, "time", times, note=note, has_zone=False)
    if getattr(dtype, "tz", None) is not None:
        times = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype(TIME)
        return Column(name, "time", times, note=UTC_NOTE, has_zone=True)
    if hasattr(dtype, "fill_value") and hasattr(series, "sparse"):
        return array_column(name, series.sparse.to_dense().to_numpy())
    if isinstance(dtype, np.dtype):
        return array_column(name, series.to_numpy())
    if hasattr(dtype, "na_value") and dtype.kind in "biuf":  # nullable
        if dtype.kind == "b":
            return Column(name, "flag", series.to_numpy(np.float64, na_value=np.nan))
        numbers = series.to_numpy(np.float64, na_value=np.nan)
        return number_column(name, numbers, were_whole=dtype.kind != "f")
    return object_column(name, series.to_numpy(object))  # text, and other libraries' types


def _categorical(name: str, series: Any) -> Column:
    """Return a categorical series: its categories, of any type, as text."""
    known = series.cat.categories
    if hasattr(known, "closed"):  # intervals, as of pandas.cut
        known = known.astype(str)
    categories = as_kind(array_column(name, known.to_numpy()), "text").values
    texts = np.array([*categories, None], object)  # of the code -1, the last
    ordered = bool(series.cat.ordered)
    return Column(name, "text", texts[series.cat.codes.to_numpy()], tuple(categories), ordered)
