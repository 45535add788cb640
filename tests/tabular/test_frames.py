"""`as_frame`: one table, whichever library has it."""

import datetime as dt
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mixed_tables import FORMS, in_form, same_cells, same_frame, tables

from fastnn.tabular import as_frame

DAY = dt.datetime(2024, 2, 29, 12, 30)


def column(values, name="a"):
    return as_frame({name: values})[name]


@given(drawn=tables())
def test_all_libraries_give_the_same_frame(drawn):
    table, kinds = drawn
    wanted = as_frame(in_form(table, kinds, "polars"), kinds)
    for form in FORMS:
        frame = as_frame(in_form(table, kinds, form))
        named = kinds if frame.has_names else dict(zip(frame.names, kinds.values(), strict=True))
        frame = as_frame(frame, {name: named[name] for name in frame.names})
        assert frame.n_rows == len(table["always"])
        assert frame.has_names == (form != "lists")
        if form == "lists":
            assert frame.names[:1] == ("column 1",)
            pairs = zip(frame.columns, wanted.columns, strict=True)
            assert all(same_cells(a.values, b.values) for a, b in pairs)
        else:
            assert same_frame(frame, wanted)


@pytest.mark.parametrize(
    ("values", "kind", "cells"),
    [
        (np.array([1, 2], np.int8), "number", [1.0, 2.0]),
        (np.array([0.5, np.nan], np.float16), "number", [0.5, np.nan]),
        (np.array([True, False]), "flag", [1.0, 0.0]),
        (np.array(["x", "yz"]), "text", ["x", "yz"]),
        (np.array([b"x", b"\xc3\xa9"]), "text", ["x", "é"]),
        (np.array(["2024-02-29", "NaT"], "M8[D]"), "time", [dt.datetime(2024, 2, 29), None]),
        (np.array([90, "NaT"], "m8[s]"), "number", [90.0, np.nan]),
        (np.ma.array([1, 2], mask=[False, True]), "number", [1.0, np.nan]),
        ([1, None], "number", [1.0, np.nan]),
        ([True, None], "flag", [1.0, np.nan]),
        ([True, 2], "number", [1.0, 2.0]),
        ([True, float("nan")], "flag", [1.0, np.nan]),
        (["x", float("nan")], "text", ["x", None]),
        (["x", 3, 2.5, True], "text", ["x", "3", "2.5", "True"]),
        ([Decimal("1.5"), None], "number", [1.5, np.nan]),
        ([DAY, None], "time", [DAY, None]),
        ([dt.date(2024, 2, 29), pd.NaT], "time", [dt.datetime(2024, 2, 29), None]),
        ([DAY.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))], "time",
         [DAY - dt.timedelta(hours=2)]),
        ([dt.timedelta(seconds=1.5), None], "number", [1.5, np.nan]),
        ([None, None], "number", [np.nan, np.nan]),
        ([np.datetime64("NaT"), np.datetime64("2024-02-29")], "time",
         [None, dt.datetime(2024, 2, 29)]),
        ([pd.Timestamp("2024-02-29T12:30", tz="UTC")], "time", [DAY]),
        (pd.Series([1, None], dtype="Int64"), "number", [1.0, np.nan]),
        (pd.Series([1.5, None], dtype="double[pyarrow]"), "number", [1.5, np.nan]),
        (pd.Series(["x", None], dtype="string[pyarrow]"), "text", ["x", None]),
        (pd.Series([True, None], dtype="bool[pyarrow]"), "flag", [1.0, np.nan]),
        (pd.Series([DAY, None], dtype="timestamp[ns][pyarrow]"), "time", [DAY, None]),
        (pd.Series([DAY, None]).dt.tz_localize("Asia/Tokyo"), "time",
         [DAY - dt.timedelta(hours=9), None]),
        (pd.Series([90, None], dtype="m8[s]"), "number", [90.0, np.nan]),
        (pd.Series(pd.period_range("2024-02", periods=1, freq="M")), "time",
         [dt.datetime(2024, 2, 1)]),
        (pd.Series(pd.arrays.SparseArray([0, 1.5])), "number", [0.0, 1.5]),
        (pl.Series([1, None]), "number", [1.0, np.nan]),
        (pl.Series([Decimal("1.50"), None]), "number", [1.5, np.nan]),
        (pl.Series([DAY.date(), None]), "time", [dt.datetime(2024, 2, 29), None]),
        (pl.Series([dt.timedelta(minutes=1), None]), "number", [60.0, np.nan]),
        (pl.Series([dt.time(1), None]), "number", [3600.0, np.nan]),
        (pl.Series([None, None]), "number", [np.nan, np.nan]),
        (pa.array([1, None]), "number", [1.0, np.nan]),
        (pa.array([Decimal("1.5"), None]), "number", [1.5, np.nan]),
        (pa.array([DAY.date(), None]), "time", [dt.datetime(2024, 2, 29), None]),
        (pa.array([dt.timedelta(minutes=1), None]), "number", [60.0, np.nan]),
        (pa.array([dt.time(1), None]), "number", [3600.0, np.nan]),
        (pa.array(["x", None], pa.large_string()), "text", ["x", None]),
        (pa.array([b"x", None]), "text", ["x", None]),
        (pa.nulls(2), "number", [np.nan, np.nan]),
    ],
)  # fmt: skip
def test_every_dtype_has_a_kind(values, kind, cells):
    found = column(values)
    dtype = {"text": object, "time": "M8[us]"}.get(kind, float)
    assert found.kind == kind
    assert found.values.dtype == np.dtype(dtype)
    assert same_cells(found.values, np.array(cells, dtype))


