"""A cell of a CSV file: a number, a name, or nothing; and how errors show it."""

from __future__ import annotations

import re

MISSING = frozenset(
    (
        *("", "?", "-", ".", "na", "n/a", "nan", "-nan", "null", "none", "nil", "<na>"),
        *("#n/a", "#na", "#null!", "#value!", "#div/0!", "#ref!", "#num!"),
    )
)
"""What writers put where a value is missing, in lower case: pandas, R, UCI's tables, SQL, Excel."""

FLAGS = {"true": "1", "false": "0"}
"""Numbers that are meant by the words for true and false, which are in lower case."""

_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3}){2,}(\.\d*)?|[-+]?\d{1,3}(,\d{3})+\.\d*")
_WHOLE = re.compile(r"[-+]?\d+")


def is_number(cell: str) -> bool:
    """Return whether a cell reads as a number, nan and inf included, as CSV writers spell one."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # float() takes 1_000 as Python does


def is_flag(cell: str) -> bool:
    """Return whether a cell is True or False, as pandas writes what get_dummies returns."""
    return cell.strip().lower() in FLAGS


def is_missing(cell: str) -> bool:
    """Return whether a cell stands for a value that is missing."""
    return cell.strip().lower() in MISSING


def is_whole(cell: str) -> bool:
    """Return whether a cell is a whole number, written without a point or an exponent."""
    return _WHOLE.fullmatch(cell.strip()) is not None


def has_comma(cell: str) -> bool:
    """Return whether a cell is a number but for its commas: 1,5 or 1,234.5."""
    if is_number(cell) or "," not in cell:
        return False
    return is_number(cell.replace(",", ".", 1)) or _THOUSANDS.fullmatch(cell.strip()) is not None


def shown(cell: str) -> str:
    """Return a cell that is no number as errors show it, with what it may be."""
    if not cell.strip():
        return "an empty cell"
    text = repr(cell if len(cell) <= 40 else cell[:40] + "…")
    if _THOUSANDS.fullmatch(cell.strip()):
        return text + " (commas between thousands?)"
    return text + " (a decimal comma?)" if has_comma(cell) else text
