"""NPZ files: refused in words, or read to the numbers that `numpy.load` finds in them.

The first byte of an input says whether labels are wanted, the others are the file.
"""

import io
import warnings
import zipfile

import numpy as np

from fastnn.datasets import read_table
from fuzz.mutation import repacked, zipped
from fuzz.table_oracle import check_table
from fuzz.target import Target, read_or_refused


def npy(array):
    """Return an NPY file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array))
    return buffer.getvalue()


def seeds():
    x = np.arange(12.0).reshape(4, 3)
    files = [
        {"x": x, "y": np.array([0, 1, 1, 0])},
        {"x": x.astype(">f4"), "y": np.eye(2)[[0, 1, 0, 1]]},
        {"x": np.asfortranarray(x), "y": np.array(["a", "b", "a", "b"])},
        {"x": np.arange(16, dtype=np.uint8).reshape(4, 2, 2), "y": np.array([b"a", b"b"] * 2)},
        {"x_train": x, "y_train": x[:, 0], "x_test": x[:2], "y_test": x[:2, 1]},
        {"X": x > 4, "Y": x[:, :2].astype(np.float16)},
    ]
    members = [[(f"{name}.npy", npy(a)) for name, a in arrays.items()] for arrays in files]
    packing = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
    return [bytes([i % 2]) + zipped(file, packing[i > 2]) for i, file in enumerate(members)]


def check(data, folder):
    if not data:
        return False
    path, with_labels = folder / "table.npz", data[0] % 2 == 0
    path.write_bytes(data[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_or_refused(
            lambda: read_table(path, label=None if with_labels else False), path
        )
    if table is None:
        return False
    check_table(table, with_labels)
    expected = as_numpy_reads(path)
    if expected is not None:
        expected = expected.reshape(len(expected), -1)
        with np.errstate(over="ignore"):
            assert table.x.tobytes() == expected.astype(table.x.dtype).tobytes()
    return True


def as_numpy_reads(path):
    """Return the array that the table's x is, or None where NumPy cannot read it."""
    try:
        with warnings.catch_warnings(), np.load(path) as arrays:
            warnings.simplefilter("ignore")
            return arrays["x"] if "x" in arrays else arrays["x_train"]
    except Exception:  # damage: whatever it does to NumPy, which reads less than fastnn
        return None


def mutate(data, mutator):
    if not data or mutator.coin(0.1):
        data = bytes([mutator.rng.randrange(2)]) + data[1:]
    contents = None
    if mutator.coin(0.8):
        contents = repacked(data[1:], mutator, lambda member: changed_npy(member, mutator))
    return data[:1] + (mutator.bytes(data[1:]) if contents is None else contents)


DTYPES = (
    "<f8", ">f8", "<f4", "<f2", "|b1", "|u1", "<i8", "<u8", ">u2", "<U1", "|S1", "|O", "<c16",
    "<M8[s]", "|V8", "<f16", "<i4,<i4", "", "float", "<U0", "|S0", "<m8",
)  # fmt: skip


def changed_npy(data, mutator):
    """Return an NPY file with another header, or other numbers."""
    size = 10 + int.from_bytes(data[8:10], "little")
    if not data.startswith(b"\x93NUMPY") or mutator.coin(0.15):
        return mutator.bytes(data)
    header, body = data[10:size].decode("latin-1"), data[size:]
    match mutator.rng.randrange(6):
        case 0:
            body = mutator.bytes(body)
        case 1:
            header = mutator.text(header)
        case 2:
            before, quote, after = header.partition("'descr': '")
            header = before + quote + mutator.choice(DTYPES) + "'" + after.partition("'")[2]
        case 3:
            shape = tuple(mutator.choice((0, 1, 2, 3, 4, 12, -1, 2**40)) for _ in range(2))
            header = header.partition("'shape'")[0] + f"'shape': {shape}, }}"
        case 4:
            header = header.replace("False", "\0").replace("True", "False").replace("\0", "True")
        case _:
            body = body + body[: mutator.rng.randrange(len(body) + 1)]
    text = header.encode("latin-1", "replace")
    return data[:8] + (len(text) % 2**16).to_bytes(2, "little") + text + body


TARGET = Target("npz_files", seeds, check, mutate)
