"""Sources of tables: a file, a pipe or standard input, compressed or not.

Each is opened once. Data compressed with gzip, bzip2 or xz are decompressed while reading; streams
that have to be read twice are kept in memory, within `fastnn.system.memory_budget`.
"""

from __future__ import annotations

import io
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import PathLike, fspath, fstat
from pathlib import Path
from typing import Any, BinaryIO, cast

from fastnn.system.file_kinds import BY_KEY, HEAD_BYTES, FileKind, kind_of, zip_members
from fastnn.system.memory_budget import Budget, advice
from fastnn.system.printable import named

STANDARD_INPUT = "-"
PACKED = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz"}
MAX_IN_MEMORY = 1 << 30
"""Maximum bytes of a pipe or a device kept in memory, unless set otherwise: its size is unknown,
and it may have no end."""
PIECE = 1 << 20


@dataclass(frozen=True)
class Source:
    """Bytes to be read from the beginning, once.

    Parameters
    ----------
    name : str
        Name in errors.
    path : Path
        Path without the extension of the compression.
    stream : binary file
    kind : FileKind or None
        None for text, and for unknown formats.
    budget : Budget
        The memory budget for reading it.
    """

    name: str
    path: Path
    stream: BinaryIO
    kind: FileKind | None
    budget: Budget

    def refused(self) -> ValueError:
        """Return the error for a format that cannot be read as a table."""
        assert self.kind is not None
        return ValueError(f"{self.name} is {self.kind.name}: {self.kind.for_table}")


@contextmanager
def opened(path: str | PathLike[str]) -> Iterator[Source]:
    """Open a file, or standard input if path is "-"; compressed files are decompressed.

    Raises
    ------
    ValueError
        If compressed data are damaged; or if a pipe, or a compressed file that has to be read out
        of order, is too large to be kept in memory.
    OSError
        If the file cannot be opened or read.
    """
    is_standard_input = fspath(path) == STANDARD_INPUT
    path = Path("stdin" if is_standard_input else path)
    name = "standard input" if is_standard_input else named(path)
    with ExitStack() as stack:
        file = _standard_input() if is_standard_input else stack.enter_context(path.open("rb"))
        file, budget = readable_twice(file, name)
        head = _head(file)
        packing = kind_of(head, path)
        packed = packing is not None and packing.key in PACKED
        if packing is not None and packed:
            file = cast(BinaryIO, io.BufferedReader(cast(Any, _unpacked(file, packing.key)), PIECE))
            if path.suffix.lower() == PACKED[packing.key]:
                path = path.with_suffix("")
            stack.enter_context(_said_of(name, packing))
            head = _head(file)
        members: list[str] = []
        if head.startswith(b"PK"):
            file = _in_memory(file, name, budget) if packed else file
            members = zip_members(file)
            file.seek(0)
        kind = kind_of(head, path, members)
        if packed and kind is BY_KEY["parquet"]:
            file = _in_memory(file, name, budget)
        yield Source(name, path, file, kind, budget)


def readable_twice(file: BinaryIO, name: str) -> tuple[BinaryIO, Budget]:
    """Return a file that can be read again, and its memory budget.

    The contents of a pipe or a device are read once and kept in memory.

    Raises
    ------
    ValueError
        If they exceed the limit.
    """
    if _is_regular(file):
        return file, Budget(name, fstat(file.fileno()).st_size)
    budget = Budget(name, 0, base=MAX_IN_MEMORY)
    file = _in_memory(file, name, budget)
    budget.grow(budget.taken)
    return file, budget


def _standard_input() -> BinaryIO:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise ValueError("there is no standard input to read a table from; give a file")
    return cast(BinaryIO, stream)


def _is_regular(file: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(fstat(file.fileno()).st_mode) and file.tell() == 0
    except OSError:  # a stream that is no file
        return False


def _head(file: BinaryIO) -> bytes:
    """Return the beginning, and go back to it."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


def _in_memory(file: BinaryIO, name: str, budget: Budget) -> BinaryIO:
    memory = io.BytesIO()
    while piece := file.read(PIECE):
        if len(piece) > budget.left:
            raise ValueError(
                f"{name} holds more than {budget.limit:,} bytes, too much to keep in memory: "
                f"write it to an uncompressed file and read that. {advice()}"
            )
        budget.take(len(piece), "it holds more")
        memory.write(piece)
    memory.seek(0)
    return memory


def _unpacked(file: BinaryIO, packing: str) -> Any:
    match packing:  # imported here: an install may be without one of them
        case "gzip":
            import gzip

            return gzip.GzipFile(fileobj=file, mode="rb")
        case "bzip2":
            import bz2

            return bz2.BZ2File(file)
        case _:
            import lzma

            return lzma.LZMAFile(file)


@contextmanager
def _said_of(name: str, packing: FileKind) -> Iterator[None]:
    """Convert errors in reading a damaged compressed file to a ValueError about it."""
    import zlib

    errors: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error)
    try:
        import lzma

        errors += (lzma.LZMAError,)
    except ImportError:
        pass
    try:
        yield
    except errors as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(
            f"{name} is {packing.name} that is truncated or damaged ({error})"
        ) from error
