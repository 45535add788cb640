"""Checks of the arguments of plots."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture, Array
from fastnn.validation.values import check_count, describe

SMALLEST_SQUARE = 64
"""The smallest square number of inputs that is treated as an image: 8×8 pixels."""


def check_one_class_a_row(architecture: Architecture) -> None:
    """Check that a network gives each row one class."""
    a = architecture
    if not a.classifies:
        raise ValueError(
            f"a network with output {a.output!r} predicts numbers, not classes: see "
            "fastnn.plots.predictions"
        )
    if not a.one_class_a_row:
        raise ValueError(
            f"a sigmoid output of width {a.n_out} gives a row several labels, not one class, so "
            "there is no confusion matrix"
        )


def check_few_classes(architecture: Architecture, most: int) -> None:
    """Check that a network has no more classes than a plot can show."""
    n_classes = architecture.n_classes
    if n_classes > most:
        raise ValueError(
            f"there are {n_classes:,} classes, but a plot can show only {most:,}: see "
            "fastnn.plots.mistakes for single rows"
        )


def check_predicts_numbers(architecture: Architecture) -> None:
    """Check that a network is a regression."""
    if architecture.classifies:
        raise ValueError(
            f"a network with output {architecture.output!r} predicts classes, not numbers: see "
            "fastnn.plots.confusion_matrix"
        )


def check_image_shape(shape: Any, n_in: int) -> tuple[int, int] | None:
    """Return ``(height, width)`` of image rows; without `shape`, square if possible."""
    if shape is None:
        side = math.isqrt(n_in)
        return (side, side) if side * side == n_in >= SMALLEST_SQUARE else None
    if isinstance(shape, str) or not isinstance(shape, Iterable):
        raise TypeError(f"image_shape must be (height, width), got {describe(shape)}")
    sides = tuple(check_count("a side of image_shape", side) for side in shape)
    if len(sides) != 2 or sides[0] * sides[1] != n_in:
        raise ValueError(
            f"image_shape must be a height and a width whose product is the number of inputs, "
            f"{n_in}, got {sides}"
        )
    return sides


def check_feature_names(names: Any, n_in: int) -> tuple[str, ...]:
    """Return one name for each input; ``x 1`` and so on without `names`."""
    if names is None:
        return tuple(f"x {i + 1}" for i in range(n_in))
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"feature_names must be a sequence of names, got {describe(names)}")
    found = tuple(str(name) for name in names)
    if len(found) != n_in:
        raise ValueError(
            f"feature_names must hold one name for each of the {n_in} inputs, got {len(found)}"
        )
    return found


def check_feature_scale(scale: Any, n_in: int) -> NDArray[np.float64]:
    """Return one finite factor for each input; ones without `scale`."""
    if scale is None:
        return np.ones(n_in)
    try:
        factors = np.asarray(scale, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"feature_scale must hold numbers, got {describe(scale)}") from None
    if factors.shape != (n_in,) or not np.isfinite(factors).all():
        raise ValueError(
            f"feature_scale must hold one finite number for each of the {n_in} inputs, got shape "
            f"{factors.shape}"
        )
    return factors


def check_drawable(parameters: Array) -> None:
    """Check that all parameters are finite."""
    bad = ~np.isfinite(parameters)
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} of the network's parameters are infinite or NaN: its training "
            "diverged, so there are no weights to plot"
        )
