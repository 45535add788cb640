"""A Parquet file's footer, which names everything that the file holds.

A file ends with a FileMetaData struct in Thrift's compact protocol, the struct's length in four
bytes, and ``PAR1``. The fields read here, by their numbers:

    FileMetaData     3: num_rows     4: row_groups, a list of
    RowGroup         1: columns, a list of ColumnChunk    2: total_byte_size    3: num_rows
    ColumnChunk      1: file_path    3: meta_data
    ColumnMetaData   5: num_values   7: total_compressed_size   9: data_page_offset
                     11: dictionary_page_offset

total_byte_size is that of all columns when unpacked
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from __future__ import annotations

import os
from typing import Any, BinaryIO, NamedTuple, TypeVar

from fastnn.datasets.readers.thrift import Reader

MAGIC = b"PAR1"
END_BYTES = 4 + len(MAGIC)

FILE_ROWS, GROUPS = 3, 4
CHUNKS, GROUP_BYTES, GROUP_ROWS = 1, 2, 3
OTHER_FILE, CHUNK = 1, 3
CHUNK_VALUES, CHUNK_BYTES, FIRST_PAGE, DICTIONARY = 5, 7, 9, 11

Field = TypeVar("Field")


class Footer(NamedTuple):
    """What lies at the end of a file.

    Parameters
    ----------
    metadata : dict
        The fields of FileMetaData by their numbers.
    start : int
        Where it begins: how many bytes of the file lie before it.
    file_size : int
    """

    metadata: dict[int, Any]
    start: int
    file_size: int


class Promise(NamedTuple):
    """What a file promises: rows, columns, and the bytes of all values, unpacked but encoded."""

    n_rows: int
    n_columns: int
    n_bytes: int


def read_footer(stream: BinaryIO) -> Footer:
    """Return the footer of a Parquet file, and go back to the file's beginning.

    Raises
    ------
    ValueError
        If there is no whole one.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - END_BYTES))
    end = stream.read(END_BYTES)
    length = int.from_bytes(end[:4], "little")
    start = size - END_BYTES - length
    if end[4:] != MAGIC or start < len(MAGIC):
        raise ValueError("it does not end as a Parquet file does: it is truncated")
    stream.seek(start)
    data = stream.read(length)
    stream.seek(0)
    return Footer(Reader(memoryview(data)).struct(), start, size)


def promise_of(footer: Footer) -> Promise:
    """Return how much a footer promises.

    Raises
    ------
    ValueError
        If it does not say.
    """
    groups = field(footer.metadata, GROUPS, list)
    return Promise(
        field(footer.metadata, FILE_ROWS, int),
        max((len(field(group, CHUNKS, list)) for group in groups), default=0),
        sum(field(group, GROUP_BYTES, int) for group in groups),
    )


def field(struct: Any, number: int, kind: type[Field]) -> Field:
    """Return a field of a struct, if it has one of that kind."""
    value = struct.get(number) if isinstance(struct, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"field {number} of its metadata is missing, or no {kind.__name__}")
    return value
