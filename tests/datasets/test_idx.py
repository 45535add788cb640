"""IDX files: round trips, whole-or-not-at-all writing, and what malformed files say."""

import gzip
import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn.datasets import read_idx, write_idx

DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")
IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for one file at a time; hypothesis wants it to outlive an example."""
    return tmp_path_factory.mktemp("idx")


def assert_read_or_refused(path):
    message = str(path)
    try:
        read_idx(path)
    except ValueError as error:
        message = str(error)
    assert str(path) in message


def idx_header(code, *shape):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


@given(
    array=st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(
            np.dtype(dtype).newbyteorder(">"),
            hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
        )
    ),
    suffix=st.sampled_from([".idx", ".gz"]),
)
def test_any_array_comes_back_in_native_order(folder, array, suffix):
    path = folder / f"array{suffix}"
    write_idx(path, array)
    back = read_idx(path)
    assert back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bytes_on_disk_are_the_format(tmp_path, dtype):
    path = tmp_path / "array"
    array = np.arange(6).reshape(2, 3).astype(dtype)
    write_idx(path, array)
    code = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}[dtype]
    body = array.astype(array.dtype.newbyteorder(">")).tobytes()
    assert path.read_bytes() == idx_header(code, 2, 3) + body


def test_strided_and_fortran_arrays_are_written_in_row_order(tmp_path):
    array = np.asfortranarray(np.arange(24, dtype=np.int16).reshape(4, 6))[::-1, ::2]
    write_idx(tmp_path / "array", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "array"), array)


def test_what_is_read_can_be_written_to(tmp_path):
    write_idx(tmp_path / "array.gz", IMAGES)
    array = read_idx(tmp_path / "array.gz")
    array[0] = 7
    assert array.flags.c_contiguous
    assert (array[0] == 7).all()


def test_compression_is_told_by_content_not_by_name(tmp_path):
    write_idx(tmp_path / "a.gz", IMAGES)
    (tmp_path / "a.gz").rename(tmp_path / "a")
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), IMAGES)
    write_idx(tmp_path / "b", IMAGES)
    (tmp_path / "b").rename(tmp_path / "b.gz")
    np.testing.assert_array_equal(read_idx(str(tmp_path / "b.gz")), IMAGES)


def test_gzip_output_repeats_byte_for_byte(tmp_path, monkeypatch):
    write_idx(tmp_path / "one.gz", IMAGES)
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_idx(tmp_path / "two.gz", IMAGES)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mapped_file_reads_the_same_and_only_reads(tmp_path, dtype):
    array = np.arange(-6, 6).reshape(3, 4).astype(dtype)
    write_idx(tmp_path / "array", array)
    mapped = read_idx(tmp_path / "array", mmap=True)
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, array)


def test_a_mapped_file_without_elements_is_an_empty_read_only_array(tmp_path):
    write_idx(tmp_path / "array", np.empty((0, 28, 28), np.uint8))
    mapped = read_idx(tmp_path / "array", mmap=True)
    assert mapped.shape == (0, 28, 28)
    assert not mapped.flags.writeable


def test_a_compressed_file_cannot_be_mapped(tmp_path):
    write_idx(tmp_path / "array.gz", IMAGES)
    with pytest.raises(ValueError, match=r"gzip-compressed.*mmap=False"):
        read_idx(tmp_path / "array.gz", mmap=True)


@pytest.mark.parametrize("dtype", ["int64", "uint16", "float16", "bool", "complex64", "U3", "O"])
def test_a_dtype_without_a_code_is_refused_before_anything_is_written(tmp_path, dtype):
    with pytest.raises(TypeError, match="uint8, int8, int16, int32, float32, float64"):
        write_idx(tmp_path / "array", np.zeros(3, dtype))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, failing, suffix):
    path = tmp_path / f"array{suffix}"
    write_idx(path, IMAGES)

    def fail(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, failing, fail)
    if failing == "replace":
        monkeypatch.setattr(type(path), "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_idx(path, IMAGES + 1)
    assert list(tmp_path.iterdir()) == [path]
    np.testing.assert_array_equal(read_idx(path), IMAGES)


def test_a_missing_folder_is_the_file_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_idx(tmp_path / "nowhere" / "array", IMAGES)
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nowhere")


MALFORMED = {
    "empty": (b"", "begins with nothing"),
    "short magic": (b"\0\0\x08", "begins with 00 00 08"),
    "wrong magic": (b"PK\x03\x04" + bytes(20), "begins with 50 4b 03 04"),
    "unknown dtype": (idx_header(0x0A, 1) + b"\0", "0x0A.*0x08 uint8"),
    "short sizes": (idx_header(0x08, 2, 3)[:-2], "ends inside its header.*8 bytes, 6"),
    "short body": (idx_header(0x08, 2, 3) + bytes(5), r"uint8 \(2, 3\)"),
    "long body": (idx_header(0x08, 2, 3) + bytes(7), r"uint8 \(2, 3\)"),
    "body of an empty array": (idx_header(0x08, 0, 28, 28) + b"\0", r"\(0, 28, 28\)"),
    "huge": (idx_header(0x0E, 2**16, 2**16) + bytes(8), r"float64 \(65536, 65536\)"),
    "overflowing": (idx_header(0x08, *[2**32 - 1] * 4) + bytes(8), "more than any array"),
    "overflowing but empty": (idx_header(0x08, 2**32 - 1, 2**32 - 1, 0), "more than any array"),
    "255 dimensions": (idx_header(0x08, *[1] * 255) + b"\0", "255 dimensions"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_says_which_file_what_came_and_what_was_expected(tmp_path, name, packed):
    content, message = MALFORMED[name]
    path = tmp_path / "bad.idx"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_a_gzip_bomb_is_not_unpacked_past_what_its_header_states(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx_header(0x08, 10) + bytes(50_000_000)))
    with pytest.raises(ValueError, match=r"more bytes follow after the 10 of uint8 \(10,\)"):
        read_idx(path)


@pytest.mark.parametrize("damage", ["cut", "checksum", "body", "tail"])
def test_damaged_gzip_data_is_a_value_error(tmp_path, damage):
    path = tmp_path / "array.gz"
    write_idx(path, np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8))
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-20]
    elif damage == "checksum":
        content[-6] ^= 1
    elif damage == "body":
        content[len(content) // 2] ^= 0x55
    else:
        content += b"junk"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"array\.gz: "):
        read_idx(path)


@given(content=st.binary(max_size=60), known_start=st.booleans(), packed=st.booleans())
def test_random_bytes_are_read_or_refused_never_worse(folder, content, known_start, packed):
    content = b"\0\0\x08" + content if known_start else content
    path = folder / "random"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert_read_or_refused(path)


@given(data=st.data(), suffix=st.sampled_from(["", ".gz"]))
def test_a_mutated_file_is_read_or_refused_never_worse(folder, data, suffix):
    path = folder / f"mutated{suffix}"
    write_idx(path, IMAGES.astype(np.int16))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert_read_or_refused(path)
