"""Numbers as people write them: 1,234.5; 1.234,5; 12%; $1,200.

A column has one notation, inferred from all its distinct cells:

    point       1234.5    1,234.5    1 234.5    1'234.5
    comma       1234,5    1.234,5    1 234,5    1'234,5

each with the same sign of a currency, or of percent, at every number. Cells such as 1,234 are
numbers in both, and different ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Decimal = Literal[".", ","]

EXACT = 2.0**53
"""Whole numbers from here on are no longer all exact in float64."""

_SIGNS = "$€£¥₹"
_SPACES = " \u00a0\u2009\u202f"
_BODY = {
    point: re.compile(
        rf"[-+]?(?:\d{{1,3}}(?:([{comma}'’{_SPACES}])\d{{3}})(?:\1\d{{3}})*|\d+)?"
        rf"(?:{re.escape(point)}\d*)?(?:[eE][-+]?\d+)?"
    )
    for point, comma in ((".", ","), (",", r"."))
}
_AFFIXED = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<before>[{_SIGNS}]?)\s*(?P<body>[-+]?[\d.,].*?)\s*(?P<after>[%{_SIGNS}]?)"
)
_CODE = re.compile(r"[-+]?0\d+")
_WHOLE = re.compile(r"[-+]?\d+")
_UNIT = re.compile(r"[-+]?\d[\d.,]*\s*((?:[^\W\d_]|[/²³°]){1,8})")


def plain_numbers(cells: Sequence[str], joined: str) -> NDArray[np.float64] | None:
    """Return cells (n_rows,) as float64 if all are numbers with a point, or nan; else None.

    Parameters
    ----------
    cells : sequence of str
    joined : str
        The same as one text.
    """
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return values if joined.isascii() and "_" not in joined else None


def is_code(cell: str) -> bool:
    """Return whether a cell is a whole number with leading zeros."""
    return _CODE.fullmatch(cell) is not None


def is_long(cell: str) -> bool:
    """Return whether a cell is a whole number that float64 may not hold exactly."""
    return _WHOLE.fullmatch(cell) is not None and abs(float(cell)) >= EXACT


def number_of(cell: str, decimal: Decimal) -> float | None:
    """Return a cell as a number in that notation, or None.

    >>> number_of("1,234.5", "."), number_of("1.234,5", ","), number_of("1,5", ".")
    (1234.5, 1234.5, None)
    """
    cell = cell.replace("\u2212", "-")
    if decimal == "." and "_" not in cell and cell.isascii():
        try:
            return float(cell)
        except ValueError:
            pass
    found = _BODY[decimal].fullmatch(cell)
    if found is None or not cell.isprintable() or not any(c.isdigit() for c in cell):
        return None
    if found[1]:
        cell = cell.replace(found[1], "")
    try:
        return float(cell.replace(",", ".") if decimal == "," else cell)
    except ValueError:  # an exponent without digits before it
        return None


def split_sign(cell: str) -> tuple[str, str]:
    """Return a cell without its sign of percent or of a currency, and that sign or "".

    >>> split_sign("-$1,200")
    ('-1,200', '$')
    """
    found = _AFFIXED.fullmatch(cell)
    if found is None or (found["before"] and found["after"]):
        return cell, ""
    affix = found["before"] or found["after"]
    return (found["sign"] + found["body"], affix) if affix else (cell, "")


def common_sign(cells: Iterable[str]) -> str:
    """Return the sign, of percent or a currency, that all cells have, or ""."""
    signs = {split_sign(cell)[1] for cell in cells}
    return signs.pop() if len(signs) == 1 else ""


def numbers_of(cells: Iterable[str], decimal: Decimal, sign: str) -> dict[str, float] | None:
    """Return the number of each distinct cell, or None if one of them is not a number."""
    found = {}
    for cell in cells:
        number = number_of(split_sign(cell)[0] if sign else cell, decimal)
        if number is None:
            return None
        found[cell] = number
    return found


def are_the_same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Return whether two notations give the same numbers."""
    return all(number == other[cell] or number != number for cell, number in one.items())


def are_thousands(cells: Iterable[str]) -> bool:
    """Return whether all points in numbers may stand between thousands: 1.234, 12.500."""
    points = [cell for cell in cells if "." in cell]
    return bool(points) and all(re.fullmatch(r"[-+]?[1-9]\d{0,2}(\.\d{3})+", c) for c in points)


def reads_as_number(cell: str) -> bool:
    """Return whether a cell is a number with digits in some notation, with or without a sign."""
    body, _ = split_sign(cell)
    if not body[-1:].isdigit() and not any(map(str.isdigit, body)):
        return False  # such as inf, which may be a name
    return number_of(body, ".") is not None or number_of(body, ",") is not None


def unit_of(cells: Iterable[str]) -> str | None:
    """Return the unit that all cells have after a number, such as kg, or None."""
    units = {found[1].strip() if (found := _UNIT.fullmatch(cell)) else None for cell in cells}
    return units.pop() if len(units) == 1 else None
