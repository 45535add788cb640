"""A loss of the caller's own: a function of a minibatch's outputs, in place of a compiled loss.

    losses (n,), slopes (n, n_out) = function(outputs (n, n_out), targets, sample_weight)
    δ_L = slopes · factor ∘ f'(z),   factor = 1 / Σ sample_weight for the mean, else 1

The forward and backward passes stay compiled; between them Python calls the function once per
minibatch.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import Backend, EpochResult
from fastnn.backends.minibatch import TrainingOptions, penalty, rows_of
from fastnn.backends.steps import Taken
from fastnn.model.evaluation import ROWS_AT_A_TIME
from fastnn.optimizers import OptimizerState
from fastnn.system.memory_maps import walk
from fastnn.system.progress import progress_bar
from fastnn.validation.values import describe

LossFunction = Callable[[Array, Array, "NDArray[np.float64] | None"], tuple[Any, Any]]

NOTHING = Taken(floats=0, uint8=False, y=False, low=0.0, high=0.0)
"""Rows are checked before a fit, so that no call needs to look at them."""


def check_loss_function(loss: Any) -> bool:
    """Return whether a loss of the caller's own was given.

    Raises
    ------
    TypeError
        If it is no function; the name of a built-in loss belongs to the network.
    """
    if loss is None:
        return False
    if isinstance(loss, str):
        raise TypeError(
            f"loss must be a function here, got {loss!r}: a built-in loss is an argument of "
            "fastnn.Network"
        )
    if not callable(loss):
        raise TypeError(
            "loss must be a function of outputs, targets and sample_weight, got " + describe(loss)
        )
    return True


class OwnLoss:
    """Passes over rows with a loss that is a function; its methods replace the built-in ones.

    Parameters
    ----------
    function : callable
        See `Network.fit`.
    backend : Backend
    """

    def __init__(self, function: LossFunction, backend: Backend) -> None:
        self.function, self._backend = function, backend

    @property
    def name(self) -> str:
        """The function's name, for checkpoints to compare."""
        kind = type(self.function)
        named = self.function if hasattr(self.function, "__qualname__") else kind
        return f"{named.__module__}.{named.__qualname__}"

    def train_epoch(
        self,
        architecture: Architecture,
        params: Array,
        state: OptimizerState,
        x: Any,
        y: Array,
        order: Array,
        options: TrainingOptions,
        sample_weight: Array | None = None,
    ) -> EpochResult:
        """Train on the rows `order`, minibatch by minibatch; see `Backend.train_epoch`.

        A minibatch whose loss or derivative is not finite ends the pass, without an update.
        """
        steps = self._backend.steps(architecture, params, state, options, NOTHING)
        weights = params[: architecture.n_weight_slots]
        total, loss, right, penalized = 0.0, 0.0, 0.0, 0.0
        for start in range(0, len(order), options.batch_size):
            rows = order[start : start + options.batch_size]
            row_weight = None if sample_weight is None else sample_weight[rows]
            count = float(len(rows) if row_weight is None else row_weight.sum())
            outputs = steps.forward(rows_of(x, rows), is_checked=True)
            assert outputs is not None
            targets = y[rows]
            right += _weight_right(architecture, outputs, targets, row_weight)
            losses, slopes = self._call(outputs, targets, row_weight)
            if options.reduction == "mean":
                slopes = slopes * (1.0 / count if count else 0.0)
            loss += float(losses.sum())  # not finite, and remains so, if one of them is not
            if not (isfinite(loss) and np.isfinite(slopes).all()):
                return EpochResult(np.nan, np.nan, np.nan)
            total += count
            penalized += penalty(weights, options) * count
            steps.backward(slopes, of_outputs=True, updates=True, wants_input_gradient=False)
        if not total:
            return EpochResult(np.nan, np.nan, np.nan)
        return EpochResult(loss / total, right / total, penalized / total)

    def evaluate(
        self,
        backend: Backend,
        architecture: Architecture,
        params: Array,
        x: Any,
        y: Array,
        sample_weight: NDArray[np.float64] | None,
        *,
        progress: bool,
    ) -> dict[str, float]:
        """Return the weighted mean loss, and accuracy where y holds classes."""
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        loss = right = 0.0
        with progress_bar(len(y), progress) as bar:
            for rows in walk(x, ROWS_AT_A_TIME):
                y_rows, w_rows = y[rows], None if sample_weight is None else sample_weight[rows]
                outputs = np.empty((len(y_rows), architecture.n_out), architecture.dtype)
                backend.predict(architecture, params, x[rows], outputs)
                right += _weight_right(architecture, outputs, y_rows, w_rows)
                loss += float(self._call(outputs, y_rows, w_rows)[0].sum())
                bar.update(len(y_rows))
        measured = {"loss": loss / float(weights.sum())}
        if right == right:
            measured["accuracy"] = right / float(weights.sum())
        return measured

    def _call(
        self, outputs: Array, targets: Array, sample_weight: Array | None
    ) -> tuple[Array, Array]:
        """Call the function, and check the shapes of what it returns."""
        shape = outputs.shape
        returned = self.function(outputs, targets, sample_weight)
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            raise TypeError(
                "loss must return two arrays, the losses (n_rows,) and their derivatives by the "
                f"outputs (n_rows, n_out), got {describe(returned)}"
            )
        losses, slopes = (np.asarray(array, np.float64) for array in returned)
        if losses.shape != shape[:1] or slopes.shape != shape:
            raise ValueError(
                f"loss must return losses of shape {shape[:1]} and derivatives of shape {shape}, "
                f"got {losses.shape} and {slopes.shape}"
            )
        return losses, slopes


def _weight_right(
    architecture: Architecture, outputs: Array, y: Array, sample_weight: Array | None
) -> float:
    """Return the weight of rows classified correctly; NaN where y does not hold classes."""
    if not _are_classes(architecture, y):
        return float("nan")
    right = outputs.argmax(axis=1) == y
    return float(right.sum() if sample_weight is None else sample_weight @ right)


def measures(architecture: Architecture, y: Array, *, is_own: bool) -> tuple[str, ...]:
    """Return what can be measured of rows beside the loss; of a loss `is_own` only accuracy."""
    if not is_own:
        return architecture.measures
    return ("accuracy",) if _are_classes(architecture, y) else ()


def _are_classes(architecture: Architecture, y: Array) -> bool:
    return architecture.output == "softmax" and y.ndim == 1 and y.dtype.kind in "iub"
