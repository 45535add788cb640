"""Argument checks for all backends, before compiled code is called.

`fastnn.get_backend` wraps each backend in this one. For calls of a kernel or program from
outside, arrays are checked against each other and the architecture: a wrong call raises an error,
and nothing is written. Internal calls of a program are not checked again.

The checked objects are those used: sparse matrices and optimizer states are read once, through
references that a callback or another thread cannot replace meanwhile. The caller must not change
the values in arrays during a pass. If an output overlaps an input in memory, the result is computed
in a temporary array and then copied, as if the input had been a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn.architecture import ACTIVATIONS, LOSS_ACTIVATIONS, LOSS_NAMES, Architecture, Array
from fastnn.backends.base import Backend, EpochResult
from fastnn.backends.fits import Fits
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.predictor import Predictor
from fastnn.backends.steps import Steps, Taken
from fastnn.backends.training_pass import check_optimizer, check_options, own_state, pass_is_plain
from fastnn.optimizers import Optimizer, OptimizerState
from fastnn.validation import check_choice, check_count, check_in_range, check_instance
from fastnn.validation.arrays import (
    FLOATS,
    check_apart,
    check_below,
    check_float_array,
    check_input,
    check_input_form,
    check_labels_of_rows,
    check_operand,
    check_order,
    check_row_weights,
    check_vectors,
    check_written,
    may_share_memory,
)
from fastnn.validation.first_look import are_plain, are_written
from fastnn.validation.networks import check_is_architecture, check_loss_of_output
from fastnn.validation.sparse import check_entries

_FORWARD = (*ACTIVATIONS, "exp")
_ELEMENTWISE = tuple(loss for loss in LOSS_NAMES if loss != "cross_entropy")


class Checked(Backend):
    """A backend whose arguments are checked.

    Parameters
    ----------
    inside : Backend
        The backend that computes, without checks.
    """

    def __init__(self, inside: Backend) -> None:
        self._inside = inside
        self.name = inside.name
        self.uses_blas = inside.uses_blas
        self.checks_arrays, self.checks_rows = inside.checks_arrays, inside.checks_rows
        # Arrays of a CSR matrix that are used without another check.
        self._copied = () if inside.checks_rows else ("indptr",)
        self._copied_of_a_minibatch = () if inside.checks_rows else ("indptr", "indices")
        self.isa = inside.isa

    # -- kernels --------------------------------------------------------------------------------

    def dense_forward(
        self,
        x: Any,
        weight: Array,
        bias: Array | None,
        activation: str,
        out: Array,
        preactivation: Array | None = None,
    ) -> None:
        weight = check_float_array("weight", weight, 2)
        (n_in, n_out), dtype = _not_empty("weight", weight), weight.dtype
        x = check_input(x, n_in, self._copied_of_a_minibatch)
        weight = check_operand("weight", weight, (n_in, n_out), dtype)
        if bias is not None:
            bias = check_operand("bias", bias, (n_out,), dtype)
        check_choice("activation", activation, _FORWARD)
        shape = (x.shape[0], n_out)
        out = check_written("out", out, shape, dtype)
        if preactivation is not None:
            preactivation = check_written("preactivation", preactivation, shape, dtype)
            check_apart("preactivation", preactivation, ("out", out))
        _apart(
            lambda out, z: self._inside.dense_forward(x, weight, bias, activation, out, z),
            (out, preactivation), (x, weight, bias),
        )  # fmt: skip

    def softmax(self, z: Array, out: Array) -> None:
        z = check_float_array("z", z, np.ndim(z) if np.ndim(z) == 1 else 2)
        if not z.shape[-1]:
            raise ValueError(f"z must have at least one column, got shape {z.shape}")
        z = check_operand("z", z, z.shape, z.dtype)
        out = check_written("out", out, z.shape, z.dtype)
        _apart(lambda out: self._inside.softmax(z, out), (out,), (z,))

    def softmax_cross_entropy(
        self,
        z: Array,
        labels: Array,
        sample_weight: Array | None,
        label_smoothing: float,
        delta: Array,
    ) -> float:
        label_smoothing = check_in_range("label_smoothing", label_smoothing, 0.0, 1.0)
        z = check_float_array("z", z, 2)
        n_rows, n_out = z.shape
        z = check_operand("z", z, z.shape, z.dtype)
        labels = check_labels_of_rows("labels", labels, n_rows).copy()
        check_below("labels", labels, n_out, "classes")
        sample_weight = check_row_weights(sample_weight, n_rows, *FLOATS)
        delta = check_written("delta", delta, z.shape, z.dtype)
        if not n_out:
            raise ValueError(f"z must have at least one column, got shape {z.shape}")
        total: float = _apart(
            lambda delta: self._inside.softmax_cross_entropy(
                z, labels, sample_weight, label_smoothing, delta
            ),
            (delta,), (z, labels, sample_weight),
        )  # fmt: skip
        return total

    def elementwise_loss(
        self,
        loss: str,
        activation: str,
        z: Array,
        target: Array,
        sample_weight: Array | None,
        constants: Array,
        delta: Array,
    ) -> float:
        check_choice("loss", loss, _ELEMENTWISE)
        check_choice("activation", activation, LOSS_ACTIVATIONS)
        z = check_float_array("z", z, 2)
        z = check_operand("z", z, z.shape, z.dtype)
        _not_empty("z", z, rows_too=False)
        target = check_operand("target", target, z.shape, z.dtype)
        constants = check_operand("constants", constants, z.shape[1:], z.dtype)
        sample_weight = check_row_weights(sample_weight, len(z), *FLOATS)
        delta = check_written("delta", delta, z.shape, z.dtype)
        total: float = _apart(
            lambda delta: self._inside.elementwise_loss(
                loss, activation, z, target, sample_weight, constants, delta
            ),
            (delta,), (z, target, sample_weight, constants),
        )  # fmt: skip
        return total

    def weight_gradient(
        self, x: Any, delta: Array, weight_grad: Array, bias_grad: Array | None
    ) -> None:
        delta = check_float_array("delta", delta, 2)
        dtype = delta.dtype
        _not_empty("delta", delta, rows_too=False)
        x = check_input(x, copied=self._copied_of_a_minibatch)
        n_rows, n_in = x.shape
        n_out = delta.shape[1]
        delta = check_operand("delta", delta, (n_rows, n_out), dtype)
        weight_grad = check_written("weight_grad", weight_grad, (n_in, n_out), dtype)
        if bias_grad is not None:
            bias_grad = check_written("bias_grad", bias_grad, (n_out,), dtype)
            check_apart("bias_grad", bias_grad, ("weight_grad", weight_grad))
        _apart(
            lambda weight, bias: self._inside.weight_gradient(x, delta, weight, bias),
            (weight_grad, bias_grad), (x, delta),
        )  # fmt: skip

    def input_gradient(
        self, delta: Array, weight: Array, activation: str, y: Array, out: Array
    ) -> None:
        weight = check_float_array("weight", weight, 2)
        (n_in, n_out), dtype = _not_empty("weight", weight), weight.dtype
        weight = check_operand("weight", weight, (n_in, n_out), dtype)
        delta = check_float_array("delta", delta, 2)
        n_rows = len(delta)
        delta = check_operand("delta", delta, (n_rows, n_out), dtype)
        check_choice("activation", activation, ACTIVATIONS)
        y = check_operand("y", y, (n_rows, n_in), dtype)
        out = check_written("out", out, (n_rows, n_in), dtype)
        _apart(
            lambda out: self._inside.input_gradient(delta, weight, activation, y, out),
            (out,), (delta, weight, y),
        )  # fmt: skip

    def update(
        self, optimizer: Optimizer, step: int, params: Array, grads: Array, state: Array
    ) -> None:
        check_optimizer(optimizer)
        check_count("step", step)
        params = check_float_array("params", params, 1)
        n, dtype = len(params), params.dtype
        params = check_vectors("params", params, (n,), dtype)
        grads = check_operand("grads", grads, (n,), dtype)
        state = check_written("state", state, (optimizer.n_state, n), dtype)
        for i in range(len(state)):
            check_vectors(f"state[{i}]", state[i], (n,), dtype)
        check_apart("params", params, ("state", state))
        if may_share_memory(params, grads) or may_share_memory(state, grads):
            grads = grads.copy()
        self._inside.update(optimizer, step, params, grads, state)

    # -- programs -------------------------------------------------------------------------------

    def predict(
        self,
        architecture: Architecture,
        params: Array,
        x: Any,
        out: Array,
        n_layers: int | None = None,
    ) -> None:
        check_is_architecture(architecture)
        n_out = _check_n_layers(architecture, n_layers)
        if self.checks_arrays and are_plain((params, 1), (x, 2)) and are_written((out, 2)):
            try:
                return self._inside.predict(architecture, params, x, out, n_layers)
            except (BufferError, TypeError, ValueError):
                pass  # the checks say why, or what to do about it
        dtype = np.dtype(architecture.dtype)
        params = _check_params(architecture, params, is_written=False)
        check = check_input_form if self.checks_rows else check_input
        x = check(x, architecture.n_in, self._copied)
        out = check_written("out", out, (x.shape[0], n_out), dtype)
        _apart(
            lambda out: self._inside.predict(architecture, params, x, out, n_layers),
            (out,), (params, x),
        )  # fmt: skip

    def predictor(self, architecture: Architecture, params: Array, reader: Any = None) -> Predictor:
        check_is_architecture(architecture)
        params = _check_params(architecture, params, is_written=False)
        return self._inside.predictor(architecture, params, reader)

    def warmup(self, dtypes: Sequence[str] = ("float32",)) -> None:
        for dtype in dtypes:
            check_choice("dtype", dtype, ("float32", "float64"))
        self._inside.warmup(dtypes)

    def steps(
        self,
        architecture: Architecture,
        params: Array,
        state: OptimizerState,
        options: TrainingOptions,
        taken: Taken,
    ) -> Steps:
        check_is_architecture(architecture)
        check_loss_of_output(architecture)
        params = _check_params(architecture, params, is_written=True)
        check_options(architecture, options)
        own = own_state(architecture, options.optimizer, state)
        check_apart("params", params, ("state.slots", own.slots))
        return self._inside.steps(architecture, params, state, options, taken)

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
        check_is_architecture(architecture)
        check_loss_of_output(architecture)
        check_options(architecture, options)
        if self.checks_arrays and pass_is_plain(
            architecture, params, state, x, y, order, options, sample_weight
        ):
            before = state.step
            try:
                return self._inside.train_epoch(
                    architecture, params, state, x, y, order, options, sample_weight
                )
            except (BufferError, TypeError, ValueError):
                if state.step != before:
                    raise
                # else it is the checks that say why
        own = own_state(architecture, options.optimizer, state)
        params = _check_params(architecture, params, is_written=True)
        x = check_input_form(x, architecture.n_in, self._copied)
        given_order = check_order(order)
        order = given_order.copy()  # private: backends use these as indices
        y = _check_targets(architecture, y, x.shape[0])
        sample_weight = check_row_weights(sample_weight, x.shape[0], FLOATS[1])
        if not self.checks_rows:
            check_below("order", order, x.shape[0], "row numbers")
            if architecture.loss == "cross_entropy":
                check_below("y", y[order], architecture.n_out, "classes")
            if not isinstance(x, np.ndarray):
                check_entries(x, order)
        apart = ("x", x), ("y", y), ("order", given_order), ("sample_weight", sample_weight)
        check_apart("params", params, ("state.slots", own.slots), *apart)
        check_apart("state.slots", own.slots, *apart)
        if options.batch_size > len(order):  # may exceed a C integer
            options = replace(options, batch_size=max(1, len(order)))
        try:
            return self._inside.train_epoch(
                architecture, params, own, x, y, order, options, sample_weight
            )
        finally:
            state.step = own.step

    def train_models(self, fits: Fits, progress: Callable[[int], object] | None = None) -> None:
        """Do whole fits of many models; see `Backend.train_models`."""
        check_instance("fits", fits, Fits, "fastnn.backends.fits.Fits")
        if self._inside.checks_arrays:
            self._inside.train_models(fits, progress)
        else:
            super().train_models(fits, progress)


def _check_n_layers(architecture: Architecture, n_layers: Any) -> int:
    """Return the width of the last of the layers that are asked for."""
    if n_layers is None:
        return architecture.n_out
    if check_count("n_layers", n_layers) > len(architecture.layers):
        raise ValueError(
            f"n_layers must be at most {len(architecture.layers)}, the network's layers, got "
            f"{n_layers}"
        )
    width: int = architecture.sizes[n_layers]
    return width


def _check_params(architecture: Architecture, params: Any, *, is_written: bool) -> Array:
    """Return parameters in the layout of an architecture; read-only ones if not written to."""
    shape, dtype = (architecture.n_slots,), np.dtype(architecture.dtype)
    if is_written:
        return check_vectors("params", params, shape, dtype)
    vector = check_operand("params", params, shape, dtype)
    return vector if vector.flags.c_contiguous else vector.copy()


def _check_targets(architecture: Architecture, y: Any, n_rows: int) -> Array:
    """Return labels or targets of that many rows; does not check that labels are classes."""
    if architecture.loss == "cross_entropy":
        return check_labels_of_rows("y", y, n_rows)
    return check_operand("y", y, (n_rows, architecture.n_out), *FLOATS)


def _not_empty(name: str, array: Array, *, rows_too: bool = True) -> tuple[int, int]:
    """Return the shape of a matrix after checking that it is not empty."""
    n_rows, n_columns = array.shape
    if not n_columns or (rows_too and not n_rows):
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    return n_rows, n_columns


def _apart(
    compute: Callable[..., Any], outputs: tuple[Array | None, ...], inputs: tuple[Any, ...]
) -> Any:
    """Compute; outputs that overlap inputs in memory are computed in copies."""
    for out in outputs:
        for given in inputs:
            if out is not None and may_share_memory(out, given):
                apart = [None if out is None else np.empty(out.shape, out.dtype) for out in outputs]
                result = compute(*apart)
                for out, made in zip(outputs, apart, strict=True):
                    if out is not None:
                        out[...] = made
                return result
    return compute(*outputs)
