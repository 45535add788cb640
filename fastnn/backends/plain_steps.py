"""Training steps in terms of a backend's kernels, and of its program ``train_epoch``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from fastnn.architecture import Architecture, Array
from fastnn.backends.groups import apply_gradient, begin_scaling
from fastnn.backends.minibatch import (
    ForwardPass,
    TrainingOptions,
    add_penalty,
    clip_to_norm,
    gather,
    largest_product,
    targets_of,
)
from fastnn.backends.steps import NO_FORWARD, NO_GRADIENT, Steps
from fastnn.backends.threads import blas_limited
from fastnn.optimizers import OptimizerState
from fastnn.system.ctrl_c import ctrl_c_held
from fastnn.validation import check_count
from fastnn.validation.arrays import check_apart
from fastnn.validation.first_look import are_written

MOST_STEPS = 2**63 - 129
"""What compiled code can count to, with room for the rates that it asks for together."""

MEASURED_TOGETHER = 256
"""Rows whose gradient is worked out at a time, for their activations to stay in L2."""


class Stepping(Protocol):
    """What steps ask of a backend; see `fastnn.backends.base.Backend`."""

    uses_blas: bool

    @property
    def dense_forward(self) -> Callable[..., None]:
        """The kernel."""

    @property
    def softmax(self) -> Callable[..., None]:
        """The kernel."""

    @property
    def update(self) -> Callable[..., None]:
        """The kernel."""

    @property
    def loss(self) -> Callable[..., float]:
        """The network's loss of a minibatch, and its delta."""

    @property
    def forward(self) -> Callable[..., ForwardPass]:
        """Through all layers."""

    @property
    def backward(self) -> Callable[..., Array]:
        """And back."""

    @property
    def train_epoch(self) -> Callable[..., Any]:
        """The program."""


