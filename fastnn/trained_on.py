"""What a network was trained on, as far as it matters to whoever hands it rows.

A network of 784 inputs does not say by itself whether a row of it is bytes 0 … 255 or numbers, nor
which column comes first. `TrainedOn` keeps that beside the parameters, in files too, and
`fastnn.rows` compares every row that comes in with it.

The factor of bytes, `input_scale`, is chosen by the first rows that a network is trained on, unless
it was given:

    uint8 with values of 128 and more   images               1/255
    uint8 or bool, only 0 and 1         flags                1
    uint8 with values between           small whole numbers  1, and a warning says so
    numbers within 0 … 1, not all whole  images in numbers    1/255, for bytes that come later
    other numbers                                            1

so that the same values give the same answers, whatever their dtype.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fastnn.architecture import Array
from fastnn.memory_maps import walk

IMAGE_SCALE = 1.0 / 255.0
BRIGHT = 128
"""Bytes from which on values use the upper half of their range, as images do and codes do not."""

LOOKED_AT = 4096
"""Rows of numbers that are looked at; of bytes all are, until one is bright."""


@dataclass(frozen=True)
class TrainedOn:
    """What a network's training rows were like.

    Attributes
    ----------
    inputs : {"bytes", "numbers"}
        Whether they were uint8 that `input_scale` turned into other numbers. Such a network takes
        whole numbers 0 … 255 of any integer dtype for bytes, and refuses floats of that range.
    feature_names : tuple of str, optional
        The columns' names, if they had any: frames are then matched by name.
    label_name : str, optional
        What the column of labels or targets was called.
    mean, deviation : tuple of float, optional
        Of each column, if the network was trained on standardised columns, which were then folded
        into its first layer.
    """

    inputs: Literal["bytes", "numbers"] = "numbers"
    feature_names: tuple[str, ...] | None = None
    label_name: str | None = None
    mean: tuple[float, ...] | None = None
    deviation: tuple[float, ...] | None = None


def chosen_scale(x: Any) -> float:
    """Return what bytes of such rows are to be multiplied by; warn where that is a guess.

    x (n_rows, n_in), a checked array or CSR matrix, with at least one row.
    """
    values = x if isinstance(x, np.ndarray) else x.data.reshape(-1, 1)
    if values.dtype == np.uint8:
        largest = _largest_byte(values)
        if largest >= BRIGHT:
            return IMAGE_SCALE
        if largest > 1:
            warnings.warn(
                f"x is uint8 with values up to {largest}, too small for an image's: they are taken "
                "as the numbers they are. Give the network input_scale=1/255 if they are pixels, "
                "or input_scale=1 to say that this is right",
                UserWarning,
                stacklevel=4,
            )
        return 1.0
    few = values[:LOOKED_AT]
    within = few.size and few.min() >= 0 and few.max() <= 1
    return IMAGE_SCALE if within and not _is_whole(few) else 1.0


def takes_bytes(inputs: str, input_scale: float) -> bool:
    """Say whether numbers 0 … 255 would mean something else to a network than the same bytes."""
    return inputs == "bytes" and input_scale != 1.0


def _largest_byte(values: Array) -> int:
    largest = 0
    for rows in walk(values, LOOKED_AT):
        largest = max(largest, int(values[rows].max(initial=0)))
        if largest >= BRIGHT:
            break
    return largest


def _is_whole(values: Array) -> bool:
    return bool((values == np.floor(values)).all())
