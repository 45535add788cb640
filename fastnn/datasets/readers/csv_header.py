"""Whether the first line of a CSV file names the columns, decided by what stands below it.

Names are no numbers; but pandas numbers columns 0, 1, 2 … that have no names, and a year may name a
column. A first line of numbers is a header where the rows below it are written otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.datasets.readers.csv_cells import is_flag, is_missing, is_number, is_whole
from fastnn.datasets.readers.label_column import LABEL_NAMES
from fastnn.tabular.identifiers import is_written_for_rows

SURE, SUSPECTED = 10, 3
"""How many columns numbered from 0 are a header in any case, and how many may be one: rows of data
that begin 0, 1, 2 are not rare in small examples."""

SAMPLE_ROWS = 20
"""Rows below the first line that tell whether it is a header."""


def is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool | None:
    """Return whether the first line is a header; None if that cannot be told.

    Parameters
    ----------
    first : sequence of str
        The cells of the first line that is not empty.
    below : sequence of sequences of str
        Those of some lines that follow; rows of another width tell nothing.
    """
    below = [row for row in below if len(row) == len(first)]
    numbers = [i for i, cell in enumerate(first) if is_number(cell)]
    words = [i for i in range(len(first)) if i not in set(numbers)]
    if any(is_flag(cell) and all(is_flag(row[i]) for row in below) for i, cell in enumerate(first)):
        return False  # True and False stand above their like, as a header does not
    if not numbers:
        return not all(map(is_missing, first))
    if is_numbered(first):
        return _numbered_header(first, below, numbers, words)
    over_numbers = [
        i
        for i in words
        if below and not is_missing(first[i]) and all(is_number(row[i]) for row in below)
    ]
    return None if over_numbers else False


def is_numbered(first: Sequence[str]) -> bool:
    """Return whether the numbers in a line count from 0, as pandas names columns."""
    numbers = [cell.strip() for cell in first if is_number(cell)]
    return bool(numbers) and numbers == [str(i) for i in range(len(numbers))]


def _numbered_header(
    first: Sequence[str],
    below: Sequence[Sequence[str]],
    numbers: Sequence[int],
    words: Sequence[int],
) -> bool | None:
    """Return whether a line 0, 1, 2 …, with or without words between, is a header."""
    named = any(
        first[i].strip().lower() in LABEL_NAMES
        or is_written_for_rows(first[i])
        or (below and all(is_number(row[i]) for row in below))
        for i in words
    )
    if named and (first[words[0]].strip() or len(words) > 1 or len(numbers) >= SUSPECTED):
        return True
    if not below:
        return False
    # Writers keep to one form in a column: one written with points has none with whole numbers.
    otherwise = any(not any(is_whole(row[i]) for row in below) for i in numbers)
    if otherwise:
        return True if len(numbers) >= SUSPECTED else None
    goes_on = [below[0][i].strip() for i in numbers] == [
        str(i + len(numbers)) for i in range(len(numbers))
    ]
    if goes_on or words:
        return False
    if len(numbers) >= SURE:
        return True
    return None if len(numbers) >= SUSPECTED else False
