"""The parts of the data: their rows, and the metrics of a network on them.

Training rows of zero weight (`Dataset.train_weight`) belong to another part or to none: they
are not counted. Rows may be in a file larger than memory: they are never copied as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.architecture import Array
from fastnn.datasets import Dataset, Split
from fastnn.network import Network
from fastnn.system.memory_maps import walk

PARTS = {"train": "training", "validation": "validation", "test": "test"}
NUMBERS_AT_A_TIME = 1 << 18  # of x: two megabytes as float64


class Part(NamedTuple):
    """A part of the data.

    Attributes
    ----------
    key, name : str
        In code and on the page.
    split : Split
        Its rows, possibly with others that do not count.
    rows : ndarray of int64
        Indices of its rows in the split.
    """

    key: str
    name: str
    split: Split
    rows: NDArray[np.int64]


class Result(NamedTuple):
    """Metrics of a part, by name."""

    name: str
    n_rows: int
    values: Mapping[str, float]


def parts(data: Dataset) -> list[Part]:
    """Return the parts that have rows; the last one, test if there is one, is the main result."""
    found = (Part(key, name, getattr(data, key), _rows(data, key)) for key, name in PARTS.items())
    return [part for part in found if len(part.rows)]


def n_rows(data: Dataset, key: str) -> int:
    """Return the number of rows of a part."""
    return len(_rows(data, key))


def _rows(data: Dataset, key: str) -> NDArray[np.int64]:
    if key == "train" and data.train_weight is not None:
        return np.flatnonzero(data.train_weight > 0)
    return np.arange(len(getattr(data, key)))


def labelled(network: Network, data: Dataset, split: Split) -> tuple[Array, Array]:
    """Return x and y for the network: y as labels, if its classes have names."""
    x, y = split
    if network.class_labels is not None and data.class_labels is not None and y.ndim == 1:
        return x, np.asarray(data.class_labels)[y]
    return x, y


def results(
    network: Network, data: Dataset, measured: Mapping[str, Mapping[str, float]]
) -> list[Result]:
    """Return loss and accuracy or R² of each part; evaluate those missing in `measured`."""
    found = []
    for part in parts(data):
        weight = data.train_weight if part.key == "train" else None
        values = measured.get(part.key) or network.evaluate(
            *labelled(network, data, part.split), weight, progress=False
        )
        found.append(Result(part.name, len(part.rows), values))
    return found


def image_shape(network: Network, data: Dataset) -> tuple[int, int] | None:
    """Return the height and width of rows that are probably images; None for others."""
    shape = validation.check_image_shape(None, network.architecture.n_in)
    x = data.train.x
    if shape is None or x.dtype == np.uint8:
        return shape
    like_pixels = all(
        x[rows].min() >= 0 and x[rows].max() <= 255 for rows in walk(x, _rows_at_a_time(x))
    )
    return shape if like_pixels else None


def deviation(data: Dataset) -> NDArray[np.float64]:
    """Return the standard deviation of each column in the training rows.

    Means μ and sums S of squares about them are joined window by window, with n, m rows
    (Chan, Golub and LeVeque 1979): S ← S + S' + (μ' − μ)² n m / (n + m).
    """
    x = data.train.x
    n, mean, squares = 0, np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for window in walk(x, _rows_at_a_time(x)):
        rows = x[window]
        if data.train_weight is not None:
            rows = rows[data.train_weight[window] > 0]
        m = len(rows)
        if not m:
            continue
        own_mean = rows.mean(axis=0, dtype=np.float64)
        apart = own_mean - mean
        squares += np.square(rows - own_mean).sum(axis=0) + apart**2 * (n * m / (n + m))
        mean += apart * (m / (n + m))
        n += m
    return np.sqrt(squares / max(n, 1))


def _rows_at_a_time(x: Array) -> int:
    return max(1, NUMBERS_AT_A_TIME // int(x.shape[1]))
