"""Where tables come from: packed files, pipes, standard input, Parquet; and what is no table."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import sys
import threading
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.table_files import read_or_refused

from fastnn.datasets import read_table
from fastnn.datasets.readers import csv_text, sources
from fastnn.system.file_kinds import KINDS, kind_of

CONTENT = b"a,b,kind\n" + b"".join(b"%d.5,%d,k%d\n" % (i, i, i % 2) for i in range(200))
PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def zipped(content, name="t.csv"):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for one file at a time; hypothesis wants it to outlive an example."""
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def plain(folder):
    """The table as it is read from an ordinary file."""
    (folder / "t.csv").write_bytes(CONTENT)
    return read_table(folder / "t.csv")


def assert_same(table, other):
    np.testing.assert_array_equal(table.x, other.x)
    np.testing.assert_array_equal(table.y, other.y)
    assert table.feature_names == other.feature_names
    assert table.has_names == other.has_names
    assert table.label_reason == other.label_reason


# -- packed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("named", [True, False])
def test_a_packed_csv_is_the_same_table(folder, plain, packer, named):
    path = folder / (f"t.csv.{packer}" if named else "packed.csv")
    path.write_bytes(PACKERS[packer](CONTENT))
    table = read_table(path)
    assert_same(table, plain)
    assert table.name == ("t" if named else "packed")


@pytest.mark.parametrize("name", ["t.zip", "t.csv.zip", "t.csv"])
def test_a_csv_alone_in_a_zip_file_is_the_same_table(folder, plain, name):
    (folder / name).write_bytes(zipped(CONTENT))
    assert_same(read_table(folder / name), plain)


def test_a_packed_npz_is_the_same_table(folder):
    stream = io.BytesIO()
    np.savez(stream, x=np.eye(3), y=["a", "b", "a"])
    (folder / "t.npz.gz").write_bytes(gzip.compress(stream.getvalue()))
    assert read_table(folder / "t.npz.gz").y.tolist() == ["a", "b", "a"]


def test_a_zip_file_of_several_tables_names_them(folder):
    with zipfile.ZipFile(folder / "two.zip", "w") as archive:
        archive.writestr("train.csv", CONTENT)
        archive.writestr("test.csv", CONTENT)
    with pytest.raises(ValueError, match=r"with 2 tables, 'train\.csv', 'test\.csv': unpack it"):
        read_table(folder / "two.zip")


def test_an_error_in_a_zip_file_names_it_and_its_member(folder):
    (folder / "bad.zip").write_bytes(zipped(b"a,b\n1,\n,2\n"))
    with pytest.raises(ValueError, match=r"bad\.zip, t\.csv, line 3, column 1 \(a\)"):
        read_table(folder / "bad.zip")


@given(packer=st.sampled_from([*PACKERS, "zip"]), data=st.data())
def test_a_damaged_packed_file_is_read_or_refused_never_worse(folder, packer, data):
    content = bytearray({**PACKERS, "zip": zipped}[packer](CONTENT))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = folder / f"damaged.csv.{packer}"
    path.write_bytes(content)
    read_or_refused(path)


def test_a_packed_line_without_end_is_refused_before_it_is_unpacked(folder, monkeypatch):
    monkeypatch.setattr(csv_text, "LONGEST_LINE", 1 << 16)
    (folder / "bomb.csv.gz").write_bytes(gzip.compress(b"1" * (1 << 24)))
    with pytest.raises(ValueError, match=r"bomb\.csv\.gz, line 1: longer than"):
        read_table(folder / "bomb.csv.gz")


# -- what can be read once ------------------------------------------------------------------------


class Once(io.RawIOBase):
    """A stream that is no file: neither can it be read twice nor is its length known."""

    def __init__(self, content):
        self._content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._content.readinto(buffer)

    def seek(self, *_):
        raise OSError("it is read once")


@pytest.fixture
def standard_input(monkeypatch):
    """A function that puts bytes on standard input."""

    def put(content):
        stream = io.TextIOWrapper(io.BufferedReader(Once(content)))
        monkeypatch.setattr(sys, "stdin", stream)

    return put


