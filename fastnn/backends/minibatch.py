"""A minibatch of a training step: how it is taken from the rows, and what the step is told.

The parts of a step that are no kernel, in NumPy: rows and targets, penalty, limits, dropout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastnn.architecture import Architecture, Array, Layer
from fastnn.backends.dropout import dropout_mask
from fastnn.optimizers import Optimizer
from fastnn.rows.strides import copied_by_rows, lies_by_columns
from fastnn.validation.arrays import check_below
from fastnn.validation.sparse import rows_of_csr

Views = tuple[Layer, Array, Array | None]
"""A layer, and its weights and bias or their gradients."""


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


class ForwardPass(NamedTuple):
    """What a minibatch's way through the layers leaves behind.

    Attributes
    ----------
    inputs : list
        Of each layer: x, then hidden outputs (after dropout).
    stored : list of ndarray
        Of each hidden layer, what its activation's derivative is taken from: its output, or its
        pre-activation.
    z : ndarray of shape (n_rows, n_out)
        Of the last layer: the logits.
    """

    inputs: list[Any]
    stored: list[Array]
    z: Array


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


def limit_column_norms(weight: Array, max_norm: float) -> Array:
    """Scale the weights into each unit, a column, down to the norm `max_norm` if it is larger.

    Return the factors of the columns.
    """
    norms = np.sqrt(np.square(weight, dtype=np.float64).sum(axis=0))
    factors: Array = np.where(norms > max_norm, max_norm / np.maximum(norms, max_norm), 1.0)
    weight *= factors
    return factors


def add_penalty(weights: Array, grads: Array, options: TrainingOptions) -> float:
    """Add the gradient of the L1 and L2 penalty; return the penalty."""
    if options.l2:
        grads += weights.dtype.type(options.l2) * weights
    if options.l1:
        grads += weights.dtype.type(options.l1) * np.sign(weights)
    return penalty(weights, options)


def penalty(weights: Array, options: TrainingOptions) -> float:
    """Return ``l1 Σ|w| + l2/2 Σw²``."""
    total = 0.0
    if options.l2:
        total += 0.5 * options.l2 * float(np.square(weights, dtype=np.float64).sum())
    if options.l1:
        total += options.l1 * float(np.abs(weights).sum(dtype=np.float64))
    return total


def dropout_factor(options: TrainingOptions, step: int, i: int, like: Array) -> Array:
    """Return the dropout factor of hidden layer i: 0, or 1 / (1 − rate)."""
    rate = options.dropout[i]
    mask = dropout_mask(options.dropout_seed, step, i, rate, *like.shape)
    factor: Array = np.multiply(mask, like.dtype.type(1.0 / (1.0 - rate)))
    return factor


def largest_product(architecture: Architecture, n_rows: int) -> float:
    """Return the multiply-adds of the largest matrix product for n_rows rows."""
    return float(n_rows) * architecture.largest_matrix
