"""Columns as JSON: the same bits again, and damage refused in words."""

import copy
import json
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mixed_tables import in_form, tables

from fastnn.tabular import Columns, as_frame, learn_columns

TABLE = {
    "number": np.random.default_rng(0).normal(size=12),
    "bins": np.random.default_rng(1).normal(size=12),
    "flag": [True, False, None] * 4,
    "two": ["x", "y"] * 6,
    "text": ["x", "y", "z"] * 4,
    "size": ["S", "M", "L"] * 4,
    "time": np.array(["2024-01-01", "2024-05-06"] * 6, "M8[s]"),
    "gone": [1, None] * 6,
    "id": np.arange(12),
}
COLUMNS = learn_columns(TABLE, kinds={"size": ["S", "M", "L"]}, min_count=1)
BINNED = learn_columns(TABLE, n_bins=3)


@given(tables(), st.sampled_from([0, 3]), st.booleans())
def test_the_round_trip_gives_the_same_bits(drawn, n_bins, has_names):
    table, kinds = drawn
    frame = as_frame(in_form(table, kinds, "polars" if has_names else "lists"))
    columns = learn_columns(frame, n_bins=n_bins)
    again = Columns.from_json(columns.to_json())
    assert again == columns
    assert hash(again) == hash(columns)
    assert again.to_json() == columns.to_json()
    assert again.rows(frame).tobytes() == columns.rows(frame).tobytes()
    assert pickle.loads(pickle.dumps(columns)) == columns


def places(value, path=()):
    """Where in JSON something stands, from the outside in."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, list) else ()  # fmt: skip
    for key, inner in items:
        yield from places(inner, (*path, key))


WRONG = (None, True, -1, 0, 1e308, 10**400, "", "x", [], ["x", "x"], {}, [[]], float("nan"))


def test_notations_are_stored():
    columns = learn_columns({"x": [1.5, 2.0, 3.0], "y": [1.0, 2.0, 4.0]})
    first, *others = columns.table
    written = replace(columns, table=(replace(first, notation=","), *others))
    assert Columns.from_json(written.to_json()) == written
    with pytest.raises(ValueError, match="notation must be"):
        Columns.from_json(written.to_json().replace('"notation": ","', '"notation": ";"'))


def test_files_of_old_have_no_optional_fields():
    columns = learn_columns({"x": ["a"] * 9 + ["b"] * 9 + ["c", "d"]})
    fields = json.loads(columns.to_json())
    assert 0 < fields["table"][0]["other_share"] == columns.table[0].other_share < 0.2
    assert Columns.from_json(columns.to_json()) == columns
    del fields["table"][0]["other_share"]
    old = Columns.from_json(json.dumps(fields))
    assert old.table[0].other_share == 0
    assert old.feature_names == columns.feature_names


@given(st.data())
def test_whatever_is_changed_is_refused_or_still_makes_finite_rows(data):
    fields = json.loads(data.draw(st.sampled_from([COLUMNS, BINNED])).to_json())
    path = data.draw(st.sampled_from(list(places(fields))[1:]))
    changed = copy.deepcopy(fields)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if data.draw(st.booleans()):
        holder[path[-1]] = data.draw(st.sampled_from(WRONG))
    else:
        del holder[path[-1]]
    try:
        columns = Columns.from_json(json.dumps(changed))
    except (TypeError, ValueError):
        return
    assert columns.n_out > 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = columns.rows(TABLE)
    except (TypeError, ValueError):
        return
    assert np.isfinite(rows).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (3, "must be JSON text"),
        ("", "damaged"),
        ("[" * 10**5, "damaged"),
        ("{}", "must hold version"),
        ('{"version": 2, "has_names": true, "table": []}', "version 2, this fastnn reads 1"),
        ('{"version": 1, "has_names": true, "table": []}', "outputs"),
        ('{"version": 1, "has_names": true, "table": [{"name": "a"}]}', "a column must hold"),
    ],
)
def test_what_is_not_columns_is_refused_in_words(text, words):
    with pytest.raises((TypeError, ValueError), match=words):
        Columns.from_json(text)


@pytest.mark.parametrize("steps", [[], [1, 1], [2, 1], [1, 3], [0.5]])
def test_steps_of_ordered_categories_are_some_of_them(steps):
    fields = json.loads(COLUMNS.to_json())
    (size,) = (column for column in fields["table"] if column["name"] == "size")
    assert size["encoding"]["steps"] == [1, 2]
    size["encoding"]["steps"] = steps
    with pytest.raises((TypeError, ValueError), match="steps must"):
        Columns.from_json(json.dumps(fields))


def test_a_name_twice_is_refused():
    fields = json.loads(COLUMNS.to_json())
    fields["table"][1]["name"] = fields["table"][0]["name"]
    with pytest.raises(ValueError, match="different names"):
        Columns.from_json(json.dumps(fields))
