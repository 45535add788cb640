"""Columns that name rows instead of describing them: identifiers, and free text."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

FEW_ROWS = 10
"""With fewer rows, all values being different says nothing."""

MANY_ROWS = 50
"""So many numbers drawn from twice as many are never all different, unless they number rows."""

LOWEST = 20
"""The least number of half of the rows is above it once in a million draws."""

NEARLY_ALL = 0.95
WORDS = 4
"""Words per cell, on average, from which text of many values is free text."""

_WRITTEN = r"|unnamed: ?0|row[._ ]?names?|__index_level_\d+__"
_OF_ROWS = _WRITTEN + r"|unnamed: ?\d+|index|level_\d+"
_NAMED = (
    r"(id|idx|key|uuid|guid|row|row[ _]?(id|no|nr|num|number|index)|no|nr|#|record"
    r"|(.*[ _.-])(id|uuid|guid|no|nr))"
)
_IS_WRITTEN = re.compile(f"(?i:{_WRITTEN})")
_IS_OF_ROWS = re.compile(f"(?i:{_OF_ROWS})")
_IS_NAMED = re.compile(f"(?i:{_OF_ROWS}|{_NAMED})|.*[a-z](Id|ID)")


def is_written_for_rows(name: str) -> bool:
    """Return whether only pandas and R call a column so, one of row numbers or names.

    >>> is_written_for_rows("Unnamed: 0"), is_written_for_rows("index")
    (True, False)
    """
    return _IS_WRITTEN.fullmatch(name.strip()) is not None


def is_of_rows(name: str) -> bool:
    """Return whether pandas or R, or a person, may call a column so that holds row numbers.

    >>> is_of_rows("Unnamed: 0"), is_of_rows("index"), is_of_rows("id")
    (True, True, False)
    """
    return _IS_OF_ROWS.fullmatch(name.strip()) is not None


def is_named_so(name: str) -> bool:
    """Return whether a name is one of those, or of an identifier: id, passenger_id, PassengerId.

    >>> is_named_so("PassengerId"), is_named_so("paid")
    (True, False)
    """
    return _IS_NAMED.fullmatch(name.strip()) is not None


def why_number(name: str, x: NDArray[np.float64], place: int, *, is_complete: bool) -> str | None:
    """Return why a column of finite numbers (n_rows,) identifies rows, or None.

    All must be whole and different, and either count the rows from 0 or 1, in order; or be any such
    numbers below a name as "id"; or, in the first column, count the rows in another order, or the
    rows of a table of which these are half or more.
    """
    if not is_complete or len(x) < FEW_ROWS or (x != np.floor(x)).any():
        return None
    low, high = float(x.min()), float(x.max())
    if low in (0.0, 1.0) and np.array_equal(x, low + np.arange(len(x))):
        return f"counts the rows from {low:.0f}"
    named = is_named_so(name)
    is_part = len(x) >= MANY_ROWS and 0 <= low <= LOWEST and high < 2 * len(x)
    first = place == 0 and (is_part or (low in (0.0, 1.0) and high - low == len(x) - 1))
    if not (named or first) or len(np.unique(x)) < len(x):
        return None
    return "identifies rows: whole numbers, all different" if named else "numbers the rows"


def why_text(texts: list[str], n_known: int) -> str | None:
    """Return why text of these distinct values, in so many cells, is no category, or None."""
    n = len(texts)
    if n_known < FEW_ROWS or n <= n_known / 2:
        return None
    if sum(len(text.split()) for text in texts) >= WORDS * n:
        return f"free text: {n:,} different values in {n_known:,} cells"
    if n >= NEARLY_ALL * n_known:
        return f"identifies rows: {n:,} different values in {n_known:,} cells"
    return None
