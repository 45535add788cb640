"""What a Parquet file claims of its sizes, compared with the file before a reader believes it.

The footer names the chunks, one for each column and group of rows; a chunk is a row of pages, each
behind a header (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
Readers reserve memory for as many values as these say there are; Polars' is written in Rust, which
ends the whole process where it cannot have the memory.
"""

from __future__ import annotations

import mmap
from typing import Any, BinaryIO

from fastnn.datasets.readers.parquet_footer import (
    CHUNK,
    CHUNK_BYTES,
    CHUNK_VALUES,
    CHUNKS,
    DICTIONARY,
    FILE_ROWS,
    FIRST_PAGE,
    GROUP_ROWS,
    GROUPS,
    OTHER_FILE,
    Footer,
    field,
)
from fastnn.datasets.readers.thrift import Reader

VALUES_A_BYTE = 4096
"""Values in a file for each of its bytes, at most: a run of equal values takes a few bytes however
long it is, but a table that is all runs has nothing to learn from."""

# The numbers of a page header's fields, and of those in its structs.
_UNPACKED, _PACKED, _PAGE, _DICTIONARY_PAGE, _PAGE_V2 = 2, 3, 5, 7, 8
_PAGE_VALUES = 1
_V2_NULLS, _V2_ROWS, _V2_LEVELS = 2, 3, (5, 6)


def check_sizes(stream: BinaryIO, footer: Footer) -> None:
    """Check that the sizes in a Parquet file agree with each other and with it; go to its start.

    Raises
    ------
    ValueError
        If they do not.
    """
    most = VALUES_A_BYTE * footer.file_size
    groups = field(footer.metadata, GROUPS, list)
    n_rows = [_size("rows of a group", group, GROUP_ROWS, most) for group in groups]
    claimed = _size("rows", footer.metadata, FILE_ROWS, most)
    if claimed != sum(n_rows):
        raise ValueError(f"it claims {claimed} rows, and groups of {sum(n_rows)}")
    with _view(stream) as data:
        for group in groups:
            for chunk in field(group, CHUNKS, list):
                _check_chunk(data[: footer.start], chunk, most)


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
    described = field(chunk, CHUNK, dict)
    if OTHER_FILE in chunk:
        raise ValueError("its columns lie in other files")
    n_values = _size("values of a column", described, CHUNK_VALUES, most)
    at = _size("bytes before a page", described, FIRST_PAGE, len(data))
    if DICTIONARY in described:
        at = _size("bytes before a dictionary", described, DICTIONARY, len(data))
    end = at + _size("bytes of a column", described, CHUNK_BYTES, len(data) - at)
    while at < end:
        reader = Reader(data, at)
        header = reader.struct()
        n_bytes = _size("bytes of a page", header, _PACKED, len(data) - reader.at)
        _check_page(header, n_bytes, n_values)
        at = reader.at + n_bytes


def _check_page(header: dict[int, Any], n_bytes: int, most: int) -> None:
    unpacked = _size("bytes of an unpacked page", header, _UNPACKED, 2**31 - 1)
    if _PAGE in header:
        _size("values of a page", field(header, _PAGE, dict), _PAGE_VALUES, most)
    if _DICTIONARY_PAGE in header:  # a value of it takes a bit at least
        dictionary = field(header, _DICTIONARY_PAGE, dict)
        _size("values of a dictionary", dictionary, _PAGE_VALUES, 8 * unpacked)
    if _PAGE_V2 in header:
        page = field(header, _PAGE_V2, dict)
        for number in (_PAGE_VALUES, _V2_NULLS, _V2_ROWS):
            _size("values of a page", page, number, most)
        for number in _V2_LEVELS:
            _size("bytes of levels", page, number, n_bytes)


def _size(what: str, struct: Any, number: int, most: int) -> int:
    """Return a field that counts something, of which there can be so many at most."""
    n = field(struct, number, int)
    if not 0 <= n <= most:
        raise ValueError(f"it claims {n} {what}, and at most {most} can be there")
    return n
