"""One table of formats: what it says of each is what readers, command line and errors do."""

import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command_line import CommandLine

from fastnn.datasets import read_array, read_table, write_idx
from fastnn.datasets.readers import formats
from fastnn.datasets.readers.formats import (
    FORMATS,
    ArrayFormat,
    Format,
    TableFormat,
    format_by_name,
    holds_one_array,
)
from fastnn.datasets.tables import Table

X, Y = np.arange(24, dtype=np.float32).reshape(12, 2), np.arange(12) % 2


def csv_bytes(folder):
    rows = "".join(f"{a},{b},{c}\n" for (a, b), c in zip(X.tolist(), Y.tolist(), strict=True))
    return f"a,b,label\n{rows}".encode()


def npz_bytes(folder):
    np.savez(stream := io.BytesIO(), x=X, y=Y)
    return stream.getvalue()


def parquet_bytes(folder):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": X[:, 0], "b": X[:, 1], "label": Y})
    frame.write_parquet(stream := io.BytesIO())
    return stream.getvalue()


def npy_bytes(folder):
    np.save(stream := io.BytesIO(), X)
    return stream.getvalue()


def idx_bytes(folder):
    write_idx(folder / "written", X)
    return (folder / "written").read_bytes()


WRITERS = {
    "csv": csv_bytes,
    "npz": npz_bytes,
    "parquet": parquet_bytes,
    "npy": npy_bytes,
    "idx": idx_bytes,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for one file at a time."""
    return tmp_path_factory.mktemp("formats")


def every_ending():
    return [pytest.param(f, end, id=f"{f.key}{end}") for f in FORMATS for end in f.suffixes]


def write(folder, found, ending):
    path = folder / f"rows{ending}"
    content = WRITERS[found.key](folder)
    path.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    return path


@pytest.mark.parametrize(("found", "ending"), every_ending())
def test_a_file_is_of_the_format_that_its_name_says(folder, found, ending):
    path = write(folder, found, ending)
    assert format_by_name(path) is found
    assert format_by_name(str(path).upper()) is found
    assert holds_one_array(path) == (found.labels is None) == isinstance(found, ArrayFormat)
    if isinstance(found, ArrayFormat):
        np.testing.assert_array_equal(read_array(path), X)
    else:
        table = read_table(path)
        np.testing.assert_array_equal(table.x, X)
        np.testing.assert_array_equal(table.y, Y)


@given(found=st.sampled_from(FORMATS), ending=st.sampled_from(["", ".bin", ".rows", ".2024-01-01"]))
def test_a_name_that_says_nothing_leaves_it_to_the_bytes(folder, found, ending):
    path = write(folder, found, ending)
    assert format_by_name(path) is None
    read = read_array(path) if found.labels is None else read_table(path).x
    np.testing.assert_array_equal(read, X)


@given(found=st.sampled_from(FORMATS))
def test_what_is_read_elsewhere_is_refused_with_the_way_there(folder, found):
    path = write(folder, found, ".bin")
    if found.labels is None:
        with pytest.raises(ValueError, match=rf"is {found.described}, a single .*read_arrays"):
            read_table(path)
    else:
        with pytest.raises(ValueError, match=r"rows\.bin is .*: expected an NPY or IDX file"):
            read_array(path)


@given(
    found=st.sampled_from([f for f in FORMATS if isinstance(f, TableFormat)]),
    asked=st.sampled_from([{"label": "label"}, {"label": -1}, {"header": True}]),
)
def test_an_option_is_taken_or_refused_as_the_table_says(folder, found, asked):
    path = write(folder, found, found.suffixes[0])
    (option,) = asked
    if option in found.options:
        assert read_table(path, **asked).x.shape == X.shape
    else:
        with pytest.raises(ValueError, match=rf"is {found.described}, but {option}=.* is for CSV"):
            read_table(path, **asked)


def toy(source, label, header, known):
    x = np.frombuffer(source.stream.read()[4:], np.uint8).reshape(-1, 2).astype(np.float64)
    return Table("toy", x[:, :1], x[:, 1], ("a",), "b")


def test_a_row_makes_a_format_known_everywhere(folder, monkeypatch, capsys):
    row = TableFormat("arrow", "Toy", (".toy",), "column", ("label",), toy)
    monkeypatch.setattr(formats, "FORMATS", (*FORMATS, row))
    path = folder / "t.toy"
    path.write_bytes(b"FEA1" + bytes([1, 2, 3, 4]))
    assert read_table(path).x.tolist() == [[1.0], [3.0]]
    assert format_by_name(path) is row
    with pytest.raises(ValueError, match="header=True is for CSV files"):
        read_table(path, header=True)
    cli = CommandLine(folder, capsys)
    assert cli("train", "digits", "--label", "a") == 2
    assert "--label is for CSV, Parquet and Toy files" in cli.err


def test_keys_and_endings_are_each_of_one_format():
    keys = [found.key for found in FORMATS]
    endings = [ending for found in FORMATS for ending in found.suffixes]
    assert len(set(keys)) == len(keys)
    assert len(set(endings)) == len(endings)
    assert all(isinstance(found, Format) and found.suffixes for found in FORMATS)