@pytest.mark.parametrize("packer", [None, *PACKERS])
def test_standard_input_is_a_table(standard_input, plain, packer):
    standard_input(CONTENT if packer is None else PACKERS[packer](CONTENT))
    table = read_table("-")
    assert_same(table, plain)
    assert table.name == "stdin"


def test_errors_of_standard_input_name_it(standard_input):
    standard_input(b"a,b\n1,\n,2\n")
    with pytest.raises(ValueError, match=r"^standard input, line 3, column 1 \(a\)"):
        read_table("-")


def test_no_standard_input_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match="no standard input"):
        read_table("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("kind", ["csv", "npz", "gz"])
def test_a_named_pipe_is_opened_once(tmp_path, plain, kind):
    stream = io.BytesIO()
    np.savez(stream, x=plain.x, y=plain.y)
    content = {"csv": CONTENT, "gz": gzip.compress(CONTENT), "npz": stream.getvalue()}[kind]
    os.mkfifo(tmp_path / "pipe")
    # a second opening would wait for a second writer, for ever
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,), daemon=True)
    writer.start()
    np.testing.assert_array_equal(read_table(tmp_path / "pipe").x, plain.x)
    writer.join(60)
    assert not writer.is_alive()


def test_a_pipe_without_end_is_read_up_to_a_bound(standard_input, monkeypatch):
    monkeypatch.setattr(sources, "MAX_IN_MEMORY", 1 << 10)
    standard_input(CONTENT)
    with pytest.raises(ValueError, match=r"standard input holds more than .* an uncompressed file"):
        read_table("-")


# -- Parquet --------------------------------------------------------------------------------------

FRAME = {"a": [0.5, 1.5, 2.5], "b": [1, 2, 3], "c": [True, False, True], "kind": ["x", "y", "x"]}


@pytest.mark.parametrize("label", [None, "b", "kind"])
def test_a_parquet_file_is_a_table(folder, label):
    frame = pl.DataFrame(FRAME) if label != "b" else pl.DataFrame(FRAME).drop("kind")
    frame.write_parquet(folder / "t.parquet")
    table = read_table(folder / "t.parquet", label=label)
    label = label or "kind"
    features = [name for name in frame.columns if name != label]
    assert table.feature_names == tuple(features)
    assert table.has_names
    assert table.y.tolist() == FRAME[label]
    np.testing.assert_array_equal(table.x, np.column_stack([FRAME[name] for name in features]))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, None, 2.0], r"column 1 \(z\): got nan in row 1.*1 of 3 rows"),
        ([1, None, None], r"column 1 \(z\): got nan in row 1.*2 of 3 rows"),
        (["p", "q", "p"], r"column 1 \(z\): got .*expected numbers.*label='z'"),
    ],
)
def test_a_parquet_column_that_is_no_feature_is_named(folder, column, message):
    pl.DataFrame({"z": column, "kind": FRAME["kind"]}).write_parquet(folder / "t.parquet")
    with pytest.raises(ValueError, match=message):
        read_table(folder / "t.parquet")


def test_parquet_without_its_readers_names_them(folder, monkeypatch):
    pl.DataFrame(FRAME).write_parquet(folder / "t.parquet")
    for package in ("polars", "pandas"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match="pip install polars"):
        read_table(folder / "t.parquet")


@given(data=st.data())
def test_a_damaged_parquet_file_is_refused_never_worse(folder, data):
    stream = io.BytesIO()
    pl.DataFrame(FRAME).write_parquet(stream)
    content = stream.getvalue()[: data.draw(st.integers(4, 200))] + data.draw(st.binary())
    (folder / "damaged.parquet").write_bytes(content)
    read_or_refused(folder / "damaged.parquet")


# -- what is no table -----------------------------------------------------------------------------


def torch_zip():
    return zipped(pickle.dumps({}), "archive/data.pkl")