class PlainSteps(Steps):
    """Steps in terms of a backend's kernels, and of its program ``train_epoch``.

    Parameters
    ----------
    backend : Backend
    architecture : Architecture
    params : ndarray of shape (architecture.n_slots,)
    state : OptimizerState
    options : TrainingOptions
    """

    def __init__(
        self,
        backend: Stepping,
        architecture: Architecture,
        params: Array,
        state: OptimizerState,
        options: TrainingOptions,
    ) -> None:
        self._backend, self._architecture = backend, architecture
        self._params, self._state, self._options = params, state, options
        self._layers = list(architecture.views(params))
        self._gradient: Array | None = None
        self._measured = (np.nan, np.nan, np.nan)
        self._last: tuple[Any, ...] | None = None  # parameters, minibatch and step of an update
        self._passed: tuple[int, ForwardPass, Array, Any, bool] | None = None  # before which step

    def train(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        is_checked: bool = False,
        draw: Callable[[int], Array] | None = None,
    ) -> float | None:
        """Train on a minibatch as `Backend.train_epoch` does."""
        if not is_checked:
            return None
        x, y, _ = _as_rows(self._architecture, x, y)
        n_rows, step = x.shape[0], self._step()
        apart = ("x", x), ("y", y), ("sample_weight", sample_weight)
        check_apart("the network's parameters", self._params, *apart)
        check_apart("the optimizer's state", self._state.slots, *apart)
        weight = None if sample_weight is None else sample_weight.copy()
        last = self._params.copy(), x.copy(), y.copy(), weight, step
        order = np.arange(n_rows) if draw is None else draw(n_rows)
        options = replace(self._options, batch_size=n_rows)
        try:
            with self._blas(n_rows):
                self._measured = self._backend.train_epoch(
                    self._architecture, self._params, self._state, x, y, order, options,
                    sample_weight,
                )  # fmt: skip
        finally:
            if self._state.step != step:  # an interrupt may come after the update
                self._last, self._gradient, self._passed = last, None, None
        return float(self._measured[0])

    def measured(self) -> tuple[float, float, float]:
        """Return what `Backend.train_epoch` did."""
        return self._measured

    def forward(self, x: Any, logits: bool = False, is_checked: bool = False) -> Array | None:
        """Forward through all layers with dropout, kernel by kernel."""
        if not is_checked:
            return None
        a, backend = self._architecture, self._backend
        x, _, is_row = _as_rows(a, x, None)
        n_rows, step = x.shape[0], self._step()
        rows = gather(a, x, np.arange(n_rows))
        with self._blas(n_rows):
            passed = backend.forward(a, self._layers, rows, n_rows, self._options, step)
            outputs = np.empty_like(passed.z)
            if a.output == "softmax":
                backend.softmax(passed.z, outputs)
            else:
                _, weight, bias = self._layers[-1]
                backend.dense_forward(passed.inputs[-1], weight, bias, a.output, outputs)
        self._last = self._gradient = None
        self._passed = step, passed, outputs, x, is_row
        out = passed.z.copy() if logits else outputs.copy()
        return out[0] if is_row else out

    def backward(
        self, delta: Array, of_outputs: bool, updates: bool, wants_input_gradient: bool
    ) -> Array | None:
        """Backward through all layers, kernel by kernel, then the rest of a step."""
        a, state, options = self._architecture, self._state, self._options
        if self._passed is None or self._passed[0] != self._step():
            raise RuntimeError(NO_FORWARD)
        _, passed, outputs, x, is_row = self._passed
        expected = outputs.shape[is_row:]
        if delta.shape != expected:
            raise ValueError(
                f"delta must have the shape of the outputs, {expected}, got {delta.shape}"
            )
        delta = _finite("delta", delta, a.dtype).reshape(outputs.shape)
        if of_outputs:
            delta = output_delta(a.output, outputs, delta)
        gradient = a.allocate()
        views = list(a.views(gradient))
        with self._blas(len(delta)):
            delta = self._backend.backward(self._layers, views, passed, delta, options, state.step)
        n = a.n_weight_slots
        add_penalty(self._params[:n], gradient[:n], options)
        by_x = None
        if wants_input_gradient:
            by_x = delta @ self._layers[0][1].T
            if x.dtype == np.uint8:
                by_x *= by_x.dtype.type(a.input_scale)
            by_x = by_x[0] if is_row else by_x
        self._gradient, self._last = gradient, None
        if updates:
            self._passed = None
            self._update(gradient)
        return by_x

    def gradient(self) -> Array:
        """Work the last update's gradient out once more, at the parameters it was taken at."""
        if self._last is not None:
            params, x, y, sample_weight, step = self._last
            self._gradient = self._architecture.allocate()
            options = self._options
            self._measure(params, x, y, sample_weight, self._gradient, options, step)
            if options.clip_norm:
                clip_to_norm(self._gradient, options.clip_norm)
            self._last = None
        if self._gradient is None:
            raise RuntimeError(NO_GRADIENT)
        return self._gradient.copy()

    def value_and_gradient(
        self,
        params: Array,
        x: Any,
        y: Any,
        sample_weight: Any,
        out: Array,
        is_checked: bool = False,
    ) -> float | None:
        """Add up the gradients of some rows at a time."""
        if not is_checked:
            return None
        read = ("parameters", params), ("x", x), ("y", y), ("sample_weight", sample_weight)
        check_apart("out", out, *read)
        self._last = self._gradient = self._passed = None
        options = replace(self._options, dropout=())
        return self._measure(params, x, y, sample_weight, out, options, self._state.step)

    def apply(self, gradient: Array) -> None:
        """Update from a copy, whose padding is zero."""
        own = self._architecture.allocate()
        with np.errstate(over="ignore"):  # for float64 values that do not fit in float32
            self._architecture.copy_parameters(gradient, own)
        _finite("gradient", own, own.dtype)
        self._step()
        self._last = self._passed = None
        self._gradient = own
        self._update(own)

    def _measure(
        self,
        params: Array,
        x: Any,
        y: Any,
        sample_weight: Any,
        out: Array,
        options: TrainingOptions,
        step: int,
    ) -> float:
        """Write a gradient, penalty included; return what it is the gradient of."""
        a, backend = self._architecture, self._backend
        x, y, _ = _as_rows(a, x, y)
        layers, n_rows, n = list(a.views(params)), x.shape[0], a.n_weight_slots
        together = n_rows if options.dropout else MEASURED_TOGETHER
        weights = np.ones(n_rows) if sample_weight is None else sample_weight
        factor = 1.0 / weights.sum() if options.reduction == "mean" else 1.0
        part, value = a.allocate(), 0.0
        views = list(a.views(part))
        out[...] = 0
        with self._blas(together):
            for start in range(0, n_rows, together):
                rows = np.arange(start, min(start + together, n_rows))
                batch = gather(a, x, rows)
                passed = backend.forward(a, layers, batch, len(rows), options, step)
                delta = np.empty_like(passed.z)
                scale = (weights[rows] * factor).astype(a.dtype)
                value += backend.loss(a, passed.z, targets_of(a, y, rows), scale, delta)
                backend.backward(layers, views, passed, delta, options, step)
                out += part
        return value + add_penalty(params[:n], out[:n], options)

    def _blas(self, n_rows: int) -> AbstractContextManager[None]:
        return blas_limited(self._backend.uses_blas, largest_product(self._architecture, n_rows))

    def _update(self, gradient: Array) -> None:
        options, state = self._options, self._state
        if options.clip_norm:
            clip_to_norm(gradient, options.clip_norm)
        with ctrl_c_held():
            begin_scaling(options.optimizer, self._architecture, self._params, state.slots)
            apply_gradient(
                self._backend.update, self._architecture, options, state.step + 1, self._params,
                gradient.copy() if options.optimizer.scales_features else gradient, state.slots,
            )  # fmt: skip
            state.step += 1

    def _step(self) -> int:
        """Return how many updates were done, as far as the state can be believed.

        Arrays can be given another shape or dtype in place; not all kernels check their bounds.
        """
        a = self._architecture
        for array, n_dims in ((self._params, 1), (self._state.slots, 2)):
            if not (
                are_written((array, n_dims))
                and array.shape[-1] == a.n_slots
                and array.dtype == a.dtype
                and (n_dims == 1 or len(array) == self._options.optimizer.n_state)
            ):
                raise ValueError(
                    "the network's parameters or optimizer state were made an array of another "
                    f"kind, {array.dtype} of shape {array.shape}: change only their values"
                )
        step = check_count("the optimizer state's step", self._state.step, minimum=0)
        if step >= MOST_STEPS:
            raise ValueError(f"the optimizer state's step must be below 2**63, got {step}")
        return step


