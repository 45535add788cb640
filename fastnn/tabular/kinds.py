"""A column of one kind read as another: what a network was trained on, in whatever form it comes.

    to number   from flags; from text, cell by cell
    to flag     from numbers 0 and 1; from text: true, yes, t, y and 1, or false, no, f, n and 0
    to text     from numbers and flags (a whole number without ".0"), and from times (ISO 8601)
    to time     from text, in ISO 8601

Cells of text that are empty or blank are missing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.cells import TIME, number_text, one_of_zones
from fastnn.tabular.frame import Column, Kind
from fastnn.validation.values import describe, shortened

FLAGS = {"true": 1.0, "yes": 1.0, "t": 1.0, "y": 1.0, "1": 1.0, "1.0": 1.0,
         "false": 0.0, "no": 0.0, "f": 0.0, "n": 0.0, "0": 0.0, "0.0": 0.0}  # fmt: skip
"""What text means as a flag, in lower case, in files too."""

_PLURALS = {"number": "numbers", "flag": "flags", "text": "text", "time": "times"}
_EMPTY = {"number": np.nan, "flag": np.nan, "text": None, "time": np.datetime64("NaT", "us")}
_DTYPES = {"number": np.dtype(float), "flag": np.dtype(float), "text": np.dtype(object),
           "time": TIME}  # fmt: skip


def factorized(values: NDArray[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Return codes (n_rows,) of text, and the distinct texts, in order of appearance.

    Missing cells, and empty or blank ones, have the code -1.
    """
    cells = values.tolist()
    distinct = dict.fromkeys(cells)  # np.unique would sort objects, which takes 20 times as long
    texts = [text for text in distinct if text is not None and text.strip()]
    code: dict[str | None, int] = dict.fromkeys(distinct, -1)
    code |= {text: i for i, text in enumerate(texts)}
    return np.fromiter(map(code.__getitem__, cells), np.int64, len(cells)), texts


def stripped(column: Column) -> Column:
    """Return text, and its categories, without surrounding white space; cells ``?`` are missing.

    So files are read, too. Columns of other kinds are returned as they are.
    """
    if column.kind != "text":
        return column
    cells = column.values.tolist()
    distinct = dict.fromkeys(cells)
    texts = {text: _stripped(text) for text in distinct}
    known = column.categories
    if known is not None:
        found = (_stripped(text) for text in known)
        known = tuple(dict.fromkeys(text for text in found if text is not None))
    if known == column.categories and all(text is texts[text] for text in distinct):
        return column
    values = np.empty(len(cells), object)
    values[:] = [texts[text] for text in cells]
    return replace(column, values=values, categories=known)


def _stripped(text: str | None) -> str | None:
    text = None if text is None else text.strip()
    return None if text == "?" else text


def missing_in(column: Column) -> NDArray[np.bool_]:
    """Return which cells (n_rows,) are missing; of text, blank ones too."""
    if column.kind == "text":
        return factorized(column.values)[0] < 0
    values = column.values
    return np.asarray(np.isnat(values) if column.kind == "time" else np.isnan(values))


def not_read(name: str, n_rows: int) -> Column:
    """Return what stands for a column that is not looked at: text, all of it missing."""
    return Column(name, "text", np.full(n_rows, None, object))


def nothing_known(name: str, kind: Kind) -> Column:
    """Return a column of one cell, which is missing."""
    cell: NDArray[Any] = np.array([np.nan])
    if kind == "text":
        cell = np.array([None], object)
    elif kind == "time":
        cell = np.array(["NaT"], TIME)
    return Column(name, kind, cell)


def as_kind(column: Column, kind: Kind) -> Column:
    """Return a column read as another kind.

    Raises
    ------
    TypeError
        If the one is never read as the other: numbers as times, and times as numbers or flags.
    ValueError
        If a cell cannot be read as that kind; the message has its row.
    """
    if column.kind == kind:
        return column
    convert = _CONVERSIONS.get((column.kind, kind))
    if convert is None:
        if missing_in(column).all():
            empty = np.full(len(column.values), _EMPTY[kind], _DTYPES[kind])
            return Column(column.name, kind, empty, note=column.note)
        hint = {
            ("number", "time"): ": convert them, as by pandas.to_datetime with the right unit",
            ("time", "number"): ": subtract a time of your choice first",
        }.get((column.kind, kind), "")
        raise TypeError(
            f"x must hold {_PLURALS[kind]} in its column {shortened(repr(column.name))}, got "
            f"{_PLURALS[column.kind]}{hint}"
        )
    values = convert(column)
    has_zone = _has_zone(column) if kind == "time" else None
    return replace(
        column, kind=kind, values=values, categories=None, is_ordered=False, has_zone=has_zone
    )


