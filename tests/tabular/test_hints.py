"""Text in frames that may be dates or numbers is hinted at, and warned of where it is left out."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.tabular import learn_columns

N = 60
DAYS = np.datetime64("2019-12-20") + np.arange(N)


def frame(cells):
    return pd.DataFrame({"a": np.sin(np.arange(N)), "d": cells})


def learned(cells, **options):
    """Return the column d, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        columns = learn_columns(frame(cells), **options)
    return columns.table[1], [str(warning.message) for warning in caught]


@given(
    form=st.sampled_from(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]),
    n_days=st.sampled_from([3, N]),
    gap=st.booleans(),
)
def test_dates_as_text_are_hinted_at_with_what_reads_them(form, n_days, gap):
    cells = [day.strftime(form) for day in pd.to_datetime(np.resize(DAYS[:n_days], N))]
    if gap:
        cells[5] = None
    read, said = learned(cells)
    assert "text that holds dates: kinds={'d': 'time'} reads them as such" in read.note
    is_left_out = n_days == N
    assert (read.encoding is None) == is_left_out
    assert len(said) == is_left_out
    if said:
        assert said[0].startswith("x has text that is left out, but may be more: 'd' (text that")
    read, said = learned(cells, kinds={"d": "time"})  # as the hint says
    assert (read.read_as, read.note, said) == ("time", None, [])


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%m/%d/%Y", "%d-%m-%y", "%Y/%m/%d"])
def test_other_dates_are_to_be_converted(form):
    cells = [day.strftime(form) for day in pd.to_datetime(DAYS)]
    read, said = learned(cells)
    assert "convert it to times first, as by pandas.to_datetime" in read.note
    assert len(said) == 1


@given(
    numbers=st.lists(st.integers(-(10**7), 10**7), min_size=N, max_size=N, unique=True),
    thousands=st.sampled_from(["", ".", " "]),
)
def test_numbers_with_decimal_commas_are_to_be_converted(numbers, thousands):
    cells = [
        f"{number / 100:,.2f}".replace(".", ";").replace(",", thousands).replace(";", ",")
        for number in numbers
    ]
    read, said = learned(cells)
    assert f"numbers with commas, such as {cells[0]}: convert them" in read.note
    assert len(said) == 1
    assert read.encoding is None


@given(
    cells=st.lists(st.sampled_from(["2020-01-01", "1,5", "u", "v w", "7"]), min_size=N, max_size=N)
)
def test_other_text_has_no_hint(cells):
    cells[0] = "u"
    read, said = learned(cells)
    assert not re.search("dates|commas", read.note or "")
    assert said == []


def test_what_the_caller_decides_is_not_questioned():
    cells = [str(day) for day in DAYS]
    for options in ({"drop": ["d"]}, {"kinds": {"d": "drop"}}):
        read, said = learned(cells, **options)
        assert (read.note, said) == ("dropped", [])
    series = pd.Series(cells, dtype="category")
    assert learned(series)[1] == []