FOREIGN = {
    "pickle": (pickle.dumps([1, 2]), "is a pickle.*write its table as CSV"),
    "joblib": (pickle.dumps({"a": 1}, protocol=2), "is a pickle"),
    "torch": (torch_zip(), r"is a PyTorch file: save arrays: numpy\.savez"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file"),
    "Keras": (zipped(b"", "model.weights.h5"), "is a Keras model"),
    "ONNX": (b"\x08\x0a\x12\x06fastnn" + bytes(99), "is an ONNX model"),
    "safetensors": (bytes([90, 1]) + bytes(6) + b'{"weights.0":{"dtype"', "is a safetensors file"),
    "Excel": (zipped(b"", "xl/workbook.xml"), "is an Excel workbook: save the sheet as CSV"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "is an old Excel workbook"),
    "JSON": (b'[{"a": 1, "b": 2}]', "is JSON"),
    "JSON lines": (b'{"a": 1}\n{"a": 2}\n', "is JSON"),
    "web page": (b"\n<!DOCTYPE html><html>", "is a web page: download the raw file"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "ARFF": (b"% a comment\n\n@RELATION iris\n@DATA\n", "is an ARFF table"),
    "NPY": (b"\x93NUMPY\x01\x00", "is an NPY file.*read_arrays"),
    "IDX": (b"\0\0\x08\x01\0\0\0\x01\x05", "is an IDX file"),
    "Arrow": (b"ARROW1\0\0", "is an Arrow or Feather file"),
    "SQLite": (b"SQLite format 3\0", "is an SQLite database"),
    "MATLAB": (b"MATLAB 5.0 MAT-file", "is a MATLAB file"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "is an image"),
    "PDF": (b"%PDF-1.7", "is a PDF"),
    "spaces": (b"1 2 3\n4 5 6\n", "columns are separated by spaces"),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("suffix", ["", ".csv"])
def test_a_file_of_another_kind_is_named_with_what_to_do(folder, name, suffix):
    content, message = FOREIGN[name]
    path = folder / f"foreign{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s)^{path}.*{message}"):
        read_table(path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.suffixes], ids=lambda k: k.key)
def test_a_suffix_decides_only_about_bytes_that_tell_nothing(folder, kind):
    path = folder / f"t{kind.suffixes[0]}"
    assert kind_of(b"\xfe\0\0\0\0\0\0\0\0\0", path) is kind
    assert kind_of(CONTENT, path) is None


cells = st.one_of(st.floats().map(repr), st.text("abcxyz PK%@#/{[<.-_\"'", max_size=9))


@given(rows=st.lists(st.lists(cells, min_size=2, max_size=5).map(",".join), min_size=1))
def test_rows_of_numbers_are_taken_for_nothing_else(folder, rows):
    head = ("1.5,2\n" + "\n".join(rows)).encode()
    assert kind_of(head, folder / "t.csv") is None


@given(
    begins=st.sampled_from(
        [b"", b"PK\x03\x04", b"PAR1", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x80\x04",
         b"\x93NUMPY", b"\0\0\x08\x03", b"a,b\n1,", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"1;2,5\n"]
    ),
    rest=st.binary(max_size=300),
    suffix=st.sampled_from(
        ["", ".csv", ".npz", ".gz", ".zip", ".parquet", ".pkl", ".csv.gz", ".xz", ".xlsx", ".npy"]
    ),
    label=st.sampled_from([None, False, 0]),
)  # fmt: skip
def test_any_bytes_are_read_or_refused_never_worse(folder, begins, rest, suffix, label):
    path = folder / f"any{suffix}"
    path.write_bytes(begins + rest)
    read_or_refused(path, label=label)


def test_pandas_writes_what_is_read(folder, plain):
    frame = pd.DataFrame(plain.x, columns=plain.feature_names).assign(kind=plain.y)
    frame.to_csv(folder / "frame.csv.gz", index=False)
    assert_same(read_table(folder / "frame.csv.gz"), plain)
