"""NPY files: refused in words, or read to the array that `numpy.load` reads."""

import warnings
from functools import partial

import numpy as np

from fastnn.datasets import read_array, read_arrays
from fuzz.npz_files import changed_npy, npy
from fuzz.table_oracle import check_table
from fuzz.target import Target, read_or_refused


def seeds():
    x = np.arange(12.0).reshape(4, 3)
    arrays = [
        x,
        x.T,
        x.astype(">i2"),
        x > 3,
        np.array("a"),
        np.array([b"ab", b"c"]),
        x[:0],
        x[0, 0],
    ]
    return [npy(array) for array in arrays]


def check(data, folder):
    path = folder / "array.npy"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        array = read_or_refused(lambda: read_array(path), path)
    if array is None:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that Python 2 wrote
        expected = np.load(path)
    assert array.shape == expected.shape
    assert array.dtype == expected.dtype.newbyteorder("=")
    assert array.tobytes() == expected.astype(array.dtype).tobytes()
    check_as_table(path, array)
    return True


def check_as_table(path, array):
    """Check the array as the rows of a table, and as the labels of one."""
    if array.ndim == 0 or array.size == 0:
        return
    rows = path.with_name("rows.npy")
    rows.write_bytes(npy(np.zeros((len(array), 1))))
    for x, y in ((path, path), (rows, path)):
        with np.errstate(over="ignore"):
            table = read_or_refused(partial(read_arrays, x, y), path)
        if table is not None:
            check_table(table, with_labels=True)


TARGET = Target("npy_files", seeds, check, lambda data, mutator: changed_npy(data, mutator))
