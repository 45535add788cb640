"""Class labels for other formats: text without zero characters, numbers without loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def utf8(label: str) -> bytes:
    """Return a text label as UTF-8.

    Raises
    ------
    ValueError
        If it contains a zero character, which ends strings in C, or is not valid Unicode.
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
    """Return numeric labels of mixed types as equal floats.

    Raises
    ------
    ValueError
        If a whole number cannot be represented exactly.
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
    """Return class labels, or None if they are the default, 0, 1, 2 and so on.

    False and True or 0.0 and 1.0 are not the default, though they are equal.
    """
    plain = all(type(label) is int for label in labels) and list(labels) == list(range(n_classes))
    return None if plain else tuple(labels)
