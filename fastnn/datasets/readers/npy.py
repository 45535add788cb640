"""NPY, one array as saved by NumPy: a header with dtype, shape and order, then the elements.

Sizes in the header are checked against the size of the file, and nothing is
ever unpickled (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
"""

from __future__ import annotations

import io
import math
import os
import sys
import warnings
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.readers.conversion import mapped_or_read
from fastnn.system.memory_budget import Budget
from fastnn.system.memory_maps import WINDOW_BYTES
from fastnn.validation.values import words_of

Array = NDArray[Any]


def read_npy(file: BinaryIO, path: Path, budget: Budget) -> Array:
    """Read an NPY file that is open and can be read twice, or map it if it is large."""
    dtype, shape, fortran_order = read_npy_header(file, str(path))
    n_bytes = dtype.itemsize * math.prod(shape)
    offset = file.tell()
    size = file.seek(0, os.SEEK_END)
    if size - offset != n_bytes:
        raise ValueError(
            f"{path}: an NPY file of {dtype} {shape} is {offset + n_bytes} bytes long, this one is "
            f"{size}; it is truncated or something else"
        )
    if not n_bytes:
        return np.empty(shape, dtype)
    if fortran_order and len(shape) > 1 and n_bytes > WINDOW_BYTES:
        raise ValueError(
            f"{path} is in Fortran order: each row is scattered over the whole file, which is "
            "too large to be converted here; save it in C order: numpy.save(path, "
            "numpy.ascontiguousarray(array))"
        )
    flat: Array
    if isinstance(file, io.BytesIO):
        flat = np.frombuffer(file.getbuffer()[offset:], dtype)
    else:
        flat = np.memmap(file, dtype, mode="r", offset=offset, shape=math.prod(shape))
    array = flat.reshape(shape, order="F" if fortran_order else "C")
    check_text(array, str(path))
    return mapped_or_read(array, budget)


def read_npy_header(file: IO[bytes], member: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Return the dtype, shape and Fortran order that the NPY file `member` claims."""
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(file)
        if version not in read:  # 3.0 is for field names
            raise ValueError(f"NPY version {version}")
        with warnings.catch_warnings():  # of headers that Python 2 wrote
            warnings.simplefilter("ignore")
            shape, fortran_order, dtype = read[version](file)
    except Exception as error:  # the header is a Python literal: its parser has many words
        raise ValueError(f"{member} is not a plain NPY array ({words_of(error)})") from error
    if dtype.hasobject:
        raise ValueError(
            f"{member} holds Python objects, which would be unpickled, and a pickle can run any "
            "code; save numbers or strings: numpy.asarray(values, dtype=…)"
        )
    if dtype.names is not None or dtype.itemsize == 0:
        raise ValueError(f"{member} has dtype {dtype}; expected plain numbers or strings")
    if any(size < 0 for size in shape) or math.prod(max(size, 1) for size in shape) >= 2**48:
        raise ValueError(f"{member} claims the shape {shape}")
    return dtype, shape, fortran_order


def check_text(array: Array, key: str) -> None:
    """Check that an array of text holds only valid Unicode characters, as Python requires."""
    if array.dtype.kind != "U" or not array.size:
        return
    order = array.dtype.byteorder
    codes = np.ascontiguousarray(array).reshape(-1).view(np.dtype(np.uint32).newbyteorder(order))
    wrong = (codes > sys.maxunicode) | ((codes >= 0xD800) & (codes < 0xE000))  # surrogates
    if wrong.any():
        raise ValueError(
            f"{key} holds text with 0x{codes[wrong.argmax()]:X} in it, which is not a Unicode "
            "character; it is damaged"
        )
