"""CSV and NPZ tables: what is read, what is refused and how, and how a table is split."""

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.datasets import read_table

FLOWERS = """sepal,petal,species
5.1,1.4,setosa
7.0,4.7,versicolor
6.3,6.0,virginica
4.9,1.5,setosa
"""


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


@pytest.fixture
def npz(tmp_path):
    """A function that saves arrays as NPZ and reads them as a table."""

    def read(save=np.savez, label=None, **arrays):
        save(tmp_path / "table.npz", **arrays)
        return read_table(tmp_path / "table.npz", label=label)

    return read


def read_or_refused(path, **arguments):
    """Return the table, or None where a ValueError about that file refuses it."""
    try:
        return read_table(path, **arguments)
    except ValueError as error:
        message = str(error)
    assert str(path) in message
    return None


# CSV: what is read


def test_features_are_numbers_and_the_last_column_is_the_label(csv):
    table = csv(FLOWERS)
    assert table.name == "table"
    assert table.x.dtype == np.float64
    np.testing.assert_array_equal(table.x, [[5.1, 1.4], [7.0, 4.7], [6.3, 6.0], [4.9, 1.5]])
    assert table.y.tolist() == ["setosa", "versicolor", "virginica", "setosa"]
    assert table.feature_names == ("sepal", "petal")
    assert table.label_name == "species"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_the_delimiter_the_newline_and_a_bom_make_no_difference(csv, delimiter, newline, bom):
    content = FLOWERS.replace(",", delimiter).replace("\n", newline).encode()
    table = csv(bom + content)
    assert table.feature_names == ("sepal", "petal")
    np.testing.assert_array_equal(table.x[:, 1], [1.4, 4.7, 6.0, 1.5])


def test_quoted_cells_may_hold_delimiters_quotes_and_line_breaks(csv):
    table = csv('"a, b","say ""c""",kind\n"1","2","x, y"\n3,4,"two\nlines"\n')
    assert table.feature_names == ("a, b", 'say "c"')
    assert table.y.tolist() == ["x, y", "two\nlines"]


def test_empty_lines_spaces_and_a_missing_last_newline_are_no_rows(csv):
    table = csv("\n1, 2 ,0\n\n   \n3,4,1")
    np.testing.assert_array_equal(table.x, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(table.y, [0, 1])


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (("1", "2"), "int64"),
        (("1.0", "2"), "float64"),
        (("1", "two"), "<U3"),
        (("1e3", "-2"), "f8"),
    ],
)
def test_labels_are_whole_numbers_numbers_or_text(csv, cells, dtype):
    table = csv(f"0.5,{cells[0]}\n0.5,{cells[1]}\n", header=False)
    assert table.y.dtype == np.dtype(dtype)


@pytest.mark.parametrize("name", ["label", "Target", "CLASS", "y"])
def test_a_column_with_a_usual_name_is_the_label(csv, name):
    table = csv(f"{name},a,b\n1,2,3\n0,5,6\n")
    assert table.label_name == name
    np.testing.assert_array_equal(table.y, [1, 0])
    assert table.feature_names == ("a", "b")


@pytest.mark.parametrize("label", ["a", 0, -3, "0"])
def test_the_label_column_can_be_named_or_counted(csv, label):
    table = csv("a,b,y\n1,2,3\n4,5,6\n", label=label)
    assert table.label_name == "a"
    np.testing.assert_array_equal(table.y, [1, 4])
    np.testing.assert_array_equal(table.x, [[2, 3], [5, 6]])


def test_without_labels_every_column_is_a_feature(csv):
    table = csv("a,y\n1,2\n3,4\n", label=False)
    np.testing.assert_array_equal(table.x, [[1, 2], [3, 4]])
    assert table.y is None
    assert table.label_name is None
    with pytest.raises(ValueError, match="read without labels"):
        table.split()


@pytest.mark.parametrize(
    ("first", "is_header"),
    [
        ("a,b,c", True),
        ("1,2,3", False),
        ("1,2,setosa", False),
        ("1,2,y", False),  # a label that happens to be y
        ("0,1,label", True),  # as pandas names columns
        ("nan,1,2", False),
    ],
)
def test_a_header_is_told_from_data(csv, first, is_header):
    content = f"{first}\n4,5,setosa\n"
    if first.startswith("nan"):
        with pytest.raises(ValueError, match="line 1, column 1"):
            csv(content)
    else:
        assert len(csv(content).x) == 2 - is_header


def test_a_header_that_cannot_be_told_from_data_is_asked_for(csv):
    content = "10,20,kind\n4,5,0\n6,7,1\n"
    with pytest.raises(ValueError, match=r"line 1: 'kind'.*header=True or header=False"):
        csv(content)
    assert csv(content, header=True).feature_names == ("10", "20")
    assert csv(content, header=False).y.tolist() == ["kind", "0", "1"]


