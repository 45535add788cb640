"""Many small regressions at once: a net 24-16-1 for each of thousands of customers.

Each has its own rows x (n_rows, 24) and targets y = tanh(x w) + noise, w its own; all start from
weights of their own. Trained with Adam on half the squared error, in minibatches of 32.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cases import SEED, Array, Net
from harness import verification

NET = Net((24, 16, 1), "relu")
N_ROWS, EPOCHS, BATCH_SIZE, LEARNING_RATE = 1000, 50, 32, 1e-3
NOISE = 0.1

BOUND = verification.RELU_BOUND
LOSS_BOUND = 0.05
"""Of the relative difference of the mean loss after a fit: orders of rows differ, learning does
not."""


@dataclass(frozen=True)
class Crowd:
    """Rows and initial weights of many models.

    Attributes
    ----------
    x : ndarray of shape (n_models, n_rows, n_in)
    y : ndarray of shape (n_models, n_rows)
    start : list of ndarray
        Weights (n_models, n_in, n_out) of each layer, then biases (n_models, n_out); float32.
    """

    x: Array
    y: Array
    start: list[Array]

    @property
    def n_models(self) -> int:
        return len(self.x)

    @property
    def steps(self) -> int:
        """Minibatches of an epoch, the last one smaller."""
        return -(-self.x.shape[1] // BATCH_SIZE)

    def part(self, which: slice) -> Crowd:
        """Return some of the models."""
        return Crowd(self.x[which], self.y[which], [array[which] for array in self.start])

    def divided(self, n_parts: int) -> list[slice]:
        """Return the models of each of so many parts of about the same size."""
        ends = [i * self.n_models // n_parts for i in range(n_parts + 1)]
        return [slice(a, b) for a, b in pairwise(ends)]

    def loss(self, parameters: list[Array]) -> float:
        """Return half the mean squared error, over all rows and all models, in float64."""
        first, last, first_bias, last_bias = (p.astype(np.float64) for p in parameters)
        total = 0.0
        for i, (x, y) in enumerate(zip(self.x, self.y, strict=True)):
            h = np.maximum(x @ first[i] + first_bias[i], 0.0)
            total += float(np.square((h @ last[i] + last_bias[i])[:, 0] - y).mean())
        return 0.5 * total / self.n_models


def made(n_models: int, n_rows: int) -> Crowd:
    """Return so many models, with so many rows each."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((n_models, n_rows, NET.sizes[0]), dtype=np.float32)
    w = rng.standard_normal((n_models, NET.sizes[0], 1), dtype=np.float32)
    y = np.tanh(x @ w / np.float32(np.sqrt(NET.sizes[0])))[..., 0]
    y += NOISE * rng.standard_normal(y.shape, dtype=np.float32)
    start = [
        rng.uniform(-1.0, 1.0, (n_models, *p.shape)) * np.abs(p).max()
        for p in NET.initial_parameters()
    ]
    return Crowd(x, y, [array.astype(np.float32) for array in start])


def flops() -> float:
    """Return the operations of a full minibatch."""
    first = NET.sizes[0] * NET.sizes[1]
    return 2.0 * BATCH_SIZE * (3 * NET.multiply_adds - first)
