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

The first line of the backward pass holds for every output because each is paired with its canonical
loss: softmax with cross-entropy, sigmoid with binary cross-entropy, identity with half the squared
error, exp with Poisson. Huber and absolute error modify that delta.
"""

from __future__ import annotations

import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastnn.architecture import FROM_PREACTIVATION, Architecture, Array, Layer
from fastnn.backends.dropout import dropout_mask
from fastnn.backends.predictor import PlainPredictor, Predictor
from fastnn.optimizers import Optimizer, OptimizerState
from fastnn.rows.strides import copied_by_rows, lies_by_columns
from fastnn.validation.arrays import check_below
from fastnn.validation.sparse import rows_of_csr

Views = tuple[Layer, Array, Array | None]
"""A layer, and its weights and bias or their gradients."""

PREDICT_ROWS = 512
"""Rows per step of ``predict``: enough for BLAS, few enough for outputs to stay in L2."""


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of a training step.

    Attributes
    ----------
    optimizer : Optimizer
        The update rule and its learning rate.
    batch_size : int
        Rows in a minibatch; the last one of a pass may be shorter.
    reduction : {"mean", "sum"}
        Whether the gradient of a minibatch is divided by the sum of its sample weights (its number
        of rows, if there are none).
    l1, l2 : float
        The penalty ``l1 Σ|w| + l2/2 Σw²`` over weights, not biases, added to the reduced loss.
    max_norm : float
        Maximum norm of the weights into one unit, enforced after each update; 0: no limit.
    clip_norm : float
        Maximum norm of the whole gradient, including the penalty; 0: no limit.
    dropout : tuple of float
        For each hidden layer, the probability that a unit is dropped; kept units are divided by
        one minus it.
    dropout_seed : int
        Selects the masks (see `fastnn.backends.dropout`).
    """

    optimizer: Optimizer
    batch_size: int
    reduction: str = "mean"
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = 0.0
    clip_norm: float = 0.0
    dropout: tuple[float, ...] = ()
    dropout_seed: int = 0


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
    """Whether products are computed by NumPy."""
    checks_rows: bool = False
    """Whether the programs themselves check row numbers, labels and CSR entries."""
    isa: str | None = None
    """The instruction set, if compiled code selects one of several."""

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
        self, z: Array, labels: Array, sample_weight: Array | None, delta: Array
    ) -> float:
        """Return ``Σ_rows weight · (log Σ exp z − z[label])``; ``delta = (p − onehot) · weight``.

        z (n, k) logits; labels (n,) int64 in [0, k); sample_weight (n,) or None for ones;
        delta (n, k).
        """

    @abstractmethod
    def elementwise_loss(
        self,
        loss: str,
        z: Array,
        target: Array,
        sample_weight: Array | None,
        huber_delta: float,
        delta: Array,
    ) -> float:
        """Return the weighted sum of a loss without softmax; ``delta = ∂loss/∂z · weight``.

        loss one of ``LOSSES`` other than cross_entropy; z and target (n, k); delta (n, k):

            binary_cross_entropy   log(1 + eᶻ) − t z     sigmoid(z) − t
            squared_error          (z − t)² / 2          z − t
            poisson                eᶻ − t z              eᶻ − t
            huber                  r²/2 or d(|r| − d/2)  clip(r, −d, d),  r = z − t, d = huber_delta
            absolute_error         |r|                   sign(r)
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
        `fastnn.optimizers` for the rules.
        """

    # -- programs -------------------------------------------------------------------------------

    def predict(self, architecture: Architecture, params: Array, x: Any, out: Array) -> None:
        """Forward through all layers: x (n, n_in) of any input kind, out (n, n_out)."""
        for start in range(0, len(out), PREDICT_ROWS):
            rows = slice(start, start + PREDICT_ROWS)
            h, last = gather(architecture, x, rows), out[rows]
            for layer, weight, bias in architecture.views(params):
                is_last = layer is architecture.layers[-1]
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
                penalty = _add_penalty(params[:n_weight_slots], grads[:n_weight_slots], options)
                if options.clip_norm:
                    clip_to_norm(grads, options.clip_norm)
                self.update(options.optimizer, state.step + 1, params, grads, state.slots)
                if options.max_norm:
                    for _, weight, _ in layers:
                        limit_column_norms(weight, options.max_norm)
                state.step += 1
                total += (count, loss, right, penalty * count)
                let_ctrl_c_through()
        mean = total[1:] / total[0] if total[0] else np.full(3, np.nan)
        accuracy = mean[1] if architecture.classifies else np.nan
        return EpochResult(float(mean[0]), float(accuracy), float(mean[2]))

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
        inputs, stored = [x], []  # of each layer; what its activation's derivative needs
        for i, (layer, weight, bias) in enumerate(layers[:-1]):
            out = np.empty((n_rows, layer.n_out), dtype)
            z = np.empty_like(out) if layer.activation in FROM_PREACTIVATION else None
            self.dense_forward(inputs[i], weight, bias, layer.activation, out, z)
            stored.append(out if z is None else z)
            inputs.append(out * _dropout_factor(options, step, i, out) if options.dropout else out)
        layer, weight, bias = layers[-1]
        z = np.empty((n_rows, layer.n_out), dtype)
        self.dense_forward(inputs[-1], weight, bias, "identity", z)

        factor = 1.0 if options.reduction == "sum" else (1.0 / count if count else 0.0)
        weights = np.ones(n_rows, dtype) if row_weight is None else row_weight
        delta = np.empty_like(z)
        loss = self.loss(architecture, z, y, np.multiply(weights, factor, dtype=dtype), delta)
        right = float(weights[rows_right(architecture, z, y)].sum(dtype=np.float64))

        for i in range(len(layers) - 1, -1, -1):
            self.weight_gradient(inputs[i], delta, *gradients[i][1:])
            if i:
                below = np.empty((n_rows, layers[i][0].n_in), dtype)
                activation = layers[i - 1][0].activation
                self.input_gradient(delta, layers[i][1], activation, stored[i - 1], below)
                if options.dropout:
                    below *= _dropout_factor(options, step, i - 1, below)
                delta = below
        return (loss / factor if factor else 0.0), right

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
            return self.softmax_cross_entropy(z, y, sample_weight, delta)
        return self.elementwise_loss(
            architecture.loss, z, y, sample_weight, architecture.huber_delta, delta
        )