@given(
    rows=st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(-9, 9)), min_size=1
    )
)
def test_numbers_come_back_as_they_were_written(folder, rows):
    path = folder / "numbers.csv"
    path.write_text("".join(f"{x!r},{y}\n" for x, y in rows))
    table = read_table(path)
    np.testing.assert_array_equal(table.x[:, 0], [x for x, _ in rows])
    np.testing.assert_array_equal(table.y, [y for _, y in rows])


# CSV: what is refused

MALFORMED = {
    "empty": ("", "is empty; expected rows of numbers"),
    "blank": ("\n \n\r\n", "is empty"),
    "only a BOM": (b"\xef\xbb\xbf", "is empty"),
    "header only": ("a,b,label\n", "has a header, line 1, and no rows"),
    "one column": ("1\n2\n", "one column; expected at least one feature and a label"),
    "short row": ("1,2,0\n3,0\n", "line 2: 2 columns, expected 3"),
    "long row": ("1,2,0\n\n3,4,0,9\n", "line 3: 4 columns, expected 3"),
    "text": ("a,b,y\n1,2,0\n3,red,1\n", r"line 3, column 2 \(b\): got 'red', expected a number"),
    "text after label": ("y,a,b\n1,2,0\n3,1,red\n", r"line 3, column 3 \(b\): got 'red'"),
    "decimal comma": ("a;b;y\n1;2,5;0\n", r"got '2,5' \(a decimal comma\?\)"),
    "digit groups": ("1_000,2,0\n", r"line 1, column 1 .*got '1_000'"),
    "missing cell": ("a,b,y\n1,,0\n", r"line 2, column 2 \(b\): got an empty cell"),
    "missing label": ("a,b,y\n1,2,0\n1,2, \n", r"line 3, column 3 \(y\): .*expected a label"),
    "nan": ("a,b,y\n1,2,0\n1,NaN,0\n", r"line 3, column 2 \(b\): got nan, expected a finite"),
    "inf": ("a,b,y\n-inf,2,0\n1,2,0\n", r"line 2, column 1 \(a\): got -inf"),
    "overflow": ("a,b,y\n1,1e999,0\n", r"line 2, column 2 \(b\): got inf"),
    "nan label": ("a,y\n1,2\n3,nan\n", r"line 3, column 2 \(y\): got nan"),
    "NUL": (b"1,2,0\n1,\0,0\n", "line 2: a NUL byte"),
    "UTF-16": ("a,y\n1,2\n".encode("utf-16"), "NUL byte.*UTF-16"),
    "Latin-1": ("größe,y\n1,2\n".encode("latin-1"), "line 1: byte 0xf6 is not UTF-8"),
    "over-long field": ("1," + "9" * 200_000 + ",0\n", "line 1: not CSV: field larger"),
    "long text": ("1," + "x" * 200 + ",0\n", "got '" + "x" * 40 + "…'"),
    "open quote": ('1,2,"a\n3,4,b\n', "line 2: not CSV: unexpected end"),
    "text after a quote": ('1,2,"a"b\n', "line 1: not CSV"),
    "old Mac newlines": ("1,2,0\r3,4,1\r", "line 1: not CSV: new-line"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_csv_says_where_what_came_and_what_was_expected(csv, tmp_path, name):
    content, message = MALFORMED[name]
    with pytest.raises(ValueError, match=message) as caught:
        csv(content)
    assert str(tmp_path / "table.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("kind", "no column 'kind': it has 'a', 'b', 'b'"),
        (3, "has 3 columns; label=3 is none of them"),
        (-4, "label=-4"),
        ("b", "2 columns 'b'"),
    ],
)
def test_a_label_column_that_is_not_there_is_told_what_is(csv, label, message):
    with pytest.raises(ValueError, match=message):
        csv("a,b,b\n1,2,3\n", label=label)


def test_a_label_cannot_be_named_without_a_header(csv):
    with pytest.raises(ValueError, match="no column 'kind': it has no header"):
        csv("1,2\n3,4\n", label="kind")


def test_arguments_of_the_wrong_kind_are_type_errors(csv):
    with pytest.raises(TypeError, match="label must be"):
        csv(FLOWERS, label=1.5)
    with pytest.raises(TypeError, match="label must be"):
        csv(FLOWERS, label=True)
    with pytest.raises(TypeError, match="header must be"):
        csv(FLOWERS, header="yes")


def test_a_file_that_cannot_be_opened_is_the_file_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "nowhere.npz")
    with pytest.raises((IsADirectoryError, PermissionError)):
        read_table(tmp_path)


