"""In what a C header computes: the choice, and what it takes."""

from __future__ import annotations

from typing import Any

from fastnn.model.model import Model
from fastnn.validation import check_choice

ARITHMETIC = ("float32", "int32")


def computes_in_integers(network: Model, weights: str, arithmetic: str, calibration: Any) -> bool:
    """Return whether a header computes in integers.

    Raises
    ------
    TypeError, ValueError
        If `arithmetic` is not a valid choice, or does not fit the other arguments or the network.
    """
    check_choice("arithmetic", arithmetic, ARITHMETIC)
    if arithmetic == "float32":
        if calibration is not None:
            raise ValueError(
                'calibration= is only for arithmetic="int32", which takes ranges of numbers from '
                "it; rows= are what a header in float32 is measured on"
            )
        return False
    if weights != "int8":
        raise ValueError(
            f'arithmetic="int32" takes weights="int8", got {weights!r}: integers have no other '
            "weights"
        )
    if network.columns is not None:
        raise ValueError(
            'arithmetic="int32" takes rows of numbers or bytes, and this network prepares the '
            "columns of a table in floating point: train a network on the numbers, or use "
            'arithmetic="float32"'
        )
    return True
