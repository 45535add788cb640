"""Names of columns that are given, compared with those that there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from fastnn.validation.frames import some
from fastnn.validation.values import describe, shortened


def near(name: str, names: Iterable[str]) -> str | None:
    """Return the name most like another, whatever their case; None if none is much like it."""
    by_lower = {other.lower(): other for other in names}
    found = get_close_matches(name.lower(), list(by_lower), 1, 0.6)
    return by_lower[found[0]] if found else None


def names_in(argument: str, given: Any) -> tuple[str, ...]:
    """Return the names in a collection, of an iterator or a series too; None holds none.

    Names are text, as those of the columns of a frame: 2019 is "2019".

    Raises
    ------
    TypeError
        If it is text, or no collection.
    """
    if given is None:
        return ()
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(
            f"{argument} must be a collection of names, got {describe(given)}: pass [{given!r}]"
        )
    return tuple(map(str, given))


def by_name(argument: str, given: Any) -> dict[str, Any]:
    """Return a mapping whose keys are names of columns, as text; None holds none.

    Raises
    ------
    TypeError
        If it is no mapping.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{argument} must be a dict from names of columns to kinds, got {describe(given)}"
        )
    return {str(name): value for name, value in given.items()}


def check_known(argument: str, given: Iterable[str], names: Collection[str]) -> None:
    """Check that an argument names columns that there are.

    Raises
    ------
    ValueError
        If there is no such column; the message has the nearest name.
    """
    for name in given:
        if name not in names:
            like = near(name, names)
            hint = f"; did you mean {like!r}?" if like is not None else ""
            raise ValueError(
                f"{argument} names a column {shortened(repr(name))} that is not in the table, "
                f"which has {some(list(names))}{hint}"
            )