def largest_product(architecture: Architecture, n_rows: int) -> float:
    """Return the multiply-adds of the largest matrix product for n_rows rows."""
    return float(n_rows) * max(n_in * n_out for n_in, n_out in architecture.shapes)


def rows_of(x: Any, rows: Array | slice) -> Any:
    """Return rows of x; dense ones contiguous, for fast matrix products.

    A column-major array is read column by column: row by row each value would be in another cache
    line.
    """
    if not isinstance(x, np.ndarray):
        return rows_of_csr(x, rows)
    if not lies_by_columns(x):
        return np.ascontiguousarray(x[rows])
    if isinstance(rows, slice):
        return copied_by_rows(x[rows])
    return np.ascontiguousarray(x.T[:, rows].T)


def learning_rates(optimizer: Optimizer, step: int, n_steps: int) -> Array:
    """Return the learning rates of the n_steps updates after the first `step`.

    Raises
    ------
    ValueError
        If a schedule returns another number of rates.
    """
    rates = np.ascontiguousarray(optimizer.learning_rates(step, n_steps), np.float64)
    if rates.shape != (n_steps,):
        raise ValueError(
            f"the learning rate schedule must return one rate for each of {n_steps} steps, got "
            f"shape {rates.shape}"
        )
    return rates


def gather(
    architecture: Architecture, x: Any, rows: Array | slice, into: Array | None = None
) -> Any:
    """Return rows of x in the network's dtype: uint8 scaled, CSR as CSR, a view if possible.

    The result for a dense x is row-major for any strides, so that products are bit-identical.

    Bytes are written to the first rows of `into`, if given.
    """
    batch = rows_of(x, rows)
    dense = isinstance(batch, np.ndarray)
    values = batch if dense else batch.data
    dtype = np.dtype(architecture.dtype)
    out = into[: len(batch)] if dense and into is not None else None
    if values.dtype == np.uint8:
        scale = dtype.type(architecture.input_scale)
        values = np.multiply(values, scale, out=out, dtype=dtype)
    elif values.dtype != dtype:
        values = values.astype(dtype)
    if dense:
        return values
    return type(batch)((values, batch.indices, batch.indptr), shape=batch.shape)


def targets_of(architecture: Architecture, y: Array, rows: Array) -> Array:
    """Return targets, or labels, which are checked again since another thread may write to y.

    Raises
    ------
    ValueError
        If a label is not a class.
    """
    targets = y[rows]
    if architecture.loss == "cross_entropy":
        check_below("y", targets, architecture.n_out, "classes")
    return targets


def rows_right(architecture: Architecture, z: Array, y: Array) -> Array:
    """Return which rows of the last layer's z (n, k) have all outputs classified as in y."""
    if architecture.output == "softmax":
        return np.asarray(z.argmax(axis=1) == y)
    return np.asarray(((z > 0) == (y > 0.5)).all(axis=1))


def clip_to_norm(grads: Array, max_norm: float) -> None:
    """Scale the whole gradient down to the norm `max_norm` if it is larger."""
    norm = float(np.linalg.norm(grads.astype(np.float64)))
    if norm > max_norm:
        grads *= grads.dtype.type(max_norm / norm)


def limit_column_norms(weight: Array, max_norm: float) -> None:
    """Scale the weights into each unit, a column, down to the norm `max_norm` if it is larger."""
    norms = np.sqrt(np.square(weight, dtype=np.float64).sum(axis=0))
    weight *= np.where(norms > max_norm, max_norm / np.maximum(norms, max_norm), 1.0)


@contextmanager
def ctrl_c_held() -> Iterator[Callable[[], None]]:
    """Defer Ctrl-C during the block; calling the yielded function handles it there."""
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and callable(handler)):  # Ctrl-C does not interrupt this thread
        yield lambda: None
        return
    held: list[tuple[int, Any]] = []

    def let_through() -> None:
        if held:
            number, frame = held.pop()
            held.clear()
            handler(number, frame)

    signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        yield let_through
    finally:
        signal.signal(signal.SIGINT, handler)
    let_through()


def _add_penalty(weights: Array, grads: Array, options: TrainingOptions) -> float:
    """Add the gradient of the L1 and L2 penalty; return the penalty."""
    penalty = 0.0
    if options.l2:
        grads += weights.dtype.type(options.l2) * weights
        penalty += 0.5 * options.l2 * float(np.square(weights, dtype=np.float64).sum())
    if options.l1:
        grads += weights.dtype.type(options.l1) * np.sign(weights)
        penalty += options.l1 * float(np.abs(weights).sum(dtype=np.float64))
    return penalty


def _dropout_factor(options: TrainingOptions, step: int, i: int, like: Array) -> Array:
    """Return the dropout factor of hidden layer i: 0, or 1 / (1 − rate)."""
    rate = options.dropout[i]
    mask = dropout_mask(options.dropout_seed, step, i, rate, *like.shape)
    factor: Array = np.multiply(mask, like.dtype.type(1.0 / (1.0 - rate)))
    return factor
