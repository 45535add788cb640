"""Columns from Arrow, of every type but nested ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.tabular.cells import TIME, UTC_NOTE, object_column
from fastnn.tabular.frame import Column
from fastnn.tabular.kinds import as_kind
from fastnn.tabular.libraries import is_of
from fastnn.tabular.whole_numbers import number_column
from fastnn.validation.values import shortened


def is_arrow(x: Any) -> bool:
    """Return whether x is a table, a batch or an array of pyarrow."""
    return is_of(x, "pyarrow")


def arrow_columns(table: Any) -> list[tuple[str, Any]]:
    """Return the names of a table's columns, and the columns as arrays."""
    return list(zip(table.schema.names, table.columns, strict=True))


def arrow_column(name: str, array: Any) -> Column:
    """Return an array, in chunks or not, as a column.

    Raises
    ------
    TypeError
        If it holds other values than text, numbers, flags and times, such as lists or structs.
    """
    import pyarrow as pa

    dtype, has = array.type, pa.types
    if has.is_dictionary(dtype):
        return _categorical(name, array)
    if has.is_null(dtype):
        return Column(name, "number", np.full(len(array), np.nan))
    if has.is_boolean(dtype):
        return Column(name, "flag", _floats(array.cast(pa.int8())))
    if has.is_integer(dtype):
        return number_column(name, _floats(array), were_whole=True)
    if has.is_floating(dtype) or has.is_decimal(dtype):
        return Column(name, "number", _floats(array.cast(pa.float64())))
    if has.is_date(dtype) or has.is_timestamp(dtype):
        zone = getattr(dtype, "tz", None)
        times = array.cast(pa.timestamp("us", zone), safe=False)
        values = times.to_numpy(**_copying(array)).astype(TIME)
        note = None if zone is None else UTC_NOTE
        return Column(name, "time", values, note=note, has_zone=zone is not None)
    if has.is_duration(dtype) or has.is_time(dtype):
        what = "durations" if has.is_duration(dtype) else "times of day"
        per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[dtype.unit]
        whole = pa.int32() if dtype.bit_width == 32 else pa.int64()
        seconds = _floats(array.cast(whole)) / per_second
        return Column(name, "number", seconds, note=f"{what} are read in seconds")
    if has.is_string(dtype) or has.is_large_string(dtype) or "string_view" in str(dtype):
        cells = np.empty(len(array), object)
        cells[:] = array.to_pylist()
        return Column(name, "text", cells)
    if has.is_binary(dtype) or has.is_large_binary(dtype):
        return object_column(name, np.array(array.to_pylist(), object))
    raise TypeError(
        f"x must hold text, numbers, flags or times, but its column {shortened(repr(name))} has "
        f"the type {dtype}: leave it out, or make columns of it"
    )


def _categorical(name: str, array: Any) -> Column:
    if hasattr(array, "combine_chunks"):
        array = array.unify_dictionaries().combine_chunks()
        array = array.chunk(0) if hasattr(array, "chunk") else array
    categories = as_kind(arrow_column(name, array.dictionary), "text").values
    codes = np.nan_to_num(_floats(array.indices), nan=-1.0).astype(np.int64)
    texts = np.array([*categories, None], object)  # of the code -1, the last
    return Column(name, "text", texts[codes], tuple(categories), bool(array.type.ordered))


def _floats(array: Any) -> Any:
    return array.to_numpy(**_copying(array)).astype(np.float64)


def _copying(array: Any) -> dict[str, bool]:
    """Return the argument that lets an array be copied; one in chunks always is."""
    return {} if hasattr(array, "chunks") else {"zero_copy_only": False}
