"""Columns that are named in any collection, and times with and without a zone."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.tabular import Columns, as_frame, learn_columns

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

NAMES = ("a", "b", 2019, 2020)
TABLE = {name: [float(i), 1.5, 2.0, 7.0, -1.0] for i, name in enumerate(NAMES, 3)}


@given(dropped=st.sets(st.sampled_from(NAMES), max_size=3), form=st.integers(0, 6))
def test_names_come_in_any_collection_and_are_text(dropped, form):
    names = list(dropped)
    forms = (names, tuple(names), dropped, pd.Series(names, dtype=object), (n for n in names),
             np.array(names, object), dict.fromkeys(names))  # fmt: skip
    expected = tuple(str(name) for name in NAMES if name not in dropped)
    assert learn_columns(TABLE, drop=forms[form]).names == expected
    assert learn_columns(TABLE, kinds=dict.fromkeys(names, "drop")).names == expected


def test_none_names_no_column():
    assert learn_columns(TABLE, drop=None, keep=None, kinds=None).names == (
        "a",
        "b",
        "2019",
        "2020",
    )


@pytest.mark.parametrize("kinds", [["a"], "a", 3, pd.Series(["number"], index=["a"])])
@pytest.mark.parametrize("read", [learn_columns, as_frame])
def test_kinds_are_a_mapping(read, kinds):
    with pytest.raises(TypeError, match="kinds must be a dict from names of columns to kinds"):
        read(TABLE, kinds=kinds)


@pytest.mark.parametrize("argument", ["drop", "keep"])
@pytest.mark.parametrize("given_names", ["a", 2019])
def test_one_name_is_no_collection(argument, given_names):
    with pytest.raises(TypeError, match=f"{argument} must be a collection of names"):
        learn_columns(TABLE, **{argument: given_names})


NAIVE = pd.Series(pd.date_range("2024-01-01", periods=9, freq="37h"))
AWARE = NAIVE.dt.tz_localize("Asia/Tokyo")
FORMS = {
    "pandas": lambda times: pd.DataFrame({"t": times}),
    "objects": lambda times: {"t": times.dt.to_pydatetime().tolist()}
    if not hasattr(times, "array") else {"t": [time.to_pydatetime() for time in times]},
    "polars": lambda times: pl.from_pandas(pd.DataFrame({"t": times})),
    "arrow": lambda times: pl.from_pandas(pd.DataFrame({"t": times})).to_arrow(),
    "text": lambda times: {"t": [time.isoformat() for time in times]},
}  # fmt: skip
READERS = sorted(set(FORMS) - {"text"})


@given(trained=st.sampled_from(READERS), asked=st.sampled_from(sorted(FORMS)), aware=st.booleans())
def test_times_have_a_zone_as_in_training_or_are_refused(trained, asked, aware):
    own, other = (AWARE, NAIVE) if aware else (NAIVE, AWARE)
    columns = Columns.from_json(learn_columns(FORMS[trained](own)).to_json())
    expected = columns.rows(FORMS[trained](own))
    np.testing.assert_array_equal(columns.rows(FORMS[asked](own)), expected)
    words = "got times without a time zone" if aware else "got times with a time zone"
    with pytest.raises(ValueError, match=words):
        columns.rows(FORMS[asked](other))


def test_missing_times_are_of_any_zone():
    columns = learn_columns(pd.DataFrame({"t": AWARE}))
    with pytest.warns(UserWarning, match="missing"):
        columns.rows(pd.DataFrame({"t": pd.Series([pd.NaT], dtype="datetime64[us]")}))


@pytest.mark.parametrize("form", [list, lambda times: [time.isoformat() for time in times]])
def test_times_with_and_without_a_zone_are_not_mixed(form):
    times = [AWARE[0].to_pydatetime(), NAIVE[1].to_pydatetime()]
    columns = learn_columns(pd.DataFrame({"t": AWARE}))
    with pytest.raises(ValueError, match="its column 't' holds both, such as 2024-01-01"):
        columns.rows({"t": form(times)})


def test_columns_of_older_files_ask_for_no_zone():
    columns = learn_columns({"t": np.arange(5).astype("datetime64[D]")})
    text = columns.to_json().replace(', "has_zone": false', "")
    assert "has_zone" not in text
    assert Columns.from_json(text).rows(pd.DataFrame({"t": AWARE})).shape[0] == len(AWARE)


@given(st.lists(st.times(), min_size=1, max_size=5))
def test_times_of_day_are_seconds_in_objects_too(times):
    frame = as_frame({"t": [*times, None]})
    expected = [(dt.datetime.combine(dt.date.min, time) - dt.datetime.min).total_seconds()
                for time in times]  # fmt: skip
    np.testing.assert_allclose(frame["t"].values[:-1], expected, rtol=1e-15)
    assert np.isnan(frame["t"].values[-1])
    assert frame["t"].note == "times of day are read in seconds"


@pytest.mark.parametrize("library", [pd, pl])
def test_a_series_is_no_table(library):
    with pytest.raises(ValueError, match=r"got a Series of 2: one column is x.to_frame\(\)"):
        as_frame(library.Series([1.0, 2.0]))


def test_whole_numbers_of_128_bits_are_numbers():
    series = pl.Series("a", [1, 2**70, None], dtype=pl.Int128)
    np.testing.assert_array_equal(as_frame(series.to_frame())["a"].values, [1.0, 2.0**70, np.nan])


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:30", "9999-12-31T23:59:59-01:00"])
def test_times_beyond_the_calendar_in_utc_are_refused(text):
    table = {"when": ["2024-01-01T00:00:00Z", "2025-05-05T05:00:00Z"], "x": [1.0, 2.0]}
    columns = learn_columns(table, kinds={"when": "time"})
    with pytest.raises(ValueError, match="must hold times as"):
        columns.rows({"when": [text], "x": [1.0]})
