"""`Columns.rows`: the same numbers for the same cells, whatever they come in."""

import datetime as dt
import math
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mixed_tables import FORMS, in_form, tables

from fastnn.tabular import as_frame, learn_columns

N = 40
RNG = np.random.default_rng(1)
TABLE = {
    "age": np.where(RNG.random(N) < 0.2, np.nan, RNG.normal(40, 10, N)),
    "sex": RNG.choice(["f", "m"], N),
    "city": RNG.choice(["Rome", "Oslo", "Lima"], N),
    "id": np.arange(N),
}
options = st.fixed_dictionaries(
    {
        "n_bins": st.sampled_from([0, 0, 3]),
        "min_count": st.integers(1, 3),
        "max_categories": st.sampled_from([2, 100]),
        "missing_indicators": st.booleans(),
    }
)


def frame_of(drawn):
    table, kinds = drawn
    return as_frame(in_form(table, kinds, "polars"), kinds)


@given(tables(), options, st.sampled_from(FORMS))
def test_all_libraries_give_the_same_bits(drawn, options, form):
    table, kinds = drawn
    columns = learn_columns(frame_of(drawn), **options)
    rows = columns.rows(frame_of(drawn))
    assert rows.dtype == np.float32
    assert rows.shape == (len(table["always"]), columns.n_out)
    assert np.isfinite(rows).all()
    assert columns.rows(in_form(table, kinds, form)).tobytes() == rows.tobytes()


@given(tables(), options, st.randoms())
def test_the_order_of_columns_does_not_matter(drawn, options, random):
    frame = frame_of(drawn)
    columns = learn_columns(frame, **options)
    names = list(frame.names)
    random.shuffle(names)
    shuffled = {name: frame[name].values for name in names}
    assert (columns.rows(shuffled) == columns.rows(frame)).all()


