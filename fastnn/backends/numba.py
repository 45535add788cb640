"""The Numba backend: the kernels and both programs compiled, from the same loops a reader sees.

The compiled functions live in ``fastnn.kernels.numba``; this adapter translates the contract into
their terms: arrays of few types, codes for names, work in pieces short enough for Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from fastnn.architecture import ALIGNMENT, FROM_PREACTIVATION, Architecture, Array, aligned_zeros
from fastnn.backends.base import Backend, EpochResult, TrainingOptions, ctrl_c_held, gather
from fastnn.backends.dropout import dropout_key, dropout_threshold
from fastnn.optimizers import SGD, Optimizer, OptimizerState

try:
    import numba  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError('numba is not installed; pip install "fastnn[numba]"') from error
except Exception as error:  # numba refuses a NumPy it does not know with more than one type
    raise ImportError(f"numba cannot be imported: {error}") from error

from fastnn.kernels.numba import (
    activations,
    losses,
    products,
    programs,
    sparse_products,
    updates,
)
from fastnn.kernels.numba.arrays import NO_DROPOUT, is_csr, lies_ready, plain, rows_of
from fastnn.kernels.numba.layout import (
    Dropout,
    Memory,
    Model,
    Nonzeros,
    Rows,
    Targets,
    Training,
    plan,
)
from fastnn.kernels.numba.masks import BITS
from fastnn.kernels.numba.notice import give_notice

give_notice()

PACKED_BELOW = 0.4
"""Density of x below which a minibatch's zeros are left out."""

BLAS_FROM = 1e7
"""Multiplications in a minibatch's dense products, forward, from which NumPy's BLAS does them.

Measured on one thread of Zen 3 with OpenBLAS, compiled loops over BLAS, in time per step: 0.46 at
2.4e6 (64-32-10, batch 1024), 0.80 at 8e6 (784-100-10, 100), 1.1 at 1.7e7 (256-256-256-10, 128) and
at 2.6e7 (784-256-10, 128), 1.4 at 9e7 (784-512-512-10, 128), 2.1 at 5e8 (784-1024-1024-10, 256).
"""

PREDICT_ROWS = 128
"""Rows that ``predict`` has in its workspace at a time."""

PIECE_OPERATIONS = 2e9
"""Work between two looks at pending signals: 10 to 100 ms at 20 to 200 operations a nanosecond."""

SAMPLED_ROWS = 64
"""Rows whose zeros are counted to decide whether packing pays: enough to know to about 0.01."""


