"""Partitions: what a worker finds in the rows of one, and how it checks them.

Every check of `fastnn.Network.fit` is made where the rows are. What must be known of all rows
before that, such as the classes, or whether bytes are images, is found in two steps: each worker
describes its partitions (`Facts`), with a few rows that show what they are like, and the client
concludes from all of them (`Checks`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.architecture import Architecture
from fastnn.rows.checked import Rows, checked_rows, rows_of_table
from fastnn.rows.strides import by_rows
from fastnn.rows.trained_on import LOOKED_AT, TrainedOn
from fastnn.system.checksums import checksum
from fastnn.validation.data import check_finite
from fastnn.validation.values import describe as described

Raw = tuple[Any, Any, Any]
"""x, y and sample weights of a partition, as the user's graph makes them."""

MOST_CLASSES = 10_000
"""Distinct labels of a partition from which on they are not taken for classes."""


class Facts(NamedTuple):
    """What a worker found in a partition.

    Attributes
    ----------
    n_rows : int
    n_bytes : int
        Of x, y and weights.
    form : tuple
        What must be the same in all partitions: kind of table, number or names of columns.
    is_bytes : bool
        Whether x is uint8 or bool.
    x, y : array or frame
        Rows that show what all are like: with the least and the largest value of x, and one that is
        not whole, if there is one among the first.
    classes, weights : ndarray or None
        The distinct labels, and the weight of the rows of each.
    checksum : str or None
        Of all values, if it was asked for.
    weight : float
        Of all rows.
    """

    n_rows: int
    n_bytes: int
    form: tuple[Any, ...]
    is_bytes: bool
    x: Any
    y: Any
    classes: NDArray[Any] | None
    weights: NDArray[np.float64] | None
    checksum: str | None
    weight: float


class Checks(Protocol):
    """What checks the rows of a partition, with what is known of all."""

    def rows(self, x: Any, y: Any, sample_weight: Any) -> Rows:
        """Return checked rows, or raise TypeError or ValueError."""


class NetworkChecks(NamedTuple):
    """The checks of `Network.fit`, with what it would remember of all rows.

    Attributes
    ----------
    architecture : Architecture
    class_labels : tuple or None
    trained_on : TrainedOn
    """

    architecture: Architecture
    class_labels: tuple[Any, ...] | None
    trained_on: TrainedOn | None

    def rows(self, x: Any, y: Any, sample_weight: Any) -> Rows:
        """Return checked rows."""
        return checked_rows(
            self.architecture, self.class_labels, self.trained_on, x, y, sample_weight
        )


def look(
    raw: Raw, number: int, classifies: bool, sums: bool, known: TrainedOn | None = None
) -> Facts:
    """Return the facts of a partition.

    Parameters
    ----------
    raw : tuple
    number : int
        Of the partition.
    classifies : bool
        Whether to list the labels.
    sums : bool
        Whether to compute a checksum.
    known : TrainedOn, optional
        Of a network that carries columns: they make rows of a table first.
    """
    x, y, weight = raw
    with named(number):
        n_rows = n_rows_of(raw)
        if not n_rows:
            return Facts(0, 0, (), False, None, None, None, None, None, 0.0)
        if known is not None and known.columns is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # said when the rows are checked
                x = rows_of_table(known.columns, known.label_name, x)
        values = _values(x)
        few = _telling(values)
        check_extremes(values, few, validation.frame_names(x))
        classes = weights = None
        labels, given = np.asarray(y), checked_weights(weight, n_rows)
        if classifies and (labels.ndim == 1 or labels.shape[1:] == (1,)):
            check_not_missing(y, labels)
            classes, of_rows = _distinct(labels)
            weights = np.bincount(of_rows.reshape(-1), given, len(classes)).astype(np.float64)
            if len(classes) > MOST_CLASSES:
                raise ValueError(
                    f"y has {len(classes)} different labels in {n_rows} rows, such as "
                    f"{classes[:3].tolist()}: these are numbers for a regression, not classes"
                )
        arrays = [*_bytes_of(values), *_bytes_of(labels), *_bytes_of(weight)]
        return Facts(
            n_rows,
            sum(array.nbytes for array in arrays),
            _form(x, values, labels),
            values.dtype in (np.uint8, np.bool_),
            taken(x, few),
            taken(y, few),
            classes,
            weights,
            checksum(*arrays) if sums else None,
            float(n_rows if given is None else given.sum()),
        )


