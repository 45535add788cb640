"""Thrift's compact protocol, as Parquet writes its metadata: bytes into numbers, lists and structs.

    varint   7 bits a byte, the lowest first; the top bit says that more follow
    i16–i64  a varint, zigzag: 0, −1, 1, −2 … are 0, 1, 2, 3 …
    binary   its length as a varint, then its bytes
    list     a byte (length << 4 | type), the length 15 meaning a varint that follows; the elements
    struct   for each field a byte (step of its number << 4 | type), the step 0 meaning a zigzag
             number that follows; its value; a byte 0 at the end

(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). No length is
believed that the bytes there are cannot hold.
"""

from __future__ import annotations

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
DEEPEST = 32
"""Structs and lists inside each other; Parquet's are six deep."""


class Reader:
    """Reads values from bytes, one after the other.

    Parameters
    ----------
    data : memoryview
    at : int
        Where to begin, and then where the next value lies.
    """

    def __init__(self, data: memoryview, at: int = 0) -> None:
        self._data = data
        self.at = at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return a struct's fields by their numbers.

        Raises
        ------
        ValueError
            If the bytes end before it does, or are no struct.
        """
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._zigzag()
            fields[number] = kind == TRUE if kind in (TRUE, FALSE) else self._value(kind, depth + 1)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError(f"structs more than {DEEPEST} deep")
        match kind:
            case 1 | 2 | 3:  # in lists, a flag is a byte too
                return self._byte()
            case 4 | 5 | 6:
                return self._zigzag()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                head = self._byte()
                length = self._length(head >> 4 if head >> 4 < 15 else self._varint())
                return [self._value(head & 15, depth + 1) for _ in range(length)]
            case 11:
                length = self._length(self._varint())
                kinds = self._byte() if length else 0
                return [
                    (self._value(kinds >> 4, depth + 1), self._value(kinds & 15, depth + 1))
                    for _ in range(length)
                ]
            case 12:
                return self.struct(depth)
        raise ValueError(f"an unknown type {kind}")

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, n: int) -> memoryview:
        part = self._data[self.at : self.at + self._length(n)]
        self.at += n
        return part

    def _length(self, n: int) -> int:
        """Return a length, if there are as many bytes: no element takes less than one."""
        if n > len(self._data) - self.at:
            raise ValueError(f"a length of {n}, past the end")
        return n

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number of more than 64 bits")

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