@pytest.mark.parametrize(
    ("values", "categories", "is_ordered"),
    [
        (pd.Series(pd.Categorical([3, 1, None])), ("1", "3"), False),
        (pd.Series(pd.Categorical(["S", "L", None], ["S", "M", "L"], ordered=True)),
         ("S", "M", "L"), True),
        (pd.cut(pd.Series([1.0, 3.0, np.nan]), [0, 2, 4]), ("(0, 2]", "(2, 4]"), True),
        (pl.Series(["S", "L", None], dtype=pl.Enum(["S", "M", "L"])), ("S", "M", "L"), False),
        (pl.Series(["S", "L", None], dtype=pl.Categorical), ("L", "S"), False),
        (pa.array(["S", "L", None]).dictionary_encode(), ("S", "L"), False),
        (pa.chunked_array([pa.array(["S"]).dictionary_encode(),
                           pa.array(["L", None]).dictionary_encode()]), ("S", "L"), False),
    ],
)  # fmt: skip
def test_categories_are_kept_in_their_order(values, categories, is_ordered):
    found = column(values)
    assert (found.kind, found.categories, found.is_ordered) == ("text", categories, is_ordered)
    assert found.values[2] is None
    assert set(found.values[:2]) <= set(categories)


class Interchanged:
    def __init__(self, table):
        self.table = table

    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        return self.table.__dataframe__(nan_as_null, allow_copy)


class Streamed:
    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("protocol", [Interchanged, Streamed])
def test_other_libraries_hand_over_tables_by_protocol(protocol):
    table = pa.table({"a": [1.5, None], "b": ["x", None]})
    assert same_frame(as_frame(protocol(table)), as_frame(table))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (3, "must be a table"),
        ("abc", "must be a table"),
        ({"a": 1}, "'a' is 1"),
        ({"a": "abc"}, "'a' is 'abc'"),
        ({"a": [1], "b": [1, 2]}, "1 cells in 'a' and 2 in 'b'"),
        ({"a": [1, [2]]}, "'a' holds \\[2\\] \\(list\\) in row 1"),
        ({"a": [1j]}, "complex"),
        ({"a": np.array([1j])}, "complex128"),
        ({"a": [1, DAY]}, "numbers and times"),
        ({"a": [10**400]}, "fit in a float.* in row 0"),
        ({"a": [b"\xff"]}, "UTF-8.* in row 0"),
        ({"a": np.ones((2, 2))}, r"has shape \(2, 2\)"),
        ([1, 2], "list of dicts or of rows"),
        ([[1, 2], [3]], "rows of equal length"),
        (np.ones(3), r"shape \(3,\)"),
        (pl.DataFrame({"a": [[1]]}), "dtype List"),
        (pl.DataFrame({"a": [{"b": 1}]}), "dtype Struct"),
        (pl.LazyFrame({"a": [1]}), "collect"),
        (pa.table({"a": [[1]]}), "type list"),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
         "2 levels"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' twice"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_plain_values_is_refused_in_words(x, words):
    with pytest.raises((TypeError, ValueError), match=words):
        as_frame(x)


def test_kinds_say_how_to_read_a_column():
    frame = as_frame({"a": ["1", " 2 ", ""], "b": [1, 0, None]}, {"a": "number", "b": "text"})
    assert same_cells(frame["a"].values, np.array([1, 2, np.nan]))
    assert frame["b"].values.tolist() == ["1", "0", None]
    with pytest.raises(ValueError, match="did you mean 'age'"):
        as_frame({"age": [1]}, {"Age": "text"})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_as_text_reads_as_that_number(value):
    text = as_frame({"a": [value]}, {"a": "text"})["a"].values[0]
    assert float(text) == value
    assert not text.endswith(".0")