def check(raw: Raw, number: int, checks: Checks) -> tuple[Rows, list[str]]:
    """Return the checked rows of a partition, in the order in which they are read, and warnings."""
    with named(number), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x, y, weight = raw
        weights = checked_weights(weight, n_rows_of(raw))
        if weights is not None and not weights.any():  # which would be an error of all rows
            rows = checks.rows(x, y, None)._replace(sample_weight=weights)
        else:
            rows = checks.rows(x, y, weights)
        rows = rows._replace(x=by_rows(rows.x))
    return rows, [str(each.message) for each in caught]


@contextmanager
def named(part: int | str) -> Iterator[None]:
    """Say in errors which partition, or which argument, they are about."""
    name = f"partition {part}" if isinstance(part, int) else part
    try:
        yield
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def alike(facts: Sequence[Facts]) -> list[int]:
    """Return the numbers of the partitions that have rows, which must be of one form.

    Raises
    ------
    ValueError
        If there are none, or two differ.
    """
    filled = [number for number, fact in enumerate(facts) if fact.n_rows]
    if not filled:
        raise ValueError(f"x has no rows: all of its {len(facts)} partitions are empty")
    if not any(facts[number].weight for number in filled):
        raise ValueError("sample_weight is zero for every row: at least one must be positive")
    first = filled[0]
    for number in filled[1:]:
        ours, theirs = facts[first], facts[number]
        if ours.form != theirs.form:
            raise ValueError(
                f"partition {number} is {_shown(theirs.form)}, but partition {first} is "
                f"{_shown(ours.form)}: all must have the same form, whatever the meta of the "
                "collection says"
            )
        if ours.classes is not None and theirs.classes is not None:
            kinds = [_kind(fact.classes) for fact in (ours, theirs)]
            if kinds[0] != kinds[1]:
                raise ValueError(
                    f"partition {number} has labels that are {kinds[1]}, and partition {first} "
                    f"labels that are {kinds[0]}: convert all to one kind, such as with "
                    "y.astype('str')"
                )
        if ours.is_bytes != theirs.is_bytes:
            of_bytes, other = (first, number) if ours.is_bytes else (number, first)
            raise ValueError(
                f"partition {of_bytes} holds bytes (uint8 or bool), and partition {other} other "
                "numbers: convert all to one dtype, such as with x.astype('float32')"
            )
    return filled


def joined(facts: Sequence[Facts]) -> tuple[Any, Any]:
    """Return the rows that show what all are like, and their y: tables of one kind each."""
    filled = [fact for fact in facts if fact.n_rows]
    return _stacked([fact.x for fact in filled]), _stacked([fact.y for fact in filled])


def _stacked(tables: Sequence[Any]) -> Any:
    first = tables[0]
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat(list(tables))
    if hasattr(first, "tocsr"):
        from scipy.sparse import vstack

        return vstack(list(tables)).tocsr()
    if hasattr(first, "filter") and hasattr(first, "to_numpy"):
        import polars as pl

        return pl.concat(list(tables))
    return np.concatenate(list(tables))


def n_rows_of(raw: Raw) -> int:
    """Return how many rows a partition has, and check that all of it have as many."""
    x, y, weight = raw
    for name, part in (("x", x), ("y", y)):
        if not (hasattr(part, "shape") or isinstance(part, list | tuple)):
            raise TypeError(f"{name} must be a table of numbers, got {described(part)}")
    n_rows = _length(x)
    for name, part in (("y", y), ("sample_weight", weight)):
        if part is not None and _length(part) != n_rows:
            raise ValueError(f"x has {n_rows} rows, but {name} {_length(part)}")
    return n_rows


def _length(part: Any) -> int:
    return int(part.shape[0]) if hasattr(part, "shape") and part.shape else len(part)


def _values(x: Any) -> Any:
    """Return the numbers of a table, dense or sparse."""
    if validation.is_frame(x):
        return validation.frame_values(x)
    if hasattr(x, "tocsr"):
        return x.tocsr()
    values = np.asarray(x)
    if values.ndim != 2:
        raise ValueError(f"x must have two dimensions, (n_rows, n_in), got shape {values.shape}")
    return values


