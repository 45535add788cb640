"""Outputs for many rows, in calls of a backend's program ``predict``, with a bar if they last."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import PREDICT_ROWS, Backend
from fastnn.rows.calls import calls
from fastnn.rows.order import window_rows
from fastnn.system.memory_maps import release
from fastnn.system.progress import progress_bar, progress_wanted


def outputs(
    backend: Backend, architecture: Architecture, params: Array, x: Any, *, progress: bool
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
    """
    n_rows = x.shape[0]
    out = np.empty((n_rows, architecture.n_out), architecture.dtype)
    parts = calls(architecture, n_rows, PREDICT_ROWS, window_rows(x, shuffle=False))
    if len(parts) <= 1:
        with progress_wanted(progress):
            backend.predict(architecture, params, x, out)
        return out
    with progress_bar(n_rows, progress) as bar:
        for part in parts:
            backend.predict(architecture, params, x[part], out[part])
            release(x)
            bar.update(len(out[part]))
    return out
