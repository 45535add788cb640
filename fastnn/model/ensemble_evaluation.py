"""Evaluation of ensembles: of the mean of the outputs, and of each model."""

from __future__ import annotations

import numpy as np

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import Backend
from fastnn.backends.minibatch import rows_of
from fastnn.model.evaluation import Sums, evaluate
from fastnn.rows.checked import Rows
from fastnn.rows.shares import Shares

_LEAST = {"float32": 1e-30, "float64": 1e-300}
"""A probability of 0 counts as this one in the loss, as it would not underflow in a network's."""


def evaluate_each(
    backend: Backend,
    architecture: Architecture,
    params: Array,
    data: Rows,
    shares: Shares,
    *,
    progress: bool,
) -> dict[str, Array]:
    """Return the measures (n_models,) of each model on its rows; NaN for one without rows."""
    found: dict[str, Array] = {}
    weighed = shares.n_rows > 0
    if data.sample_weight is not None:
        weighed = weighed & (shares.sums(data.sample_weight) > 0)
    for i in np.flatnonzero(weighed).tolist():
        rows, same = shares.of(i), shares.n_rows[i] == len(data.y) and shares.rows is None
        x, y, weight = data
        if not same:
            x, y = rows_of(x, rows), y[rows]
            weight = None if weight is None else weight[rows]
        measured = evaluate(backend, architecture, params[i], x, y, weight, progress=progress)
        for name, value in measured.items():
            found.setdefault(name, np.full(len(params), np.nan))[i] = value
    return found


def evaluate_outputs(
    backend: Backend, architecture: Architecture, outputs: Array, data: Rows
) -> dict[str, float]:
    """Return the measures of outputs (n_rows, n_out), as `evaluate` does of a network's."""
    sums = Sums(architecture, data.y, data.sample_weight)
    sums.add(backend, slice(0, len(data.y)), _before_output(architecture, outputs))
    return sums.measures()


def _before_output(architecture: Architecture, outputs: Array) -> Array:
    """Return values z of which the network would have made these outputs."""
    least = _LEAST[architecture.dtype]
    with np.errstate(divide="ignore"):
        if architecture.output in ("softmax", "exp"):
            return np.asarray(np.log(np.maximum(outputs, least)))
        if architecture.output == "sigmoid":
            yes = np.log(np.maximum(outputs, least))
            return np.asarray(yes - np.log(np.maximum(1 - outputs, least)), outputs.dtype)
        if architecture.output == "tanh":
            most = 1 - np.finfo(outputs.dtype).epsneg
            return np.asarray(np.arctanh(np.clip(outputs, -most, most)))
    return outputs
