"""The kernels, each a call of compiled code.

The functions of ``fastnn.kernels.numba`` take flat arrays whose rows are whole cache lines. Arrays
of individual kernel calls are converted to that form and back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.architecture import ALIGNMENT, Array, aligned_zeros
from fastnn.backends.base import Backend, learning_rates
from fastnn.backends.numba.float_mode import flushing
from fastnn.kernels.numba import activations, losses, products, sparse_products, updates
from fastnn.kernels.numba.arrays import is_csr, plain
from fastnn.optimizers import Optimizer


class Kernels(Backend):
    """The kernels of ``fastnn.kernels.numba``, and the programs of `Backend`."""

    name = "numba"

    @flushing
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
        activate(activation, z)
        out[...] = z

    @flushing
    def softmax(self, z: Array, out: Array) -> None:
        rows = plain(np.atleast_2d(z))
        y = np.empty(rows.shape, rows.dtype)
        losses.softmax(rows, rows.shape[1], y)
        out[...] = y.reshape(out.shape)

    @flushing
    def softmax_cross_entropy(
        self,
        z: Array,
        labels: Array,
        sample_weight: Array | None,
        label_smoothing: float,
        delta: Array,
    ) -> float:
        d = np.empty(delta.shape, delta.dtype)
        weight = _weight_or_none(sample_weight, z)
        loss = losses.softmax_cross_entropy(
            plain(z), z.shape[1], plain(labels), weight, float(label_smoothing), d
        )
        delta[...] = d
        return float(loss)

    @flushing
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
        d = np.empty(delta.shape, delta.dtype)
        weight = _weight_or_none(sample_weight, z)
        total = losses.elementwise_loss(
            losses.CODES[loss], activations.CODES[activation], z.copy("C"), z.shape[1],
            plain(target), weight, plain(constants), d,
        )  # fmt: skip
        delta[...] = d
        return float(total)

    @flushing
    def weight_gradient(
        self, x: Any, delta: Array, weight_grad: Array, bias_grad: Array | None
    ) -> None:
        nothing = np.zeros(weight_grad.shape, weight_grad.dtype)
        weight_grad[...] = _with_product(x.T.tocsr() if is_csr(x) else x.T, delta, nothing)
        if bias_grad is not None:
            delta.sum(axis=0, out=bias_grad)

    @flushing
    def input_gradient(
        self, delta: Array, weight: Array, activation: str, y: Array, out: Array
    ) -> None:
        below = _with_product(delta, weight.T, np.zeros(out.shape, out.dtype))
        multiply_by_derivative(activation, y, below)
        out[...] = below

    @flushing
    def update(
        self, optimizer: Optimizer, step: int, params: Array, grads: Array, state: Array
    ) -> None:
        rate = float(learning_rates(optimizer, step - 1, 1)[0])
        rule = updates.CODES[optimizer.rule]
        first = state[0] if len(state) > 0 else params[:0]
        second = state[1] if len(state) > 1 else params[:0]
        updates.update(
            rule, optimizer.coefficients, rate, step, params, plain(grads), first, second
        )


def _weight_or_none(sample_weight: Array | None, z: Array) -> Array:
    return np.empty(0, z.dtype) if sample_weight is None else plain(sample_weight)


def activate(activation: str, z: Array) -> None:
    """``z = f(z)``."""
    flat = plain(z).reshape(-1)
    activations.activate(activations.CODES[activation], flat)
    if not np.shares_memory(flat, z):
        z[...] = flat.reshape(z.shape)


def multiply_by_derivative(activation: str, y: Array, out: Array) -> None:
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
    """Return a copy with rows padded with zeros to whole cache lines."""
    n_rows, n_columns = matrix.shape
    per_line = ALIGNMENT // matrix.itemsize
    stride = -(-n_columns // per_line) * per_line
    padded = aligned_zeros(n_rows * stride, matrix.dtype).reshape(n_rows, stride)
    padded[:, :n_columns] = matrix
    return padded
