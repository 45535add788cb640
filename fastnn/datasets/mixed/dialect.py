"""How a text file separates its cells: delimiter, quotes, comments above the table.

The delimiter is one that cuts all of the first lines into equally many cells; where several do, see
`_delimiter`. Spaces, in runs of any length, are the delimiter only if nothing else is and what they
separate are numbers.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fastnn.datasets.mixed.numbers import reads_as_number
from fastnn.datasets.readers.csv import delimiter_of
from fastnn.datasets.readers.csv_cells import is_missing

SAMPLE_LINES = 200
DELIMITERS = "\t;|,"
SPACES = " "
WORDS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|", SPACES: "spaces"}

_COMMENT = re.compile(r"\s*[#%](?!\s*[\t;|,])")  # a column may be called #
_SINGLE = re.compile(r"(?:^|[,;\t|{ ])'[^'\n]*'\s*(?=[,;\t|}\s]|$)")
_APOSTROPHE = re.compile(r"(?:^|[,;\t|])\s*'(?![^\n]*')")
_SPACE_AFTER_QUOTE = {  # not after a doubled quote, which is within a cell
    delimiter: re.compile(rf'(?<!")"[ \t]+(?=[{delimiter}\r\n])') for delimiter in ",;|"
}


@dataclass(frozen=True)
class Dialect:
    """How cells are separated and quoted.

    Parameters
    ----------
    delimiter : str
        `SPACES` means runs of spaces and tabs.
    quote : str
    escape : str, optional
        What makes the next character one of the cell.
    space_after_quote : bool
        Whether quoted cells are followed by spaces.
    """

    delimiter: str
    quote: str = '"'
    escape: str | None = None
    space_after_quote: bool = False

    def reader(self, lines: Iterable[str]) -> Any:
        """Return a csv.reader of lines, strict about quotes."""
        if self.delimiter == SPACES:
            lines = (line.strip().replace("\t", " ") + "\n" for line in lines)
        elif self.space_after_quote and self.delimiter in _SPACE_AFTER_QUOTE:
            space = _SPACE_AFTER_QUOTE[self.delimiter]
            lines = (space.sub('"', line) for line in lines)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            skipinitialspace=True,
            strict=True,
        )

    def cells(self, line: str) -> list[str]:
        """Return the cells of one line, stripped; none of a line that cannot be read."""
        try:
            return [cell.strip() for cell in next(self.reader([line]), [])]
        except csv.Error:
            return []


def is_comment(line: str) -> bool:
    """Return whether a line begins with # or %, and that is not a cell."""
    return _COMMENT.match(line) is not None


def dialect_of(lines: list[str], delimiter: str | None) -> Dialect:
    """Return the dialect of a table, by its first lines without comments; a given delimiter holds.

    Parameters
    ----------
    lines : list of str
        At least one, none of them blank.
    """
    text = "".join(lines)
    quote = '"'
    if '"' not in text and _SINGLE.search(text) and not _APOSTROPHE.search(text):
        quote = "'"
    after = any(space.search(text) for space in _SPACE_AFTER_QUOTE.values())
    if delimiter is None:
        delimiter = _delimiter(lines, quote, after)
    return Dialect(delimiter, quote, None, after)


def _delimiter(lines: list[str], quote: str, after: bool) -> str:
    """Return the delimiter that explains the lines.

    Of several that cut all lines alike, a comma gives way to another where it stands only within
    numbers (1,5;2,5); otherwise one that also cuts the first line alike, and then the one with the
    most cells, is taken. If none does, it is the one
    that cuts most lines alike, so that the error names the line that differs.
    """
    found = {}
    for delimiter in DELIMITERS:
        found[delimiter] = _widths(Dialect(delimiter, quote, None, after), lines)
    even = [d for d, widths in found.items() if _are_even(widths)]
    if set(even) <= {"\t"} and _are_numbers_in_columns(lines, quote, bool(even)):
        return SPACES
    if "," in even and len(even) > 1 and not re.search(r",(?!\d)|(?<!\d),", "".join(lines)):
        even.remove(",")
    if even:
        return max(even, key=lambda d: (found[d][0] == found[d][-1], max(found[d])))
    usual = delimiter_of(lines[0].encode("utf-8", "replace"))

    def likeness(delimiter: str) -> tuple[float, bool]:
        (width, count), *_ = Counter(found[delimiter]).most_common(1) or [(1, 0)]
        return (count if width > 1 else 0), delimiter == usual

    best = max(DELIMITERS, key=likeness)
    return best if likeness(best)[0] else usual


def _widths(dialect: Dialect, lines: list[str]) -> list[int]:
    return [len(row) for row in _rows(dialect, lines)]


def _rows(dialect: Dialect, lines: list[str]) -> list[list[str]]:
    """Return rows of a sample, whose last line may end within quotes."""
    rows: list[list[str]] = []
    try:
        for row in dialect.reader(iter(lines)):
            if row:
                rows.append(row)  # noqa: PERF401 (those before a line that cannot be read)
    except csv.Error:
        pass
    return rows


def _are_even(widths: list[int]) -> bool:
    """Return whether all rows have the same number of cells, over one.

    The first, a header, may have one less or, with a delimiter at its end, one more.
    """
    if not widths:
        return False
    below = set(widths[1:]) or {widths[0]}
    return len(below) == 1 and max(below) > 1 and abs(widths[0] - max(below)) <= 1


def _are_numbers_in_columns(lines: list[str], quote: str, are_tabs: bool) -> bool:
    """Return whether spaces separate columns of which one, or between tabs most, are numbers."""
    rows = _rows(Dialect(SPACES, quote), lines)
    if not _are_even([len(row) for row in rows]):
        return False
    width = len(rows[-1])
    below = [row for row in rows[1:] if len(row) == width] or rows
    columns = list(zip(*below, strict=True))
    n_numbers = sum(_is_numeric(column) for column in columns)
    if are_tabs:
        tabs = [line.strip().split("\t") for line in lines[1:] or lines]
        return all(any(_is_numeric(c.split()) and len(c.split()) > 1 for c in t) for t in tabs)
    return n_numbers > 0 and not any(cell.endswith((",", ";")) for row in below for cell in row)


def _is_numeric(cells: Iterable[str]) -> bool:
    """Return whether all cells are numbers or missing, and some number."""
    cells = list(cells)
    numbers = [reads_as_number(cell) for cell in cells]
    return any(numbers) and all(
        is_one or is_missing(cell) for is_one, cell in zip(numbers, cells, strict=True)
    )


def sampled(lines: Iterator[str]) -> tuple[list[str], list[tuple[int, str]]]:
    """Return the comments above the table, and its first lines with their numbers, none blank."""
    comments: list[str] = []
    first: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            if first:
                first.append((number, line))  # may be within quotes
        elif not first and is_comment(line):
            comments.append(line)
        else:
            first.append((number, line))
        if len(first) >= SAMPLE_LINES:
            break
    return comments, first
