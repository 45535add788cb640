"""Names of columns that are given, compared with those that there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from fastnn.validation.frames import some
from fastnn.validation.values import shortened


def near(name: str, names: Iterable[str]) -> str | None:
    """Return the name most like another, whatever their case; None if none is much like it."""
    by_lower = {other.lower(): other for other in names}
    found = get_close_matches(name.lower(), list(by_lower), 1, 0.6)
    return by_lower[found[0]] if found else None


def check_known(argument: str, given: Collection[str], names: Collection[str]) -> None:
    """Check that an argument names columns that there are.

    Raises
    ------
    TypeError
        If it is text, not a collection of names.
    ValueError
        If there is no such column; the message has the nearest name.
    """
    if isinstance(given, str):
        raise TypeError(
            f"{argument} must be a collection of names, got {given!r}: pass [{given!r}]"
        )
    for name in given:
        if name not in names:
            like = near(str(name), names)
            hint = f"; did you mean {like!r}?" if like is not None else ""
            raise ValueError(
                f"{argument} names a column {shortened(repr(name))} that is not in the table, "
                f"which has {some(list(names))}{hint}"
            )
