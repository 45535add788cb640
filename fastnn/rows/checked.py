"""Checked data, in a form that backends read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.architecture import Architecture, Array
from fastnn.rows.one_row import as_rows, of_one_row, row_of_frame
from fastnn.rows.trained_on import TrainedOn, checked_columns, takes_bytes
from fastnn.system.memory_maps import check_whole
from fastnn.validation.first_look import are_sound_labels, are_sound_rows
from fastnn.validation.values import as_array

if TYPE_CHECKING:
    from fastnn.tabular.columns import Columns

UNKNOWN = TrainedOn()
"""What a network was trained on that was not trained yet."""


class Rows(NamedTuple):
    """Inputs, labels or targets, and sample weights if there are any.

    Attributes
    ----------
    x : ndarray or CSR matrix of shape (n_rows, n_in)
        float32, float64 or uint8.
    y : ndarray
        Labels (n_rows,) int64 for softmax, else targets (n_rows, n_out) of the network's dtype.
    sample_weight : ndarray of shape (n_rows,) float64 or None
    """

    x: Any
    y: Array
    sample_weight: NDArray[np.float64] | None


def checked_x(architecture: Architecture, trained_on: TrainedOn | None, x: Any) -> Any:
    """Check inputs and return them in a form that a network reads.

    If the network carries columns, x is a table as it came, and they make rows of it. Otherwise
    columns of a frame are put in the order of the training data, and a network trained on bytes
    reads whole numbers 0 … 255 as bytes, and refuses floats in that range.

    Parameters
    ----------
    architecture : Architecture
    trained_on : TrainedOn or None
        None for a network that is not trained yet.
    x : array, frame or CSR matrix of shape (n_rows, n_in)

    Raises
    ------
    TypeError, ValueError
        If x is not valid for `Network.fit`.
    """
    a, known = architecture, trained_on or UNKNOWN
    if known.columns is not None:
        checked_columns(known.columns, a.n_in)
        return rows_of_table(known.columns, known.label_name, x)
    of_bytes = takes_bytes(known.inputs, a.input_scale)
    if are_sound_rows(x, a.n_in):
        if of_bytes:
            validation.check_not_bytes_as_floats(x, a.input_scale)
        return x
    names = validation.frame_names(x)
    if names is not None and known.feature_names is not None:
        order = validation.check_frame_names(names, known.feature_names, known.label_name)
        names = known.feature_names
        x = validation.frame_values(x)
        if order != list(range(len(order))):  # copy only if necessary
            x = x[:, order]
    elif validation.is_frame(x):
        if trained_on is not None and names is not None:
            validation.check_numbered_columns(names)
        x = validation.frame_values(x)
    else:
        x = validation.plain_values(x)
    if of_bytes:
        x = validation.check_whole_bytes(x)
    elif known.inputs == "fractions":
        x = validation.check_not_bytes_or_numbers(x)
    x = validation.check_x(x, a.n_in, a.dtype, names)
    if of_bytes:
        validation.check_not_bytes_as_floats(x, a.input_scale)
    return x


def rows_of_table(columns: Columns, label_name: str | None, x: Any) -> Any:
    """Return the rows that columns make of a table, which may have the labels too."""
    return columns.rows(x, ignored=() if label_name is None else (label_name,))


@dataclass(frozen=True)
class RowReader:
    """Converts rows that a predictor cannot read directly.

    Parameters
    ----------
    architecture : Architecture
    trained_on : TrainedOn or None
    """

    architecture: Architecture
    trained_on: TrainedOn | None

    @property
    def makes_rows(self) -> bool:
        """Whether everything is converted, since the network carries columns."""
        return self.trained_on is not None and self.trained_on.columns is not None

    @property
    def looks_at_floats(self) -> bool:
        """Whether floats may be converted bytes: see `check_floats`."""
        known = self.trained_on or UNKNOWN
        return takes_bytes(known.inputs, self.architecture.input_scale)

    def __call__(self, x: Any) -> Any:
        """Return rows (n_rows, n_in), or one row (n_in,), as `checked_x` reads them.

        A series whose index holds the column names is a row of a frame.
        """
        if self.makes_rows:
            rows, is_row = as_rows(x, is_table=True)
            return of_one_row(checked_x(self.architecture, self.trained_on, rows), is_row)
        rows, is_row = None if self.trained_on is None else row_of_frame(x), True
        if rows is None:
            if not (validation.is_frame(x) or hasattr(x, "indptr")):
                x = as_array("x", x)
            rows, is_row = as_rows(x)
            n_in = self.architecture.n_in
            if is_row and rows.shape[1] != n_in:
                raise ValueError(f"x must have shape ({n_in},) or (n_rows, {n_in}), got {x.shape}")
        return of_one_row(checked_x(self.architecture, self.trained_on, rows), is_row)

    def check_floats(self, x: Any) -> None:
        """Check that floats (n_rows, n_in) or (n_in,) are not converted bytes."""
        rows = np.atleast_2d(x) if isinstance(x, np.ndarray) else x
        validation.check_not_bytes_as_floats(rows, self.architecture.input_scale)


def checked_rows(
    architecture: Architecture,
    class_labels: Sequence[Any] | None,
    trained_on: TrainedOn | None,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    own_loss: bool = False,
) -> Rows:
    """Check user data and return them as rows for a network.

    With `own_loss`, y holds what a loss of the caller's own makes of it: any numbers.

    Raises
    ------
    TypeError, ValueError
        If they are not valid for `Network.fit`.
    OSError
        If they are memory-mapped from a truncated file.
    """
    a = architecture
    for mapped in (y, sample_weight):  # x is checked where it is read
        check_whole(mapped)
    x = checked_x(a, trained_on, x)
    n_rows = x.shape[0]
    validation.check_not_empty(n_rows)
    if own_loss and class_labels is None:
        y = validation.check_own_targets(y, n_rows)
    elif a.output == "softmax" and class_labels is None and are_sound_labels(y, n_rows, a.n_out):
        y = y.copy()
    elif a.output == "softmax":
        y = validation.check_labels(y, n_rows, a.n_out, class_labels)
    else:
        if class_labels is not None:
            y = validation.check_labels(y, n_rows, 2, class_labels)
        y = validation.check_targets(y, n_rows, a.n_targets, a.output, a.dtype)
        if a.n_targets < a.n_out:  # several quantiles of one target
            y = np.broadcast_to(y, (n_rows, a.n_out))
    if sample_weight is not None:
        sample_weight = validation.check_sample_weight(sample_weight, n_rows)
    return Rows(x, y, sample_weight)
