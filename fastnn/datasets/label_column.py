"""Which column of a table is the label, and why that one.

A column that was named is; else one with a usual name; else the last. A guess is suspected where the
rows look like pictures that begin with their label, as those of MNIST in CSV do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LABEL_NAMES = ("label", "labels", "target", "targets", "class", "species", "y")
"""In the order of preference, in lower case."""

# Rows of pictures: as many columns as 8 x 8 pixels have, one of which is brighter than any label.
PIXEL_COLUMNS, MOST_CLASSES = 64, 100
SAMPLE_ROWS = 1000
DOMINATED = 0.9  # the share of one value past which a column says next to nothing

Array = NDArray[Any]


class LabelColumn(NamedTuple):
    """The label's index, None for no label; and why, where it was guessed."""

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
            raise ValueError(f"{source} has {known.count(label)} columns {label!r}; name an index")
        return LabelColumn(known.index(label))
    try:
        index = int(label)
    except ValueError:
        has = ", ".join(map(repr, known)) if known else f"no header; name one of its {width}"
        raise ValueError(f"{source} has no column {label!r}: it has {has}") from None
    if not -width <= index < width:
        raise ValueError(
            f"{source} has {width} columns; label={label} is none of them, count from 0 to "
            f"{width - 1} or from the end with -1"
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


def check_guess(features: Array, labels: Array, source: str) -> None:
    """Check that the last column was not taken for the label of pictures that begin with it.

    Parameters
    ----------
    features : ndarray (n_rows, n_features) float64
        All columns but the last.
    labels : ndarray (n_rows,)
        The last.
    source : str
        What errors call the table.
    """
    n_columns = features.shape[1] + 1
    if n_columns < PIXEL_COLUMNS or labels.dtype.kind == "U":
        return
    values, counts = np.unique(features[:, 0], return_counts=True)
    low, high = values[0], values[-1]
    pixels = features[:SAMPLE_ROWS, 1:]
    if (
        not 2 <= len(values) <= MOST_CLASSES
        or (values != np.trunc(values)).any()
        or not 0 <= low < high < min(MOST_CLASSES, pixels.max())
        or counts.max() > DOMINATED * len(features)
        or pixels.min() < 0
        or pixels.max() > 255
        or (pixels != np.trunc(pixels)).any()
    ):
        return
    is_run = low <= 1 and len(values) == high - low + 1
    if is_run or np.unique(labels, return_counts=True)[1].max() > DOMINATED * len(labels):
        raise ValueError(
            f"{source}: which column is the label? The first holds whole numbers from {low:.0f} to "
            f"{high:.0f} beside {n_columns - 2} columns of up to {pixels.max():.0f}, as pictures "
            "with their label in front do; no column has the usual name of a label. Say label=0 "
            "for the first or label=-1 for the last"
        )