class NumbaBackend(Backend):
    """Kernels and programs of ``fastnn.kernels.numba``."""

    name: ClassVar[str] = "numba"

    def warmup(self, dtypes: Sequence[str] = ("float32",)) -> None:
        for dtype in dtypes:
            x, labels = np.zeros((2, 2), dtype), np.zeros(2, np.int64)
            for output, y in (("softmax", labels), ("sigmoid", x)):  # each loss kernel is one's
                architecture = Architecture((2, 2, 2), ("relu",), output, dtype=dtype)
                params, optimizer = architecture.allocate(), SGD()
                options = TrainingOptions(optimizer, batch_size=2)
                state = OptimizerState(np.empty((optimizer.n_state, architecture.n_slots), dtype))
                out = np.empty((2, 2), dtype)
                for backend in (self, _WITH_BLAS):
                    backend.train_epoch(architecture, params, state, x, y, labels, options)
                    backend.predict(architecture, params, x, out)

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
        z = np.zeros(out.shape, out.dtype)
        if bias is not None:
            z += bias
        z = _with_product(x, weight, z)
        if preactivation is not None:
            preactivation[...] = z
        _activate(activation, z)
        out[...] = z

    def softmax(self, z: Array, out: Array) -> None:
        rows = plain(np.atleast_2d(z))
        y = np.empty(rows.shape, rows.dtype)
        losses.softmax(rows, rows.shape[1], y)
        out[...] = y.reshape(out.shape)

    def softmax_cross_entropy(
        self, z: Array, labels: Array, sample_weight: Array | None, delta: Array
    ) -> float:
        d = np.empty(delta.shape, delta.dtype)
        loss = losses.softmax_cross_entropy(
            plain(z), z.shape[1], plain(labels), _weight_or_none(sample_weight, z), d
        )
        delta[...] = d
        return float(loss)

    def elementwise_loss(
        self,
        loss: str,
        z: Array,
        target: Array,
        sample_weight: Array | None,
        huber_delta: float,
        delta: Array,
    ) -> float:
        d = np.empty(delta.shape, delta.dtype)
        weight = _weight_or_none(sample_weight, z)
        total = losses.elementwise_loss(
            losses.CODES[loss], plain(z), z.shape[1], plain(target), weight, huber_delta, d
        )
        delta[...] = d
        return float(total)

    def weight_gradient(
        self, x: Any, delta: Array, weight_grad: Array, bias_grad: Array | None
    ) -> None:
        nothing = np.zeros(weight_grad.shape, weight_grad.dtype)
        weight_grad[...] = _with_product(x.T.tocsr() if is_csr(x) else x.T, delta, nothing)
        if bias_grad is not None:
            delta.sum(axis=0, out=bias_grad)

    def input_gradient(
        self, delta: Array, weight: Array, activation: str, y: Array, out: Array
    ) -> None:
        below = _with_product(delta, weight.T, np.zeros(out.shape, out.dtype))
        _multiply_by_derivative(activation, y, below)
        out[...] = below

    def update(
        self, optimizer: Optimizer, step: int, params: Array, grads: Array, state: Array
    ) -> None:
        rate = float(optimizer.learning_rates(step - 1, 1)[0])
        rule = updates.CODES[optimizer.rule]
        updates.update(rule, optimizer.coefficients, rate, step, params, plain(grads), state)

    # -- programs -------------------------------------------------------------------------------

    def predict(self, architecture: Architecture, params: Array, x: Any, out: Array) -> None:
        if not len(out):
            return
        rows = np.arange(len(out))
        n_rows = min(len(rows), PREDICT_ROWS)
        packed = _pays_to_pack(x, rows)
        if _is_large(architecture, n_rows, packed):
            return _WITH_BLAS.predict(architecture, params, x, out)
        memory = _memory(architecture, x, rows, n_rows, packed)
        model = Model(_plan(architecture, n_rows, packed, False)[0], plain(params))
        y = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        for piece, source, taken in _pieces(architecture, x, rows, n_rows):
            programs.predict(source, packed, taken, NO_DROPOUT, model, memory, y[piece])
        if y is not out:
            out[...] = y

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
        rows = np.array(order, np.int64)
        batch_size = min(options.batch_size, max(1, len(rows)))
        packed = _pays_to_pack(x, rows)
        if _is_large(architecture, batch_size, packed):
            return _WITH_BLAS.train_epoch(
                architecture, params, state, x, y, order, options, sample_weight
            )
        layers, _ = _plan(architecture, batch_size, packed, bool(options.dropout))
        memory = _memory(architecture, x, rows, batch_size, packed, options)
        model, training = Model(layers, params), _training(architecture, options)
        done, totals = np.array([state.step]), np.zeros(4)
        for piece, source, taken in _pieces(architecture, x, rows, batch_size):
            n_steps = -(-len(taken) // batch_size)
            rates = options.optimizer.learning_rates(state.step, n_steps)
            dropout = _dropout(options, state.step, n_steps)
            targets = _targets(architecture, y, sample_weight, rows[piece])
            with ctrl_c_held():
                programs.train(
                    source, packed, taken, targets, training, rates, dropout, model,
                    state.slots, memory, done, totals,
                )  # fmt: skip
                state.step = int(done[0])
        weight, *sums = totals
        loss, right, penalty = (s / weight if weight else np.nan for s in sums)
        accuracy = right if architecture.classifies else np.nan
        return EpochResult(float(loss), float(accuracy), float(penalty))


class _WithBlas(NumbaBackend):
    """The programs of `Backend`, their large dense products by NumPy's BLAS, the rest compiled."""

    predict = Backend.predict
    train_epoch = Backend.train_epoch

    def dense_forward(
        self,
        x: Any,
        weight: Array,
        bias: Array | None,
        activation: str,
        out: Array,
        preactivation: Array | None = None,
    ) -> None:
        if is_csr(x):
            super().dense_forward(x, weight, bias, activation, out, preactivation)
            return
        np.matmul(x, weight, out=out)
        if bias is not None:
            out += bias
        if preactivation is not None:
            preactivation[...] = out
        _activate(activation, out)

    def weight_gradient(
        self, x: Any, delta: Array, weight_grad: Array, bias_grad: Array | None
    ) -> None:
        if is_csr(x):
            super().weight_gradient(x, delta, weight_grad, bias_grad)
            return
        np.matmul(x.T, delta, out=weight_grad)
        if bias_grad is not None:
            delta.sum(axis=0, out=bias_grad)

    def input_gradient(
        self, delta: Array, weight: Array, activation: str, y: Array, out: Array
    ) -> None:
        np.matmul(delta, weight.T, out=out)
        _multiply_by_derivative(activation, y, out)


_WITH_BLAS = _WithBlas()


def _is_large(architecture: Architecture, n_rows: int, packed: bool) -> bool:
    """Say whether a minibatch's dense products are better left to NumPy's BLAS."""
    first, *others = (layer.n_in * layer.n_out for layer in architecture.layers)
    if packed:  # BLAS would multiply the zeros too, so there must be more than them
        return n_rows * sum(others) >= BLAS_FROM and sum(others) > first
    return n_rows * (first + sum(others)) >= BLAS_FROM


def _weight_or_none(sample_weight: Array | None, z: Array) -> Array:
    return np.empty(0, z.dtype) if sample_weight is None else plain(sample_weight)


def _activate(activation: str, z: Array) -> None:
    """``z = f(z)``."""
    flat = plain(z).reshape(-1)
    activations.activate(activations.CODES[activation], flat)
    if not np.shares_memory(flat, z):
        z[...] = flat.reshape(z.shape)


def _multiply_by_derivative(activation: str, y: Array, out: Array) -> None:
    """``out *= f'``; out row-major."""
    code = activations.CODES[activation]
    activations.multiply_by_derivative(code, plain(y).reshape(-1), out.reshape(-1))


def _with_product(a: Any, b: Array, out: Array) -> Array:
    """Return ``out + a @ b``; a dense or CSR."""
    (n, k), n_columns = a.shape, b.shape[1]
    b, out = _in_whole_lines(b), _in_whole_lines(out)
    stride, flat_b, flat_out = out.shape[1], b.reshape(-1), out.reshape(-1)
    if is_csr(a):
        starts, column = a.indptr.astype(np.int64), a.indices.astype(np.uint32)
        sparse_products.add_sparse_product(
            n, 1, starts, column, plain(a.data), stride, flat_b, 0, flat_out, 0
        )
    else:
        products.add_product(
            n, k, stride, plain(a).reshape(-1), 0, k, 1, flat_b, 0, flat_out, 0
        )  # fmt: skip
    product: Array = plain(out[:, :n_columns])
    return product


def _in_whole_lines(matrix: Array) -> Array:
    """Return a copy with zeros after each row, so that rows are whole lines of memory."""
    n_rows, n_columns = matrix.shape
    per_line = ALIGNMENT // matrix.itemsize
    stride = -(-n_columns // per_line) * per_line
    padded = aligned_zeros(n_rows * stride, matrix.dtype).reshape(n_rows, stride)
    padded[:, :n_columns] = matrix
    return padded


# -- what a call works with -----------------------------------------------------------------------


def _pays_to_pack(x: Any, rows: Array) -> bool:
    """Say whether minibatches are taken as their non-zeros, judged from some of `rows`."""
    if is_csr(x):
        return True
    some = x[rows[:: max(1, len(rows) // SAMPLED_ROWS)]]
    return bool(np.count_nonzero(some) < PACKED_BELOW * some.size)


def _pieces(
    architecture: Architecture, x: Any, rows: Array, n_rows: int
) -> Iterator[tuple[slice, Rows, Array]]:
    """Yield a slice of `rows`, a whole number of minibatches long, and where to find those in x."""
    dtype, scale = architecture.dtype, architecture.input_scale
    whole = rows_of(x, dtype, scale) if lies_ready(x, dtype) else None
    per_piece = n_rows * _minibatches_per_piece(architecture, n_rows)
    for start in range(0, len(rows), per_piece):
        piece = slice(start, start + per_piece)
        if whole is not None:
            yield piece, whole, rows[piece]
        else:
            brought = gather(architecture, x, rows[piece])
            yield piece, rows_of(brought, dtype, scale), np.arange(brought.shape[0])


def _memory(
    architecture: Architecture,
    x: Any,
    rows: Array,
    n_rows: int,
    packed: bool,
    training: TrainingOptions | None = None,
) -> Memory:
    """Return what a call on minibatches of n_rows computes with."""
    dtype = architecture.dtype
    _, size = _plan(architecture, n_rows, packed, training is not None and bool(training.dropout))
    n, n_parts = 0, 1
    if is_csr(x):
        in_row = np.diff(x.indptr)[rows]
        n = int(np.add.reduceat(in_row, np.arange(0, len(rows), n_rows)).max(initial=0))
    elif packed:
        n, n_parts = n_rows * architecture.n_in, -(-architecture.n_in // BITS)
    return Memory(
        work=aligned_zeros(size, dtype),
        gradient=aligned_zeros(architecture.n_slots if training else 0, dtype),
        row_weight=np.empty(n_rows, dtype),
        squares=np.empty(max(architecture.sizes)),
        nonzeros=Nonzeros(
            n_parts=n_parts,
            row_starts=np.empty(n_rows * n_parts + 1, np.int64),
            column=np.empty(n, np.uint32),
            value=np.empty(n, dtype),
            column_starts=np.empty(architecture.n_in + 1, np.int64),
            row=np.empty(n, np.uint32),
            value_by_column=np.empty(n, dtype),
        ),
    )


@lru_cache(maxsize=64)
def _plan(
    architecture: Architecture, n_rows: int, packed: bool, dropout: bool
) -> tuple[Array, int]:
    last = architecture.layers[-1]
    per_vector = ALIGNMENT // np.dtype(architecture.dtype).itemsize
    in_stride = -(-architecture.n_in // per_vector) * per_vector
    shapes = []
    for layer in architecture.layers:
        shapes.append(
            (
                layer.n_in,
                layer.n_out,
                in_stride,
                layer.stride,
                layer.weight_offset,
                -1 if layer.bias_offset is None else layer.bias_offset,
                activations.CODES[layer.activation],
                layer.activation in FROM_PREACTIVATION,
                dropout and layer is not last,
            )
        )
        in_stride = layer.stride
    table, size = plan(shapes, n_rows, reads_input=not packed)
    return table, size


def _minibatches_per_piece(architecture: Architecture, n_rows: int) -> int:
    """Return how many minibatches are done between two looks at pending signals."""
    # A weight takes part in three products and sums; a unit's activation may cost as much as 400
    # operations (gelu), an element read or a parameter updated as much as 20.
    n_units = sum(architecture.sizes[1:])
    per_row = 6 * architecture.n_weight_slots + 20 * architecture.n_in + 400 * n_units
    operations = n_rows * per_row + 20 * architecture.n_slots
    return max(1, int(PIECE_OPERATIONS / operations))


def _training(architecture: Architecture, options: TrainingOptions) -> Training:
    return Training(
        batch_size=options.batch_size,
        loss=losses.CODES[architecture.loss],
        huber_delta=float(architecture.huber_delta),
        mean=options.reduction == "mean",
        l1=float(options.l1),
        l2=float(options.l2),
        max_norm=float(options.max_norm),
        clip_norm=float(options.clip_norm),
        rule=updates.CODES[options.optimizer.rule],
        coefficients=tuple(float(c) for c in options.optimizer.coefficients),
    )


def _dropout(options: TrainingOptions, step: int, n_steps: int) -> Dropout:
    """Return what selects the masks of the n_steps updates after the first `step` ones."""
    if not options.dropout:
        return NO_DROPOUT
    steps = np.arange(step, step + n_steps, dtype=np.uint64)
    # the hash of many steps at once: its integer arithmetic is that of uint64 arrays too
    keys: list[Array] = [
        np.stack(dropout_key(options.dropout_seed, steps, layer), axis=1)  # type: ignore[arg-type]
        for layer in range(len(options.dropout))
    ]
    rates = np.array(options.dropout, np.float64)
    thresholds = [dropout_threshold(rate) for rate in options.dropout]
    return Dropout(np.stack(keys, axis=1), np.array(thresholds, np.uint64), 1.0 / (1.0 - rates))


def _targets(
    architecture: Architecture, y: Array, sample_weight: Array | None, rows: Array
) -> Targets:
    """Return what the rows of a piece should give, in their order."""
    is_labels = architecture.loss == "cross_entropy"
    return Targets(
        labels=y[rows] if is_labels else np.empty(0, np.int64),
        target=np.empty((0, 0), architecture.dtype) if is_labels else plain(y[rows]),
        weight=np.empty(0) if sample_weight is None else sample_weight[rows],
    )