CSV_PIECES = st.sampled_from(
    [*"0123456789.,;\t\n\r\"'-+e_ ay", "nan", "inf", "label", "é", "\0", "1.5,", "\n2,3\n"]
)


@given(
    content=st.one_of(
        st.binary(max_size=80), st.lists(CSV_PIECES, max_size=60).map(lambda p: "".join(p).encode())
    ),
    label=st.sampled_from([None, False, 0, -1, "label", "1"]),
)
def test_random_text_is_read_or_refused_never_worse(folder, content, label):
    path = folder / "random.csv"
    path.write_bytes(content)
    table = read_or_refused(path, label=label)
    assert table is None or np.isfinite(table.x).all()
    assert table is None or len(table.x) > 0


# NPZ


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("key", ["x", "X"])
def test_images_stay_bytes_and_become_flat(npz, save, key):
    x = np.arange(4 * 28 * 28, dtype=np.uint8).reshape(4, 28, 28)
    table = npz(save, **{key: x}, y=[0, 1, 0, 1])
    assert table.x.dtype == np.uint8
    np.testing.assert_array_equal(table.x, x.reshape(4, -1))
    assert table.y.dtype == np.int64
    assert len(table.feature_names) == 784


@pytest.mark.parametrize(
    ("given_dtype", "read_dtype"),
    [
        ("f4", "f4"),
        ("f8", "f8"),
        (">f8", "f8"),
        ("f2", "f4"),
        ("i2", "f4"),
        ("i8", "f8"),
        ("?", "u1"),
    ],
)
def test_features_become_one_of_three_dtypes(npz, given_dtype, read_dtype):
    x = np.array([[0, 1], [1, 0], [1, 1]], given_dtype, order="F")
    table = npz(x=x, y=[0, 1, 1])
    assert table.x.dtype == np.dtype(read_dtype)
    assert table.x.flags.c_contiguous
    np.testing.assert_array_equal(table.x, x)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([b"a", b"b"]), ["a", "b"]),
        (np.array([[3], [4]], np.uint8), [3, 4]),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), [1, 0]),
        (np.array([[0.5, 1.0], [1.0, 2.0]]), [[0.5, 1.0], [1.0, 2.0]]),
        (np.array([True, False]), [1, 0]),
    ],
)
def test_labels_are_text_integers_one_hot_rows_or_targets(npz, y, expected):
    assert npz(x=np.eye(2), y=y).y.tolist() == expected


def test_rows_a_file_sets_apart_stay_apart(npz):
    table = npz(
        x_train=np.eye(6), y_train=["a", "b"] * 3,
        x_test=2 * np.eye(6)[:2], y_test=["b", "c"],
        x_val=3 * np.eye(6)[:1], y_val=["a"],
    )  # fmt: skip
    data = table.split()
    assert data.class_labels.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(data.test.x, 2 * np.eye(6)[:2])
    np.testing.assert_array_equal(data.test.y, [1, 2])
    np.testing.assert_array_equal(data.validation.y, [0])
    assert len(data.train) == 6
    with pytest.raises(ValueError, match="2 test rows of its own"):
        table.split(test=0.5)


def test_features_alone_are_enough_to_predict_on(npz):
    table = npz(label=False, x=np.eye(3))
    assert table.y is None
    assert table.test is None


class Trap:
    """Unpickling it would fail the test."""

    def __reduce__(self):
        return (pytest.fail, ("an object was unpickled",))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.eye(2)}, "expected arrays x and y.*found a"),
        ({"x": np.eye(2)}, "has x and no labels y"),
        ({"x_train": np.eye(2), "y_train": [0, 1], "x_test": np.eye(2)}, "no labels y_test"),
        ({"x": np.eye(2), "y": [0, 1, 2]}, r"y has shape \(3,\).*each of 2 rows"),
        ({"x": np.zeros(3), "y": [0, 1, 2]}, r"x has shape \(3,\)"),
        ({"x": np.zeros((0, 3)), "y": []}, "nothing to learn from"),
        ({"x": np.eye(2) * 1j, "y": [0, 1]}, "x has dtype complex128; expected numbers"),
        ({"x": np.array([["a"], ["b"]]), "y": [0, 1]}, "x has dtype <U1; expected numbers"),
        ({"x": [[1.0, np.nan], [0, 1]], "y": [0, 1]}, "x, row 0, column 1: got nan"),
        ({"x": np.eye(2), "y": [0, np.inf]}, "y, row 1: got inf"),
        ({"x": np.eye(2), "y": np.array([Trap(), 1])}, "y.npy holds Python objects"),
        ({"x": np.array([[Trap()]]), "y": [1]}, "x.npy holds Python objects"),
        ({"x": np.eye(2), "y": np.array([2**63, 1], np.uint64)}, "2\\*\\*63 and more"),
        ({"x": np.zeros(2, [("a", "f8")]), "y": [0, 1]}, "expected plain numbers"),
        (
            {"x_train": np.eye(2), "y_train": [0, 1], "x_test": np.eye(3), "y_test": [0, 1, 1]},
            "differ in their number of features",
        ),
    ],
)
def test_arrays_that_are_no_table_say_why(npz, tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message) as caught:
        npz(**arrays)
    assert str(tmp_path / "table.npz") in str(caught.value)


