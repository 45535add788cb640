"""The contract of a backend: its kernels, and the two programs implemented with them.

Kernels work on one minibatch of n rows. Arrays are row-major with unit inner stride unless stated
otherwise, of one dtype (float32 or float64); outputs are the last arguments and are written in
place. A backend with only the kernels can already predict and train; compiled backends override the
programs with a single call that does not return to Python until it is done.

Forward and backward through layer l, with h the outputs, z the pre-activations and δ = ∂loss/∂z:

    z_l = h_{l-1} @ W_l + b_l          h_l = activation_l(z_l)
    δ_L = (prediction − target) · weight / count
    ∂W_l = h_{l-1}ᵀ @ δ_l              ∂b_l = Σ_rows δ_l
    δ_{l-1} = (δ_l @ W_lᵀ) ∘ activation'_{l-1}

The first line of the backward pass holds for every output that is paired with its canonical loss:
softmax with cross-entropy, sigmoid with binary cross-entropy, identity with half the squared error,
exp with Poisson. A loss that compares another output h = f(z) with its target, such as the
quadratic cost of a sigmoid, multiplies its derivative by f'(z); Huber and absolute error bend the
difference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastnn.architecture import FROM_PREACTIVATION, Architecture, Array
from fastnn.backends import plain_models
from fastnn.backends.fits import Fits
from fastnn.backends.groups import apply_gradient, begin_scaling
from fastnn.backends.minibatch import (
    ForwardPass,
    TrainingOptions,
    Views,
    add_penalty,
    clip_to_norm,
    dropout_factor,
    gather,
    rows_right,
    targets_of,
)
from fastnn.backends.plain_steps import PlainSteps
from fastnn.backends.predictor import PlainPredictor, Predictor
from fastnn.backends.steps import Steps, Taken
from fastnn.optimizers import SGD, Adam, AdamW, Optimizer, OptimizerState, RMSprop
from fastnn.system.ctrl_c import ctrl_c_held

CONSTANT_RATES = (SGD, RMSprop, Adam, AdamW)
"""Optimizers whose rate, where it is a number, is the same in each step."""

PREDICT_ROWS = 512
"""Rows per step of ``predict``: enough for BLAS, few enough for outputs to stay in L2."""


class EpochResult(NamedTuple):
    """Metrics of a pass over the rows, each minibatch measured before its update.

    Attributes
    ----------
    loss : float
        Weighted mean loss of the rows, without the penalty.
    accuracy : float
        Weighted fraction of rows classified correctly; NaN for regressions.
    penalty : float
        Weighted mean of the L1 and L2 penalty over the minibatches.
    """

    loss: float
    accuracy: float
    penalty: float


class Backend(ABC):
    """Kernels and programs; see the module's docstring for shapes and notation."""

    name: str
    uses_blas: bool = True
    """Whether products are NumPy's."""
    checks_arrays: bool = False
    """Whether the programs themselves refuse arrays that they would read or write past their ends,
    or that share memory where one is written."""
    checks_rows: bool = False
    """Whether the programs themselves check row numbers, labels and CSR entries."""
    isa: str | None = None
    """The instruction set, if compiled code selects one of several."""
    limitation: str | None = None
    """What this installation of the backend lacks, and the remedy."""

    # -- kernels --------------------------------------------------------------------------------

    @abstractmethod
    def dense_forward(
        self,
        x: Any,
        weight: Array,
        bias: Array | None,
        activation: str,
        out: Array,
        preactivation: Array | None = None,
    ) -> None:
        """``out = activation(x @ weight + bias)``.

        x (n, n_in), dense or CSR, any strides; weight (n_in, n_out); bias (n_out,); activation of a
        hidden layer or an elementwise output; out (n, n_out). If given, preactivation (n, n_out)
        receives ``x @ weight + bias``.
        """

    @abstractmethod
    def softmax(self, z: Array, out: Array) -> None:
        """``out = exp(z − max z) / Σ exp(z − max z)`` row by row; z (n, k), or (k,) as one row."""

    @abstractmethod
    def softmax_cross_entropy(
        self,
        z: Array,
        labels: Array,
        sample_weight: Array | None,
        label_smoothing: float,
        delta: Array,
    ) -> float:
        """Return ``Σ_rows weight · (log Σ exp z − t · z)``; ``delta = (p − t) · weight``.

        z (n, k) logits; labels (n,) int64 in [0, k); sample_weight (n,) or None for ones;
        label_smoothing ε in [0, 1), by which ``t = (1 − ε) onehot(label) + ε / k`` (Szegedy et al.,
        2016); delta (n, k).
        """

    @abstractmethod
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
        """Return the weighted sum of a loss of h = activation(z); ``delta = ∂loss/∂z · weight``.

        loss one of ``LOSSES`` other than cross_entropy; activation one of ``LOSS_ACTIVATIONS``,
        identity for a loss of logits; z and target (n, k); constants (k,) those of the loss, one
        for each output; delta (n, k), the derivative by h as below, times activation'(z):

            binary_cross_entropy   log(1 + eʰ) − t h     sigmoid(h) − t
            squared_error          (h − t)² / 2          h − t
            poisson                eʰ − t h              eʰ − t
            huber                  r²/2 or d(|r| − d/2)  clip(r, −d, d),  r = h − t, d the constant
            absolute_error         |r|                   sign(r)
            quantile               s r                   s = 1 − q if r > 0, −q if r < 0, else 0,
                                                         q the constant
        """

    @abstractmethod
    def weight_gradient(
        self, x: Any, delta: Array, weight_grad: Array, bias_grad: Array | None
    ) -> None:
        """``weight_grad = xᵀ @ delta`` and ``bias_grad = Σ_rows delta``.

        x (n, n_in), dense or CSR, any strides; delta (n, n_out); weight_grad (n_in, n_out);
        bias_grad (n_out,) or None.
        """

    @abstractmethod
    def input_gradient(
        self, delta: Array, weight: Array, activation: str, y: Array, out: Array
    ) -> None:
        """``out = (delta @ weightᵀ) ∘ activation'``, with the derivative computed from y.

        delta (n, n_out); weight (n_in, n_out); activation of the previous layer, y (n, n_in) its
        output, or its pre-activation if it is one of ``FROM_PREACTIVATION``; out (n, n_in).
        """

    @abstractmethod
    def update(
        self, optimizer: Optimizer, step: int, params: Array, grads: Array, state: Array
    ) -> None:
        """One step of the optimizer, in place on params and state.

        step counts from 1; params and grads (n,); state (optimizer.n_state, n). See
        `fastnn.optimizers` for the rules. All parameters are one group: the optimizer's rate
        factors, which are of a network's layers, do not count here (see `fastnn.backends.groups`).
        """

    # -- programs -------------------------------------------------------------------------------

    def predict(
        self,
        architecture: Architecture,
        params: Array,
        x: Any,
        out: Array,
        n_layers: int | None = None,
    ) -> None:
        """Forward through the first n_layers layers, or all of them.

        x (n, n_in) of any input kind; out (n, n_out), the last one's outputs. Subnormal numbers are
        zero, as operands and as results.
        """
        layers = list(architecture.views(params))[:n_layers]
        for start in range(0, len(out), PREDICT_ROWS):
            rows = slice(start, start + PREDICT_ROWS)
            h, last = gather(architecture, x, rows), out[rows]
            for i, (layer, weight, bias) in enumerate(layers):
                is_last = i == len(layers) - 1
                target = last if is_last else np.empty((len(last), layer.n_out), architecture.dtype)
                softmax = layer.activation == "softmax"
                activation = "identity" if softmax else layer.activation
                self.dense_forward(h, weight, bias, activation, target)
                if softmax:
                    self.softmax(target, target)
                h = target

    def warmup(self, dtypes: Sequence[str] = ("float32",)) -> None:
        """Compile in advance for networks of these dtypes, if the backend compiles just in time."""
        return

    def predictor(self, architecture: Architecture, params: Array, reader: Any = None) -> Predictor:
        """Return the network frozen for serving; see `Predictor`."""
        return PlainPredictor(self, architecture, params, reader)

    def steps(
        self,
        architecture: Architecture,
        params: Array,
        state: OptimizerState,
        options: TrainingOptions,
        taken: Taken,
    ) -> Steps:
        """Return a training step, frozen: see `fastnn.backends.steps.Steps`.

        `options.batch_size` is the most rows of a minibatch; params and state change in place.
        """
        return PlainSteps(self, architecture, params, state, options)

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
        """Train on the rows `order`, minibatch by minibatch; params and state change in place.

        x (n, n_in) of any input kind; y (n,) int64 labels for softmax, else (n, n_out) targets of
        the network's dtype; order (m,) int64 row numbers; sample_weight (n,) float64. An interrupt
        leaves params and state after a complete update.
        """
        begin_scaling(options.optimizer, architecture, params, state.slots)
        grads = architecture.allocate()
        layers = list(architecture.views(params))
        gradients = list(architecture.views(grads))
        batch = np.empty((min(options.batch_size, len(order)), architecture.n_in), grads.dtype)
        n_weight_slots = architecture.n_weight_slots
        total = np.zeros(4)  # weight, loss, right, penalty
        with ctrl_c_held() as let_ctrl_c_through:
            for start in range(0, len(order), options.batch_size):
                rows = order[start : start + options.batch_size]
                row_weight = None if sample_weight is None else sample_weight[rows]
                count = float(len(rows) if row_weight is None else row_weight.sum())
                loss, right = self._backpropagate(
                    architecture, layers, gradients, gather(architecture, x, rows, batch),
                    targets_of(architecture, y, rows), row_weight, count, options, state.step,
                )  # fmt: skip
                penalty = add_penalty(params[:n_weight_slots], grads[:n_weight_slots], options)
                if options.clip_norm:
                    clip_to_norm(grads, options.clip_norm)
                apply_gradient(
                    self.update, architecture, options, state.step + 1, params, grads, state.slots
                )
                state.step += 1
                total += (count, loss, right, penalty * count)
                let_ctrl_c_through()
        mean = total[1:] / total[0] if total[0] else np.full(3, np.nan)
        accuracy = mean[1] if architecture.classifies else np.nan
        return EpochResult(float(mean[0]), float(accuracy), float(mean[2]))

    def train_models(self, fits: Fits, progress: Callable[[int], object] | None = None) -> None:
        """Do whole fits of many models, with the bits of `train_epoch`; see `Fits`.

        `fits.params` and `fits.outcome` change in place; `progress` is called with the number of
        models done. An interrupt leaves each model after a complete update.
        """
        plain_models.train_models(self, fits, progress)

    def _backpropagate(
        self,
        architecture: Architecture,
        layers: list[Views],
        gradients: list[Views],
        x: Any,
        y: Array,
        row_weight: Array | None,
        count: float,
        options: TrainingOptions,
        step: int,
    ) -> tuple[float, float]:
        """Write the gradient of a minibatch; return weighted sums of loss and correct rows."""
        n_rows, dtype = len(y), np.dtype(architecture.dtype)
        passed = self.forward(architecture, layers, x, n_rows, options, step)
        factor = 1.0 if options.reduction == "sum" else (1.0 / count if count else 0.0)
        weights = np.ones(n_rows, dtype) if row_weight is None else row_weight
        delta = np.empty_like(passed.z)
        scale = (weights * weights.dtype.type(factor)).astype(dtype)  # weights may be float64
        loss = self.loss(architecture, passed.z, y, scale, delta)
        right = float(weights[rows_right(architecture, passed.z, y)].sum(dtype=np.float64))
        self.backward(layers, gradients, passed, delta, options, step)
        return (loss / factor if factor else 0.0), right

    def forward(
        self,
        architecture: Architecture,
        layers: list[Views],
        x: Any,
        n_rows: int,
        options: TrainingOptions,
        step: int,
    ) -> ForwardPass:
        """Return what a minibatch's way through the layers leaves behind for `backward`."""
        dtype = np.dtype(architecture.dtype)
        inputs, stored = [x], []
        for i, (layer, weight, bias) in enumerate(layers[:-1]):
            out = np.empty((n_rows, layer.n_out), dtype)
            z = np.empty_like(out) if layer.activation in FROM_PREACTIVATION else None
            self.dense_forward(inputs[i], weight, bias, layer.activation, out, z)
            stored.append(out if z is None else z)
            inputs.append(out * dropout_factor(options, step, i, out) if options.dropout else out)
        layer, weight, bias = layers[-1]
        z = np.empty((n_rows, layer.n_out), dtype)
        self.dense_forward(inputs[-1], weight, bias, "identity", z)
        return ForwardPass(inputs, stored, z)

    def backward(
        self,
        layers: list[Views],
        gradients: list[Views],
        passed: ForwardPass,
        delta: Array,
        options: TrainingOptions,
        step: int,
    ) -> Array:
        """Write the gradient that the last layer's delta makes; return the first layer's delta."""
        for i in range(len(layers) - 1, -1, -1):
            self.weight_gradient(passed.inputs[i], delta, *gradients[i][1:])
            if i:
                below = np.empty((len(delta), layers[i][0].n_in), delta.dtype)
                activation = layers[i - 1][0].activation
                self.input_gradient(delta, layers[i][1], activation, passed.stored[i - 1], below)
                if options.dropout:
                    below *= dropout_factor(options, step, i - 1, below)
                delta = below
        return delta

    def loss(
        self,
        architecture: Architecture,
        z: Array,
        y: Array,
        sample_weight: Array | None,
        delta: Array,
    ) -> float:
        """Return the weighted sum of the loss at the last layer's z; write its delta."""
        if architecture.loss == "cross_entropy":
            smoothing = architecture.label_smoothing
            return self.softmax_cross_entropy(z, y, sample_weight, smoothing, delta)
        return self.elementwise_loss(
            architecture.loss, architecture.loss_activation, z, y, sample_weight,
            architecture.loss_constants, delta,
        )  # fmt: skip


def learning_rates(optimizer: Optimizer, step: int, n_steps: int) -> Array:
    """Return the learning rates of the n_steps updates after the first `step`.

    Raises
    ------
    ValueError
        If a schedule returns another number of rates.
    """
    rate = optimizer.learning_rate
    if n_steps == 1 and type(rate) is float and type(optimizer) in CONSTANT_RATES:
        return _one_rate(rate)
    rates = np.ascontiguousarray(optimizer.learning_rates(step, n_steps), np.float64)
    if rates.shape != (n_steps,):
        raise ValueError(
            f"the learning rate schedule must return one rate for each of {n_steps} steps, got "
            f"shape {rates.shape}"
        )
    return rates


@lru_cache(maxsize=64)
def _one_rate(rate: float) -> Array:
    return np.array([rate])
