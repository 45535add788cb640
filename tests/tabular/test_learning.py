"""`learn_columns`: what becomes of each column, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.tabular import learn_columns
from fastnn.tabular.identifiers import why_text

RNG = np.random.default_rng(0)
N = 60
REAL = RNG.normal(size=N)


def learned(values, name="a", **options):
    """A column, learned beside one that always varies."""
    columns = learn_columns({"other": np.arange(N) ** 0.5, name: values}, **options)
    return columns.table[1]


def words(n, size):
    return [f"value {i % size}" for i in range(n)]


@pytest.mark.parametrize(
    ("values", "read_as", "encoded_as", "outputs"),
    [
        (REAL, "number", "scaled", ["a"]),
        (np.where(REAL > 1, np.nan, REAL), "number", "scaled", ["a", "a is missing"]),
        (REAL > 0, "flag", "±1", ["a"]),
        ([None, True, False] * 20, "flag", "±1", ["a", "a is missing"]),
        (["x", "y"] * 30, "category", "±1", ["a = x"]),
        (["y", "x", "y"] * 20, "category", "±1", ["a = y"]),
        (["x", "y", None] * 20, "category", "one-hot", ["a = x", "a = y", "a is missing"]),
        (["x", "y", " "] * 20, "category", "one-hot", ["a = x", "a = y", "a is missing"]),
        (["x", "y", "z"] * 20, "category", "one-hot", ["a = x", "a = y", "a = z"]),
        (["z"] * 30 + ["x", "y"] * 14 + ["u", "v"], "category", "one-hot, rare ones together",
         ["a = z", "a = x", "a = y", "a: any other"]),
        (["z"] * 30 + ["x"] * 29 + ["u"], "category", "one-hot", ["a = z", "a = x", "a = u"]),
        (pd.Categorical(["M", "S", "S"] * 20, ["S", "M", "L"]), "category", "±1", ["a = S"]),
        (pd.Categorical(["M", "S", "L"] * 20, ["S", "M", "L"]), "category", "one-hot",
         ["a = S", "a = M", "a = L"]),
        (pd.Categorical(["M", "S", "L"] * 20, ["S", "M", "L", "XL"], ordered=True), "ordered",
         "thermometer", ["a ≥ M", "a ≥ L"]),
        (pd.date_range("2024-03-01", periods=N, freq="h"), "time", "scaled, day of week, hour",
         ["a", "a: day of week sin", "a: day of week cos", "a: hour sin", "a: hour cos"]),
        (pd.date_range("2024-03-04", periods=N, freq="7D"), "time", "scaled, month",
         ["a", "a: month sin", "a: month cos"]),
        ([f"{value:.3f}" for value in REAL], "number", "scaled", ["a"]),
        ([1.0, None] * 30, "number", "missing or not", ["a is missing"]),
        (["x", None] * 30, "category", "missing or not", ["a is missing"]),
    ],
)  # fmt: skip
def test_a_column_becomes_what_suits_it(values, read_as, encoded_as, outputs):
    column = learned(pd.Series(values) if isinstance(values, pd.Categorical) else values)
    assert column.read_as == read_as
    assert column.encoding.words == encoded_as
    assert list(column.outputs) == outputs


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("a", [3.5] * N, "one value only"),
        ("a", ["x"] * N, "one value only"),
        ("a", [True] * N, "one value only"),
        ("a", [None] * N, "all cells are missing"),
        ("a", ["", " "] * (N // 2), "all cells are missing"),
        ("a", np.arange(N), "counts the rows from 0"),
        ("a", np.arange(N) + 1.0, "counts the rows from 1"),
        ("PassengerId", RNG.permutation(N) + 892, "whole numbers, all different"),
        ("user_id", RNG.permutation(10**6)[:N], "whole numbers, all different"),
        ("a", [f"name {i}" for i in range(N)], "60 different values in 60 cells"),
        ("a", [f"a review of {i} words, or more" for i in range(N)], "free text"),
    ],
)
def test_what_says_nothing_of_a_row_is_left_out_and_named(name, values, why):
    columns = learn_columns({"other": REAL, name: values})
    assert why in columns.left_out[name]
    assert columns.names == ("other",)
    assert name in str(columns)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a", RNG.normal(size=N)),
        ("a", RNG.permutation(N)),  # in no order, and not the first
        ("a", np.arange(N) + 1990),
        ("id", RNG.normal(size=N)),
        ("id", np.arange(N) // 2),
        ("paid", RNG.permutation(N) * 7),
        ("a", words(N, 20)),
    ],
)
def test_what_may_say_something_is_kept(name, values):
    assert learned(values, name).encoding is not None


def test_the_first_column_may_number_rows_in_any_order():
    columns = learn_columns({"a": RNG.permutation(N), "other": REAL})
    assert columns.left_out == {"a": "numbers the rows"}


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1]))
def test_the_first_column_of_a_part_of_a_table_may_number_its_rows(seed, first):
    numbers = np.random.default_rng(seed).permutation(N + N // 2)[:N] + first
    table = {"X": numbers, "other": REAL}
    assert learn_columns(table).left_out == {"X": "numbers the rows"}
    assert learn_columns(table | {"X": numbers + 1950}).names == ("X", "other")
    assert learn_columns({"other": REAL, "X": numbers}).names == ("other", "X")


@pytest.mark.parametrize("override", [{"keep": ["a"]}, {"kinds": {"a": "number"}}])
def test_an_identifier_can_be_kept(override):
    assert learned(np.arange(N), **override).encoding.words == "scaled"


@pytest.mark.parametrize(
    ("values", "kind", "outputs"),
    [
        ([1, 2, 3] * 20, "category", ["a = 1", "a = 2", "a = 3"]),
        ([1, 2, 10] * 20, "ordered", ["a ≥ 2", "a ≥ 10"]),
        (["S", "M", "L"] * 20, ("S", "M", "L", "XL"), ["a ≥ M", "a ≥ L"]),
        ([10, 2, 1] * 20, [10, 2, 1], ["a ≥ 2", "a ≥ 1"]),
        (["1", "2", "3"] * 20, "number", ["a"]),
        (["yes", "no", None] * 20, "flag", ["a", "a is missing"]),
        (["2024-01-01", "2024-01-02"] * 30, "time",
         ["a", "a: day of week sin", "a: day of week cos"]),
        (REAL, "drop", []),
    ],
)  # fmt: skip
def test_kinds_override_what_is_decided(values, kind, outputs):
    assert list(learned(values, kinds={"a": kind}).outputs) == outputs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kinds": {"A": "category"}}, "did you mean 'a'"),
        ({"drop": ["othr"]}, "did you mean 'other'"),
        ({"drop": "a"}, "must be a collection of names"),
        ({"keep": ["b"]}, "'b' that is not in the table"),
        ({"kinds": {"a": "categorical"}}, "must be one of"),
        ({"kinds": {"a": "time"}}, "must hold times in its column 'a', got numbers"),
        ({"kinds": {"a": "flag"}}, "must hold flags, 0 and 1 in its column 'a', got .* row 0"),
        ({"kinds": {"a": ["1", "2"]}}, "must have all values"),
        ({"kinds": {"a": ["1", "1"]}}, "each once"),
        ({"kinds": {"a": 3}}, "must be a kind or all categories"),
        ({"max_categories": 0}, "at least 1"),
        ({"n_bins": -1}, "at least 0"),
        ({"drop": ["a", "other"]}, "no column to learn from"),
    ],
)
def test_wrong_arguments_are_refused_in_words(options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        learned(REAL, **options)


def test_a_guess_is_noted():
    assert "rare" in learned([*words(30, 3), *[f"v{i}" for i in range(30)]]).note
    assert "kinds={'a': 'number'} reads it as such" in learned(["1", "2", "3"] * 20).note
    assert "alphabet" in learned(["S", "M", "L"] * 20, kinds={"a": "ordered"}).note
    assert "seconds" in learned(pd.to_timedelta(np.arange(N) % 7, "s").to_series()).note


def test_most_categories_are_the_most_frequent():
    values = [f"v{i}" for i in range(10) for _ in range(10 - i)]
    column = learn_columns({"a": values}, max_categories=4).table[0]
    assert column.encoding.values == ("v0", "v1", "v2", "v3")
    assert column.encoding.has_other


@pytest.mark.parametrize("n_bins", [1, 4, 16])
def test_bins_are_quantiles(n_bins):
    encoding = learned(REAL, n_bins=n_bins).encoding
    inside = np.histogram(REAL, encoding.edges)[0]
    assert len(inside) == n_bins
    assert inside.max() - inside.min() <= 2
    assert (encoding.edges[0], encoding.edges[-1]) == (REAL.min(), REAL.max())


@given(st.permutations(range(N)), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "number": rng.normal(size=N),
            "text": rng.choice(["a", "b", "c", None], N),
            "flag": rng.random(N) < 0.5,
            "time": np.datetime64("2024-01-01") + rng.integers(0, 10**7, N).astype("m8[s]"),
        }
    )
    assert learn_columns(table) == learn_columns(table.iloc[list(order)])


def test_a_printed_table_fits_in_a_terminal():
    table = {f"column number {i}": RNG.normal(size=N) for i in range(3)}
    table |= {"review": [f"a rather long review of {i} words" for i in range(N)], "b": ["x\n"] * N}
    lines = str(learn_columns(table)).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "3 columns are read, 3 outputs"


def test_one_column_and_one_output_are_singular():
    assert str(learn_columns({"x": [1.5, 2.0, 7.0]})).endswith("\n1 column is read, 1 output")


@pytest.mark.parametrize("value", [1.0, True, "x", np.datetime64("2024-01-01")])
def test_of_one_value_only_an_indicator_says_something(value):
    values = np.array([value, None] * (N // 2), object)
    assert learned(values).outputs == ("a is missing",)
    assert learned(values, missing_indicators=False).encoding is None


@given(st.integers(10, 60), st.data())
def test_text_of_many_values_is_left_out_from_so_many_on(n, data):
    n_distinct = data.draw(st.integers(1, n))
    for words, least in (("one", 0.95), ("w x y z", 0.5)):
        texts = [f"{words}{i}" for i in range(n_distinct)]
        is_left_out = n_distinct > n / 2 and n_distinct >= least * n
        assert (why_text(texts, n) is not None) == is_left_out
