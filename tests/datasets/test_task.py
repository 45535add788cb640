"""What labels are taken for: classes or the numbers of a regression, decided with a reason."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import datasets as real

from fastnn.datasets import Table
from fastnn.datasets.task import FEW, MANY, ROWS_A_CLASS, choose_task

seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([np.int64, np.float64])


def decided(y, task=None):
    """The dataset that a table with labels y becomes."""
    y = np.asarray(y)
    return Table("t", np.zeros((len(y), 1)), y, ("a",), "y").split(task=task)


def task_of(y):
    """The task that was decided for labels y, None where they are asked about."""
    try:
        return choose_task([np.asarray(y)], None)[0].task
    except ValueError as error:
        assert "task='" in str(error)  # noqa: PT017
        return None


def shuffled(seed, labels, counts):
    return np.random.default_rng(seed).permutation(np.repeat(labels, counts))


@given(
    labels=st.sets(st.integers(-1000, 3000), min_size=1, max_size=FEW), data=st.data(), dtype=dtypes
)
def test_a_few_whole_numbers_are_classes_however_they_are_written(labels, data, dtype):
    counts = data.draw(st.lists(st.integers(2, 30), min_size=len(labels), max_size=len(labels)))
    found = decided(shuffled(data.draw(seeds), sorted(labels), counts).astype(dtype))
    assert found.choice.task == "classification"
    assert found.class_labels.dtype == np.int64
    assert found.class_labels.tolist() == sorted(labels)


@given(
    first=st.sampled_from([0, 1]), n=st.integers(FEW + 1, 80), least=st.integers(ROWS_A_CLASS, 9),
    seed=seeds, dtype=dtypes,
)  # fmt: skip
def test_numbers_that_count_with_several_rows_each_are_classes(first, n, least, seed, dtype):
    counts = least + np.random.default_rng(seed).integers(0, 20, n)
    counts[0] = least
    found = decided(shuffled(seed, np.arange(first, first + n), counts).astype(dtype))
    assert found.choice.task == "classification"
    assert f"each in at least {least} rows" in found.choice.reason
    assert len(found.class_labels) == n


@given(y=st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=50))
def test_numbers_with_fractions_are_a_regression(y):
    assume(len(set(y)) > 1 and any(v != int(v) for v in y))
    found = decided(y)
    assert found.choice.task == "regression"
    assert found.class_labels is None
    assert found.train.y.dtype == np.float64


@given(n=st.integers(4 * MANY, 500), top=st.integers(4 * MANY, 10**6), seed=seeds, dtype=dtypes)
def test_many_different_whole_numbers_are_a_regression(n, top, seed, dtype):
    y = np.random.default_rng(seed).integers(100, 100 + top, n).astype(dtype)
    assume(len(np.unique(y)) > MANY)
    found = decided(y)
    assert found.choice.task == "regression"
    assert found.choice.reason == f"{len(np.unique(y))} different whole numbers"


@given(mean=st.floats(0.1, 500), n=st.integers(50, 3000), seed=seeds)
def test_counts_of_events_are_never_more_than_a_few_classes(mean, n, seed):
    y = np.random.default_rng(seed).poisson(mean, n)
    assert len(np.unique(y)) <= FEW or task_of(y) in (None, "regression")


@given(
    labels=st.sets(st.integers(3, 90), min_size=FEW + 1, max_size=MANY), seed=seeds,
    count=st.integers(3, 20),
)  # fmt: skip
def test_integers_in_between_are_asked_about_and_floats_are_amounts(labels, seed, count):
    y = shuffled(seed, sorted(labels), count)
    with pytest.raises(ValueError, match=f"{len(labels)} different whole numbers.*task='class"):
        decided(y)
    assert task_of(y.astype(np.float64)) == "regression"  # nobody writes a class as 35.0
    assert len(decided(y, "classification").class_labels) == len(labels)
    assert decided(y, "regression").class_labels is None


@given(y=st.lists(st.integers(-5, 60), min_size=2, max_size=300))
def test_what_was_decided_for_integers_holds_for_the_same_numbers_as_floats(y):
    of_integers = task_of(y)
    assert of_integers is None or task_of(np.float64(y)) == of_integers


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("n", [3, 20, 300])
def test_labels_that_number_the_rows_are_refused(first, n):
    y = np.arange(first, first + n)
    with pytest.raises(ValueError, match=r"label.* row numbers.*label="):
        decided(y)
    assert decided(y, "regression").class_labels is None


@given(n=st.integers(3, 100), repeated=st.integers(0, 20))
def test_text_that_hardly_repeats_is_refused(n, repeated):
    y = [f"name {i}" for i in range(n)]
    y += y[: repeated if n > 2 * FEW else 0]
    with pytest.raises(ValueError, match=f"text, {n} different ones.*identifiers.*label="):
        decided(y)
    assert len(decided(y, "classification").class_labels) == n


@given(n=st.integers(1, 60), count=st.integers(2, 9), seed=seeds)
def test_text_that_repeats_is_classes(n, count, seed):
    found = decided(shuffled(seed, [f"kind {i}" for i in range(n)], count))
    assert found.choice.reason == f"text, {n} different"
    assert len(found.class_labels) == n


def test_one_number_in_all_rows_is_nothing_to_learn():
    with pytest.raises(ValueError, match=r"all 9 rows have the label 0\.5\. Select"):
        decided([0.5] * 9)


def test_labels_of_a_files_parts_are_decided_together():
    parts = [np.array([0, 1, 2] * 5), np.array([7, 7])]
    choice, labels = choose_task(parts, None)
    assert choice.task == "classification"
    assert labels.tolist() == [0, 1, 2, 7]


@pytest.mark.parametrize("dtype", ["int", "float"])
@pytest.mark.parametrize(
    ("name", "n_classes"),
    [("iris", 3), ("wine", 3), ("breast_cancer", 2), ("digits", 10), ("diabetes", None)],
)
def test_real_tables_are_what_everybody_takes_them_for(name, n_classes, dtype):
    y = getattr(real, f"load_{name}")().target
    labels = decided(y.astype(dtype)).class_labels
    assert n_classes == (None if labels is None else len(labels))


def likely(rng, low, high, n):
    """Whole numbers in a bell over a range, both ends rare."""
    return np.clip(rng.normal((low + high) / 2, (high - low) / 7, n).round(), low, high)


REAL_SHAPES = {
    "quality of wine, 3 to 8": (lambda r: np.repeat(range(3, 9), [10, 53, 681, 638, 199, 18]), "c"),
    "a rating, 1 to 10": (lambda r: r.integers(1, 11, 500), "c"),
    "26 letters": (lambda r: r.integers(0, 26, 20000), "c"),
    "100 kinds of plants": (lambda r: np.repeat(np.arange(1, 101), 16), "c"),
    "-1 and 1": (lambda r: r.choice([-1, 1], 200), "c"),
    "rings of abalones, 1 to 29": (lambda r: np.r_[likely(r, 1, 29, 4000), 1, 29], None),
    "model years, 70 to 82": (lambda r: r.integers(70, 83, 392), None),
    "years of songs, 1922 to 2011": (lambda r: r.integers(1922, 2012, 20000), "r"),
    "rented bicycles": (lambda r: r.negative_binomial(1.2, 0.006, 17379), "r"),
    "prices": (lambda r: (r.lognormal(8, 1, 5000)).round(), "r"),
}


@pytest.mark.parametrize("name", REAL_SHAPES)
def test_what_targets_of_real_tables_look_like_is_decided(name):
    draw, task = REAL_SHAPES[name]
    y = np.random.default_rng(0).permutation(draw(np.random.default_rng(1)).astype(np.int64))
    assert task_of(y) == {"c": "classification", "r": "regression", None: None}[task]