@given(tables(), options, st.data())
def test_some_rows_have_the_bits_they_have_among_all(drawn, options, data):
    frame = frame_of(drawn)
    columns = learn_columns(frame, **options)
    which = np.array(data.draw(st.lists(st.integers(0, frame.n_rows - 1), max_size=5)), int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (columns.rows(frame.rows(which)) == columns.rows(frame)[which]).all()


@given(tables(), tables(), options)
def test_rows_are_finite_and_bounded_whatever_comes_later(drawn, later, options):
    frame, other = frame_of(drawn), frame_of(later)
    columns = learn_columns(frame, **options)
    both = {name: other[name].values for name in other.names if name in frame.names}
    missing = {name: [None] * other.n_rows for name in frame.names if name not in both}
    kinds = dict(zip(frame.names, (column.kind for column in frame.columns), strict=True))
    same = {n for n in both if other[n].kind == kinds[n]}
    both = {n: v if n in same else [None] * other.n_rows for n, v in both.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = columns.rows(both | missing)
    assert np.isfinite(rows).all()
    assert np.abs(rows).max(initial=0) <= 4


def test_a_number_is_scaled_robustly_and_bounded():
    columns = learn_columns({"a": [0.0, 1.0, 2.0, 3.0, 4.0]}, keep=["a"])
    z = np.array([-1.0, 0.0, 0.5, 1e6])  # (x - median 2) / (q75 3 - q25 1)
    rows = columns.rows({"a": 2 + 2 * z})
    np.testing.assert_allclose(rows[:, 0], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6)


def test_a_number_that_is_mostly_one_value_is_scaled_by_its_range():
    columns = learn_columns({"a": [0.0] * 20 + [8.0]})
    np.testing.assert_allclose(columns.rows({"a": [0.0, 8.0]})[:, 0], [0, 2 / math.sqrt(1 + 4 / 9)])


def test_numbers_far_from_zero_keep_their_digits():
    x = 1e9 + RNG.random(100)
    rows = learn_columns({"a": x}).rows({"a": x})[:, 0]
    assert len(np.unique(rows)) == 100
    assert 0.3 < rows.std() < 1


def test_bins_are_the_piecewise_linear_encoding():
    x = np.arange(9.0)
    columns = learn_columns({"a": x}, kinds={"a": "number"}, n_bins=4)
    edges = columns.table[0].encoding.edges
    rows = columns.rows({"a": x})
    for t, (low, high) in enumerate(pairwise(edges)):
        np.testing.assert_allclose(rows[:, t], np.clip((x - low) / (high - low), 0, 1), rtol=1e-6)
    beyond = columns.rows({"a": [-0.01, 8.01]})
    np.testing.assert_allclose(beyond[0, 0], -0.01 / (edges[1] - edges[0]), rtol=1e-2)
    np.testing.assert_allclose(beyond[1, -1], 1 + 0.01 / (edges[4] - edges[3]), rtol=1e-2)
    assert (beyond[0, 1:] == 0).all()
    assert (beyond[1, :-1] == 1).all()


def test_the_calendar_is_exact_at_its_period():
    days = pd.date_range("2023-01-01", "2024-12-31", freq="D")
    columns = learn_columns({"day": days})
    names = list(columns.feature_names)
    rows = columns.rows({"day": [dt.datetime(2024, 4, 1), dt.datetime(2031, 4, 7)]})
    assert (rows[0, 1:] == rows[1, 1:]).all()  # both in April, and on a Monday
    assert rows[0, names.index("day: month sin")] == 1.0
    assert rows[0, names.index("day: day of week sin")] == 0.0
    assert rows[0, names.index("day: day of week cos")] == 1.0


def test_unknown_and_missing_categories_are_all_zeros():
    columns = learn_columns(TABLE)
    city = [i for i, name in enumerate(columns.feature_names) if name.startswith("city")]
    row = {"age": 1.0, "sex": "f"}
    with pytest.warns(UserWarning, match=r"not: city \(1 of 1 row, such as 'Bonn'\)"):
        assert (columns.rows([row | {"city": "Bonn"}])[:, city] == 0).all()
    with pytest.warns(UserWarning, match="none in training: 'city \\(1\\)'"):
        assert (columns.rows([row | {"city": None}])[:, city] == 0).all()


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_ordered_categories_are_a_thermometer_and_two_values_are_signs(seed, indicators):
    rng = np.random.default_rng(seed)
    order = [f"c{i}" for i in rng.permutation(int(rng.integers(3, 7)))]
    table = {
        "size": [*order * 3, *[None] * 2],
        "two": ["u", "v", *rng.choice(["u", "v"], 3 * len(order))],
    }
    columns = learn_columns(table, kinds={"size": order}, missing_indicators=indicators)
    first = columns.table[1].encoding.values[0]
    sizes, twos = [*order, None, "new"], ["u", "v", None, "new"]
    cells = [(rng.choice(np.array(sizes, object)), twos[rng.integers(4)]) for _ in range(20)]
    expected = []
    for size, two in cells:
        rank = order.index(size) if size in order else None
        steps = [0 if rank is None else 1 if rank >= k else -1 for k in range(1, len(order))]
        sign = 0 if two not in ("u", "v") else 1 if two == first else -1
        expected.append([*steps, *([size is None] if indicators else []), sign])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = columns.rows({"size": [c[0] for c in cells], "two": [c[1] for c in cells]})
    np.testing.assert_array_equal(rows, expected)


def test_an_unknown_category_is_one_of_the_rare_ones_if_there_were_any():
    columns = learn_columns({"a": ["x"] * 9 + ["y"] * 9 + ["u", "v"]})
    assert columns.rows({"a": ["u", "never seen", "x"]}).tolist() == [
        [0, 0, 1], [0, 0, 1], [1, 0, 0]
    ]  # fmt: skip


def test_missing_cells_are_the_median_and_are_counted_if_there_were_none_in_training():
    columns = learn_columns({"a": RNG.normal(size=20), "b": [1.0, None, 2.0, 3.0] * 5})
    with pytest.warns(UserWarning, match=r"'a \(2\)'"):
        rows = columns.rows({"a": [None, None], "b": [None, 2.0]})
    assert rows.tolist() == [[0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("learned", "given", "same"),
    [
        (RNG.normal(size=3), "0.5", 0.5),
        ([True, False, True], "yes", True),
        ([True, False, True], 1, True),
        (["1", "2", "1"], 1.0, "1"),
        (["0.5", "2", "0.5"], 0.5, "0.5"),
        ([dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 5, 1, tzinfo=dt.UTC)],
         "2024-03-01T12:00+01:00", dt.datetime(2024, 3, 1, 11, tzinfo=dt.UTC)),
    ],
)  # fmt: skip
def test_cells_of_another_type_are_read_as_in_training(learned, given, same):
    columns = learn_columns({"a": learned})
    assert (columns.rows({"a": [given]}) == columns.rows({"a": [same]})).all()


@pytest.mark.parametrize(
    ("learned", "given", "words"),
    [
        (RNG.normal(size=3), ["1", "two"], "numbers in its column 'a', got 'two' .* in row 1"),
        (RNG.normal(size=3), [1, math.inf], "finite numbers, got inf in row 1 of its column 'a'"),
        ([True, False], [1, 2], "flags.* in its column 'a', got 2.0 .* in row 1"),
        ([True, False], ["yes", "maybe"], "'maybe' .* in row 1"),
        ([dt.datetime(2024, 1, 1), dt.datetime(2024, 5, 1)], ["soon"], "'soon' .* in row 0"),
        ([dt.datetime(2024, 1, 1), dt.datetime(2024, 5, 1)], [1, 2], "times .* got numbers"),
        (RNG.normal(size=3), [dt.datetime(2024, 1, 1)], "numbers .* got times"),
    ],
)
def test_cells_that_cannot_be_read_as_in_training_are_named(learned, given, words):
    columns = learn_columns({"a": learned})
    with pytest.raises((TypeError, ValueError), match=words):
        columns.rows({"a": given})


def test_an_infinite_number_is_refused_in_training_too():
    with pytest.raises(ValueError, match="got -inf in row 1 of its column 'a'"):
        learn_columns({"a": [1.0, -math.inf, 2.0]})


def test_columns_are_matched_by_name_or_else_by_position():
    columns = learn_columns(TABLE)
    wanted = columns.rows(TABLE)
    frame = pd.DataFrame(TABLE)
    assert (columns.rows(frame[["id", "city", "age", "sex"]]) == wanted).all()
    assert (columns.rows(frame[["city", "age", "sex"]]) == wanted).all()
    assert (columns.rows(frame.to_numpy()) == wanted).all()
    assert (columns.rows(frame.assign(y=1), ignored=["y"]) == wanted).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.drop(columns="age"), "lacks 'age'$"),
        (lambda frame: frame.rename(columns={"age": "Age"}),
         r"lacks 'age' \(is it 'Age'\?\) and also has 'Age'"),
        (lambda frame: frame.to_numpy()[:, :3], "the 4 columns of the training table"),
    ],
)  # fmt: skip
def test_other_columns_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        learn_columns(TABLE).rows(change(pd.DataFrame(TABLE)))


