"""Mixed tables that hypothesis draws, and the same table in every library."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

FORMS = ("pandas", "nullable", "polars", "arrow", "dict", "rows", "structured", "lists")
NAMES = ("age", "Größe", "is it", "city", "when", "id", "x y", "0")

numbers = st.one_of(
    st.floats(-100, 100),
    st.integers(-5, 5).map(float),
    st.floats(1e9 - 1, 1e9 + 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
texts = st.one_of(st.sampled_from(["a", "b", "c", "", " ", "7", "no"]), st.text(max_size=4))
times = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2250, 1, 1))
CELLS = {"number": numbers, "flag": st.booleans(), "text": texts, "time": times}


@st.composite
def tables(draw, most_rows=30, missing=True):
    """Columns as lists of Python objects by name, and their kinds; the first always varies."""
    n_rows = draw(st.integers(2, most_rows))
    names = draw(st.lists(st.sampled_from(NAMES), max_size=5, unique=True))
    kinds = {"always": "number"} | {name: draw(st.sampled_from(list(CELLS))) for name in names}
    table = {"always": [0.5 * i * i for i in range(n_rows)]}
    for name in names:
        cells = CELLS[kinds[name]]
        if missing and draw(st.booleans()):
            cells = st.none() | cells
        pool = draw(st.lists(cells, min_size=1, max_size=draw(st.sampled_from([2, 6, 30]))))
        places = st.lists(st.integers(0, len(pool) - 1), min_size=n_rows, max_size=n_rows)
        table[name] = [pool[i] for i in draw(places)]
    return table, kinds


def in_form(table, kinds, form):
    """The table as a library or Python has it."""
    match form:
        case "pandas":
            return pd.DataFrame({name: _pandas(table[name], kinds[name]) for name in table})
        case "nullable":
            dtypes = {"number": "Float64", "flag": "boolean", "text": "string"}
            return pd.DataFrame(
                {
                    name: pd.array(cells, dtypes[kinds[name]])
                    if kinds[name] in dtypes
                    else _pandas(cells, "time")
                    for name, cells in table.items()
                }
            )
        case "polars":
            of = {"number": pl.Float64, "flag": pl.Boolean, "text": pl.String,
                  "time": pl.Datetime("us")}  # fmt: skip
            return pl.DataFrame(table, schema={name: of[kinds[name]] for name in table})
        case "arrow":
            of = {"number": pa.float64(), "flag": pa.bool_(), "text": pa.string(),
                  "time": pa.timestamp("us")}  # fmt: skip
            return pa.table({name: pa.array(c, of[kinds[name]]) for name, c in table.items()})
        case "dict":
            return table
        case "rows":
            n_rows = len(table["always"])
            return [{name: cells[i] for name, cells in table.items()} for i in range(n_rows)]
        case "structured":
            of = {"number": "f8", "flag": "O", "text": "O", "time": "M8[us]"}
            array = np.empty(len(table["always"]), [(name, of[kinds[name]]) for name in table])
            for name, cells in table.items():
                array[name] = cells
            return array
        case "lists":
            return [list(row) for row in zip(*table.values(), strict=True)]


def _pandas(cells, kind):
    dtypes = {"number": "float64", "text": object, "time": "datetime64[us]"}
    if kind == "flag":
        return pd.Series(cells, dtype=object if None in cells else bool)
    return pd.Series(cells, dtype=dtypes[kind])


def same_frame(one, other):
    """Whether two frames have the same columns, kinds and values."""
    return one.names == other.names and all(
        a.kind == b.kind and a.values.dtype == b.values.dtype and same_cells(a.values, b.values)
        for a, b in zip(one.columns, other.columns, strict=True)
    )


def same_cells(one, other):
    """Whether two arrays hold the same cells, missing ones too."""
    if one.dtype == object:
        return one.tolist() == other.tolist()
    return np.array_equal(one, other, equal_nan=True)
