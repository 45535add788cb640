"""Rows: data that were checked, as backends read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.architecture import Architecture, Array
from fastnn.trained_on import TrainedOn, takes_bytes


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
    """Return inputs as a network reads them, or raise what is wrong with them.

    Columns of a frame are put in the order that the network was trained on. A network of bytes
    takes whole numbers 0 … 255 for bytes, and refuses floats of that range.

    Parameters
    ----------
    architecture : Architecture
    trained_on : TrainedOn or None
        None for a network that was not trained yet.
    x : array, frame or CSR matrix of shape (n_rows, n_in)

    Raises
    ------
    TypeError, ValueError
        If x is not as `Network.fit` describes it.
    """
    a, known = architecture, trained_on or TrainedOn()
    names = validation.frame_names(x)
    if names is not None and known.feature_names is not None:
        order = validation.check_frame_names(names, known.feature_names, known.label_name)
        names = known.feature_names
        x = validation.frame_values(x)[:, order]
    elif validation.is_frame(x):
        x = validation.frame_values(x)
    of_bytes = takes_bytes(known.inputs, a.input_scale)
    if of_bytes:
        x = validation.check_whole_bytes(x)
    x = validation.check_x(x, a.n_in, a.dtype, names)
    if of_bytes:
        validation.check_not_bytes_as_floats(x, a.input_scale)
    return x


def checked_rows(
    architecture: Architecture,
    class_labels: Sequence[Any] | None,
    trained_on: TrainedOn | None,
    x: Any,
    y: Any,
    sample_weight: Any = None,
) -> Rows:
    """Return what a user handed in as rows of a network's data, or raise what is wrong with them.

    Raises
    ------
    TypeError, ValueError
        If they are not as `Network.fit` describes them.
    """
    a = architecture
    x = checked_x(a, trained_on, x)
    n_rows = x.shape[0]
    validation.check_not_empty(n_rows)
    if a.output == "softmax":
        y = validation.check_labels(y, n_rows, a.n_out, class_labels)
    else:
        if class_labels is not None:
            y = validation.check_labels(y, n_rows, 2, class_labels)
        y = validation.check_targets(y, n_rows, a.n_out, a.output, a.dtype)
    if sample_weight is not None:
        sample_weight = validation.check_sample_weight(sample_weight, n_rows)
    return Rows(x, y, sample_weight)