WHOLE = {
    "array": lambda cells: np.array(cells),
    "list": list,
    "objects": lambda cells: np.array(cells, object),
    "pandas": lambda cells: pd.Series(cells, dtype="Int64"),
    "pandas of arrow": lambda cells: pd.Series(cells, dtype="int64[pyarrow]"),
    "polars": pl.Series,
    "arrow": pa.array,
    "rows": lambda cells: [[0.5, cell] for cell in cells],
}


@pytest.mark.parametrize("form", WHOLE)
@given(st.integers(-(2**62), 2**62), st.booleans())
def test_whole_numbers_that_a_float_may_round_are_noted_missing_ones_or_not(form, number, missing):
    for value in (number, *(sign * 2**53 + more for sign in (1, -1) for more in (-1, 0, 1))):
        cells = [1, value] + [None] * (missing and form != "array")
        made = WHOLE[form](cells)
        found = as_frame(made)["column 2"] if form == "rows" else column(made)
        assert found.values[1] == float(value)
        assert (found.note is not None) == (abs(value) >= 2**53)
        assert found.note is None or "2⁵³ on are rounded" in found.note


@given(
    st.lists(st.sampled_from([st.booleans(), st.integers(0, 1), st.floats(0, 1), st.none()]),
             min_size=1, max_size=4),
    st.integers(1, 4), st.data(),
)  # fmt: skip
def test_rows_and_columns_of_the_same_cells_have_the_same_kinds(cells, n_rows, data):
    drawn = [data.draw(st.lists(of, min_size=n_rows, max_size=n_rows)) for of in cells]
    by_rows = as_frame([list(row) for row in zip(*drawn, strict=True)])
    by_name = as_frame({f"column {i + 1}": column for i, column in enumerate(drawn)})
    assert same_frame(by_rows, by_name)


def test_a_part_of_a_frame_has_those_rows_and_columns():
    frame = as_frame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    part = frame.rows(np.array([2, 0]))
    assert part.n_rows == 2
    assert part["b"].values.tolist() == ["z", "x"]
    assert frame.rows(slice(1, 3)).n_rows == 2
    assert frame.without(["a"]).names == ("b",)


def test_no_library_is_imported_for_a_table_of_none():
    code = (
        "import sys, fastnn.tabular as t\n"
        "c = t.learn_columns({'a': [1, 2.5, None], 'b': ['x', 'y', 'x']})\n"
        "c.rows({'a': [1], 'b': ['x']})\n"
        "assert not {'pandas', 'polars', 'pyarrow'} & set(sys.modules), sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@given(st.integers(0, 10**6))
def test_durations_and_times_of_day_of_arrow_are_in_seconds(unit, milliseconds):
    count = {"s": milliseconds // 1000, "ms": milliseconds, "us": milliseconds * 1000,
             "ns": milliseconds * 10**6}[unit]  # fmt: skip
    seconds = milliseconds // 1000 if unit == "s" else milliseconds / 1000
    of_day = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    for kind in (pa.duration(unit), of_day):
        found = column(pa.array([count, None], kind))
        np.testing.assert_allclose(found.values, [seconds, np.nan])


def test_a_column_read_as_another_kind_has_no_categories_and_days_have_no_hours():
    sizes = pd.Series(pd.Categorical(["1", "2", None], ordered=True))
    as_number = as_frame({"a": sizes}, {"a": "number"})["a"]
    assert (as_number.categories, as_number.is_ordered) == (None, False)
    days = as_frame({"a": [DAY.date(), None, dt.date(2024, 3, 1)]}, {"a": "text"})["a"]
    assert days.values.tolist() == ["2024-02-29", None, "2024-03-01"]


def test_some_rows_keep_what_is_known_of_the_table():
    frame = replace(as_frame(np.eye(3)), notes=("read as UTF-16",))
    for which in (slice(1), np.array([2, 0]), np.array([True, False, True])):
        assert (frame.rows(which).has_names, frame.rows(which).notes) == (False, frame.notes)


@given(st.permutations(range(3)))
def test_numbers_as_names_are_positions_only_in_their_order(order):
    frame = as_frame(pd.DataFrame({i: [float(i)] for i in order}))
    assert frame.has_names == (list(order) != [0, 1, 2])
    assert [column.values[0] for column in frame.columns] == list(order)
    if frame.has_names:
        assert frame.names == tuple(map(str, order))


@given(st.lists(st.sets(st.sampled_from("abc"), min_size=1), min_size=1, max_size=5))
def test_a_name_that_some_rows_lack_is_missing_there(rows):
    frame = as_frame([dict.fromkeys(names, 1.0) for names in rows])
    assert set(frame.names) == set().union(*rows)
    for column in frame.columns:
        assert np.isnan(column.values).tolist() == [column.name not in names for names in rows]
