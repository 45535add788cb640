"""Predictions of many models of one architecture: each one's, or what they say together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import Backend
from fastnn.backends.minibatch import rows_of
from fastnn.backends.subnormals import flush
from fastnn.rows.calls import calls
from fastnn.rows.shares import Shares
from fastnn.system.memory_maps import check_whole
from fastnn.system.progress import progress_bar

OUTPUT_BYTES = 1 << 25
"""Of the outputs of all models that are in memory at once, where they are not all returned."""


def outputs_of_each(
    backend: Backend, architecture: Architecture, params: Array, x: Any, *, progress: bool
) -> Array:
    """Return the outputs (n_models, n_rows, n_out) of each model for the same rows."""
    n_rows = x.shape[0]
    check_whole(x)
    out = np.empty((len(params), n_rows, architecture.n_out), architecture.dtype)
    with progress_bar(len(params) * n_rows, progress) as bar:
        for one, of_one in zip(params, out, strict=True):
            for part in calls(architecture, n_rows, n_rows):
                backend.predict(architecture, one, x[part], of_one[part])
            bar.update(n_rows)
    check_whole(x)
    return out


def outputs_together(
    backend: Backend,
    architecture: Architecture,
    params: Array,
    x: Any,
    *,
    reduce: str = "mean",
    progress: bool,
) -> Array:
    """Return the mean (n_rows, n_out) of the models' outputs, their standard deviation, or votes.

    They are worked out in float64, model after model, and rounded to the dtype.

    Parameters
    ----------
    reduce : {"mean", "std", "vote"}
    """
    n_rows, n_models, n_out = x.shape[0], len(params), architecture.n_out
    check_whole(x)
    out = np.empty((n_rows, n_out), architecture.dtype)
    step = max(1, OUTPUT_BYTES // max(1, n_models * n_out * out.itemsize))
    each = np.empty((n_models, min(step, n_rows), n_out), architecture.dtype)
    with progress_bar(n_rows, progress) as bar:
        for first in range(0, n_rows, step):
            part = slice(first, min(first + step, n_rows))
            rows, outputs = x[part], each[:, : part.stop - first]
            for one, of_one in zip(params, outputs, strict=True):
                backend.predict(architecture, one, rows, of_one)
            if reduce == "vote":
                out[part] = votes(architecture, outputs)
            else:
                mean = outputs.mean(axis=0, dtype=np.float64)
                squares = np.square(outputs - mean) if reduce == "std" else None
                out[part] = mean if squares is None else np.sqrt(squares.mean(axis=0))
                flush(out[part])
            bar.update(part.stop - first)
    check_whole(x)
    return out


def votes(architecture: Architecture, outputs: Array) -> Array:
    """Return for outputs (n_models, n_rows, n_out) the fraction of the models that says yes.

    Of softmax the fraction (n_rows, n_out) whose largest output it is; equal votes are for the
    class with the lower number.
    """
    is_finite = np.isfinite(outputs).all(axis=2, keepdims=True)  # others have no vote
    if architecture.output == "softmax":
        says = outputs.argmax(axis=2)[:, :, None] == np.arange(outputs.shape[2])
    else:
        says = outputs > 0.5
    n_votes = np.maximum(is_finite.sum(axis=0), 1)
    return np.asarray((says & is_finite).sum(axis=0) / n_votes)


def outputs_of_groups(
    backend: Backend,
    architecture: Architecture,
    params: Array,
    x: Any,
    groups: NDArray[np.int64],
    *,
    progress: bool,
) -> Array:
    """Return the outputs (n_rows, n_out) of each row's own model."""
    check_whole(x)
    out = np.empty((x.shape[0], architecture.n_out), architecture.dtype)
    shares = Shares.of_groups(groups, len(params))
    with progress_bar(x.shape[0], progress) as bar:
        for i in np.flatnonzero(shares.n_rows).tolist():
            rows = shares.of(i)
            of_one = np.empty((len(rows), architecture.n_out), architecture.dtype)
            backend.predict(architecture, params[i], rows_of(x, rows), of_one)
            out[rows] = of_one
            bar.update(len(rows))
    check_whole(x)
    return out
