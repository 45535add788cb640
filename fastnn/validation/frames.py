"""Tables with named columns, pandas' and polars': their names, and their values as one array.

Neither library is imported: whoever hands in a frame has done that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.validation.values import as_array, listed


def is_frame(x: Any) -> bool:
    """Say whether x is a frame: a table with columns."""
    if type(x) is np.ndarray:  # as nearly always
        return False
    return hasattr(x, "columns") and hasattr(x, "to_numpy") and hasattr(x, "shape")


def frame_names(x: Any) -> tuple[str, ...] | None:
    """Return the names of a frame's columns as text; None for other things.

    Columns numbered 0, 1, 2 and so on, as pandas does without being told, have no names: None.

    Raises
    ------
    ValueError
        If two columns have one name.
    """
    if not is_frame(x):
        return None
    names = tuple(x.columns)
    if names and names == tuple(range(len(names))):
        return None
    names = tuple(map(str, names))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"x has several columns called {some(twice)}: names must be distinct")
    return names


def check_numbered_columns(names: Sequence[str]) -> None:
    """Check that columns are not numbers out of their order, where a network knows no names."""
    numbers = [str(i) for i in range(len(names))]
    if list(names) != numbers and sorted(names) == sorted(numbers):
        raise ValueError(
            f"x has columns numbered {', '.join(names[:8])}, and the network was trained on "
            "columns without names, which are taken by position: put them in order, or give "
            "x.to_numpy() if they are"
        )


def series_name(y: Any) -> str | None:
    """Return the name of a series, or of the one column of a frame, if it is text."""
    if type(y) is np.ndarray:
        return None
    if is_frame(y):
        names = frame_names(y) or ()
        return names[0] if len(names) == 1 else None
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name and hasattr(y, "to_numpy") else None


def check_frame_names(
    names: Sequence[str], expected: Sequence[str], label_name: str | None, table: str = "x"
) -> list[int]:
    """Return where in a frame each expected column is.

    Parameters
    ----------
    names : sequence of str
        The frame's columns.
    expected : sequence of str
        The columns that the network was trained on.
    label_name : str or None
        A column that may be there and is left out: the label's.
    table : str, default "x"
        What the error calls the frame.

    Raises
    ------
    ValueError
        If columns are missing or unknown; it names them.
    """
    known = {*expected, *([] if label_name is None else [label_name])}
    missing = [name for name in expected if name not in names]
    unknown = [name for name in names if name not in known]
    problems = [
        f"{what} {some(found)}"
        for what, found in (("lacks", missing), ("also has", unknown))
        if found
    ]
    if problems:
        raise ValueError(
            f"{table} must have the columns that the network was trained on, {some(expected)}, in "
            f"any order: it {' and '.join(problems)}"
        )
    place = {name: i for i, name in enumerate(names)}
    return [place[name] for name in expected]


def frame_values(x: Any, called: str = "x") -> Array:
    """Return a frame's values; columns that are nullable come as floats, with NaN where they miss.

    Errors call it what is `called`.

    Raises
    ------
    TypeError
        If a column holds no numbers; it is named.
    """
    values = np.asarray(x.to_numpy())
    if values.dtype != object:
        return values
    columns = [np.asarray(column) for column in _columns(x)]
    for i, column in enumerate(columns):
        if column.dtype == object or column.dtype.kind not in "fiub":
            columns[i] = _numbers(column, x.columns[i], called)
    return np.column_stack(columns)


def plain_values(x: Any) -> Any:
    """Return rows of Python objects as float64, with NaN for None; all else as it is.

    Raises
    ------
    TypeError
        If a column holds no numbers; it is named.
    ValueError
        If x is a series, which may be a row or a column.
    """
    if not isinstance(x, np.ndarray | list | tuple):
        if hasattr(x, "to_numpy") and len(getattr(x, "shape", ())) == 1:
            raise ValueError(
                f"x must have shape (n_rows, n_in), got a Series of {len(x)}: one row is "
                "x.to_numpy().reshape(1, -1), one column x.to_frame()"
            )
        return x
    array = as_array("x", x)
    if array.dtype != object or array.ndim != 2 or not array.size:
        return array
    return np.column_stack([_numbers(column, i, "x") for i, column in enumerate(array.T)])


def _columns(x: Any) -> list[Any]:
    """Return each column, as an array without missing values if it can be one."""
    if hasattr(x, "iloc"):
        return [x.iloc[:, i].to_numpy() for i in range(x.shape[1])]
    return [x[name].to_numpy() for name in x.columns]


def _numbers(column: Array, name: Any, called: str) -> Array:
    """Return a column of Python objects as float64, None and the like as NaN."""
    try:
        return np.array([_number(value) for value in column.tolist()], np.float64)
    except (TypeError, ValueError):
        text = next(v for v in column.tolist() if not _is_number(v))
        raise TypeError(
            f"{called} must hold numbers, but its column {name!r} holds {text!r} "
            f"({type(text).__name__}): encode it as numbers first, or leave it out"
        ) from None


def _number(value: Any) -> float:
    if isinstance(value, str | bytes):
        raise TypeError
    if value is None or str(value) == "<NA>":  # pandas.NA, which no float can be made of
        return float("nan")
    return float(value)


def _is_number(value: Any) -> bool:
    try:
        _number(value)
    except (TypeError, ValueError):
        return False
    return True


def some(names: Sequence[object]) -> str:
    """Return names, or labels, for an error: all of a few, the first of many."""
    return listed(names) if len(names) <= 8 else f"{listed(names[:6])} and {len(names) - 6} others"
