"""Columns from polars, of every dtype but nested ones."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from fastnn.tabular.cells import TIME, UTC_NOTE, object_column
from fastnn.tabular.frame import Column
from fastnn.tabular.libraries import is_of
from fastnn.tabular.whole_numbers import number_column
from fastnn.validation.values import shortened


def is_polars(x: Any) -> bool:
    """Return whether x is a frame or a series of polars."""
    return is_of(x, "polars")


def polars_column(name: str, series: Any) -> Column:
    """Return a series as a column.

    Raises
    ------
    TypeError
        If it holds other values than text, numbers, flags and times, such as lists or structs.
    """
    pl: Any = sys.modules["polars"]  # it is theirs, so it is imported
    dtype = series.dtype
    if dtype == pl.Boolean:
        return Column(name, "flag", _floats(series, pl))
    if str(dtype) in ("Int128", "UInt128"):  # which NumPy has not
        return object_column(name, _objects(series))
    if dtype.is_numeric():
        return number_column(name, _floats(series, pl), were_whole=dtype.is_integer())
    if dtype in (pl.Categorical, pl.Enum):
        texts = series.cast(pl.String)
        known = dtype.categories if dtype == pl.Enum else texts.drop_nulls().unique().sort()
        return Column(name, "text", _objects(texts), tuple(known.to_list()))
    if dtype == pl.String:
        return Column(name, "text", _objects(series))
    if dtype in (pl.Date, pl.Datetime):
        zone = getattr(dtype, "time_zone", None)
        if zone is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        times = series.cast(pl.Datetime("us")).to_numpy().astype(TIME)
        note = None if zone is None else UTC_NOTE
        return Column(name, "time", times, note=note, has_zone=zone is not None)
    if dtype == pl.Duration:
        return Column(name, "number", _floats(series.dt.total_microseconds(), pl) / 1e6,
                      note="durations are read in seconds")  # fmt: skip
    if dtype == pl.Time:
        seconds = _floats(series.cast(pl.Int64), pl) / 1e9
        return Column(name, "number", seconds, note="times of day are read in seconds")
    if dtype == pl.Null:
        return Column(name, "number", np.full(len(series), np.nan))
    if dtype == pl.Object:
        return object_column(name, _objects(series))
    raise TypeError(
        f"x must hold text, numbers, flags or times, but its column {shortened(repr(name))} has "
        f"the dtype {dtype}: leave it out, or make columns of it, as by unnest or explode"
    )


def _floats(series: Any, pl: Any) -> Any:
    return series.cast(pl.Float64).to_numpy()


def _objects(series: Any) -> Any:
    cells = np.empty(len(series), object)
    cells[:] = series.to_list()
    return cells
