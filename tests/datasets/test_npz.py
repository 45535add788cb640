"""NPZ tables: what is read, and what is refused and how."""

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.table_files import read_or_refused

from fastnn.datasets import read_arrays, read_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for one file at a time; hypothesis wants it to outlive an example."""
    return tmp_path_factory.mktemp("tables")


@pytest.fixture
def npz(tmp_path):
    """A function that saves arrays as NPZ and reads them as a table."""

    def read(save=np.savez, label=None, **arrays):
        save(tmp_path / "table.npz", **arrays)
        return read_table(tmp_path / "table.npz", label=label)

    return read


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
    with pytest.raises(ValueError, match="2 separate test rows"):
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
        ({"a": np.eye(2)}, "expected arrays x and y.*found 'a'"),
        ({"x": np.eye(2)}, "has x but no labels y"),
        ({"x_train": np.eye(2), "y_train": [0, 1], "x_test": np.eye(2)}, "no labels y_test"),
        ({"x": np.eye(2), "y": [0, 1, 2]}, r"y has shape \(3,\).*each of 2 rows"),
        ({"x": np.zeros(3), "y": [0, 1, 2]}, r"x has shape \(3,\)"),
        ({"x": np.zeros((0, 3)), "y": []}, "at least one row"),
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
    with pytest.raises(ValueError, match="label=0 is for CSV and Parquet files"):
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
    with pytest.raises(ValueError, match=r"x\.npy claims 2147483648 bytes from \d+ compressed"):
        read_table(path)


def test_a_zip_of_something_else_is_told_apart(tmp_path):
    path = tmp_path / "sheet.xlsx"
    write_npz(path, sheet=b"<xml/>")
    with pytest.raises(ValueError, match=r"expected arrays x and y.*found 'sheet'"):
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


codes = st.one_of(
    st.integers(0, 2**32 - 1), st.integers(0xD7F0, 0xE010), st.integers(0x10FFF0, 0x11000F)
)


@given(text=st.lists(codes, min_size=3, max_size=3), order=st.sampled_from("<>"))
def test_text_is_read_if_its_codes_are_characters_and_refused_if_not(folder, text, order):
    labels = np.array(text, f"{order}u4").view(f"{order}U1")
    np.savez(folder / "t.npz", x=np.eye(3), y=labels)
    np.save(folder / "y.npy", labels)
    np.save(folder / "x.npy", np.eye(3))
    are_characters = all(c <= 0x10FFFF and not 0xD800 <= c < 0xE000 for c in text)
    for read in (
        lambda: read_table(folder / "t.npz"),
        lambda: read_arrays(folder / "x.npy", folder / "y.npy"),
    ):
        if are_characters:
            assert read().y.tolist() == [chr(c) if c else "" for c in text]
        else:
            with pytest.raises(ValueError, match=r"[ty]\.np.* which is not a Unicode character"):
                read()


@given(label=st.binary(min_size=1, max_size=3))
def test_labels_of_bytes_are_read_if_they_are_utf_8_and_refused_if_not(folder, label):
    labels = np.array([label, b"a"])
    np.save(folder / "y.npy", labels)
    np.save(folder / "x.npy", np.eye(2))
    try:
        expected = [value.decode() for value in labels.tolist()]
    except UnicodeDecodeError:
        with pytest.raises(ValueError, match=r"y\.npy: y holds bytes that are not UTF-8"):
            read_arrays(folder / "x.npy", folder / "y.npy")
    else:
        assert read_arrays(folder / "x.npy", folder / "y.npy").y.tolist() == expected
