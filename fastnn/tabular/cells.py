"""Cells of Python objects: what kind of column they are, and its values.

Types decide, not contents: text that reads as numbers stays text here. Missing are None, NaN, NaT
and pandas' NA. A column of several types is

    flags and numbers          numbers
    text and anything else     text, with a note
    numbers and times, ...     an error
"""

from __future__ import annotations

import datetime as dt
import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.frame import Column
from fastnn.tabular.whole_numbers import number_column
from fastnn.validation.values import describe, shortened

TIME = np.dtype("datetime64[us]")
UTC_NOTE = "times with a time zone are read in UTC"
_MISSING = ("NoneType", "NAType", "NaTType")
_WORDS = {"flag": "flags", "number": "numbers", "text": "text", "time": "times",
          "duration": "durations", "time of day": "times of day"}  # fmt: skip


def object_column(name: str, cells: NDArray[Any]) -> Column:
    """Return a column of Python objects (n_rows,), of the kind that their types say.

    Raises
    ------
    TypeError
        If a cell is none of text, a number, a flag or a time; or if numbers and times are mixed.
    ValueError
        If a number is too large for a float.
    """
    values = cells.tolist()
    kinds = {kind: _kind_of(kind) for kind in set(map(type, values))}
    if None in kinds.values():
        row = next(i for i, value in enumerate(values) if kinds[type(value)] is None)
        raise TypeError(
            f"x must hold text, numbers, flags or times, but its column {shortened(repr(name))} "
            f"holds {describe(values[row])} in row {row}: leave it out, or make columns of it"
        )
    found = {str(kind) for kind in kinds.values()} - {"missing"}
    if "number" in found and len(found) > 1 and _all_nan(values, kinds):
        found.discard("number")
    if not found:
        return Column(name, "number", np.full(len(values), np.nan))
    if "text" in found:
        return _text(name, cells, values, found, plain=set(kinds) <= {str, type(None)})
    if found == {"time"}:
        known = [value for value in values if not is_missing(value)]
        zones = [getattr(value, "tzinfo", None) is not None for value in known]
        aware = one_of_zones(name, known, zones)
        times = np.array([_time(value) for value in values], TIME)
        return Column(name, "time", times, note=UTC_NOTE if aware else None, has_zone=aware)
    if len(found) == 1 and found <= {"duration", "time of day"}:
        seconds = np.array([_seconds(value) for value in values])
        what = {"duration": "durations", "time of day": "times of day"}[found.pop()]
        return Column(name, "number", seconds, note=f"{what} are read in seconds")
    if found <= {"flag", "number"}:
        floats = _floats(name, values, _number)
        if found == {"flag"}:
            return Column(name, "flag", floats)
        return number_column(name, floats, were_whole=any(map(_is_whole, kinds)))
    what = " and ".join(_WORDS[kind] for kind in sorted(found))
    raise TypeError(
        f"x must hold one kind of value in each column, but its column {shortened(repr(name))} "
        f"holds {what}: convert it first, or leave it out"
    )


def one_of_zones(name: str, values: Sequence[Any], zones: Sequence[bool]) -> bool | None:
    """Return whether times have a zone, each of which has or has not; None if there are none.

    Raises
    ------
    ValueError
        If some have and others have not: these could be of any zone.
    """
    if not zones:
        return None
    if len(set(zones)) > 1:
        with_zone, without = values[zones.index(True)], values[zones.index(False)]
        raise ValueError(
            f"x must hold times with a time zone, or without, but its column "
            f"{shortened(repr(name))} holds both, such as {shortened(str(with_zone))} and "
            f"{shortened(str(without))}: give all the same zone"
        )
    return zones[0]


def number_text(value: float) -> str:
    """Return a number as the text by which categories are compared: a whole one without ".0"."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


def _kind_of(kind: type) -> str | None:
    if kind.__name__ in _MISSING:
        return "missing"
    if issubclass(kind, bool | np.bool_):
        return "flag"
    if issubclass(kind, str | bytes):
        return "text"
    if issubclass(kind, dt.timedelta | np.timedelta64):
        return "duration"
    if issubclass(kind, dt.date | np.datetime64):
        return "time"
    if issubclass(kind, dt.time):
        return "time of day"
    return "number" if issubclass(kind, numbers.Real | Decimal) else None


def _is_whole(kind: type) -> bool:
    return _kind_of(kind) == "number" and issubclass(kind, numbers.Integral)


def is_missing(value: Any) -> bool:
    """Return whether a cell has no value: None, NaN, NaT or NA."""
    if type(value).__name__ in _MISSING:
        return True
    if isinstance(value, numbers.Real | Decimal):
        return math.isnan(value)
    return isinstance(value, np.datetime64 | np.timedelta64) and bool(np.isnat(value))


def _all_nan(values: Iterable[Any], kinds: dict[type, str | None]) -> bool:
    return all(is_missing(value) for value in values if kinds[type(value)] == "number")


def _text(
    name: str, cells: NDArray[Any], values: list[Any], found: set[str], *, plain: bool
) -> Column:
    if plain:
        return Column(name, "text", cells)
    texts = np.empty(len(values), object)
    texts[:] = [_as_text(name, i, value) for i, value in enumerate(values)]
    others = " and ".join(_WORDS[kind] for kind in sorted(found - {"text"}))
    return Column(name, "text", texts, note=f"holds text and {others}: read as text" * bool(others)
                  or None)  # fmt: skip


def _as_text(name: str, row: int, value: Any) -> str | None:
    if isinstance(value, str | bool):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError(
                f"x must hold text as UTF-8, but its column {shortened(repr(name))} holds "
                f"{describe(value)} in row {row}: decode it first"
            ) from None
    if is_missing(value):
        return None
    if isinstance(value, numbers.Real | Decimal):
        return number_text(float(value))
    return str(value)


def _floats(name: str, values: list[Any], number: Callable[[Any], float]) -> NDArray[np.float64]:
    try:
        return np.fromiter(map(number, values), np.float64, len(values))
    except OverflowError:
        row = next(i for i, value in enumerate(values) if _is_too_large(value))
        raise ValueError(
            f"x must hold numbers that fit in a float, but its column {shortened(repr(name))} "
            f"holds {describe(values[row])} in row {row}"
        ) from None


def _number(value: Any) -> float:
    return math.nan if type(value).__name__ in _MISSING else float(value)


def _is_too_large(value: Any) -> bool:
    try:
        _number(value)
    except OverflowError:
        return True
    return False


def _time(value: Any) -> np.datetime64:
    if is_missing(value):
        return np.datetime64("NaT", "us")
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(value, dt.datetime) and type(value) is not dt.datetime:  # pandas' Timestamp
        value = dt.datetime.fromisoformat(value.isoformat(timespec="microseconds"))
    return np.datetime64(value, "us")


def _seconds(value: Any) -> float:
    if is_missing(value):
        return math.nan
    if isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "us")) / 1e6
    if isinstance(value, dt.time):
        return 3600.0 * value.hour + 60.0 * value.minute + value.second + value.microsecond / 1e6
    return float(value.total_seconds())
