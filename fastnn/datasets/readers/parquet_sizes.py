"""What a Parquet file claims of its sizes, compared with the file before a reader believes it.

A file ends with a struct of its metadata, that struct's length in four bytes, and ``PAR1``. It
names the chunks, one for each column and group of rows; a chunk is a row of pages, each behind a
header (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
Readers reserve memory for as many values as these say there are; Polars' is written in Rust, which
ends the whole process where it cannot have the memory.
"""

from __future__ import annotations

import mmap
from typing import Any, BinaryIO, TypeVar

from fastnn.datasets.readers.thrift import Reader

Field = TypeVar("Field")

MAGIC = b"PAR1"
VALUES_A_BYTE = 4096
"""Values in a file for each of its bytes, at most: a run of equal values takes a few bytes however
long it is, but a table that is all runs has nothing to learn from."""

# The numbers of the fields, by their struct.
_FILE_ROWS, _GROUPS = 3, 4
_CHUNKS, _GROUP_ROWS = 1, 3
_OTHER_FILE, _CHUNK = 1, 3
_CHUNK_VALUES, _CHUNK_BYTES, _FIRST_PAGE, _DICTIONARY = 5, 7, 9, 11
_UNPACKED, _PACKED, _PAGE, _DICTIONARY_PAGE, _PAGE_V2 = 2, 3, 5, 7, 8
_PAGE_VALUES = 1
_V2_NULLS, _V2_ROWS, _V2_LEVELS = 2, 3, (5, 6)


def check_sizes(stream: BinaryIO) -> None:
    """Check that the sizes in a Parquet file agree with each other and with it; go to its start.

    Raises
    ------
    ValueError
        If they do not, or it is no whole Parquet file.
    """
    with _view(stream) as data:
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        if bytes(data[-4:]) != MAGIC or footer < len(MAGIC):
            raise ValueError("it does not end as a Parquet file does: it is truncated")
        metadata = Reader(data[: len(data) - 8], footer).struct()
        most = VALUES_A_BYTE * len(data)
        groups = _field(metadata, _GROUPS, list)
        n_rows = [_size("rows of a group", group, _GROUP_ROWS, most) for group in groups]
        if _size("rows", metadata, _FILE_ROWS, most) != sum(n_rows):
            raise ValueError(f"it claims {metadata[_FILE_ROWS]} rows, and groups of {sum(n_rows)}")
        for group in groups:
            for chunk in _field(group, _CHUNKS, list):
                _check_chunk(data[:footer], chunk, most)


def _view(stream: BinaryIO) -> memoryview:
    """Return all bytes of a file, mapped if it is one of the system's."""
    try:
        mapped: Any = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:  # it lies in memory
        mapped = stream.read()
        stream.seek(0)
    return memoryview(mapped)


def _check_chunk(data: memoryview, chunk: Any, most: int) -> None:
    """Check the pages of a chunk, which lie one behind the other."""
    described = _field(chunk, _CHUNK, dict)
    if _OTHER_FILE in chunk:
        raise ValueError("its columns lie in other files")
    n_values = _size("values of a column", described, _CHUNK_VALUES, most)
    at = _size("bytes before a page", described, _FIRST_PAGE, len(data))
    if _DICTIONARY in described:
        at = _size("bytes before a dictionary", described, _DICTIONARY, len(data))
    end = at + _size("bytes of a column", described, _CHUNK_BYTES, len(data) - at)
    while at < end:
        reader = Reader(data, at)
        header = reader.struct()
        n_bytes = _size("bytes of a page", header, _PACKED, len(data) - reader.at)
        _check_page(header, n_bytes, n_values)
        at = reader.at + n_bytes


def _check_page(header: dict[int, Any], n_bytes: int, most: int) -> None:
    unpacked = _size("bytes of an unpacked page", header, _UNPACKED, 2**31 - 1)
    if _PAGE in header:
        _size("values of a page", _field(header, _PAGE, dict), _PAGE_VALUES, most)
    if _DICTIONARY_PAGE in header:  # a value of it takes a bit at least
        dictionary = _field(header, _DICTIONARY_PAGE, dict)
        _size("values of a dictionary", dictionary, _PAGE_VALUES, 8 * unpacked)
    if _PAGE_V2 in header:
        page = _field(header, _PAGE_V2, dict)
        for number in (_PAGE_VALUES, _V2_NULLS, _V2_ROWS):
            _size("values of a page", page, number, most)
        for number in _V2_LEVELS:
            _size("bytes of levels", page, number, n_bytes)


def _field(struct: Any, number: int, kind: type[Field]) -> Field:
    """Return a field of a struct, if it has one of that kind."""
    value = struct.get(number) if isinstance(struct, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"field {number} of its metadata is missing, or no {kind.__name__}")
    return value


def _size(what: str, struct: Any, number: int, most: int) -> int:
    """Return a field that counts something, of which there can be so many at most."""
    n = _field(struct, number, int)
    if not 0 <= n <= most:
        raise ValueError(f"it claims {n} {what}, and at most {most} can be there")
    return n
