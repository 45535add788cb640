"""Class labels as other formats can hold them: texts that do not end early, numbers that stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def utf8(label: str) -> bytes:
    """Return a text label as UTF-8.

    Raises
    ------
    ValueError
        If it holds a zero character, at which C and others end a text, or is no valid Unicode.
    """
    try:
        data = label.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the class label {label!r} is not valid Unicode; rename it") from None
    if 0 in data:
        raise ValueError(
            f"the class label {label!r} holds a zero character, where C and others would end it; "
            "rename it"
        )
    return data


def doubles(labels: Sequence[Any]) -> list[float]:
    """Return number labels of mixed kinds as floats that equal them.

    Raises
    ------
    ValueError
        If a whole number among them has more digits than a float.
    """
    for label in labels:
        try:
            fits = float(label) == label
        except OverflowError:
            fits = False
        if not fits:
            raise ValueError(
                f"the class label {label} does not fit in a double, which class labels with "
                "fractions become; choose a smaller one"
            )
    return [float(label) for label in labels]


def unless_numbers(labels: Sequence[Any], n_classes: int) -> tuple[Any, ...] | None:
    """Return class labels, or None where they are what classes are without: 0, 1, 2 and so on.

    Neither False and True nor 0.0 and 1.0 are, though they equal them.
    """
    plain = all(type(label) is int for label in labels) and list(labels) == list(range(n_classes))
    return None if plain else tuple(labels)
