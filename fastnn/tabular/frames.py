"""`as_frame`: a table of any library, or of none, as a `Frame`.

No library is imported unless the table is its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn.tabular.arrays import array_column, columns_of_rows
from fastnn.tabular.arrow_columns import arrow_column, arrow_columns, is_arrow
from fastnn.tabular.frame import Column, Frame, Kind
from fastnn.tabular.kinds import as_kind, stripped
from fastnn.tabular.names import by_name, check_known
from fastnn.tabular.pandas_columns import is_pandas, pandas_column, pandas_columns
from fastnn.tabular.polars_columns import is_polars, polars_column
from fastnn.validation.values import check_choice, describe, shortened

KINDS = ("number", "flag", "text", "time")


def as_frame(x: Any, kinds: Mapping[str, Kind] | None = None) -> Frame:
    """Return a table as a frame: columns of numbers, flags, text or times.

    Parameters
    ----------
    x : table
        A frame of pandas or polars, a table of pyarrow, any object with ``__arrow_c_stream__`` or
        ``__dataframe__``, a dict of columns, a list of dicts, a structured array, or an array or a
        list of lists (n_rows, n_columns), whose columns are then called "column 1" and so on.
    kinds : mapping of str to {"number", "flag", "text", "time"}, optional
        How to read columns otherwise than their types say.

    Returns
    -------
    Frame
        Durations are numbers, in seconds. Times with a time zone are in UTC, periods the times they
        start at. Text is without surrounding white space, and ``?`` is missing, as in files.

    Raises
    ------
    TypeError
        If x is no table, or a column holds other values, such as lists; the message names it.
    ValueError
        If two columns have one name, or their lengths differ.

    Examples
    --------
    >>> from fastnn.tabular import as_frame
    >>> frame = as_frame({"age": [31, None], "city": ["Rome", "Oslo"]})
    >>> [(column.name, column.kind) for column in frame.columns]
    [('age', 'number'), ('city', 'text')]
    """
    frame = x if isinstance(x, Frame) else _read(x)
    kinds = by_name("kinds", kinds)
    check_known("kinds", kinds, frame.names)
    for name, kind in kinds.items():
        check_choice(f"kinds[{name!r}]", kind, KINDS)
    if not kinds:
        return frame
    return replace(
        frame,
        columns=tuple(as_kind(c, kinds[c.name]) if c.name in kinds else c for c in frame.columns),
    )


def _read(x: Any) -> Frame:
    if is_pandas(x) and hasattr(x, "columns"):
        return _of_pandas(x)
    if is_polars(x) and hasattr(x, "collect"):
        raise TypeError("x must be a table, got a LazyFrame: pass x.collect()")
    if is_polars(x) and hasattr(x, "columns"):
        return _named([(name, x[name]) for name in x.columns])
    if is_arrow(x) and hasattr(x, "schema") and hasattr(x, "columns"):
        return _named(arrow_columns(x))
    if (is_pandas(x) or is_polars(x)) and hasattr(x, "to_frame"):
        row = "x.to_frame().T" if is_pandas(x) else "x.to_frame().transpose()"
        raise ValueError(
            f"x must be a table, got a Series of {len(x)}: one column is x.to_frame(), one row "
            f"{row}"
        )
    if isinstance(x, Mapping):
        return _named(list(x.items()))
    if isinstance(x, np.ndarray):
        return _of_array(x)
    if isinstance(x, list | tuple):
        return _of_list(x)
    if hasattr(x, "indptr"):
        raise TypeError(
            f"x must be a table of columns, got a sparse matrix ({type(x).__name__}): its rows are "
            "prepared already"
        )
    if hasattr(x, "__arrow_c_stream__") or hasattr(x, "__dataframe__"):
        return _interchanged(x)
    raise TypeError(
        "x must be a table: a frame of pandas, polars or pyarrow, a dict of columns, a list of "
        f"dicts, or an array (n_rows, n_columns), got {describe(x)}"
    )


def _of_pandas(x: Any) -> Frame:
    if getattr(x.columns, "nlevels", 1) > 1:
        raise TypeError(
            f"x must have columns with one name each, got names of {x.columns.nlevels} levels: "
            'flatten them, as by x.columns = [" ".join(map(str, name)) for name in x.columns]'
        )
    named = pandas_columns(x)
    if x.shape[1] and list(x.columns) == list(range(x.shape[1])):  # pandas' own numbers
        numbered = [(f"column {i + 1}", series) for i, (_, series) in enumerate(named)]
        return replace(_named(numbered), has_names=False)
    return replace(_named(named), n_rows=len(x))


def _named(columns: Sequence[tuple[Any, Any]]) -> Frame:
    names = [str(name) for name, _ in columns]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"x must have columns of different names, got {twice[0]!r} twice")
    found = [_column(name, values) for name, (_, values) in zip(names, columns, strict=True)]
    return _framed(found)


def _column(name: str, values: Any) -> Column:
    if is_pandas(values):
        return pandas_column(name, values)
    if is_polars(values):
        return polars_column(name, values)
    if is_arrow(values):
        return arrow_column(name, values)
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise TypeError(
            f"x must hold columns, but {shortened(repr(name))} is {describe(values)}: of one row, "
            "pass a list of one dict"
        )
    return array_column(name, values)


def _framed(columns: Sequence[Column], *, has_names: bool = True) -> Frame:
    lengths = {column.name: len(column.values) for column in columns}
    if len(set(lengths.values())) > 1:
        first, *_ = lengths
        other = next(name for name in lengths if lengths[name] != lengths[first])
        raise ValueError(
            f"x must have columns of equal length, got {lengths[first]} cells in "
            f"{shortened(repr(first))} and {lengths[other]} in {shortened(repr(other))}"
        )
    found = tuple(map(stripped, columns))
    return Frame(found, next(iter(lengths.values()), 0), has_names)


def _of_array(x: Any) -> Frame:
    names = x.dtype.names
    if names is None:
        return replace(_framed(columns_of_rows(x), has_names=False), n_rows=len(x))
    if x.ndim != 1:
        raise ValueError(f"x must be a structured array of shape (n_rows,), got {x.shape}")
    return _named([(name, x[name]) for name in names])


def _of_list(x: Sequence[Any]) -> Frame:
    if x and all(isinstance(row, Mapping) for row in x):
        names = dict.fromkeys(name for row in x for name in row)
        return _named([(name, [row.get(name) for row in x]) for name in names])
    widths = {len(row) if isinstance(row, Sequence | np.ndarray) and not isinstance(row, str)
              else None for row in x}  # fmt: skip
    if len(widths) != 1 or None in widths:
        raise ValueError(
            "x must be a list of dicts or of rows of equal length, got a list of "
            f"{describe(x[0]) if x else 'nothing'}"
        )
    return replace(_framed(columns_of_rows(x), has_names=False), n_rows=len(x))


def _interchanged(x: Any) -> Frame:
    """Return a table of another library, through Arrow."""
    try:
        import pyarrow
    except ImportError:
        raise ImportError(
            f"reading a table of the type {type(x).__name__} needs pyarrow: pip install pyarrow, "
            "or pass a frame of pandas or polars"
        ) from None
    if hasattr(x, "__arrow_c_stream__"):
        return _named(arrow_columns(pyarrow.table(x)))
    from pyarrow.interchange import from_dataframe

    return _named(arrow_columns(from_dataframe(x)))
