"""Large dense products, for which NumPy's BLAS is faster than a compiled loop.

A BLAS packs blocks of its matrices, which slows down small products but speeds up large ones that
would otherwise wait for memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.architecture import Architecture, Array
from fastnn.backends.numba.float_mode import flushing
from fastnn.backends.numba.kernels import Kernels, activate, multiply_by_derivative
from fastnn.kernels.numba.arrays import is_csr

BLAS_FROM = 1e7
"""Multiplications in the forward dense products of a minibatch from which NumPy's BLAS is used.

Time per step of the compiled loops divided by that of OpenBLAS on one thread (below 1 the loops are
faster):

    multiplications                            Zen 3   Zen 5   Zen 5, float64
    2.4e6   64-32-10, batch 1024               0.46    0.65    0.68
    7.9e6   784-100-10, batch 100              0.80    0.88    0.76
    1.7e7   256-256-256-10, batch 128          1.1     0.94    0.84
    2.6e7   784-256-10, batch 128              1.1     1.01    0.87
    8.6e7   784-512-512-10, batch 128          1.4     1.06    0.90
    4.8e8   784-1024-1024-10, batch 256        2.1     1.14    1.17

With the 32 wide registers of AVX-512 (Zen 5) the two are close over a decade of sizes. A single
threshold suffices: above it BLAS may use several threads, which the loops do not.
"""


class WithBlas(Kernels):
    """The programs of `Backend`, with NumPy's BLAS for large dense products, the rest compiled."""

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
        if is_csr(x):
            super().dense_forward(x, weight, bias, activation, out, preactivation)
            return
        np.matmul(x, weight, out=out)
        if bias is not None:
            out += bias
        if preactivation is not None:
            preactivation[...] = out
        activate(activation, out)

    @flushing
    def weight_gradient(
        self, x: Any, delta: Array, weight_grad: Array, bias_grad: Array | None
    ) -> None:
        if is_csr(x):
            super().weight_gradient(x, delta, weight_grad, bias_grad)
            return
        np.matmul(x.T, delta, out=weight_grad)
        if bias_grad is not None:
            delta.sum(axis=0, out=bias_grad)

    @flushing
    def input_gradient(
        self, delta: Array, weight: Array, activation: str, y: Array, out: Array
    ) -> None:
        np.matmul(delta, weight.T, out=out)
        multiply_by_derivative(activation, y, out)


def is_large(architecture: Architecture, n_rows: int, packed: bool) -> bool:
    """Return whether NumPy's BLAS is faster for the dense products of a minibatch."""
    first, *others = (layer.n_in * layer.n_out for layer in architecture.layers)
    if packed:  # BLAS would multiply the zeros too, so the other layers must dominate
        return n_rows * sum(others) >= BLAS_FROM and sum(others) > first
    return n_rows * (first + sum(others)) >= BLAS_FROM
