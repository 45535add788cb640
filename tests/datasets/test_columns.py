"""Which line is a header, which column the label, and which only numbers the rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.datasets import digits, read_table

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file to be written again and again."""
    return tmp_path_factory.mktemp("columns") / "t.csv"


@pytest.fixture
def read(path):
    """A function that writes text and reads it as a table."""

    def read(text, **arguments):
        path.write_text(text)
        return read_table(path, **arguments)

    return read


def measurements(seed, n_rows, n_columns):
    return np.random.default_rng(seed).normal(5, 2, (n_rows, n_columns)).round(2) + 0.001


# -- headers --------------------------------------------------------------------------------------


@given(
    n_rows=st.integers(1, 40), n_columns=st.integers(3, 12), seed=seeds, index=st.booleans(),
    label=st.sampled_from([None, "species", "number"]), header=st.booleans(),
)  # fmt: skip
def test_every_row_of_a_frame_without_names_is_read_and_no_header_is(
    path, n_rows, n_columns, seed, index, label, header
):
    x = measurements(seed, n_rows, n_columns)
    frame = pd.DataFrame(x)
    if label is not None:
        kinds = ["a", "b"] if label == "species" else [0, 1]
        frame[label if header else n_columns] = [kinds[i % 2] for i in range(n_rows)]
    frame.to_csv(path, header=header, index=index and header)
    table = read_table(path, label=False if label is None else -1)
    np.testing.assert_array_equal(table.x, x)
    assert not table.has_names
    assert any("numbers the columns" in note for note in table.notes) == header


@given(
    names=st.lists(
        st.text("abcdefgh _-%()", min_size=1, max_size=6).filter(
            lambda name: name.strip() and name.strip().lower() not in ("-", "na")
        ),
        min_size=2, max_size=6, unique_by=str.strip,
    ),
    seed=seeds,
)  # fmt: skip
def test_names_are_a_header(path, names, seed):
    x = measurements(seed, 5, len(names))
    pd.DataFrame(x, columns=names).to_csv(path, index=False)
    table = read_table(path, label=False)
    assert table.feature_names == tuple(name.strip() for name in names)
    assert table.has_names
    np.testing.assert_array_equal(table.x, x)


@given(n_rows=st.integers(2, 6), n_columns=st.integers(1, 40))
def test_numbers_that_go_on_counting_are_rows(path, n_rows, n_columns):
    x = np.arange(n_rows * n_columns).reshape(n_rows, n_columns)
    np.savetxt(path, x, fmt="%d", delimiter=",")
    np.testing.assert_array_equal(read_table(path, label=False).x, x)


def test_a_line_that_may_be_a_header_or_a_row_is_asked_about(read):
    text = "0,1,2,3\n5,5,1,0\n4,7,8,1\n"
    with pytest.raises(ValueError, match=r"line 1: .*pandas.*header=True or header=False"):
        read(text)
    assert len(read(text, header=True).x) == 2
    assert len(read(text, header=False).x) == 3


def test_a_line_of_missing_cells_is_a_row(read):
    with pytest.raises(ValueError, match=r"line 1, column 1 .*got '\?', expected a number"):
        read("?,NA,\n1,2,0\n")


@pytest.mark.parametrize(
    ("text", "has_names"),
    [
        ("a,b,y\n1,2,0\n", True),
        ("1,2,0\n", False),
        ("a,a,y\n1,2,0\n", False),
        ("a,,y\n1,2,0\n", False),
        (",a,y\n0,2,0\n1,2,1\n", True),  # the first column is left out
    ],
)
def test_names_are_the_files_own_and_no_two_alike_or_they_are_none(read, text, has_names):
    assert read(text).has_names is has_names


# -- the label ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["label", "Labels", "target", "TARGETS", "class", "species", "y"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_usual_name_is_the_label_wherever_it_stands(read, name, place):
    names, cells = ["a", "b"], ["1", "2"]
    names.insert(place, name)
    cells.insert(place, "7")
    table = read(f"{','.join(names)}\n{','.join(cells)}\n")
    assert (table.label_name, table.y.tolist()) == (name, [7])
    assert table.label_reason == f"column {place + 1} of 3, by its name"


@pytest.mark.parametrize(
    ("header", "label"),
    [
        ("x,y,cluster", "cluster"),
        ("carat,x,y,z", "z"),
        ("x,y", "y"),
        ("y,x,a", "y"),
        ("a,x,y", "y"),
        ("x1,y,x2", "y"),
        ("x,y,target,a", "target"),
    ],
)
def test_y_between_other_columns_is_a_coordinate_beside_x(read, header, label):
    n_columns = header.count(",") + 1
    table = read(f"{header}\n" + ",".join("1" * n_columns) + "\n")
    assert table.label_name == label


def test_a_label_that_was_named_needs_no_reason(read):
    assert read("a,b\n1,2\n", label="a").label_reason is None
    assert read("a,b\n1,2\n").label_reason == "the last column"
    assert read("1,2\n3,4\n").label_reason == "the last column, there is no header"