def test_columns_that_training_had_not_are_ignored_and_named():
    frame = pd.DataFrame(TABLE)
    columns = learn_columns(TABLE)
    with pytest.warns(UserWarning, match="not trained on, 'y': ignored"):
        rows = columns.rows(frame.assign(y=1))
    assert (rows == columns.rows(frame)).all()


@given(st.sampled_from(["Unnamed: 0", "rownames", "index", "__index_level_0__", "", "row.names"]))
def test_columns_that_number_the_rows_are_ignored(name):
    frame = pd.DataFrame(TABLE)
    columns = learn_columns(TABLE)
    numbered = frame.copy()
    numbered.insert(0, name, range(N))
    assert (columns.rows(numbered) == columns.rows(frame)).all()


@given(
    st.sampled_from(["two values", "one-hot", "ordered", "other"]),
    st.integers(0, 60),
    st.booleans(),
)
def test_values_that_training_had_not_are_counted_in_a_warning(what, n_unseen, alone):
    n_values = {"two values": 2, "one-hot": 3, "ordered": 3, "other": 5}[what]
    values = list("abcde"[:n_values]) * (60 // n_values)
    if what == "other":
        values = [*values, "rare", "rarer"]
    kinds = {"x": "ordered"} if what == "ordered" else {}
    columns = learn_columns({"x": values, "n": np.arange(len(values)) % 7.0}, kinds=kinds)
    n_known = n_unseen if alone else 60
    cells = ["new"] * n_unseen + values[: n_known - n_unseen]
    table = {"x": [*cells, None], "n": np.zeros(len(cells) + 1)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        columns.rows(table)
    told = [str(w.message) for w in caught if "training had not" in str(w.message)]
    if what == "other" and (n_known < 20 or 2 * n_unseen <= n_known):
        assert not told
    elif what != "other" and n_unseen:
        assert f"x ({n_unseen:,} of {n_known:,} row" in told[0]
        assert "such as 'new'); they are read as no category" in told[0]
    elif what == "other" and n_unseen > 0.6 * n_known:
        assert "they are read as any other" in told[0]
    elif not n_unseen:
        assert not told


@given(st.integers(1, 60))
def test_rows_of_training_are_no_surprise_however_many_are_rare(n_rare):
    values = ["a"] * 30 + [str(i) for i in range(n_rare)]
    columns = learn_columns(
        {"x": values, "n": np.arange(len(values)) % 7.0}, kinds={"x": "category"}
    )
    columns.rows({"x": values, "n": np.zeros(len(values))})


@pytest.mark.parametrize("form", ["pandas", "categorical", "polars", "dict"])
@given(st.lists(st.sampled_from(["", " ", "\t", "  "]), min_size=4, max_size=4))
def test_text_is_stripped_and_a_question_mark_is_missing(form, spaces):
    cells = ["Private", "State", "Federal", "?"] * 10
    padded = [f"{spaces[i % 4]}{cell}{spaces[(i + 1) % 4]}" for i, cell in enumerate(cells)]
    plain = {"x": [None if cell == "?" else cell for cell in cells]}
    makes = {
        "pandas": pd.DataFrame,
        "categorical": lambda table: pd.DataFrame(table).astype("category"),
        "polars": pytest.importorskip("polars").DataFrame,
        "dict": dict,
    }
    table = makes[form]({"x": padded})
    columns = learn_columns(plain)
    assert (columns.rows(table) == columns.rows(plain)).all()
    assert (learn_columns(table).rows(plain) == learn_columns(table).rows(table)).all()
    assert {*learn_columns(table).table[0].encoding.values} == {"Private", "State", "Federal"}


def test_numbered_columns_in_another_order_are_refused():
    frame = pd.DataFrame(RNG.normal(size=(20, 3)))
    columns = learn_columns(frame)
    assert not columns.has_names
    assert (columns.rows(frame.to_numpy()) == columns.rows(frame)).all()
    with pytest.raises(ValueError, match="numbered 2, 0, 1"):
        columns.rows(frame[[2, 0, 1]])


def test_outputs_know_their_columns():
    columns = learn_columns(TABLE)
    assert columns.names == ("age", "sex", "city")
    assert columns.feature_names[:3] == (
        "age",
        "age is missing",
        "sex = " + "fm"[list(TABLE["sex"]).count("m") > list(TABLE["sex"]).count("f")],
    )
    assert columns.sources == (0, 0, 1, 2, 2, 2)
    assert len(columns.sources) == len(columns.feature_names) == columns.n_out


def test_no_rows_make_no_rows():
    columns = learn_columns(TABLE)
    assert columns.rows({"age": [], "sex": [], "city": []}).shape == (0, columns.n_out)


@given(tables(), options)
def test_the_typical_row_is_that_of_missing_cells_without_saying_so(drawn, options):
    frame = frame_of(drawn)
    columns = learn_columns(frame, **options)
    nothing = as_frame(
        {column.name: np.array([None], object) for column in frame.columns},
        {column.name: column.kind for column in frame.columns},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row = columns.rows(nothing)[0]
    is_indicator = np.array([name.endswith(" is missing") for name in columns.feature_names])
    np.testing.assert_array_equal(columns.typical_row, np.where(is_indicator, 0, row))


@pytest.mark.parametrize("n_bins", [0, 4])
def test_the_typical_row_is_that_of_the_medians(n_bins):
    table = {"a": [1.0, None, 2.5, 7.0] * 10, "b": RNG.normal(size=40), "c": RNG.random(40)}
    columns = learn_columns(table, n_bins=n_bins)
    medians = {column.name: [column.encoding.center] for column in columns.table}
    np.testing.assert_array_equal(columns.typical_row, columns.rows(medians)[0])


def test_cells_that_were_missing_in_training_too_are_no_surprise():
    columns = learn_columns({"a": [1.0, None, 2.5, 7.0] * 10}, missing_indicators=False)
    assert columns.rows({"a": [None]}).tolist() == [[0.0]]


@given(st.floats(-50, 50), st.booleans())
def test_the_first_and_the_last_bin_extend_by_as_much_as_is_bounded(share, is_last):
    columns = learn_columns({"a": np.arange(9.0)}, kinds={"a": "number"}, n_bins=4)
    edges = columns.table[0].encoding.edges
    assert set(edges) <= set(range(9))  # numbers of the training table
    low, high = edges[-2:] if is_last else edges[:2]
    row = columns.rows({"a": [low + share * (high - low)]})[0]
    inside = np.clip(share, 0, 1)
    beyond = max(share - inside, 0) if is_last else min(share - inside, 0)
    expected = inside + beyond / math.sqrt(1 + (beyond / 3) ** 2)
    assert row[-1 if is_last else 0] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(st.integers(-1000, 1015), st.integers(0, 2**32 - 1))
def test_numbers_of_any_size_are_scaled_alike(exponent, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, 21)
    plain = learn_columns({"a": x}).rows({"a": x})
    large = np.ldexp(x, exponent + 8)
    np.testing.assert_allclose(learn_columns({"a": large}).rows({"a": large}), plain, rtol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_the_median_of_the_largest_numbers_of_both_signs_is_between_them(seed):
    size = np.random.default_rng(seed).uniform(0.9, 0.99, 20)
    size = np.ldexp(np.where(np.arange(20) % 2, size, -size), 1024)  # no difference fits in a float
    columns = learn_columns({"a": size})
    assert abs(columns.table[0].encoding.center) <= np.ldexp(0.05, 1024)
    rows = columns.rows({"a": size})[:, 0]
    np.testing.assert_array_equal(np.sign(rows), np.sign(size))
