"""A random table, written in a random dialect, is read back equal."""

import csv
import gzip
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.table_files import read_or_refused

from fastnn.datasets import read_frame

WORDS = st.text(st.sampled_from("abcxyzÀß -'é#;,|\"\t"), min_size=1, max_size=8).map(str.strip)
MARKERS = ("", "NA", "?", "NaN")


def numbers(draw, n):
    whole = st.integers(-(2**53) + 1, 2**53 - 1).map(float)
    some = st.floats(allow_nan=False, allow_infinity=False)
    return draw(st.lists(st.one_of(whole, some), min_size=n, max_size=n))


def flags(draw, n):
    values = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return [True, False, *values][:n]


def texts(draw, n):
    # letters first, so that no cell reads as a number, a time, a marker or a comment
    return ["w" + word for word in draw(st.lists(WORDS, min_size=n, max_size=n))]


def times(draw, n):
    moments = st.integers(-(10**9), 4 * 10**9)
    return [np.datetime64(s, "s") for s in draw(st.lists(moments, min_size=n, max_size=n))]


KINDS = {"number": numbers, "flag": flags, "text": texts, "time": times}
FLAGS = (("True", "False"), ("yes", "no"), ("T", "F"), ("Y", "N"))
TIMES = (
    str,
    lambda t: str(t).replace("T", " "),
    lambda t: t.item().strftime("%d.%m.%Y %H:%M:%S"),
)


def written(kind, value, style):
    """Return a value as the text of a cell."""
    if kind == "number":
        text = repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
        return text.replace(".", ",") if style["decimal"] == "," else text
    if kind == "flag":
        return style["flags"][0 if value else 1]
    if kind == "time":
        return style["times"](value)
    return value


@st.composite
def tables(draw):
    """Columns with a kind each, missing cells, and how to write them."""
    n_rows = draw(st.integers(4, 12))
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=2, max_size=5))
    columns = [KINDS[kind](draw, n_rows) for kind in kinds]
    gone = [draw(st.sets(st.integers(2, n_rows - 2))) for _ in kinds]
    delimiter = draw(st.sampled_from(",;\t|"))
    style = {
        "delimiter": delimiter,
        "decimal": "," if delimiter == ";" and draw(st.booleans()) else ".",
        "flags": draw(st.sampled_from(FLAGS)),
        "times": draw(st.sampled_from(TIMES)),
        "marker": draw(st.sampled_from(MARKERS)),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "newline": draw(st.sampled_from(["\n", "\r\n"])),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        "index": draw(st.booleans()),
    }
    return kinds, columns, gone, style


