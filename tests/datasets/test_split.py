"""How a table is split into training, validation and test rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.datasets import read_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for one file at a time; hypothesis wants it to outlive an example."""
    return tmp_path_factory.mktemp("tables")


@pytest.fixture
def csv(tmp_path):
    """A function that writes a CSV file and reads it as a table."""

    def read(content, **arguments):
        path = tmp_path / "table.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, **arguments)

    return read


def labelled(csv, labels, **arguments):
    rows = "".join(f"{i},{label}\n" for i, label in enumerate(labels))
    return csv("number,kind\n" + rows, **arguments)


def test_every_row_goes_to_one_part_with_its_label(csv):
    table = labelled(csv, [f"kind {i % 3}" for i in range(60)])
    data = table.split(test=0.25, validation=6, seed=3)
    parts = (data.train, data.validation, data.test)
    assert [len(part) for part in parts] == [39, 6, 15]
    numbers = np.concatenate([part.x[:, 0] for part in parts])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(60))
    assert data.class_labels.tolist() == ["kind 0", "kind 1", "kind 2"]
    for part in parts:
        np.testing.assert_array_equal(part.y, part.x[:, 0] % 3)
    assert data.train.y.dtype == np.int64


@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    share=st.floats(0, 0.49),
    seed=st.integers(0, 5),
)
def test_a_stratified_test_has_each_class_to_within_one_row(folder, counts, share, seed):
    labels = np.repeat([f"k{i}" for i in range(len(counts))], counts)
    np.savez(folder / "strata.npz", x=np.zeros((len(labels), 1)), y=labels)
    data = read_table(folder / "strata.npz").split(test=share, seed=seed, task="classification")
    found = np.bincount(data.test.y, minlength=len(counts))
    expected = np.array(counts) * len(data.test) / len(labels)
    assert (np.abs(found - expected) < 1.0).all()
    assert len(data.test) == round(share * len(labels))


def test_the_seed_decides_the_split(csv):
    table = labelled(csv, list("ab") * 50)
    one, same, other = table.split(seed=1), table.split(seed=1), table.split(seed=2)
    np.testing.assert_array_equal(one.train.x, same.train.x)
    assert not np.array_equal(np.sort(one.test.x[:, 0]), np.sort(other.test.x[:, 0]))
    assert not np.array_equal(one.train.x, np.sort(one.train.x, axis=0))


def test_without_stratification_classes_fall_as_they_may(csv):
    table = labelled(csv, list("ab") * 50)
    shares = {int(table.split(seed=s, stratify=False).test.y.sum()) for s in range(20)}
    assert len(shares) > 3


def test_numbers_of_a_regression_stay_with_their_rows(csv):
    data = labelled(csv, [0.5 * i for i in range(20)]).split()
    assert data.class_labels is None
    assert data.train.y.dtype == np.float64
    np.testing.assert_array_equal(data.train.y, 0.5 * data.train.x[:, 0])
    assert len(data.test) == 4


def test_a_dataset_says_what_its_table_knew(csv):
    table = labelled(csv, [3, 7] * 10)
    data = table.split()
    assert (data.feature_names, data.label_name) == (("number",), "kind")
    assert data.has_names
    assert data.label_reason == table.label_reason == "the last column"
    assert data.notes == table.notes
    assert "'number' holds row numbers" in data.notes[0]
    assert data.choice.task == "classification"


@pytest.mark.parametrize(
    ("labels", "arguments", "message"),
    [
        ("ab" * 5, {"task": "regression"}, "needs numbers, but labels are text"),
        ([0.5, 1.5] * 5, {"task": "classification"}, "text or a whole number"),
        ("ab" * 5, {"task": "clustering"}, "task must be classification or regression"),
        ("ab" * 5, {"test": 10}, "test=10 rows do not fit"),
        ("ab" * 5, {"test": 0.5, "validation": 0.5}, "leave none of the 10"),
        ("ab" * 5, {"validation": 1.5}, "validation as a fraction"),
    ],
)
def test_a_split_that_cannot_be_made_says_why(csv, labels, arguments, message):
    with pytest.raises(ValueError, match=message):
        labelled(csv, labels).split(**arguments)
