"""Reading a table file as the options say: ``--delimiter``, ``--missing``, ``--header``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from fastnn.cli.options import DATA_SETS, STANDARD_INPUT, add_header_option, check_file
from fastnn.datasets.frame_reading import read_frame
from fastnn.datasets.readers.formats import NPZ, format_by_name, holds_one_array
from fastnn.datasets.readers.sources import opened, readable_twice
from fastnn.system.printable import named
from fastnn.tabular.frame import Frame

TEXT_ONLY = ("missing", "delimiter", "decimal", "encoding", "day_first")
"""Options of this file that say how text is read."""

MOST_PIXELS_APART, LEAST_PIXELS = 2, 100
"""Rows of images have more than so many columns of bytes, and few others: a label, a name."""

PEEKED_BYTES, PEEKED_LINES = 1 << 17, 20


def add_text_options(parser: Any, *, header: bool = True) -> None:
    """Add the options that say how a text file is read."""
    if header:
        add_header_option(parser)
    parser.add_argument(
        "--missing",
        action="append",
        metavar="WORD",
        help="a cell that stands for a missing value, such as unknown or -999, beside empty ones, "
        "NA, null and the like; may be repeated",
    )
    parser.add_argument(
        "--delimiter",
        metavar="CHARACTER",
        help="what separates the cells of a text file (default: detected)",
    )
    parser.add_argument(
        "--decimal",
        choices=(".", ","),
        help="what is written before decimals (default: detected)",
    )
    parser.add_argument(
        "--day-first",
        action=argparse.BooleanOptionalAction,
        help="whether 1/2/2020 is the first of February (default: detected, where a date decides)",
    )
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help="of a text file (default: UTF-8 or, if it is not that, Windows-1252)",
    )


def read(
    options: argparse.Namespace,
    kinds: Mapping[str, Any] | None = None,
    notations: Mapping[str, str] | None = None,
    as_is: Collection[str] = (),
    drop: Callable[[Sequence[str]], Collection[str]] | None = None,
) -> Frame:
    """Return the table in the file, or in standard input, that a command was given.

    `drop` returns which columns are not looked at, given the names of all.
    """
    path = check_file(options.data)
    if path == STANDARD_INPUT and hasattr(sys.stdin, "again"):
        sys.stdin.buffer.seek(0)
    delimiter = options.delimiter
    return read_frame(
        path,
        kinds=kinds,
        header=options.header,
        delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
        decimal=options.decimal,
        missing=options.missing or (),
        day_first=options.day_first,
        encoding=options.encoding,
        notations=notations,
        as_is=as_is,
        drop=drop or (),
    )


def source_name(data: str) -> str:
    """Return what notes and errors call the file, or standard input, that a command was given."""
    return "standard input" if data == STANDARD_INPUT else named(data)


@contextmanager
def read_again(data: str) -> Iterator[None]:
    """Within the block standard input, if it is what `data` means, can be read several times.

    Raises
    ------
    ValueError
        If it is too large to be kept in memory.
    """
    before = sys.stdin
    if data != STANDARD_INPUT or not hasattr(before, "buffer"):
        yield
        return
    file, _ = readable_twice(before.buffer, "standard input")
    sys.stdin = SimpleNamespace(buffer=file, again=True)
    try:
        yield
    finally:
        sys.stdin = before


def is_table_file(data: str) -> bool:
    """Return whether data are a table with mixed columns, by the name of the file.

    Others are data sets with a name, and files that hold arrays.
    """
    is_array = data in DATA_SETS or holds_one_array(data) or format_by_name(data) is NPZ
    return not is_array and "://" not in data


def looks_like_pixels(data: str) -> bool:
    """Return whether the first rows of a text file look like images.

    That is more than 100 columns of whole numbers 0 … 255, some above 1, beside two others at most.
    """
    if data == STANDARD_INPUT and hasattr(sys.stdin, "again"):
        sys.stdin.buffer.seek(0)
    with opened(data) as source:
        if source.kind is not None:
            return False
        head = source.stream.read(PEEKED_BYTES)
    if data == STANDARD_INPUT and hasattr(sys.stdin, "again"):
        sys.stdin.buffer.seek(0)
    lines = head.decode("latin-1").splitlines()
    rows = lines[1:-1] if len(lines) > 2 else lines[-1:]
    rows = [line for line in rows[:PEEKED_LINES] if line.strip()]
    found = [_bytes_of(line) for line in rows]
    return bool(found) and all(n > LEAST_PIXELS for n, _ in found) and max(m for _, m in found) > 1


def _bytes_of(line: str) -> tuple[int, int]:
    """Return how many cells of a line are whole numbers 0 … 255, and the largest of them.

    None are if more than a few cells are something else.
    """
    separator = max(",;\t ", key=line.count)
    cells = [cell.strip(' "') for cell in line.split(separator)]
    values = [int(cell) for cell in cells if cell.isascii() and cell.isdigit() and len(cell) < 4]
    values = [value for value in values if value <= 255]
    if len(values) < len(cells) - MOST_PIXELS_APART:
        return 0, 0
    return len(values), max(values, default=0)


def check_text_options(options: argparse.Namespace, model: str) -> None:
    """Refuse options of this file for a saved network that takes rows of numbers."""
    for name in TEXT_ONLY:
        if getattr(options, name) is not None:
            raise ValueError(
                f"--{name.replace('_', '-')} is for a network that takes tables, and "
                f"{named(model)} takes rows of numbers: omit it"
            )