def check_zone(expected: bool | None, column: Column) -> None:
    """Check that times have a time zone as those of training, if both are known.

    Raises
    ------
    ValueError
        If they have one and those of training had none, or the reverse: hours and days differ.
    """
    has = column.has_zone
    if expected is None or has is None or has == expected or missing_in(column).all():
        return
    words = {True: "with a time zone", False: "without a time zone"}
    how = {
        True: "say of which zone they are, as by dt.tz_localize of pandas or dt.replace_time_zone "
        "of polars",
        False: "convert them to the zone that training meant, and leave it out, as by "
        "dt.tz_localize(None) of pandas or dt.replace_time_zone(None) of polars",
    }
    raise ValueError(
        f"x must hold times {words[expected]} in its column {shortened(repr(column.name))}, as in "
        f"training, got times {words[has]}: {how[expected]}"
    )


def number_of(text: str) -> float | None:
    """Return text as a number, or None if it is not one."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _number_of_text(column: Column) -> NDArray[np.float64]:
    return _parsed(column, number_of, np.dtype(float), "numbers")


def _flag_of_text(column: Column) -> NDArray[np.float64]:
    return _parsed(
        column, lambda text: FLAGS.get(text.strip().lower()), np.dtype(float),
        "flags, such as true and false or yes and no",
    )  # fmt: skip


def _time_of_text(column: Column) -> NDArray[np.datetime64]:
    return _parsed(column, time_of, TIME, "times as 2024-12-31 or 2024-12-31T23:59:59")


def _has_zone(column: Column) -> bool | None:
    """Return whether times that text holds have a zone; None if there are none."""
    texts = factorized(column.values)[1]
    zones = [dt.datetime.fromisoformat(text.strip()).tzinfo is not None for text in texts]
    return one_of_zones(column.name, texts, zones)


def time_of(text: str) -> np.datetime64 | None:
    """Return text in ISO 8601 as a time, in UTC if it has an offset; None if it is not one."""
    try:
        time = dt.datetime.fromisoformat(text.strip())
        if time.tzinfo is not None:
            time = time.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):  # no time, or in UTC before the year 1 or after 9999
        return None
    return np.datetime64(time, "us")


def _parsed(
    column: Column, parse: Callable[[str], Any], dtype: np.dtype[Any], expected: str
) -> NDArray[Any]:
    codes, texts = factorized(column.values)
    parsed = [parse(text) for text in texts]
    if None in parsed:
        at = parsed.index(None)
        _refuse(column, int((codes == at).argmax()), texts[at], expected)
    missing = _EMPTY["time" if dtype == TIME else "number"]
    return np.array([*parsed, missing], dtype)[codes]  # of the code -1, the last


def _flag_of_number(column: Column) -> NDArray[np.float64]:
    values = column.values
    wrong = ~(np.isnan(values) | (values == 0) | (values == 1))
    if wrong.any():
        row = int(wrong.argmax())
        _refuse(column, row, float(values[row]), "flags, 0 and 1")
    return values


def _refuse(column: Column, row: int, value: Any, expected: str) -> NoReturn:
    raise ValueError(
        f"x must hold {expected} in its column {shortened(repr(column.name))}, got "
        f"{describe(value)} in row {row}"
    )


def _text_of_number(column: Column) -> NDArray[Any]:
    values = column.values
    known = ~np.isnan(values)
    distinct, codes = np.unique(values[known], return_inverse=True)
    texts = np.empty(len(distinct), object)
    texts[:] = [number_text(value) for value in distinct.tolist()]
    found = np.full(len(values), None, object)
    found[known] = texts[codes]
    return found


def _text_of_time(column: Column) -> NDArray[Any]:
    known = ~np.isnat(column.values)
    distinct, codes = np.unique(column.values[known], return_inverse=True)
    texts = np.empty(len(distinct), object)
    texts[:] = [time.isoformat().removesuffix("T00:00:00") for time in distinct.tolist()]
    found = np.full(len(column.values), None, object)
    found[known] = texts[codes]
    return found


_CONVERSIONS: dict[tuple[str, str], Callable[[Column], NDArray[Any]]] = {
    ("flag", "number"): lambda column: column.values,
    ("text", "number"): _number_of_text,
    ("number", "flag"): _flag_of_number,
    ("text", "flag"): _flag_of_text,
    ("number", "text"): _text_of_number,
    ("flag", "text"): _text_of_number,
    ("time", "text"): _text_of_time,
    ("text", "time"): _time_of_text,
}
