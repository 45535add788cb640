"""Selection of the label column of a table, with the reason.

It is the given column, otherwise one with a usual name, otherwise the last. The last is refused if
the rows seem to begin with their label, as in MNIST as CSV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.task import FEW, ROWS_A_CLASS
from fastnn.validation.frames import some
from fastnn.validation.parameters import parameter

LABEL_NAMES = ("label", "labels", "target", "targets", "class", "species", "y")
"""In the order of preference, in lower case."""

# Rows of images have at least as many columns as 8 x 8 pixels.
PIXEL_COLUMNS, MOST_CLASSES = 64, 100
SAMPLE_ROWS = 1000
DOMINATED = 0.9  # fraction of one value above which a column has hardly any information

Array = NDArray[Any]


@dataclass(frozen=True)
class LabelColumn:
    """The index of the label, None for no label; and the reason, if it was inferred."""

    index: int | None
    reason: str | None = None
    by_position: bool = False


def label_column(
    label: str | int | None, names: Sequence[str] | None, width: int, source: str
) -> LabelColumn:
    """Return which of a table's columns is the label.

    Parameters
    ----------
    label : str, int or None
        As `fastnn.datasets.read_table` takes it; False for none.
    names : sequence of str or None
        The columns' names, if they have some.
    width : int
        How many columns there are.
    source : str
        What errors call the table.
    """
    if label is False:
        return LabelColumn(None)
    if width < 2:
        raise ValueError(
            f"{source} has one column; expected at least one feature and a label, separated by "
            "comma, semicolon or tab"
        )
    known = [] if names is None else list(names)
    if label is None:
        index = _usual(known)
        if index is not None:
            return LabelColumn(index, f"column {index + 1} of {width}, by its name")
        why = "the last column" + ("" if known else ", there is no header")
        return LabelColumn(width - 1, why, by_position=True)
    if isinstance(label, str) and label in known:
        if known.count(label) > 1:
            raise ValueError(f"{source} has {known.count(label)} columns {label!r}; give an index")
        return LabelColumn(known.index(label))
    try:
        index = int(label)
    except ValueError:
        has = some(known) if known else f"no header; give the index of one of its {width}"
        raise ValueError(f"{source} has no column {label!r}: it has {has}") from None
    if not -width <= index < width:
        raise ValueError(
            f"{source} has {width} columns; {parameter('label', index)} is out of range, "
            f"count from 0 to {width - 1}, or from the end with -1"
        )
    return LabelColumn(index % width)


def _usual(names: list[str]) -> int | None:
    """Return the column with a usual name of a label.

    A column y between others is a coordinate, not the label, if there is a column x.
    """
    lowered = [name.lower() for name in names]
    for name in LABEL_NAMES:
        if name not in lowered:
            continue
        index = lowered.index(name)
        if name != "y" or "x" not in lowered or index in (0, len(lowered) - 1):
            return index
    return None


def check_guess(features: Array, labels: Array, source: str, *, has_names: bool) -> None:
    """Check that the label is not the first column instead of the last.

    An error is raised for images with the label first, and for tables without names whose first
    column holds classes and the last measurements.

    Parameters
    ----------
    features : ndarray (n_rows, n_features) float64
        All columns but the last.
    labels : ndarray (n_rows,)
        The last.
    source : str
        What errors call the table.
    has_names : bool
        Whether the columns have names.
    """
    if labels.dtype.kind == "U":
        return
    values, counts = np.unique(features[:, 0], return_counts=True)
    low, high = values[0], values[-1]
    if not 2 <= len(values) <= MOST_CLASSES or (values != np.trunc(values)).any() or low < 0:
        return
    is_run = low <= 1 and len(values) == high - low + 1
    others, label_counts = np.unique(labels, return_counts=True)
    if _are_pixels(features[:SAMPLE_ROWS, 1:], high) and counts.max() <= DOMINATED * len(labels):
        suspicious = is_run or label_counts.max() > DOMINATED * len(labels)
        beside = f"{features.shape[1] - 1} columns of whole numbers, like images with the label"
        found = f"next to {beside} first"
    else:
        measured = len(others) > FEW or (others != np.trunc(others)).any()
        suspicious = not has_names and is_run and counts.min() >= ROWS_A_CLASS and bool(measured)
        found = f"in at least {counts.min()} rows each, like classes, and the last measurements"
    if suspicious:
        raise ValueError(
            f"{source}: which column is the label? None has a usual name. The first holds "
            f"whole numbers from {low:.0f} to {high:.0f} {found}. Use "
            f"{parameter('label', 0)} for the first or {parameter('label', -1)} for the last"
        )


def _are_pixels(columns: Array, label: float) -> bool:
    """Return whether columns hold bytes, some of them larger than any label."""
    return bool(
        columns.shape[1] + 2 >= PIXEL_COLUMNS
        and label < columns.max() <= 255
        and columns.min() >= 0
        and (columns == np.trunc(columns)).all()
    )
