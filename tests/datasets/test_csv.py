"""CSV tables: what is read, and what is refused and how."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.table_files import read_or_refused

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


@pytest.mark.parametrize("marker", ["", "NA", "?", "nan", "null", "None", "-"])
@given(missing=st.sets(st.integers(0, 29), min_size=1), others=st.sets(st.integers(0, 29)))
def test_missing_cells_are_counted_and_the_first_is_named(folder, marker, missing, others):
    rows = [
        f"{marker if i in missing else i},{marker if i in others else 1},{i % 2}" for i in range(30)
    ]
    (folder / "m.csv").write_text("age,height,label\n" + "\n".join(rows) + "\n")
    first = min(missing | others)
    column, name = (1, "age") if first in missing else (2, "height")
    count, rest = (missing, others) if first in missing else (others, missing)
    with pytest.raises(ValueError, match=rf"line {first + 2}, column {column} \({name}\)") as it:
        read_table(folder / "m.csv")
    assert f"{len(count)} of 30 rows have none there" in str(it.value)
    assert (f", {len(rest)} in column {3 - column}" in str(it.value)) == bool(rest)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1.5"] * 6 + ["NA"], r"line 8, .*\(y\): got 'NA', expected a number.*1 of 7 rows"),
        (["3"] * 6 + ["?", "?"], r"line 8, .*got '\?'.*2 of 8 rows"),
        (["1,5", "2,5"], r"line 2, .*got '1,5' \(a decimal comma\?\).*2 of 2 rows"),
        ([f"{i}.5" for i in range(12)] + ["12.5 cm"], r"line 14, .*got '12\.5 cm'.*1 of 13 rows"),
    ],
)
def test_numbers_are_no_text_because_of_a_few_cells(csv, cells, message):
    with pytest.raises(ValueError, match=message):
        csv("a;y\n" + "".join(f"1;{cell}\n" for cell in cells))


def test_decimal_commas_are_no_delimiters(csv):
    with pytest.raises(ValueError, match=r"got '1,5' \(a decimal comma\?\).*2 of 2 rows.*decimal="):
        csv("1,5;2,5;0\n3,5;4,5;1\n")


def test_commas_between_thousands_are_said_to_be(csv):
    with pytest.raises(ValueError, match=r"got '1,234\.5' \(commas between thousands\?\)"):
        csv('a,y\n"1,234.5",0\n')


def test_text_in_a_column_is_counted(csv):
    with pytest.raises(ValueError, match=r"got 'red', .*3 of 4 rows have text.*get_dummies"):
        csv("a,y\nred,0\nblue,1\n5,0\nred,1\n")
    with pytest.raises(ValueError, match=r"got 'tall', .*1 of 4 rows have text there: correct"):
        csv("a,y\n1,0\n2,1\ntall,0\n4,1\n")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("kind", "no column 'kind': it has 'a', 'b', 'b'"),
        (3, "has 3 columns; label=3 is out of range"),
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


# -- True and False -------------------------------------------------------------------------------


@given(
    flags=st.lists(st.lists(st.booleans(), min_size=30, max_size=30), min_size=1, max_size=4),
    written=st.sampled_from([("True", "False"), ("TRUE", "FALSE"), ("true", "false")]),
    has_header=st.booleans(),
)
def test_columns_of_true_and_false_are_read_as_1_and_0(flags, written, has_header, folder):
    rows = [
        [f"{i}.5", *(written[not flag] for flag in row), "xy"[i % 2]]
        for i, row in enumerate(zip(*flags, strict=True))
    ]
    names = ["a", *(f"is {i}" for i in range(len(flags))), "label"]
    lines = [names, *rows] if has_header else rows
    path = folder / "flags.csv"
    path.write_text("".join(",".join(line) + "\n" for line in lines))
    table = read_table(path)
    np.testing.assert_array_equal(table.x[:, 1:], np.array(flags, float).T)
    assert len(table.y) == 30
    assert any("True and False are read as 1 and 0" in note for note in table.notes)


@given(row=st.integers(0, 39), cell=st.sampled_from(["1", "", "x", "0.5", "nan", "Truth"]))
def test_other_cells_among_true_and_false_are_refused(row, cell, folder):
    cells = ["True", "False"] * 20
    cells[row] = cell
    path = folder / "mixed.csv"
    path.write_text("a,b,label\n" + "".join(f"1,{c},{'xy'[i % 2]}\n" for i, c in enumerate(cells)))
    with pytest.raises(ValueError, match=r"line \d+, column 2 \(b\).*write 1 and 0"):
        read_table(path)
