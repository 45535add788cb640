"""Held-out rows of partitions, and the moments of the others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("dask")
pytest.importorskip("distributed")
pd = pytest.importorskip("pandas")

from fastnn.dask.moments import Moments, moments_of  # noqa: E402
from fastnn.dask.splits import label_values, split_rows  # noqa: E402
from fastnn.model.standardization import moments  # noqa: E402


@given(st.integers(0, 500), st.integers(0, 10_000), st.integers(0, 2**31 - 1))
def test_each_row_is_in_one_part_which_is_the_same_every_time(n_rows, number, seed):
    parts = split_rows(n_rows, number, seed)
    assert list(parts) == ["train", "validation", "test"]
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(n_rows))
    assert len(parts["test"]) == round(0.2 * n_rows)
    assert len(parts["validation"]) == round(0.1 * n_rows)
    again = split_rows(n_rows, number, seed)
    assert all((parts[part] == again[part]).all() for part in parts)


def test_partitions_and_seeds_hold_out_other_rows():
    drawn = {tuple(split_rows(50, *of)["test"].tolist()) for of in ((0, 0), (1, 0), (0, 1))}
    assert len(drawn) == 3


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=20),
    st.floats(-1e6, 1e6),
    st.sampled_from([1e-200, 1e-3, 1.0, 1e150]),
    st.integers(0, 1000),
)
def test_moments_of_partitions_are_those_of_all_rows(sizes, mean, scale, seed):
    n = sum(sizes)
    rng = np.random.default_rng(seed)
    columns = scale * (rng.normal(size=(n, 2)) + mean)
    mean_of_all, deviation_of_all = moments(columns)
    parts = np.split(columns, np.cumsum(sizes)[:-1])
    found = moments_of([Moments.of(part) for part in parts])
    assert found.n_rows == n
    # sums of n numbers as large as the columns', and what they are centred by
    relative = 4 * n * np.finfo(np.float64).eps
    bound = relative * np.abs(columns).max()
    np.testing.assert_allclose(found.mean, mean_of_all, 0, bound)
    np.testing.assert_allclose(found.deviation, deviation_of_all, relative, bound)
    assert (found.low == columns.min(axis=0)).all()
    assert (found.high == columns.max(axis=0)).all()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.floats(-1e300, 1e300))
def test_a_constant_column_keeps_its_value_and_does_not_vary(sizes, value):
    found = moments_of([Moments.of(np.full((size, 1), value)) for size in sizes])
    assert found.mean[0] == value
    assert found.deviation[0] == 0.0
    assert not found.standardization.varies[0]


def test_values_that_overflow_have_no_finite_deviation():
    columns = np.array([[1e308], [-1e308]])
    found = moments_of([Moments.of(columns[:1]), Moments.of(columns[1:])])
    assert not np.isfinite(found.standardization.deviation[0])


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [
        (np.array([1, 0], np.uint8), "int64"),
        (np.array([True, False]), "int64"),
        (np.array([1.5], np.float32), "float64"),
        (np.array(["a", "bc"], object), "<U2"),
        (np.array([b"a", b"bc"]), "<U2"),
    ],
)
def test_labels_are_text_or_numbers_of_two_kinds(given_as, expected):
    assert label_values(given_as).dtype == expected


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a", pd.NA], "an empty cell"),
        (["a", None], "an empty cell"),
        (["a", float("nan")], "an empty cell"),
        (["a", 1], "hold 1,"),
    ],
)
def test_other_labels_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        label_values(np.array(values, object))