def file_of(kinds, columns, gone, style):
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=style["delimiter"],
        quoting=style["quoting"],
        lineterminator=style["newline"],
    )
    names = [f"{kind} {i}" for i, kind in enumerate(kinds)]
    writer.writerow([""] * style["index"] + names)
    for row in range(len(columns[0])):
        cells = [
            style["marker"] if row in empty else written(kind, column[row], style)
            for kind, column, empty in zip(kinds, columns, gone, strict=True)
        ]
        writer.writerow([row] * style["index"] + cells)
    return names, text.getvalue().encode(style["encoding"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("frames")


@given(table=tables())
def test_a_random_table_is_read_back_equal(folder, table):
    kinds, columns, gone, style = table
    names, content = file_of(*table)
    path = folder / "table.csv"
    path.write_bytes(content)
    frame = read_frame(path, decimal=style["decimal"] if style["decimal"] == "," else None)
    assert frame.names == tuple(names)
    for column, kind, values, empty in zip(frame.columns, kinds, columns, gone, strict=True):
        assert column.kind == kind, (column, content)
        for row, value in enumerate(values):
            got = column.values[row]
            if row in empty:
                assert got is None or np.isnat(got) if kind in ("text", "time") else np.isnan(got)
            else:
                assert got == (value.strip() if kind == "text" else value), content


@given(table=tables())
def test_a_row_by_itself_is_read_as_among_others_if_the_kinds_are_given(folder, table):
    kinds, columns, gone, style = table
    _, content = file_of(*table)
    path = folder / "table.csv"
    path.write_bytes(content)
    decimal = style["decimal"] if style["decimal"] == "," else None
    whole = read_frame(path, decimal=decimal)
    given = {column.name: column.kind for column in whole.columns}
    for row in range(whole.n_rows):
        alone = [[column[row]] for column in columns]
        empty = [{0} if row in rows else set() for rows in gone]
        path.write_bytes(file_of(kinds, alone, empty, style)[1])
        frame = read_frame(path, kinds=given, decimal=decimal, day_first=True)
        assert frame.names == whole.names
        for one, all_of_them in zip(
            frame.columns, whole.rows(slice(row, row + 1)).columns, strict=True
        ):
            assert one.kind == all_of_them.kind
            np.testing.assert_array_equal(one.values, all_of_them.values)


def test_a_file_may_be_packed_or_come_from_standard_input(tmp_path, monkeypatch):
    content = b"age,city\n31,Rome\n42,Oslo\n"
    with gzip.open(tmp_path / "t.csv.gz", "wb") as file:
        file.write(content)
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("t.csv", content)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    for path in (tmp_path / "t.csv.gz", tmp_path / "t.zip", "-"):
        frame = read_frame(path)
        assert frame.names == ("age", "city")
        assert frame["age"].values.tolist() == [31, 42]


def test_an_encoding_that_fails_late_is_read_again_from_the_beginning(tmp_path):
    content = b"n,city\n" + b"1,Rome\n" * 30_000 + "2,Köln\n".encode("cp1252")
    for name, packed in (("t.csv", content), ("t.csv.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(packed)
        frame = read_frame(tmp_path / name)
        assert frame.n_rows == 30_001
        assert frame["city"].values[-1] == "Köln"


def test_an_encoding_can_be_given(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("n,city\n1,Москва\n".encode("cp1251"))
    assert read_frame(path, encoding="cp1251")["city"].values.tolist() == ["Москва"]
    with pytest.raises(ValueError, match="not ascii: give its encoding"):
        read_frame(path, encoding="ascii")


def test_columns_change_kind_wherever_a_cell_decides_it(tmp_path):
    """Blocks of rows that are read together must not matter."""
    path = tmp_path / "t.csv"
    cells = [str(i) for i in range(10_000)]
    for row in (0, 4095, 4096, 9_999):
        changed = [*cells]
        changed[row] = "007"
        path.write_text("x,y\n" + "".join(f"{cell},1\n" for cell in changed))
        assert read_frame(path)["x"].values.tolist() == changed
        changed[row] = "NA"
        path.write_text("x,y\n" + "".join(f"{cell},1\n" for cell in changed))
        values = read_frame(path)["x"].values
        assert np.flatnonzero(np.isnan(values)).tolist() == [row]


def test_memory_is_counted(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "1.5,some words\n" * 20_000)
    monkeypatch.setenv("FASTNN_MAX_READ_BYTES", "300K")
    with pytest.raises(ValueError, match="rows or more of 2 columns"):
        read_frame(path)
    path.write_text('x,y\n1,"' + "a" * 1_000_000 + '"\n')
    with pytest.raises(ValueError, match="line 2 has"):
        read_frame(path)


def test_parquet_becomes_a_frame(tmp_path):
    pytest.importorskip("fastnn.tabular.frames")
    polars = pytest.importorskip("polars")
    path = tmp_path / "t.parquet"
    polars.DataFrame({"age": [31, None], "city": ["Rome", "Oslo"]}).write_parquet(path)
    frame = read_frame(path, kinds={"age": "number"})
    assert [(column.name, column.kind) for column in frame.columns] == [
        ("age", "number"),
        ("city", "text"),
    ]
    with pytest.raises(ValueError, match="header= is for text files"):
        read_frame(path, header=True)


TOKENS = [
    *(",", ";", "\t", "|", " ", "\n", "\r\n", "\r", '"', "'", '""', "#", "%", "\\", "\0", "\x1a"),
    *("nan", "-inf", "1e999", "0", "1", "01", "-1.5", "1,5", "1.234,5", "1,234", "1_0", "0x1"),
    *("?", "NA", "-", ".", "True", "no", "t", "12%", "$5", "$", "kg", "é", "١", "\u2028", "٣%"),
    *("2019-01-31", "31/12/2019", "1/2/20", "Jan 5, 2020", "13:45", "20190131", "date"),
    *("0000-00-00", "rownames", "real"),
    *("9007199254740993", "9" * 400, "@relation", "@attribute", "@data", "{a,b}"),
    *("2019-01-31T12:00:00+99:99", "1:2", "99:99", "Infinity", "1e", "1 234", "(5)"),
]  # fmt: skip


@given(
    parts=st.lists(st.sampled_from(TOKENS), max_size=40),
    kind=st.sampled_from([None, "number", "flag", "text", "time"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-16-le"]),
)
def test_any_text_is_read_or_refused_in_words(folder, parts, kind, encoding):
    path = folder / "table.csv"
    path.write_bytes("".join(parts).encode(encoding))
    kinds = {} if kind is None else {"column 1": kind, "1": kind, "date": kind}
    frame = read_or_refused(path, read_frame, kinds=kinds)
    if frame is None:
        return
    assert frame.n_rows > 0
    assert len(set(frame.names)) == len(frame.names)
    for column in frame.columns:
        assert len(column.values) == frame.n_rows
        assert column.values.dtype == {"text": object, "time": "datetime64[us]"}.get(
            column.kind, np.float64
        )
        if column.kind in ("number", "flag"):
            assert not np.isinf(column.values).any()
