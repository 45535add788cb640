"""JAX: an epoch in one jitted call, ``lax.scan`` over minibatches of ``vmap`` over models.

XLA steps so small models on one processor; therefore each thread trains its part of them.
`OneOrder` sees the rows of all models in one order, drawn for each epoch: less work than drawing
and gathering each model's own, which the others do. Its rows lie minibatch by minibatch, (n_rows,
n_models, n_in), which takes half the time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import crowds
from cases import Array
from crowds import Crowd
from peers import crowd as base
from peers.jax_jit import BETA_1, BETA_2, EPSILON, logits


class Trainer(base.Trainer):
    """A call an epoch for each part of the models."""

    n_models = 800
    epochs = 5
    one_order = False

    def __init__(self, crowd: Crowd, threads: int) -> None:
        super().__init__(crowd, threads)
        slices = crowd.divided(min(threads, crowd.n_models))
        self.parts = [self._placed(crowd.part(which)) for which in slices]
        self.slices, self.pool = slices, ThreadPoolExecutor(len(slices))

    def _placed(self, part: Crowd) -> tuple[Any, Any]:
        if self.one_order:
            return jnp.asarray(part.x.transpose(1, 0, 2)), jnp.asarray(part.y.T)
        return jnp.asarray(part.x.reshape(-1, part.x.shape[2])), jnp.asarray(part.y.reshape(-1))

    def train(self, epochs: int) -> None:
        n_rows = self.crowd.y.shape[1]
        self._reset()
        for _ in range(epochs):
            if self.one_order:
                self._epoch(self.rng.permutation(n_rows))
            else:
                self._epoch(self.orders())

    def follow(self) -> None:
        self._reset()
        rows = np.arange(self.crowd.y.shape[1])
        self._epoch(rows if self.one_order else np.tile(rows, (self.crowd.n_models, 1)))

    def parameters(self) -> list[Array]:
        return [np.concatenate(parts) for parts in zip(*(s[0] for s in self.states), strict=True)]

    def _reset(self) -> None:
        self.states = []
        for which in self.slices:
            parameters = [jnp.array(p[which]) for p in self.crowd.start]
            zeros = [jnp.zeros_like(p) for p in parameters]
            self.states.append((parameters, zeros, zeros, jnp.zeros(())))

    def _epoch(self, orders: Any) -> None:
        """Rows (n_rows,) for all, or (n_models, n_rows), as rows of the part's flat x."""

        def one(i: int) -> Any:
            x, y = self.parts[i]
            rows = orders
            if not self.one_order:
                rows = orders[self.slices[i]]
                rows = rows + rows.shape[1] * np.arange(len(rows))[:, None]
            run = epoch(self.one_order)
            return jax.block_until_ready(run(self.states[i], x, y, rows.astype(np.int32)))

        self.states = list(self.pool.map(one, range(len(self.parts))))


class OneOrder(Trainer):
    """The rows of all models in the same order."""

    one_order = True


@cache
def epoch(one_order: bool) -> Any:
    """Return the jitted program of an epoch."""
    axis = 1 if one_order else 0  # of the models, in a minibatch
    steps = jax.vmap(step, in_axes=((0, 0, 0, None), axis, axis), out_axes=(0, 0, 0, None))

    def run(state: Any, x: jax.Array, y: jax.Array, rows: jax.Array) -> Any:
        def minibatch(state: Any, batch: jax.Array) -> tuple[Any, None]:
            taken = (a.at[batch].get(mode="promise_in_bounds") for a in (x, y))
            return steps(state, *taken), None

        size = crowds.BATCH_SIZE
        whole = rows.shape[-1] // size
        head, rest = rows[..., : whole * size], rows[..., whole * size :]
        batches = head.reshape(*head.shape[:-1], whole, size)
        state, _ = lax.scan(minibatch, state, batches if one_order else batches.swapaxes(0, 1))
        return minibatch(state, rest)[0] if rest.shape[-1] else state

    return jax.jit(run)


def step(state: Any, x: jax.Array, y: jax.Array) -> Any:
    """Return the state of one model after a step of Adam."""
    parameters, first, second, t = state
    gradient = jax.grad(loss)(parameters, x, y)
    t = t + 1.0
    first = [BETA_1 * m + (1.0 - BETA_1) * g for m, g in zip(first, gradient, strict=True)]
    second = [BETA_2 * v + (1.0 - BETA_2) * g * g for v, g in zip(second, gradient, strict=True)]
    rate = crowds.LEARNING_RATE / (1.0 - BETA_1**t)
    root = jnp.sqrt(1.0 - BETA_2**t)
    moved = [
        p - rate * m / (jnp.sqrt(v) / root + EPSILON)
        for p, m, v in zip(parameters, first, second, strict=True)
    ]
    return moved, first, second, t


def loss(parameters: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return half the mean squared error."""
    z = logits(crowds.NET.activation, parameters, x)[:, 0]
    return 0.5 * jnp.square(z - y).mean()
