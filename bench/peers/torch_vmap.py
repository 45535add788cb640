"""PyTorch: ``torch.func``, the gradients of all models by ``vmap`` over their stacked parameters.

Adam is fused, on the stacked tensors. A step takes 3 ms besides its arithmetic, so that many
models are stepped at once. Several threads share the tensors of all models, as PyTorch does by
itself, or train a part of the models each, whichever is faster in a trial.
"""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

import crowds
from cases import Array
from crowds import Crowd
from peers import crowd as base
from peers.base import layer_pairs

TRIALS, TRIAL_STEPS = 3, 4


class Part:
    """Some models, stepped together in a Python loop over minibatches."""

    def __init__(self, crowd: Crowd) -> None:
        n_in, n_hidden, n_out = crowds.NET.sizes
        models = [
            nn.Sequential(nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_out))
            for _ in range(crowd.n_models)
        ]
        self.stacked, _ = stack_module_state(models)  # type: ignore[arg-type]
        model = copy.deepcopy(models[0]).to("meta")

        def loss(parameters: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            z = functional_call(model, parameters, (x,))[:, 0]
            return 0.5 * torch.square(z - y).mean()

        self.gradients = vmap(grad(loss))
        self.start = crowd.start
        self.x = torch.from_numpy(crowd.x).flatten(0, 1)
        self.y = torch.from_numpy(crowd.y).flatten()

    def reset(self) -> None:
        """Go back to the start and a fresh optimizer."""
        pairs = [array for pair in layer_pairs(self.start) for array in pair]
        with torch.no_grad():
            for parameter, array in zip(self.stacked.values(), pairs, strict=True):
                start = torch.from_numpy(array)
                parameter.copy_(start.transpose(1, 2) if start.ndim == 3 else start)
        self.optimizer = torch.optim.Adam(
            self.stacked.values(), lr=crowds.LEARNING_RATE, fused=True
        )

    @torch.no_grad()
    def epoch(self, orders: NDArray[np.int64], n_rows: int) -> None:
        """Train on rows (n_models, …) in these orders."""
        rows = torch.from_numpy(orders + n_rows * np.arange(len(orders))[:, None])
        for batch in rows.split(crowds.BATCH_SIZE, dim=1):
            flat = batch.flatten()
            x = self.x.index_select(0, flat).unflatten(0, batch.shape)
            y = self.y.index_select(0, flat).unflatten(0, batch.shape)
            gradients = self.gradients(self.stacked, x, y)
            for name, parameter in self.stacked.items():
                parameter.grad = gradients[name]
            self.optimizer.step()


class Trainer(base.Trainer):
    """Parts of the models side by side, or all of them by threads that share each operation."""

    n_models = 2000
    epochs = 2

    def __init__(self, crowd: Crowd, threads: int) -> None:
        super().__init__(crowd, threads)
        self.pool = ThreadPoolExecutor(threads)
        self._divide(1)
        if threads > 1 and crowd.n_models >= threads:
            times = {1: self._trial()}
            self._divide(threads)
            times[threads] = self._trial()
            self._divide(min(times, key=lambda n: times[n]))

    def _divide(self, n_parts: int) -> None:
        self.slices = self.crowd.divided(n_parts)
        self.parts = [Part(self.crowd.part(which)) for which in self.slices]
        torch.set_num_threads(self.threads // n_parts)

    def _trial(self) -> float:
        rows = np.arange(TRIAL_STEPS * crowds.BATCH_SIZE) % self.crowd.y.shape[1]
        orders = np.tile(rows, (self.crowd.n_models, 1))
        taken = []
        self._reset()
        for _ in range(1 + TRIALS):  # the first one allocates
            start = perf_counter()
            self._epoch(orders)
            taken.append(perf_counter() - start)
        return min(taken)

    def train(self, epochs: int) -> None:
        self._reset()
        for _ in range(epochs):
            self._epoch(self.orders())

    def follow(self) -> None:
        self._reset()
        n_models, n_rows = self.crowd.y.shape
        self._epoch(np.tile(np.arange(n_rows), (n_models, 1)))

    def parameters(self) -> list[Array]:
        parts = [[p.detach().numpy() for p in part.stacked.values()] for part in self.parts]
        arrays = [np.concatenate(each) for each in zip(*parts, strict=True)]
        return [w.transpose(0, 2, 1) for w in arrays[::2]] + arrays[1::2]

    def _reset(self) -> None:
        torch.set_num_threads(self.threads // len(self.parts))  # of this trainer, not the last one
        for part in self.parts:
            part.reset()

    def _epoch(self, orders: NDArray[np.int64]) -> None:
        n_rows = self.crowd.y.shape[1]

        def one(part: Part, which: slice) -> None:
            torch.set_num_threads(self.threads // len(self.parts))  # OpenMP's, for this thread
            part.epoch(orders[which], n_rows)

        if len(self.parts) == 1:
            self.parts[0].epoch(orders, n_rows)
        else:
            list(self.pool.map(one, self.parts, self.slices))
