"""Checks of the arguments of `fastnn.sklearn` estimators, in addition to scikit-learn's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.architecture import Architecture

_PARAMETERS: dict[str, Callable[[Architecture], Any]] = {
    "hidden_layer_sizes": lambda a: a.sizes[1:-1],
    "activation": lambda a: a.activations,
    "loss": lambda a: a.loss,
    "fit_intercept": lambda a: a.bias,
    "input_scale": lambda a: a.input_scale,
}
"""Parameters of an estimator that are part of its network, and how to read them from it."""


def check_same_network(built: Architecture, wanted: Architecture) -> None:
    """Check that the parameters of an estimator still describe its network.

    Parameters
    ----------
    built : Architecture
        The architecture of the network.
    wanted : Architecture
        The architecture described by the current parameters.
    """
    changed = {
        name: (get(built), get(wanted))
        for name, get in _PARAMETERS.items()
        if get(built) != get(wanted)
    }
    if not changed:
        return
    differences = " and ".join(
        f"{name} was {was!r} when the network was built and is {now!r} now"
        for name, (was, now) in changed.items()
    )
    back = ", ".join(f"{name}={was!r}" for name, (was, _) in changed.items())
    raise ValueError(
        f"{differences}. warm_start and partial_fit continue with that network: to train a new "
        f"one, call fit with warm_start=False; to continue with this one, set_params({back})"
    )


def check_n_targets(y: Any, n_targets: int) -> None:
    """Check that y (n_samples,) or (n_samples, n_targets) has as many targets as a network."""
    came = 1 if y.ndim == 1 else y.shape[1]
    if came != n_targets:
        raise ValueError(
            f"y has shape {y.shape}, but had {n_targets} targets per sample when the network was "
            "built. warm_start and partial_fit continue with that network: to train a new one, "
            "call fit with warm_start=False"
        )


def check_label_count(classes: Any, n_labels: int) -> None:
    """Check that there is a class for each column of a multilabel y."""
    if len(classes) != n_labels:
        raise ValueError(
            f"classes holds {len(classes)} labels, but y has {n_labels} columns: for a multilabel "
            f"y it needs one label per column, such as range({n_labels})"
        )


def check_not_replaced(network: Any, now: Any) -> None:
    """Check that no callback has replaced the network of the estimator during training."""
    if now is not network:
        raise RuntimeError(
            "a callback fitted the estimator that is being fitted: fit a clone instead"
        )


def check_fits_dtype(name: str, values: Any, dtype: str) -> None:
    """Check that float64 numbers, dense or CSR, do not become infinite in a network's dtype."""
    numbers = values if isinstance(values, np.ndarray) else values.data
    if numbers.dtype != np.float64 or dtype != "float32" or not numbers.size:
        return
    largest = max(numbers.max(), -numbers.min())
    if largest > np.finfo(np.float32).max:
        raise ValueError(
            f"{name} holds numbers up to {largest:g}, which do not fit in this float32 network: "
            "scale them down, or fit with X of dtype float64"
        )


def check_numbers(y: Any) -> None:
    """Check that targets are a dense array of numbers."""
    if not isinstance(y, np.ndarray):
        raise TypeError(
            f"y must be a dense array of targets, got a {type(y).__name__}: use y.toarray()"
        )
    if y.dtype.kind not in "fiub":
        raise ValueError(
            f"y must hold numbers, got dtype {y.dtype}: convert it first, such as y.astype(float)"
        )


def bad_column(frame: Any) -> str | None:
    """Describe the first column of a data frame that does not hold finite numbers, if any.

    Parameters
    ----------
    frame : data frame of pandas, polars or the like, or anything else
        It has ``columns``, and ``frame[column]`` can be made an array.
    """
    for name in getattr(frame, "columns", ()):
        values = _as_floats(frame[name])
        if values is None:
            return f"column {name!r} holds {_kind(frame[name])}, not numbers"
        finite = np.isfinite(values)
        if not finite.all():
            at = tuple(np.argwhere(~finite)[0])
            return f"column {name!r} holds {values[at]} in row {at[0]}"
    return None


def _as_floats(column: Any) -> Any:
    """Return a column of a frame as floats, with NaN for missing values, or None if it is text."""
    for convert in (
        lambda: column.to_numpy(dtype=np.float64, na_value=np.nan),  # pandas
        lambda: np.asarray(column),
    ):
        try:
            return np.asarray(convert(), np.float64)
        except (TypeError, ValueError):
            continue
    return None


def _kind(column: Any) -> str:
    values = [v for v in np.asarray(column, dtype=object).ravel() if isinstance(v, str)]
    return f"text such as {values[0]!r}" if values else f"values of dtype {column.dtype}"
