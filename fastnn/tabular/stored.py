"""Columns as JSON text, as files of networks hold them: data only, checked when it is read.

    {"version": 1, "has_names": true, "table": [
        {"name": "age", "read_as": "number", "had_missing": false, "note": null,
         "encoding": {"tag": "scaled", "center": 28.0, "scale": 17.9, "indicator": false}}, …]}

Floats are written such that reading gives the same bits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from fastnn.tabular.categories import OneHot, Ordered, TwoValues
from fastnn.tabular.flags import Flag, OnlyMissing
from fastnn.tabular.frame import NOTATIONS
from fastnn.tabular.numbers import Binned, Scaled
from fastnn.tabular.read_column import Encoding, ReadColumn
from fastnn.tabular.times import Time
from fastnn.validation.values import check_choice, check_flag, check_in_range, describe, shortened

VERSION = 1
MOST_OUTPUTS = 10**6
MOST_CHARACTERS = 10**8
OPTIONAL: dict[str, Any] = {"other_share": 0.0, "notation": None, "has_zone": None}
"""Fields of a column that are left out where they have these values, as in files of old."""

READ_AS = ("number", "flag", "category", "ordered", "text", "time")
ENCODINGS: dict[str, Any] = {
    encoding.tag: encoding
    for encoding in (Scaled, Binned, Flag, OneHot, TwoValues, Ordered, Time, OnlyMissing)
}


def to_json(table: Sequence[ReadColumn], has_names: bool) -> str:
    """Return the columns of a table as JSON text."""
    found = [
        {
            "name": column.name,
            "read_as": column.read_as,
            "had_missing": column.had_missing,
            "note": column.note,
            "encoding": column.encoding and _fields_of(column.encoding),
        }
        | {
            key: getattr(column, key)
            for key, default in OPTIONAL.items()
            if getattr(column, key) != default
        }
        for column in table
    ]
    return json.dumps({"version": VERSION, "has_names": has_names, "table": found})


def _fields_of(encoding: Encoding) -> dict[str, Any]:
    return {"tag": encoding.tag, **asdict(encoding)}  # type: ignore[call-overload]


def from_json(text: str) -> tuple[tuple[ReadColumn, ...], bool]:
    """Return the columns in JSON text, and whether they are matched by their names.

    Raises
    ------
    TypeError, ValueError
        If it is not what `to_json` writes.
    """
    if not isinstance(text, str):
        raise TypeError(f"the columns must be JSON text, got {describe(text)}")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"the columns must be at most {MOST_CHARACTERS:,} characters of JSON")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the columns are damaged ({type(error).__name__}: {error})") from None
    _check_keys(found, ("version", "has_names", "table"), "the columns")
    if found["version"] != VERSION:
        raise ValueError(
            f"the columns have version {shortened(repr(found['version']))}, this fastnn reads "
            f"{VERSION}"
        )
    if not isinstance(found["table"], list):
        raise TypeError(f"table must be a list, got {describe(found['table'])}")
    table = tuple(map(_read_column, found["table"]))
    if len({column.name for column in table}) != len(table):
        raise ValueError("the columns must have different names")
    if not 0 < sum(len(column.outputs) for column in table) <= MOST_OUTPUTS:
        raise ValueError(f"the columns must have 1 to {MOST_OUTPUTS:,} outputs")
    return table, check_flag("has_names", found["has_names"])


def _read_column(found: Any) -> ReadColumn:
    if isinstance(found, dict):
        found = OPTIONAL | found
    _check_keys(found, [field.name for field in fields(ReadColumn)], "a column")
    for key in ("name", "note"):
        if not isinstance(found[key], str) and (key == "name" or found[key] is not None):
            raise TypeError(f"the {key} of a column must be text, got {describe(found[key])}")
    notation, has_zone = found["notation"], found["has_zone"]
    return ReadColumn(
        found["name"],
        check_choice("read_as", found["read_as"], READ_AS),
        None if found["encoding"] is None else _read_encoding(found["encoding"]),
        check_flag("had_missing", found["had_missing"]),
        found["note"],
        check_in_range("other_share", found["other_share"], 0.0, 1.0),
        None if notation is None else check_choice("notation", notation, NOTATIONS),
        None if has_zone is None else check_flag("has_zone", has_zone),
    )


def _read_encoding(found: Any) -> Encoding:
    tag = found.get("tag") if isinstance(found, dict) else None
    kind = ENCODINGS[check_choice("the tag of an encoding", tag, tuple(ENCODINGS))]
    names = [field.name for field in fields(kind)]
    _check_keys(found, ("tag", *names), "an encoding")
    values = {name: found[name] for name in names}
    for field in fields(kind):  # which checks its own values, but not what holds them
        if str(field.type).startswith("tuple"):
            if not isinstance(values[field.name], list):
                raise TypeError(f"{field.name} must be a list, got {describe(values[field.name])}")
            values[field.name] = tuple(values[field.name])
    encoding: Encoding = kind(**values)
    return encoding


def _check_keys(found: Any, keys: Any, what: str) -> None:
    if not isinstance(found, dict) or set(found) != set(keys):
        raise ValueError(f"{what} must hold {', '.join(keys)}, got {describe(found)}")