def _form(x: Any, values: Any, labels: NDArray[Any]) -> tuple[Any, ...]:
    kind = "sparse table" if hasattr(values, "tocsr") else "dense table"
    if validation.is_frame(x):
        kind = f"{type(x).__module__.partition('.')[0]} frame"
    names = validation.frame_names(x)
    return kind, values.shape[1] if names is None else names, labels.shape[1:]


def _kind(labels: Any) -> str:
    if labels.dtype.kind == "O":
        return "text" if isinstance(labels[0], str) else type(labels[0]).__name__
    return "text" if labels.dtype.kind in "US" else "numbers"


def _shown(form: tuple[Any, ...]) -> str:
    kind, columns, of_y = form
    shape = "(n_rows,)" if not of_y else f"(n_rows, {of_y[0]})"
    which = f"{columns} columns"
    if not isinstance(columns, int):
        which = f"the columns {', '.join(columns[:8])}"
    return f"a {kind} with {which} and y of shape {shape}"


def _telling(values: Any) -> NDArray[np.int64]:
    """Return numbers of rows whose values show what all values are like, in order."""
    if hasattr(values, "tocsr"):
        stored, row = values.data, np.repeat(np.arange(values.shape[0]), np.diff(values.indptr))
        if not len(stored):
            return np.zeros(1, np.int64)
    else:
        stored, row = values, None
    found = [int(stored.argmin()), int(stored.argmax())]
    if stored.dtype.kind == "f":
        head = stored[:LOOKED_AT]
        broken = np.flatnonzero(head.reshape(-1) != np.floor(head).reshape(-1))
        found += broken[:1].tolist()
    width = 1 if row is not None else max(1, values.shape[1])
    rows = {int(row[i]) if row is not None else i // width for i in found}
    return np.array(sorted(rows), np.int64)


def checked_weights(weight: Any, n_rows: int) -> NDArray[np.float64] | None:
    """Return the sample weights of a partition, which may all be 0."""
    if weight is None:
        return None
    array = np.asarray(weight)
    if array.shape == (n_rows,) and array.dtype.kind in "fiub" and not array.any():
        return np.zeros(n_rows)
    checked: NDArray[np.float64] = validation.check_sample_weight(weight, n_rows)
    return checked


def check_not_missing(y: Any, labels: NDArray[Any]) -> None:
    """Check that no label is missing."""
    if labels.dtype.kind == "f":
        check_finite("y", labels, 0)
    missing: NDArray[np.bool_] = np.zeros(len(labels), bool)
    if hasattr(y, "isna"):
        missing[...] = np.asarray(y.isna()).reshape(len(labels), -1).any(axis=1)
    elif labels.dtype.kind == "O":
        missing[...] = [v is None or v != v for v in labels.reshape(len(labels)).tolist()]
    if missing.any():
        raise ValueError(
            f"y must have a label for each row, got none in row {int(missing.argmax())} (of "
            f"{int(missing.sum())} such rows); drop or fill them first"
        )


def _distinct(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in labels.reshape(-1).tolist()})
        raise TypeError(f"y must hold labels of one kind, got {' and '.join(kinds)}") from None


def check_extremes(values: Any, rows: NDArray[np.int64], names: Sequence[str] | None) -> None:
    """Check that values are finite: of the rows with the least and the largest, that all are."""
    if values.dtype.kind != "f":
        return
    for row in rows.tolist():
        one = values[[row]]
        check_finite("x", one.toarray() if hasattr(one, "tocsr") else one, row, names)


def taken(table: Any, rows: NDArray[np.int64]) -> Any:
    """Return some rows of an array, a frame or a sparse matrix, as one of its kind."""
    if hasattr(table, "iloc"):
        return table.iloc[rows]
    if hasattr(table, "tocsr"):
        return table.tocsr()[rows]
    if hasattr(table, "filter") and hasattr(table, "to_numpy"):  # polars
        return table[rows.tolist()]
    return np.asarray(table)[rows]


def _bytes_of(values: Any) -> list[Any]:
    if values is None:
        return []
    if hasattr(values, "tocsr"):
        return [values.data, values.indices, values.indptr]
    array = np.asarray(values)
    return [array if array.dtype.kind in "biufc" else array.astype(str)]
