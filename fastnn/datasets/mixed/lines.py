"""The lines of a text file: its encoding, and its bytes decoded line by line.

Encodings are tried in order, each from the beginning of the file: what a byte order mark says, else
UTF-8, else Windows-1252, in which western Excel and R write.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any, cast

from fastnn.datasets.readers.csv_text import BYTES_AS_CELLS, LONGEST_LINE, UNCOUNTED
from fastnn.datasets.readers.sources import Source
from fastnn.system.file_kinds import HEAD_BYTES
from fastnn.system.memory_budget import Budget
from fastnn.validation.parameters import parameter

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, which begins alike
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
LINES_OF_ONE_LIMIT = 1024  # until the memory that is left is looked at again
FALLBACK = "cp1252"
NAMES = {"utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32": "UTF-32",
         FALLBACK: "Windows-1252"}  # fmt: skip


def encodings_of(source: Source) -> tuple[str, ...]:
    """Return the encodings to try, in order, from the first bytes of a file.

    Raises
    ------
    ValueError
        If the bytes are no text.
    """
    head = source.stream.read(HEAD_BYTES)
    source.stream.seek(0)
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return (encoding,)
    for encoding, zeros, others in (
        ("utf-16-le", head[1::2], head[::2]),
        ("utf-16-be", head[::2], head[1::2]),
    ):
        if len(zeros) > 1 and zeros.count(0) > 0.7 * len(zeros) and 0 not in others:
            return (encoding,)
    if b"\0" in head or len(_CONTROL.findall(head)) > len(head) // 20:
        raise ValueError(
            f"{source.name} is not text: its first bytes are {head[:8]!r}; expected rows of text "
            "with a delimiter, or a Parquet file"
        )
    return ("utf-8", FALLBACK)


class Lines:
    """A file's lines with their ends, decoded, each read once."""

    def __init__(self, source: Source, encoding: str) -> None:
        # without newline translation: a line break within quotes is part of the cell
        stream = cast(Any, source.stream)
        self._text = io.TextIOWrapper(stream, encoding, errors="strict", newline="")
        self._name = source.name

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.detach()  # the file stays open, for another encoding

    def read(self, budget: Budget) -> Iterator[str]:
        """Yield the lines; one that is too long for the budget is refused before it is read."""
        number, longest = 1, self._longest(budget)
        while line := self._text.readline(longest):
            if len(line) == longest:
                reason = f"the row on line {number} has {len(line)} characters or more"
                budget.check(BYTES_AS_CELLS * len(line) + 1, reason)
                raise ValueError(
                    f"{self._name}, line {number}: longer than {len(line):,} characters; not a "
                    "table"
                )
            if "\0" in line:
                raise ValueError(f"{self._name}, line {number}: a NUL byte; expected text")
            if line[0] == "\x1a" and not line.strip("\x1a\r\n"):  # the end of a file in DOS
                line = "\n"
            yield line
            number += 1
            if number % LINES_OF_ONE_LIMIT == 0:
                longest = self._longest(budget)

    @staticmethod
    def _longest(budget: Budget) -> int:
        return min(LONGEST_LINE, max(UNCOUNTED, budget.left // BYTES_AS_CELLS + 1))


def undecodable(source: Source, encoding: str, error: UnicodeDecodeError) -> ValueError:
    """Return the error for bytes that no encoding explains."""
    byte = error.object[error.start]
    what = NAMES.get(encoding, encoding)
    tried = "neither UTF-8 nor Windows-1252" if encoding == FALLBACK else f"not {what}"
    return ValueError(
        f"{source.name} has a byte 0x{byte:02x} that is {tried}: give its encoding, for example "
        f"{parameter('encoding', 'cp1251')}, or save the file as UTF-8"
    )
