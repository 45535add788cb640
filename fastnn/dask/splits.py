"""Training, validation and test rows of the partitions of a table, and how they are prepared.

Which rows of a partition are held out depends on its number, its number of rows and the seed only:
every task finds the same ones, and no list of rows is sent. Of each partition a fifth of the rows
are for the test and a tenth for validation, as of a table in memory.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.architecture import Array
from fastnn.dask.partitions import Raw, n_rows_of, named
from fastnn.datasets.tables import DEFAULT_TEST, DEFAULT_VALIDATION
from fastnn.model.standardization import Standardization

Which = Literal["train", "validation", "test"]


def split_rows(n_rows: int, number: int, seed: int) -> dict[Which, NDArray[np.int64]]:
    """Return the numbers of the training, validation and test rows, in order.

    Parameters
    ----------
    n_rows : int
        Of the partition.
    number : int
        Of the partition, among all.
    seed : int
    """
    drawn = np.random.default_rng([seed, number]).permutation(n_rows)
    n_test, n_validation = (round(share * n_rows) for share in (DEFAULT_TEST, DEFAULT_VALIDATION))
    parts = np.split(drawn, [n_test, n_test + n_validation])
    test, validation_rows, train = (np.sort(part) for part in parts)
    return {"train": train, "validation": validation_rows, "test": test}


class Preparation(NamedTuple):
    """How rows and labels become those that a network takes.

    Attributes
    ----------
    seed : int
        Of the split.
    inputs, targets : Standardization or None
        Of x, and of the targets of a regression; None to leave them as they are.
    labels : ndarray or None
        Of classes, sorted.
    one_hot : bool
        Whether the labels are one-hot rows.
    names : bool
        Whether y is to hold labels, not the numbers of classes.
    """

    seed: int
    inputs: Standardization | None
    targets: Standardization | None
    labels: Array | None
    one_hot: bool = False
    names: bool = False


def prepared(raw: Raw, number: int, how: Preparation, which: Which) -> tuple[Array, Array]:
    """Return some rows x and y of a partition, as the network takes them."""
    rows = split_rows(n_rows_of(raw), number, how.seed)[which]
    with named(number):
        x, y = numbers(raw[0])[rows], label_values(raw[1])[rows]
    if how.one_hot:
        y = np.argmax(y, axis=1)
    if how.inputs is not None:
        x = how.inputs.apply(x, np.float64)
    if how.labels is None:
        if how.targets is not None:
            y = how.targets.apply(y.reshape(len(y), -1), np.float64)
        return x, y
    classes = np.searchsorted(how.labels, y)
    return x, how.labels[classes] if how.names else classes.astype(np.int64)


def numbers(x: Any) -> Array:
    """Return features: float64 of a frame, as of tables in memory; float32 or bytes of arrays."""
    if validation.is_frame(x):
        return np.asarray(validation.frame_values(x)).astype(np.float64, copy=False)
    values = np.asarray(x)
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    keep = values.dtype in (np.uint8, np.float32, np.float64)
    return values if keep else values.astype(np.float64)


def label_values(y: Any) -> Array:
    """Return labels as text, int64 or float64 (n_rows,), or numbers (n_rows, n_out).

    Raises
    ------
    ValueError
        If they are neither text nor numbers.
    """
    values = np.asarray(y)
    kind = values.dtype.kind
    if kind == "S":
        return np.char.decode(values, "utf-8")
    if kind == "U":
        return values
    if kind in "biu":
        return values.astype(np.int64)
    if kind == "f":
        return values.astype(np.float64, copy=False)
    odd = next((value for value in values.flat if not isinstance(value, str)), None)
    if kind == "O" and not any(not isinstance(value, str) for value in values.flat):
        return values.astype(f"U{max(1, max(map(len, values), default=1))}")
    is_empty = odd is None or type(odd).__name__ in ("NAType", "NaTType") or odd != odd
    shown = "an empty cell" if is_empty else f"{odd!r:.40}"
    raise ValueError(f"the labels hold {shown}, expected text or numbers, one in each row")
