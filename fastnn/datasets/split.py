"""Rows for training, validation and test, and batches drawn from a shuffled epoch.

An epoch is one shuffled order of all rows; a batch is its next ``batch_size`` rows. If an
epoch ends within a batch, the rest comes from the beginning of the next epoch, so that
every batch is full and every row is used equally often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.task import TaskChoice

Array = NDArray[Any]


class _ShuffledEpochs:
    """The endless stream of row numbers that `Split.next_batch` draws from."""

    def __init__(self, n_rows: int, seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._n_rows = n_rows
        self._order = np.empty(0, dtype=np.int64)

    def take(self, count: int) -> NDArray[np.int64]:
        if len(self._order) < count:
            next_epoch = self._generator.permutation(self._n_rows)
            self._order = np.concatenate((self._order, next_epoch))
        rows, self._order = self._order[:count], self._order[count:]
        return rows


@dataclass(frozen=True, eq=False)
class Split:
    """Rows and their targets; unpacks as ``x, y = split``.

    Parameters
    ----------
    x : ndarray (n_rows, ...)
        Inputs, often uint8 images as rows of 784 pixels.
    y : ndarray (n_rows,) or (n_rows, n_out)
        Integer labels, one-hot rows, or targets of a regression.
    seed : int, default 0
        Seed of the shuffles of `next_batch`. ``dataclasses.replace(split, seed=1)``
        is a split of the same arrays with other shuffles.

    Raises
    ------
    ValueError
        If x and y differ in their number of rows.

    Notes
    -----
    The length is the number of rows; an empty split is false, so that
    ``validation_data=dataset.validation or None`` works.
    """

    x: Array
    y: Array
    seed: int = 0
    _epochs: _ShuffledEpochs = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(
                f"x has {len(self.x)} rows and y has {len(self.y)}; each row of x needs one in y"
            )
        object.__setattr__(self, "_epochs", _ShuffledEpochs(len(self.x), self.seed))

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.x, self.y))

    def __repr__(self) -> str:
        x, y = (f"{a.dtype} {a.shape}" for a in self)
        return f"Split(x={x}, y={y}, seed={self.seed})"

    def next_batch(self, batch_size: int) -> tuple[Array, Array]:
        """Return the next rows of a shuffled epoch, and their targets.

        The first call of two splits with the same rows and seed gives the same batch, on every
        machine. When an epoch ends within a batch, the batch continues with the next epoch and may
        contain a row twice.

        Parameters
        ----------
        batch_size : int
            From 1 to the number of rows.

        Returns
        -------
        x : ndarray (batch_size, ...)
        y : ndarray (batch_size, ...)
            Copies, in the dtypes of the split.

        Raises
        ------
        ValueError
            If the split has fewer rows than that, or batch_size is less than 1.
        TypeError
            If batch_size is not an integer.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
            raise TypeError(f"batch_size must be an int, got {batch_size!r}")
        if not 1 <= batch_size <= len(self):
            raise ValueError(
                f"batch_size must be between 1 and the number of rows, {len(self)}, "
                f"got {batch_size}"
            )
        rows = self._epochs.take(int(batch_size))
        return self.x[rows], self.y[rows]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training, validation and test rows that belong together.

    Parameters
    ----------
    name : str
        "mnist", "digits", or the name of the file.
    train, validation, test : Split
        Validation and test may have no rows.
    class_labels : ndarray (n_classes,) or None
        ``class_labels[k]`` is the label of class k; None for a regression.
    train_weight : ndarray (n_train,) float64 or None
        Weights of the training rows if these stay in a file: 0 for rows held out for validation or
        test; otherwise None.
    feature_names : tuple of str, optional
        Names of the columns of x.
    label_name : str or None
        Name of the column of y.
    has_names : bool
        Whether the feature names are from the file, and distinct.
    label_reason : str or None
        Why the column of y was chosen as the label, if it was not given.
    choice : TaskChoice or None
        Whether y holds classes or numbers, and why, if this was inferred.
    notes : tuple of str
        What else was inferred about the file.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_labels: Array | None = None
    train_weight: NDArray[np.float64] | None = None
    feature_names: tuple[str, ...] | None = None
    label_name: str | None = None
    has_names: bool = False
    label_reason: str | None = None
    choice: TaskChoice | None = None
    notes: tuple[str, ...] = ()


def held_out_rows(share: int | float, n_rows: int, name: str) -> int:
    """Return the number of rows of a validation or test share.

    Parameters
    ----------
    share : int or float
        A number of rows, or a fraction of them in [0, 1), rounded to whole rows.
    n_rows : int
        All rows.
    name : str
        The argument's name, for errors.
    """
    if isinstance(share, bool) or not isinstance(share, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number of rows or a fraction of them, got {share!r}")
    if isinstance(share, int | np.integer):
        if not 0 <= share < n_rows:
            raise ValueError(
                f"{name}={share} rows do not fit: there are {n_rows}, and training needs some"
            )
        return int(share)
    if not 0.0 <= share < 1.0:
        raise ValueError(
            f"{name} as a fraction must lie in [0, 1), got {share!r}; for rows, pass an int"
        )
    return round(share * n_rows)


def one_hot_rows(labels: Array, n_classes: int) -> NDArray[np.float32]:
    """Return float32 rows (n_rows, n_classes): one in the column of the label, zero elsewhere."""
    rows = np.zeros((len(labels), n_classes), dtype=np.float32)
    rows[np.arange(len(labels)), labels] = 1.0
    return rows