def output_delta(output: str, outputs: Array, delta: Array) -> Array:
    """Return ∂loss/∂logits from ∂loss/∂outputs: times the derivative of the output, p = f(z).

    softmax  p ∘ (δ − Σ p ∘ δ)        exp   p ∘ δ
    sigmoid  p ∘ (1 − p) ∘ δ          relu  δ where p > 0
    tanh     (1 − p²) ∘ δ             identity  δ
    """
    if output == "softmax":
        by_logits: Array = outputs * (delta - (outputs * delta).sum(axis=1, keepdims=True))
        return by_logits
    slopes: dict[str, Callable[[Array], Array]] = {
        "sigmoid": lambda p: p * (1 - p),
        "tanh": lambda p: 1 - p * p,
        "exp": lambda p: p,
        "relu": lambda p: p > 0,
        "identity": np.ones_like,
    }
    by_logits = delta * slopes[output](outputs)
    return by_logits


def _finite(name: str, array: Array, dtype: DTypeLike) -> Array:
    """Return a copy in the network's dtype, if its numbers are finite in it."""
    with np.errstate(over="ignore"):
        own = np.array(array, dtype)
    if not np.isfinite(own).all():
        raise ValueError(f"{name} must be finite, and within the range of the network's dtype")
    return own


def _as_rows(architecture: Architecture, x: Any, y: Any) -> tuple[Any, Any, bool]:
    """Return x and y of one row as those of several, and whether they were of one."""
    is_row = len(x.shape) == 1
    if is_row:
        x = x[None]
        if y is not None and architecture.loss != "cross_entropy":
            y = np.reshape(y, (1, architecture.n_out))
    return x, y, is_row
