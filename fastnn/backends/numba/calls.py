"""Arguments of compiled programs, converted from those of the backend contract.

Arrays of few types, codes for names, and work in pieces short enough for Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import numpy as np

from fastnn.architecture import ALIGNMENT, FROM_PREACTIVATION, Architecture, Array, aligned_zeros
from fastnn.backends import minibatch
from fastnn.backends.dropout import dropout_key, dropout_threshold
from fastnn.backends.minibatch import TrainingOptions, gather
from fastnn.kernels.numba import activations, losses, updates
from fastnn.kernels.numba.arrays import NO_DROPOUT, is_csr, lies_ready, plain, rows_of
from fastnn.kernels.numba.layout import (
    Dropout,
    Memory,
    Nonzeros,
    Rows,
    Targets,
    Training,
    plan,
)
from fastnn.kernels.numba.masks import BITS
from fastnn.optimizers import VECTORS

NO_FACTORS = np.empty((0, 2))

PACKED_BELOW = 0.4
"""Density of x below which zeros are skipped."""

SAMPLED_ROWS = 64
"""Rows sampled to estimate the density, to about 0.01."""

PIECE_OPERATIONS = 2e9
"""Work between checks for signals: 10 to 100 ms at 20 to 200 operations per nanosecond."""

BROUGHT_BYTES = 1 << 22
"""Bytes of rows converted at a time if the kernels cannot read x directly."""


def pays_to_pack(x: Any, rows: Array) -> bool:
    """Return whether to use only the non-zeros of minibatches, estimated from some of `rows`."""
    if is_csr(x):
        return True
    some = x[rows[:: max(1, len(rows) // SAMPLED_ROWS)]]
    return bool(np.count_nonzero(some) < PACKED_BELOW * some.size)


def pieces(
    architecture: Architecture, x: Any, rows: Array, n_rows: int, *, in_turn: bool = False
) -> Iterator[tuple[slice, Rows, Array]]:
    """Yield slices of `rows` of whole minibatches, with the source and indices of their rows.

    With `in_turn`, rows are 0, 1, 2 and so on.
    """
    dtype, scale = architecture.dtype, architecture.input_scale
    whole = rows_of(x, dtype, scale) if lies_ready(x, dtype) else None
    per_piece = n_rows * _minibatches_per_piece(architecture, n_rows)
    if whole is None:  # rows are copied
        fitting = BROUGHT_BYTES // (architecture.n_in * np.dtype(dtype).itemsize)
        per_piece = min(per_piece, max(1, fitting // n_rows) * n_rows)
    for start in range(0, len(rows), per_piece):
        piece = slice(start, start + per_piece)
        if whole is not None:
            yield piece, whole, rows[piece]
        else:
            brought = gather(architecture, x, piece if in_turn else rows[piece])
            yield piece, rows_of(brought, dtype, scale), np.arange(brought.shape[0])


def memory_for(
    architecture: Architecture,
    x: Any,
    rows: Array,
    n_rows: int,
    packed: bool,
    training: TrainingOptions | None = None,
) -> Memory:
    """Return the workspace of a call on minibatches of n_rows."""
    dtype = architecture.dtype
    _, size = plan_for(
        architecture, n_rows, packed, training is not None and bool(training.dropout)
    )
    return Memory(
        work=aligned_zeros(size, dtype),
        gradient=aligned_zeros(architecture.n_slots if training else 0, dtype),
        row_weight=np.empty(n_rows, dtype),
        squares=np.empty(max(architecture.sizes)),
        nonzeros=_nonzeros_for(architecture, x, rows, n_rows) if packed else _no_nonzeros(dtype),
    )


def _nonzeros_for(architecture: Architecture, x: Any, rows: Array, n_rows: int) -> Nonzeros:
    """Return space for the non-zeros of the densest minibatch, or of any possible one."""
    if is_csr(x):
        in_row, n_parts = np.diff(x.indptr)[rows], 1
        n = int(np.add.reduceat(in_row, np.arange(0, len(rows), n_rows)).max(initial=0))
    else:
        n, n_parts = n_rows * architecture.n_in, -(-architecture.n_in // BITS)
    return _room(n, n_parts, n_rows, architecture.n_in, architecture.dtype)


@cache
def _no_nonzeros(dtype: str) -> Nonzeros:
    """Return empty space, which is never written to."""
    return _room(0, 1, 0, 0, dtype)


def _room(n: int, n_parts: int, n_rows: int, n_in: int, dtype: str) -> Nonzeros:
    """Return space for n non-zeros of a minibatch of n_rows."""
    return Nonzeros(
        n_parts=n_parts,
        row_starts=np.empty(n_rows * n_parts + 1, np.int64),
        column=np.empty(n, np.uint32),
        value=np.empty(n, dtype),
        column_starts=np.empty(n_in + 1, np.int64),
        row=np.empty(n, np.uint32),
        value_by_column=np.empty(n, dtype),
    )


@lru_cache(maxsize=64)
def plan_for(
    architecture: Architecture, n_rows: int, packed: bool, dropout: bool
) -> tuple[Array, int]:
    """Return the table of layers for minibatches of n_rows, and the size of their workspace."""
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
    """Return the number of minibatches between checks for signals."""
    # A weight takes part in three products and sums; a unit's activation may cost as much as 400
    # operations (gelu), an element read or a parameter updated as much as 20.
    n_units = sum(architecture.sizes[1:])
    per_row = 6 * architecture.n_weight_slots + 20 * architecture.n_in + 400 * n_units
    operations = n_rows * per_row + 20 * architecture.n_slots
    return max(1, int(PIECE_OPERATIONS / operations))


def training_of(architecture: Architecture, options: TrainingOptions) -> Training:
    """Return the settings of a step, as codes and numbers."""
    rates = options.optimizer.rate_factors
    return Training(
        batch_size=options.batch_size,
        loss=losses.CODES[architecture.loss],
        loss_activation=activations.CODES[architecture.loss_activation],
        loss_constants=architecture.loss_constants,
        label_smoothing=float(architecture.label_smoothing),
        mean=options.reduction == "mean",
        l1=float(options.l1),
        l2=float(options.l2),
        max_norm=float(options.max_norm),
        clip_norm=float(options.clip_norm),
        rule=updates.CODES[options.optimizer.rule],
        coefficients=tuple(float(c) for c in options.optimizer.coefficients),
        n_vectors=VECTORS[options.optimizer.rule],
        factors=NO_FACTORS if rates is None else rates.of(architecture).copy(),
    )


def dropout_of(options: TrainingOptions, step: int, n_steps: int) -> Dropout:
    """Return the keys of the masks of the n_steps updates after the first `step` ones."""
    if not options.dropout:
        return NO_DROPOUT
    steps = np.arange(step, step + n_steps, dtype=np.uint64)
    # the hash of many steps at once: its integer arithmetic also works with uint64 arrays
    keys: list[Array] = [
        np.stack(dropout_key(options.dropout_seed, steps, layer), axis=1)  # type: ignore[arg-type]
        for layer in range(len(options.dropout))
    ]
    rates = np.array(options.dropout, np.float64)
    thresholds = [dropout_threshold(rate) for rate in options.dropout]
    return Dropout(np.stack(keys, axis=1), np.array(thresholds, np.uint64), 1.0 / (1.0 - rates))


def targets_of(
    architecture: Architecture, y: Array, sample_weight: Array | None, rows: Array
) -> Targets:
    """Return the targets of the rows of a piece, in their order."""
    is_labels, wanted = (
        architecture.loss == "cross_entropy",
        minibatch.targets_of(architecture, y, rows),
    )
    return Targets(
        labels=wanted if is_labels else np.empty(0, np.int64),
        target=np.empty((0, 0), architecture.dtype) if is_labels else plain(wanted),
        weight=np.empty(0) if sample_weight is None else sample_weight[rows],
    )
