"""Dates and times as people write them, as datetime64[us] in UTC.

    year first      2019-01-31    2019/1/31    2019.01.31
    two numbers     31.12.2019    12/31/2019   31-12-19
    day, name       31 Jan 2020   31-Jan-20
    name, day       Jan 31, 2020
    month           2019-01
    compact         20190131, in a column whose name speaks of dates

each with or without a time of day: T12:00, 12:00:00.5, 1:45 PM, and an offset from UTC. A column
has one form. Whether the day or the month is first of two numbers is inferred from all cells: a
number above 12 is a day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnn.validation.parameters import parameter

Times = NDArray[np.datetime64]
Found = Sequence[re.Match[str]]

UNIT = np.dtype("datetime64[us]")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FULL_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august",
               "september", "october", "november", "december")  # fmt: skip
LAST_OF_2000 = 68  # years of two digits: 69 to 99 are in the 1900s, 00 to 68 in the 2000s (POSIX)

_CLOCK = (
    r"(?:(?:T|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<part>[.,]\d{1,9})?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
_WEEKDAY = r"(?:[A-Za-z]{3,9}\.?,\s*)?"
_FORMS = {
    form: re.compile(pattern + _CLOCK)
    for form, pattern in {
        "year": r"(?P<year>\d{4})(?P<by>[-/.])(?P<month>\d{1,2})(?P=by)(?P<day>\d{1,2})",
        "numbers": r"(?P<one>\d{1,2})(?P<by>[-/.])(?P<two>\d{1,2})(?P=by)(?P<year>\d{4}|\d{2})",
        "day": _WEEKDAY + r"(?P<day>\d{1,2})[- ](?P<name>[A-Za-z]{3,9})\.?,?[- ]"
        r"(?P<year>\d{4}|\d{2})",
        "name": _WEEKDAY + r"(?P<name>[A-Za-z]{3,9})\.? (?P<day>\d{1,2}),? (?P<year>\d{4})",
        "month": r"(?P<year>\d{4})-(?P<month>\d{2})",
        "compact": r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})",
    }.items()
}
_ISO = re.compile(r"(?:\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?Z?)?\n)+", re.ASCII)
_OF_DAY = re.compile(
    r"(?P<hour>\d{1,3}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:\.\d+)?))?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_DATE_NAMES = re.compile(r"(^|[^a-z])(date|day|dt|datum|time|timestamp)([^a-z]|$)|date", re.I)
ZERO = ("0000-00-00", "0000-00-00 00:00:00")
"""What MySQL writes for no date."""


@dataclass(frozen=True)
class ReadTimes:
    """Times (n,), what was guessed, and whether nothing decides which of day and month is first.

    `day_first` says how they were read; None if they cannot change places. `has_zone` says whether
    they have a time zone; None if only some have.
    """

    values: Times
    note: str | None
    is_undecided: bool = False
    day_first: bool | None = None
    has_zone: bool | None = None

    @property
    def notation(self) -> str | None:
        """How the dates are written, as `Column.notation`."""
        return {True: "day first", False: "month first", None: None}[self.day_first]


class ContradictionError(ValueError):
    """Both numbers of some dates are above 12, or of one date the first, of another the second."""


def form_of(cell: str, name: str) -> str | None:
    """Return the form of one cell; compact dates only in a column so named."""
    for form, pattern in _FORMS.items():
        if pattern.fullmatch(cell) and (form != "compact" or names_dates(name)):
            return form
    return None


def is_date(cell: str, form: str, name: str) -> bool:
    """Return whether a cell is a date of that form, of a day that exists."""
    if cell in ZERO:
        return True
    return form_of(cell, name) == form and read_times([cell], name, None) is not None


def names_dates(name: str) -> bool:
    """Return whether a column's name speaks of dates.

    >>> names_dates("order_date"), names_dates("update"), names_dates("weight")
    (True, True, False)
    """
    return _DATE_NAMES.search(name) is not None


def read_times(cells: Sequence[str], name: str, day_first: bool | None) -> ReadTimes | None:
    """Return distinct cells as times, or None if they are not all of one form.

    Parameters
    ----------
    cells : sequence of str
        None of them missing, at least one.
    name : str
        The name of the column.
    day_first : bool, optional
        Whether the day comes first in 1/2/2020, where the cells do not decide.

    Raises
    ------
    ContradictionError
        If the cells do not agree on which comes first.
    """
    if (values := _iso_times(cells)) is not None:
        return ReadTimes(values, None, has_zone=_one_of([cell[-1] == "Z" for cell in cells]))
    form = form_of(cells[0], name)
    if form is None:
        return None
    match = _FORMS[form].fullmatch
    found = [one for cell in cells if (one := match(cell))]
    if len(found) < len(cells):
        return None
    notes = []
    is_undecided, is_first = False, None
    years = _numbers(found, "year")
    if min(len(one["year"]) for one in found) < 4:
        short = np.array([len(one["year"]) == 2 for one in found])
        years[short] += np.where(years[short] > LAST_OF_2000, 1900, 2000)
        notes.append(f"years of two digits are 19{LAST_OF_2000 + 1} to 20{LAST_OF_2000}")
    days = np.ones(len(found), np.int64)
    if form == "numbers":
        first, second = _numbers(found, "one"), _numbers(found, "two")
        decided = _day_is_first(first, second, cells)
        by = found[0]["by"]
        is_undecided = decided is None and bool((first != second).any())
        if decided is None:
            decided = by != "/" if day_first is None else day_first
        days, months = (first, second) if decided else (second, first)
        is_first = bool(decided)
        if is_undecided and day_first is None:
            here, other = ("day", "month") if decided else ("month", "day")
            notes.append(
                f"dates such as {cells[0]} are read with the {here} first, as is usual with "
                f"{by!r}: no cell decides; {parameter('day_first', not decided)} reads the "
                f"{other} first"
            )
    elif form in ("day", "name"):
        names = [one["name"].lower() for one in found]
        if not set(names) <= {*MONTHS, *FULL_MONTHS, "sept"}:
            return None
        months = np.fromiter((MONTHS.index(word[:3]) + 1 for word in names), np.int64, len(found))
    else:
        months = _numbers(found, "month")
    if form != "month":
        days = days if form == "numbers" else _numbers(found, "day")
    if (months < 1).any() or (months > 12).any() or (days < 1).any() or (years < 1).any():
        return None
    times = (12 * (years - 1970) + months - 1).astype("datetime64[M]").astype("datetime64[D]")
    dates = times + (days - 1)
    if (dates.astype("datetime64[M]") != times.astype("datetime64[M]")).any():
        return None  # the 31st of a month of 30 days
    micros = _clock(found)
    if micros is None:
        return None
    if any(one["zone"] not in (None, "Z", "UTC", "GMT") for one in found):
        notes.append("times with an offset are read in UTC")
    if form == "compact":
        notes.append(f"numbers such as {cells[0]} are read as dates, as the name says")
    values = dates.astype(UNIT) + micros.astype("timedelta64[us]")
    has_zone = _one_of([one["zone"] is not None for one in found])
    return ReadTimes(values, "; ".join(notes) or None, is_undecided, is_first, has_zone)


def _one_of(zones: Sequence[bool]) -> bool | None:
    """Return whether all times have a zone, or none has; None if only some have."""
    return zones[0] if len(set(zones)) == 1 else None


def _iso_times(cells: Sequence[str]) -> Times | None:
    """Return times in the form of ISO 8601 without offsets, in one call of NumPy, or None."""
    if _ISO.fullmatch(cells[0] + "\n") is None:
        return None
    joined = "\n".join(cells) + "\n"
    if _ISO.fullmatch(joined) is None:
        return None
    if "Z" in joined:
        cells = [cell.rstrip("Z") for cell in cells]
    try:
        return np.array(cells, UNIT)
    except ValueError:  # the 31st of a month of 30 days
        return None


def _day_is_first(
    first: NDArray[np.int64], second: NDArray[np.int64], cells: Sequence[str]
) -> bool | None:
    """Return whether the day is first; None if no number is above 12."""
    if first.max() > 12 and second.max() > 12:
        raise ContradictionError(
            f"the day is first in {cells[int(first.argmax())]!r}, "
            f"and second in {cells[int(second.argmax())]!r}"
        )
    if first.max() <= 12 and second.max() <= 12:
        return None
    return bool(first.max() > 12)


def _clock(found: Found) -> NDArray[np.int64] | None:
    """Return the microseconds since midnight, in UTC; None if one is no time of day."""
    n = len(found)
    micros = np.zeros(n, np.int64)
    if all(one["hour"] is None for one in found):
        return micros
    hours, minutes, seconds = (_numbers(found, key) for key in ("hour", "minute", "second"))
    halves = [one["half"] for one in found]
    if any(halves):
        twelve = np.array([half is not None for half in halves])
        if (hours[twelve] > 12).any() or (hours[twelve] < 1).any():
            return None
        afternoon = np.array([half is not None and half in "pP" for half in halves])
        hours = np.where(twelve, hours % 12, hours) + 12 * afternoon
    if (hours > 23).any() or (minutes > 59).any() or (seconds > 60).any():
        return None
    micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000
    for i, one in enumerate(found):
        if one["part"]:
            micros[i] += int(one["part"][1:7].ljust(6, "0"))
        if one["zone"] and one["zone"][0] in "+-":
            zone = one["zone"].replace(":", "")
            offset = int(zone[1:3]) * 60 + int(zone[3:5] or 0)
            micros[i] -= int(f"{zone[0]}1") * offset * 60_000_000
    return micros


def _numbers(found: Found, key: str) -> NDArray[np.int64]:
    return np.fromiter((int(one[key] or 0) for one in found), np.int64, len(found))


def hours_of(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """Return distinct cells such as 13:45 as hours, or None if one is no such time.

    >>> hours_of(["13:45", "6:15 PM"])
    array([13.75, 18.25])
    """
    if _OF_DAY.fullmatch(cells[0]) is None:
        return None
    match: Callable[[str], re.Match[str] | None] = _OF_DAY.fullmatch
    hours = np.empty(len(cells))
    for i, cell in enumerate(cells):
        found = match(cell)
        if found is None:
            return None
        hour = int(found["hour"])
        if found["half"]:
            if not 1 <= hour <= 12:
                return None
            hour = hour % 12 + 12 * (found["half"] in "pP")
        hours[i] = hour + int(found["minute"]) / 60 + float(found["second"] or 0) / 3600
    return hours