@given(n_rows=st.integers(20, 60), seed=st.integers(0, 9), header=st.booleans())
def test_pictures_that_begin_with_their_label_are_asked_about(path, n_rows, seed, header):
    train = digits(n_rows, test=1, seed=seed).train
    np.savetxt(path, np.c_[train.y, train.x], fmt="%d", delimiter=",")
    if header:
        first = ",".join(["digit", *(f"pixel{i}" for i in range(784))])
        path.write_text(f"{first}\n{path.read_text()}")
    with pytest.raises(ValueError, match=r"which column is the label\?.*label=0.*label=-1"):
        read_table(path)
    np.testing.assert_array_equal(read_table(path, label=0).y, train.y)


@given(n_rows=st.integers(5, 60), seed=st.integers(0, 9))
def test_pictures_that_end_with_their_label_are_read(path, n_rows, seed):
    train = digits(n_rows, test=1, seed=seed).train
    np.savetxt(path, np.c_[train.x, train.y], fmt="%d", delimiter=",")
    np.testing.assert_array_equal(read_table(path).y, train.y)


@given(seed=seeds, n_columns=st.integers(64, 100))
def test_flags_that_end_with_their_label_are_read(path, seed, n_columns):
    x = np.random.default_rng(seed).integers(0, 2, (50, n_columns))
    np.savetxt(path, x, fmt="%d", delimiter=",")
    np.testing.assert_array_equal(read_table(path).y, x[:, -1])


@given(seed=seeds, n_classes=st.integers(2, 9), first=st.sampled_from([0, 1]))
def test_classes_in_front_of_measurements_without_names_are_asked_about(
    path, seed, n_classes, first
):
    y = first + np.arange(90) % n_classes
    np.savetxt(path, np.c_[y, measurements(seed, 90, 4)], delimiter=",")
    with pytest.raises(ValueError, match=r"which column is the label\?.*like classes"):
        read_table(path)
    np.testing.assert_array_equal(read_table(path, label=0).y, y)
    np.savetxt(path, np.c_[measurements(seed, 90, 4), y], delimiter=",")
    np.testing.assert_array_equal(read_table(path).y, y)


def test_text_in_another_column_is_said_to_be_the_label_perhaps(read):
    rows = "".join(f"{kind},1.5,2.5\n" for kind in "abab")
    with pytest.raises(ValueError, match="or make it the label: label='kind'"):
        read("kind,a,b\n" + rows)
    with pytest.raises(ValueError, match=r"or make it the label: label=0$"):
        read(rows)
    with pytest.raises(ValueError, match=r"got 'a', expected a number; 4 of 4 rows") as caught:
        read("kind,a,b\n" + rows, label="b")
    assert "the label:" not in str(caught.value)


# -- the rows' own numbers ------------------------------------------------------------------------


@given(
    n_rows=st.integers(1, 30), seed=seeds, name=st.sampled_from(["", "Unnamed: 0", "rownames"]),
    index=st.sampled_from(["count", "shuffled", "text"]), label=st.sampled_from([None, False]),
)  # fmt: skip
def test_names_of_rows_are_left_out_and_that_is_said(path, n_rows, seed, name, index, label):
    x = measurements(seed, n_rows, 2)
    order = np.random.default_rng(seed).permutation(n_rows)
    numbers = {"count": range(n_rows), "shuffled": order, "text": [f"r{i}" for i in order]}
    frame = pd.DataFrame(x, columns=["a", "b"], index=numbers[index])
    frame.to_csv(path, index_label=name)
    table = read_table(path, label=label)
    assert table.feature_names == (("a",) if label is None else ("a", "b"))
    np.testing.assert_array_equal(table.x, x[:, : len(table.feature_names)])
    assert ["left out" in note for note in table.notes] == [True]


@pytest.mark.parametrize(
    "text",
    [",a,y\n0.5,1,0\n1.5,2,1\n", ",a,y\n3,1,0\n3,2,1\n", "id,a,y\n0,1,0\n1,2,1\n"],
    ids=["measured", "repeated", "named"],
)
def test_a_first_column_that_may_say_something_stays(read, text):
    assert read(text).x.shape == (2, 2)


def test_a_first_column_that_stays_is_checked_like_the_others(read):
    with pytest.raises(ValueError, match=r"line 3, column 1 .*got an empty cell.*1 of 3 rows"):
        read(",a,y\n0,1,0\n,2,1\n,2,1\n".replace("\n,2,1\n", "\n,2,1\n0,2,1\n", 1)[:-6])


def test_a_named_column_that_counts_the_rows_is_remarked_on(read):
    rows = "".join(f"{i},{i * i},{i % 2}\n" for i in range(1, 31))
    assert read(f"Id,a,label\n{rows}").notes == (
        "column 'Id' holds row numbers: remove it, unless it is meaningful for new rows",
    )
