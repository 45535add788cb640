"""IDX, the file format of MNIST: a header with dtype and shape, then the elements.

    byte 0-1   zero
    byte 2     dtype code: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    byte 3     number of dimensions
    then       one unsigned 32-bit size for each dimension
    then       the elements, the last dimension fastest

All numbers are big-endian (http://yann.lecun.com/exdb/mnist/). A file may be gzip-compressed.
Sizes in the header are checked against the size of the file.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.readers.conversion import mapped_or_read
from fastnn.datasets.readers.sources import readable_twice
from fastnn.system.files import write_whole
from fastnn.system.memory_budget import Budget, memory_errors_of

GZIP_MAGIC = b"\x1f\x8b"
MAX_DEFLATE_RATIO = 1032  # no deflate stream grows more than this (zlib technical details)
MAX_DIMENSIONS = 32  # what every NumPy can hold
PIECE = 1 << 20  # bytes read or written at a time

DTYPE_OF_CODE: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
CODE_OF_DTYPE = {dtype.newbyteorder("="): code for code, dtype in DTYPE_OF_CODE.items()}


def read_idx(path: str | os.PathLike[str], *, mmap: bool = False) -> NDArray[Any]:
    """Read an IDX file, plain or gzip-compressed.

    Parameters
    ----------
    path : str or os.PathLike
        The file; compression is detected from the first bytes, not the name.
    mmap : bool, default False
        Map a plain file instead of reading it: a read-only view of the file, big-endian if its
        elements are wider than a byte.

    Returns
    -------
    ndarray
        In the shape and dtype the header states, in native byte order unless mapped.

    Raises
    ------
    ValueError
        If the file is not a whole IDX file: a wrong magic number, an unknown dtype, too few or too
        many bytes, damaged compression; or if mmap is set for a compressed file. If it needs more
        memory than `fastnn.system.memory_budget` allows for a file of its size, or than is free.
    OSError
        If the file cannot be opened or read.
    """
    path = Path(path)
    with path.open("rb") as opened, memory_errors_of(str(path)):
        file, budget = readable_twice(opened, str(path))
        return read_open_idx(file, path, budget, mmap=mmap)


def map_idx(file: BinaryIO, path: Path, budget: Budget) -> NDArray[Any]:
    """Read an IDX file that is open and can be read twice, or map it if it is large and plain."""
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    array = read_open_idx(file, path, budget, mmap=not packed)
    return array if packed else mapped_or_read(array, budget)


def read_open_idx(file: BinaryIO, path: Path, budget: Budget, *, mmap: bool) -> NDArray[Any]:
    """Read an IDX file that is open and can be read twice; see `read_idx`.

    A file in memory is not mapped.
    """
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file_size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not packed:
        return _read_plain(file, file_size, path, budget, mmap=mmap)
    if mmap:
        raise ValueError(
            f"{path} is gzip-compressed and cannot be mapped; unpack it, or read it with mmap=False"
        )
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            return _read_packed(cast(BinaryIO, unpacked), file_size, path, budget)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged gzip data ({error}); get the file again") from error


def _read_plain(
    file: BinaryIO, file_size: int, path: Path, budget: Budget, *, mmap: bool
) -> NDArray[Any]:
    dtype, shape = _read_header(file, path)
    n_bytes = dtype.itemsize * math.prod(shape)
    if file_size - file.tell() != n_bytes:
        raise ValueError(
            f"{path}: an IDX file of {dtype.name} {shape} is {file.tell() + n_bytes} bytes "
            f"long, this one is {file_size}; it is truncated or something else"
        )
    if mmap and n_bytes and not isinstance(file, io.BytesIO):
        return np.memmap(file, dtype, mode="r", offset=file.tell(), shape=shape)
    array = _read_array(file, dtype, shape, path, budget)
    if mmap:  # no elements: nothing to map
        array.flags.writeable = False
    return array


def _read_packed(stream: BinaryIO, packed_size: int, path: Path, budget: Budget) -> NDArray[Any]:
    dtype, shape = _read_header(stream, path)
    n_bytes = dtype.itemsize * math.prod(shape)
    if n_bytes > MAX_DEFLATE_RATIO * packed_size:
        raise ValueError(
            f"{path}: its header claims {dtype.name} {shape}, {n_bytes} bytes, more "
            f"than a gzip file of {packed_size} bytes can hold"
        )
    array = _read_array(stream, dtype, shape, path, budget)
    if stream.read(1):
        raise ValueError(
            f"{path}: more bytes follow after the {n_bytes} of {dtype.name} {shape} "
            "that its header states"
        )
    return array


def _read_header(file: BinaryIO, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise ValueError(
            f"{path}: an IDX file begins with 00 00, a dtype code and the number of dimensions; "
            f"this one begins with {magic.hex(' ') or 'nothing'}"
        )
    code, n_dimensions = magic[2], magic[3]
    if code not in DTYPE_OF_CODE:
        raise ValueError(
            f"{path}: unknown dtype code 0x{code:02X}; IDX knows "
            + ", ".join(f"0x{known:02X} {dtype.name}" for known, dtype in DTYPE_OF_CODE.items())
        )
    if n_dimensions > MAX_DIMENSIONS:
        raise ValueError(f"{path}: {n_dimensions} dimensions; at most {MAX_DIMENSIONS} are read")
    sizes = file.read(4 * n_dimensions)
    if len(sizes) < 4 * n_dimensions:
        raise ValueError(
            f"{path}: the file ends inside its header: {n_dimensions} dimensions take "
            f"{4 * n_dimensions} bytes, {len(sizes)} are there"
        )
    shape = struct.unpack(f">{n_dimensions}I", sizes)
    dtype = DTYPE_OF_CODE[code]
    if dtype.itemsize * math.prod(max(size, 1) for size in shape) >= 2**63:
        raise ValueError(f"{path}: its header claims the shape {shape}, more than any array holds")
    return dtype, shape


def _read_array(
    file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...], path: Path, budget: Budget
) -> NDArray[Any]:
    """Read the elements piece by piece into one array, and turn them to native order in place."""
    budget.take(dtype.itemsize * math.prod(shape), f"its header states {dtype.name} {shape}")
    array = np.empty(shape, dtype)
    if array.size:
        body = array.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(body):
            piece = file.read(min(PIECE, len(body) - done))
            if not piece:
                raise ValueError(
                    f"{path}: the file ends after {done} of the {len(body)} bytes of "
                    f"{dtype.name} {shape} that its header states; it is truncated"
                )
            body[done : done + len(piece)] = piece
            done += len(piece)
    if dtype.isnative:
        return array
    return array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def write_idx(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write an array as an IDX file, atomically.

    The bytes are written to a temporary file in the same folder, which replaces `path` once they
    are on the disk. The same array always gives the same bytes, compressed or not.

    Parameters
    ----------
    path : str or os.PathLike
        Compressed if its name ends in ``.gz``.
    array : ndarray
        uint8, int8, int16, int32, float32 or float64, in any byte order and memory layout.

    Raises
    ------
    TypeError
        If IDX has no code for the dtype.
    ValueError
        If a dimension does not fit 32 bits, or there are more than 32 dimensions.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    array = np.asarray(array)
    native = array.dtype.newbyteorder("=")
    if native not in CODE_OF_DTYPE:
        known = ", ".join(dtype.name for dtype in CODE_OF_DTYPE)
        raise TypeError(
            f"an IDX file holds {known}, got {array.dtype}; convert it first, with array.astype"
        )
    if array.ndim > MAX_DIMENSIONS or any(size >= 2**32 for size in array.shape):
        raise ValueError(
            f"an IDX file has at most {MAX_DIMENSIONS} dimensions, each below 2**32, got shape "
            f"{array.shape}"
        )
    code = CODE_OF_DTYPE[native]
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    flat = np.ascontiguousarray(array, DTYPE_OF_CODE[code]).reshape(-1)

    with write_whole(path) as file:
        if path.suffix.lower() == ".gz":  # no name and no time, so that the bytes repeat
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                _write_pieces(cast(IO[bytes], packed), header, flat)
        else:
            _write_pieces(file, header, flat)


def _write_pieces(file: IO[bytes], header: bytes, flat: NDArray[Any]) -> None:
    file.write(header)
    body = flat.view(np.uint8)
    for start in range(0, len(body), PIECE):
        file.write(body[start : start + PIECE].data)
