"""Data frames of pandas and polars: their column names, and their values as one array.

Neither library is imported here: the caller who passes a frame has imported it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.validation.values import as_array, listed


def is_frame(x: Any) -> bool:
    """Return whether x is a data frame."""
    if type(x) is np.ndarray:  # as nearly always
        return False
    return hasattr(x, "columns") and hasattr(x, "to_numpy") and hasattr(x, "shape")


def frame_names(x: Any) -> tuple[str, ...] | None:
    """Return the column names of a frame as text, or None if x is not a frame.

    Also None for columns numbered 0, 1, 2 and so on, the default of pandas.

    Raises
    ------
    ValueError
        If two columns have the same name.
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
    """Check that numbered columns are in order, for a network without column names."""
    numbers = [str(i) for i in range(len(names))]
    if list(names) != numbers and sorted(names) == sorted(numbers):
        raise ValueError(
            f"x has columns numbered {', '.join(names[:8])}, but the network was trained on "
            "columns without names, which are matched by position: put them in order, or pass "
            "x.to_numpy() to keep this order"
        )


def series_name(y: Any) -> str | None:
    """Return the name of a series, or of the only column of a frame, if it is text."""
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
    """Return the position of each expected column in a frame.

    Parameters
    ----------
    names : sequence of str
        The columns of the frame.
    expected : sequence of str
        The columns that the network was trained on.
    label_name : str or None
        The label column, which is ignored if present.
    table : str, default "x"
        The name of the frame in errors.

    Raises
    ------
    ValueError
        If columns are missing or unknown; the message names them.
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
    """Return the values of a frame; nullable columns become floats, with NaN for missing values.

    Errors refer to the frame as `called`.

    Raises
    ------
    TypeError
        If a column does not hold numbers; the message names it.
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
    """Return rows of Python objects as float64, with NaN for None; anything else unchanged.

    Raises
    ------
    TypeError
        If a column does not hold numbers; the message names it.
    ValueError
        If x is a series, which could be a row or a column.
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
    """Return each column as an array, of a plain dtype if no values are missing."""
    if hasattr(x, "iloc"):
        return [x.iloc[:, i].to_numpy() for i in range(x.shape[1])]
    return [x[name].to_numpy() for name in x.columns]


def _numbers(column: Array, name: Any, called: str) -> Array:
    """Return a column of Python objects as float64, with NaN for missing values."""
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
    if value is None or str(value) == "<NA>":  # pandas.NA, which float() rejects
        return float("nan")
    return float(value)


def _is_number(value: Any) -> bool:
    try:
        _number(value)
    except (TypeError, ValueError):
        return False
    return True


def some(names: Sequence[object]) -> str:
    """Return names or labels for an error: all if there are few, otherwise the first ones."""
    return listed(names) if len(names) <= 8 else f"{listed(names[:6])} and {len(names) - 6} others"
