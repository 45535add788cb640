"""The seven kernels as a NumPy program would have them: in place, temporaries allocated once."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from cases import Array
from peers import tuned_numpy


class Kernels:
    """float32, relu, no sample weights: what the benchmark asks for, and no more."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, tuple[int, ...]], Array] = {}

    def dense_forward(
        self, x: Array, weight: Array, bias: Array, activation: str, out: Array
    ) -> None:
        np.matmul(x, weight, out=out)
        out += bias
        tuned_numpy.ACTIVATIONS[activation](out)

    def weight_gradient(self, x: Array, delta: Array, weight_grad: Array, bias_grad: Array) -> None:
        np.matmul(x.T, delta, out=weight_grad)
        np.add.reduce(delta, axis=0, out=bias_grad)

    def input_gradient(
        self, delta: Array, weight: Array, activation: str, y: Array, out: Array
    ) -> None:
        np.matmul(delta, weight.T, out=out)
        out *= y > 0.0

    def softmax(self, z: Array, out: Array) -> None:
        out[...] = z
        tuned_numpy.softmax(out, self._buffer("row", (len(z), 1)))

    def softmax_cross_entropy(
        self,
        z: Array,
        labels: Array,
        sample_weight: None,
        label_smoothing: float,
        delta: Array,
    ) -> float:
        self.softmax(z, delta)
        rows = np.arange(len(z))
        loss = -float(np.log(delta[rows, labels]).sum())
        delta[rows, labels] -= 1.0
        return loss

    def elementwise_loss(
        self,
        loss: str,
        activation: str,
        z: Array,
        target: Array,
        sample_weight: None,
        constants: Array,
        delta: Array,
    ) -> float:
        """Of binary cross-entropy, ``max(z, 0) − t z + log(1 + exp(−|z|))``."""
        total = self._buffer("total", z.shape)
        np.abs(z, out=total)
        np.negative(total, out=total)
        np.exp(total, out=total)
        np.log1p(total, out=total)
        value = float(total.sum())
        np.maximum(z, 0.0, out=total)
        value += float(total.sum()) - float(np.vdot(target, z))
        delta[...] = z
        tuned_numpy.sigmoid(delta)
        delta -= target
        return value

    def update(self, optimizer: Any, step: int, params: Array, grads: Array, state: Array) -> None:
        scratch = self._buffer("scratch", params.shape)
        if not len(state):
            np.multiply(grads, optimizer.learning_rate, out=scratch)
            params -= scratch
            return
        first, second = state
        beta_1, beta_2 = optimizer.beta_1, optimizer.beta_2
        first *= beta_1
        np.multiply(grads, 1.0 - beta_1, out=scratch)
        first += scratch
        second *= beta_2
        np.multiply(grads, grads, out=scratch)
        scratch *= 1.0 - beta_2
        second += scratch
        np.sqrt(second, out=scratch)
        scratch /= sqrt(1.0 - beta_2**step)
        scratch += optimizer.epsilon
        np.divide(first, scratch, out=scratch)
        scratch *= optimizer.learning_rate / (1.0 - beta_1**step)
        params -= scratch

    def _buffer(self, name: str, shape: tuple[int, ...]) -> Array:
        return self._buffers.setdefault((name, shape), np.empty(shape, np.float32))


def kernels() -> Kernels:
    """Return an object with the kernels of a backend."""
    return Kernels()
