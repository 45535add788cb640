"""How much a Parquet file promises to hold, read from its footer before anything is unpacked.

A file ends with a FileMetaData structure, its length in four bytes and PAR1. The structure is in
Thrift's compact protocol: each field has a header byte, the type in its lower half, in the upper
one how far its number is from the last field's; numbers are of seven bits a byte, lowest first.

    FileMetaData   3: num_rows   4: row_groups, a list of
    RowGroup       1: columns, a list    2: total_byte_size, of all its columns when unpacked

(https://github.com/apache/parquet-format, src/main/thrift/parquet.thrift;
https://github.com/apache/thrift, doc/specs/thrift-compact-protocol.md)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAGIC = b"PAR1"
TRUE, FALSE, BYTE, I64, DOUBLE, BINARY, LIST, MAP, STRUCT = 1, 2, 3, 6, 7, 8, 9, 11, 12
INTEGERS, LISTS = (4, 5, I64), (LIST, 10)  # of 16, 32 and 64 bits; sets lie as lists do
DEEPEST = 32  # structures within each other; Parquet's own are 6 deep


class Promise(NamedTuple):
    """What a file promises: rows, columns, and the bytes of all values, unpacked but encoded."""

    n_rows: int
    n_columns: int
    n_bytes: int


def read_promise(file: BinaryIO) -> Promise:
    """Return what the footer of a Parquet file says, and go back to the file's beginning.

    Raises
    ------
    ValueError
        If there is no whole footer.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    end = file.read(8)
    length = int.from_bytes(end[:4], "little")
    if len(end) < 8 or end[4:] != MAGIC or length > size - 8:
        raise ValueError("it does not end with a footer")
    file.seek(size - 8 - length)
    data = file.read(length)
    file.seek(0)
    try:
        return _promise(_Compact(data))
    except IndexError:
        raise ValueError("its footer ends early") from None


def _promise(footer: _Compact) -> Promise:
    n_rows = n_columns = n_bytes = 0
    for field, kind in footer.fields():
        if (field, kind) == (3, I64):
            n_rows = footer.integer()
        elif (field, kind) == (4, LIST):
            for _ in range(footer.list_of(STRUCT)):
                for inner, inner_kind in footer.fields():
                    if (inner, inner_kind) == (1, LIST):
                        count = footer.list_of(STRUCT)
                        n_columns = max(n_columns, count)
                        for _ in range(count):
                            footer.skip(STRUCT)
                    elif (inner, inner_kind) == (2, I64):
                        n_bytes += footer.integer()
                    else:
                        footer.skip(inner_kind)
        else:
            footer.skip(kind)
    return Promise(n_rows, n_columns, n_bytes)


class _Compact:
    """Reads values one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield the number and type of each field of a structure; the caller reads its value."""
        number = 0
        while header := self._byte():
            step = header >> 4
            number = number + step if step else self.integer()
            yield number, header & 15

    def integer(self) -> int:
        n = self._unsigned()
        return n >> 1 ^ -(n & 1)  # zigzag: 0, -1, 1, -2 …

    def list_of(self, kind: int) -> int:
        """Return the length of a list of that type, whose elements follow."""
        found, n = self._list()
        if found != kind:
            raise ValueError("its footer is damaged")
        return n

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over a value."""
        if depth > DEEPEST:
            raise ValueError("its footer is damaged")
        if kind == BYTE:
            self._pass(1)
        elif kind == DOUBLE:
            self._pass(8)
        elif kind == BINARY:
            self._pass(self._unsigned())
        elif kind in INTEGERS:
            self._unsigned()
        elif kind in LISTS:
            inner, n = self._list()
            for _ in range(n):
                self._skip_element(inner, depth)
        elif kind == MAP:
            self._skip_map(depth)
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind not in (TRUE, FALSE):  # which are the value itself
            raise ValueError("its footer is damaged")

    def _skip_map(self, depth: int) -> None:
        n = self._unsigned()
        kinds = self._byte() if n else 0
        for _ in range(n):
            self._skip_element(kinds >> 4, depth)
            self._skip_element(kinds & 15, depth)

    def _skip_element(self, kind: int, depth: int) -> None:
        if kind in (TRUE, FALSE):  # a byte each, in lists
            self._pass(1)
        else:
            self.skip(kind, depth + 1)

    def _list(self) -> tuple[int, int]:
        header = self._byte()
        n = header >> 4
        return header & 15, self._unsigned() if n == 15 else n

    def _unsigned(self) -> int:
        n = shift = 0
        while True:
            byte = self._byte()
            n |= (byte & 127) << shift
            if byte < 128:
                return n
            shift += 7
            if shift > 63:
                raise ValueError("its footer is damaged")

    def _byte(self) -> int:
        byte = self._data[self._at]
        self._at += 1
        return byte

    def _pass(self, n_bytes: int) -> None:
        self._at += n_bytes
        if self._at > len(self._data):
            raise IndexError
