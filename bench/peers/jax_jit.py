"""JAX: a whole epoch in one jitted call, ``lax.scan`` over minibatches.

Each is gathered inside the scan, images as bytes and then scaled: measured, this takes half the
time of a scan over batches that were gathered before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from cases import PIXEL, Array, Net, TrainCase, as_float32
from peers import base

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
ACTIVATIONS = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jax.numpy.tanh}


def logits(activation: str, parameters: list[Any], x: jax.Array) -> jax.Array:
    """Forward up to the last layer's z."""
    *hidden, (weight, bias) = base.layer_pairs(parameters)
    for hidden_weight, hidden_bias in hidden:
        x = ACTIVATIONS[activation](x @ hidden_weight + hidden_bias)
    return x @ weight + bias


class Trainer(base.Trainer):
    """Parameters and optimizer state are donated: they change in place."""

    def __init__(self, case: TrainCase, x: Array, y: NDArray[np.int64]) -> None:
        super().__init__(case, x, y)
        self.labels = jnp.asarray(y, jnp.int32)
        self.epoch = jax.jit(self._epoch, donate_argnums=0)

    def convert(self, x: Array) -> jax.Array:
        return jnp.asarray(x)

    def reset(self) -> None:
        parameters = [jnp.array(p) for p in self.start]
        zeros = [jnp.zeros_like(p) for p in parameters]
        moments = (zeros, [z.copy() for z in zeros]) if self.case.optimizer == "adam" else ((), ())
        self.state: Any = (parameters, *moments, jnp.zeros((), jnp.float32))

    def one_pass(self, order: NDArray[np.int64]) -> None:
        rows = order.astype(np.int32).reshape(-1, self.case.batch_size)
        self.state = jax.block_until_ready(self.epoch(self.state, self.x, self.labels, rows))

    def parameters(self) -> list[Array]:
        return [np.array(p) for p in self.state[0]]

    def _epoch(self, state: Any, x: jax.Array, labels: jax.Array, rows: jax.Array) -> Any:
        update = self._sgd if self.case.optimizer == "sgd" else self._adam

        def step(state: Any, batch: jax.Array) -> tuple[Any, None]:
            h = x.at[batch].get(mode="promise_in_bounds")
            if h.dtype == jnp.uint8:
                h = h.astype(jnp.float32) * PIXEL
            y = labels.at[batch].get(mode="promise_in_bounds")
            return update(state, jax.grad(self._loss)(state[0], h, y)), None

        return lax.scan(step, state, rows)[0]

    def _loss(self, parameters: Any, x: jax.Array, labels: jax.Array) -> jax.Array:
        log_p = jax.nn.log_softmax(logits(self.case.net.activation, parameters, x))
        return -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()

    def _sgd(self, state: Any, gradient: Any) -> Any:
        rate = self.case.learning_rate
        moved = [p - rate * g for p, g in zip(state[0], gradient, strict=True)]
        return (moved, *state[1:])

    def _adam(self, state: Any, gradient: Any) -> Any:
        parameters, first, second, step = state
        step = step + 1.0
        first = [BETA_1 * m + (1.0 - BETA_1) * g for m, g in zip(first, gradient, strict=True)]
        second = [
            BETA_2 * v + (1.0 - BETA_2) * g * g for v, g in zip(second, gradient, strict=True)
        ]
        rate = self.case.learning_rate / (1.0 - BETA_1**step)
        root = jnp.sqrt(1.0 - BETA_2**step)
        moved = [
            p - rate * m / (jnp.sqrt(v) / root + EPSILON)
            for p, m, v in zip(parameters, first, second, strict=True)
        ]
        return moved, first, second, step


class Predictor(base.Predictor):
    """A jitted forward pass on rows that are JAX arrays already."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        self.parameters = [jnp.array(p) for p in parameters]
        self.forward = jax.jit(lambda p, x: jax.nn.softmax(logits(net.activation, p, x)))

    def convert(self, x: Array) -> jax.Array:
        return jnp.asarray(as_float32(x))

    @property
    def call(self) -> Callable[[Any], Any]:
        forward, parameters = self.forward, self.parameters
        return lambda x: forward(parameters, x).block_until_ready()
