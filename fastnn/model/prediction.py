"""What a model predicts: outputs for many rows, and the classes or numbers that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import PREDICT_ROWS, Backend
from fastnn.rows.calls import calls
from fastnn.rows.order import window_rows
from fastnn.system.memory_maps import check_whole, release
from fastnn.system.progress import progress_bar, progress_wanted


def outputs(
    backend: Backend,
    architecture: Architecture,
    params: Array,
    x: Any,
    *,
    progress: bool,
    n_layers: int | None = None,
) -> Array:
    """Return the network's outputs (n_rows, n_out) for checked rows x (n_rows, n_in).

    Parameters
    ----------
    backend : Backend
    architecture : Architecture
    params : ndarray of shape (architecture.n_slots,)
    x : array or CSR matrix of shape (n_rows, n_in)
    progress : bool
        Whether to show a progress bar if it takes over a second.
    n_layers : int, optional
        Return the outputs of the last of so many layers.

    Raises
    ------
    OSError
        If x is a map of a file that was cut short.
    """
    n_rows = x.shape[0]
    check_whole(x)
    n_out = architecture.n_out if n_layers is None else architecture.sizes[n_layers]
    out = np.empty((n_rows, n_out), architecture.dtype)
    parts = []
    if n_rows > PREDICT_ROWS:
        parts = calls(architecture, n_rows, PREDICT_ROWS, window_rows(x, shuffle=False))
    if len(parts) <= 1:
        with progress_wanted(progress):
            backend.predict(architecture, params, x, out, n_layers)
        check_whole(x)
        return out
    with progress_bar(n_rows, progress) as bar:
        for part in parts:
            backend.predict(architecture, params, x[part], out[part], n_layers)
            check_whole(x)
            release(x)
            bar.update(len(out[part]))
    return out


def answers(
    architecture: Architecture, class_labels: Sequence[Any] | None, outputs: Array
) -> Array:
    """Return what outputs (n_rows, n_out) say: classes, yes or no, or numbers.

    Returns
    -------
    ndarray
        Softmax: class indices, or the class labels, (n_rows,). Sigmoid: 0 and 1. Else the outputs.
        These have shape (n_rows, n_out), or (n_rows,) for one output.
    """
    if architecture.output == "softmax":
        found = outputs.argmax(axis=1)
    elif architecture.output == "sigmoid":
        found = (outputs > 0.5).astype(np.int64)
    else:
        found = outputs
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if class_labels is not None:
        found = np.array(class_labels)[found]
    return np.asarray(found)