def test_a_column_cannot_be_named_in_an_npz(npz):
    with pytest.raises(ValueError, match="an NPZ has its array y"):
        npz(label=0, x=np.eye(2), y=[0, 1])


def write_npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("cut", [0, 3, 10, 200, -1, -30])
def test_a_truncated_npz_says_so(tmp_path, cut):
    path = tmp_path / "cut.npz"
    np.savez(path, x=np.eye(9), y=np.arange(9))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"cut\.npz is not a whole NPZ file"):
        read_table(path)


def test_a_header_that_claims_more_than_the_member_holds_reserves_nothing(tmp_path):
    honest = npy(np.zeros((10, 10)))
    lying = honest.replace(b"(10, 10), }      ", b"(1000000, 99999)}"[:17])
    assert lying != honest
    write_npz(tmp_path / "lie.npz", x=lying, y=npy(np.zeros(10)))
    with pytest.raises(ValueError, match=r"x.npy claims float64 \(1000000, 9999\d*\)|not a plain"):
        read_table(tmp_path / "lie.npz")


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    header = npy(np.zeros((0, 1), np.uint8)).replace(b"(0, 1), }        ", b"(300000000, 1), }")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("y.npy", npy(np.zeros(300)))
        with archive.open("x.npy", "w") as member:
            member.write(header)
            for _ in range(300):
                member.write(bytes(1_000_000))
    with pytest.raises(ValueError, match=r"x\.npy grows from \d+ to 300000128 bytes"):
        read_table(path)


def test_a_directory_that_claims_an_impossible_size_is_refused(tmp_path):
    path = tmp_path / "claim.npz"
    write_npz(path, x=npy(np.zeros((10, 10))), y=npy(np.zeros(10)))
    content = path.read_bytes()
    entry = content.index(b"PK\x01\x02")
    content = content[: entry + 24] + struct.pack("<I", 2**31) + content[entry + 28 :]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npy claims 2147483648 bytes from \d+ packed"):
        read_table(path)


def test_a_zip_of_something_else_is_told_apart(tmp_path):
    path = tmp_path / "sheet.xlsx"
    write_npz(path, sheet=b"<xml/>")
    with pytest.raises(ValueError, match=r"expected arrays x and y.*found sheet"):
        read_table(path)


@given(data=st.data())
def test_a_mutated_npz_is_read_or_refused_never_worse(folder, data):
    path = folder / "mutated.npz"
    save = data.draw(st.sampled_from([np.savez, np.savez_compressed]))
    save(path, x=np.eye(3), y=np.arange(3))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    read_or_refused(path)


@given(header=st.binary(max_size=100))
def test_a_random_npy_header_is_refused_never_worse(folder, header):
    path = folder / "header.npz"
    preamble = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
    write_npz(path, x=preamble + header + bytes(8), y=npy(np.zeros(1)))
    with pytest.raises(ValueError, match=r"header\.npz"):
        read_table(path)


# Splitting


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
    data = read_table(folder / "strata.npz").split(test=share, seed=seed)
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


@pytest.mark.parametrize("labels", [[3, 7] * 5, [3.0, 7.0] * 5])
def test_whole_numbers_are_classes(csv, labels):
    data = labelled(csv, labels).split()
    assert data.class_labels.dtype == np.int64
    assert data.class_labels.tolist() == [3, 7]
    assert set(data.train.y) == {0, 1}


def test_other_numbers_are_targets_of_a_regression(csv):
    data = labelled(csv, [0.5 * i for i in range(20)]).split()
    assert data.class_labels is None
    assert data.train.y.dtype == np.float64
    np.testing.assert_array_equal(data.train.y, 0.5 * data.train.x[:, 0])
    assert len(data.test) == 4


def test_the_task_can_be_named(csv):
    table = labelled(csv, [3, 7] * 5)
    assert table.split(task="regression").class_labels is None
    assert set(table.split(task="regression").train.y) == {3.0, 7.0}
    amounts = labelled(csv, range(20))
    with pytest.raises(ValueError, match="20 different whole numbers as labels of 20 rows"):
        amounts.split()
    assert len(amounts.split(task="classification").class_labels) == 20


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
