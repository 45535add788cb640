"""NPY files: refused in words, or read to the array that `numpy.load` reads."""

import warnings

import numpy as np
from fuzz.npz_files import changed_npy, npy
from fuzz.target import Target, read_or_refused

from fastnn.datasets import read_array


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
    return True


TARGET = Target("npy_files", seeds, check, lambda data, mutator: changed_npy(data, mutator))
