"""Conversion of labels and targets: series, frames, nullable and object columns."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.validation.frames import frame_names, frame_values, is_frame, series_name
from fastnn.validation.values import as_array


def target_values(y: Any) -> tuple[Array, str, tuple[str, ...] | None]:
    """Return y as an array of numbers or text, its name in errors, and its column names.

    Raises
    ------
    ValueError
        If values are missing; the message gives the row and, if known, the column.
    """
    name = series_name(y)
    called = "y" if name is None else f"y ({name!r})"
    names = frame_names(y)
    if is_frame(y) and y.shape[1] != 1:
        return frame_values(y, "y"), called, names
    is_series = hasattr(y, "to_numpy") and not isinstance(y, np.ndarray)
    array = np.asarray(y.to_numpy()) if is_series else as_array("y", y)
    if array.dtype == object and array.ndim in (1, 2):
        array = _plain(array, called)
    return array, called, None


def check_own_targets(y: Any, n_rows: int) -> Array:
    """Return y as an array of numbers whose rows go to a loss of the caller's own.

    Raises
    ------
    TypeError
        If y does not hold real numbers.
    ValueError
        If y does not have `n_rows` rows.
    """
    array, called, _ = target_values(y)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{called} must hold real numbers, got dtype {array.dtype}; names of classes need "
            "class_labels="
        )
    if array.ndim == 0 or len(array) != n_rows:
        raise ValueError(
            f"{called} must have a row for each of the {n_rows} rows of x, got shape {array.shape}"
        )
    return array


def _plain(array: Array, called: str) -> Array:
    """Return an array of Python objects as text, integers or floats; unchanged if mixed."""
    values = array.ravel().tolist()
    missing = [i for i, value in enumerate(values) if _is_missing(value)]
    if missing:
        row = missing[0] // (array.shape[1] if array.ndim == 2 else 1)
        raise ValueError(
            f"{called} has no value in row {row} ({len(missing)} missing in total): drop or fill "
            "such rows first"
        )
    if not values:
        return array
    for kind, dtype in ((str, None), (numbers.Integral, None), (numbers.Real, np.float64)):
        if all(isinstance(value, kind) for value in values):
            plain: Array = np.array(values, dtype).reshape(array.shape)
            return plain
    return array


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # pandas'
        return True
    return isinstance(value, float) and math.isnan(value)
