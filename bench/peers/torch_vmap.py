"""PyTorch: ``torch.func``, the gradients of all models by ``vmap`` over their stacked parameters.

Adam is fused, on the stacked tensors. A step takes 3 ms besides its arithmetic, so that many
models are stepped at once; tensors are shared among the threads by PyTorch itself.
"""

from __future__ import annotations

import copy
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


class Trainer(base.Trainer):
    """A Python loop over minibatches, each of all models."""

    n_models = 2000
    epochs = 2

    def __init__(self, crowd: Crowd, threads: int) -> None:
        super().__init__(crowd, threads)
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
        self.x = torch.from_numpy(crowd.x).flatten(0, 1)
        self.y = torch.from_numpy(crowd.y).flatten()

    def train(self, epochs: int) -> None:
        self._reset()
        for _ in range(epochs):
            self._epoch(self.orders())

    def follow(self) -> None:
        self._reset()
        n_models, n_rows = self.crowd.y.shape
        self._epoch(np.tile(np.arange(n_rows), (n_models, 1)))

    def parameters(self) -> list[Array]:
        arrays = [p.detach().numpy() for p in self.stacked.values()]
        return [w.transpose(0, 2, 1).copy() for w in arrays[::2]] + [b.copy() for b in arrays[1::2]]

    def _reset(self) -> None:
        pairs = [array for pair in layer_pairs(self.crowd.start) for array in pair]
        with torch.no_grad():
            for parameter, array in zip(self.stacked.values(), pairs, strict=True):
                start = torch.from_numpy(array)
                parameter.copy_(start.transpose(1, 2) if start.ndim == 3 else start)
        self.optimizer = torch.optim.Adam(
            self.stacked.values(), lr=crowds.LEARNING_RATE, fused=True
        )

    @torch.no_grad()
    def _epoch(self, orders: NDArray[np.int64]) -> None:
        n_models, n_rows = orders.shape
        rows = torch.from_numpy(orders + n_rows * np.arange(n_models)[:, None])
        for batch in rows.split(crowds.BATCH_SIZE, dim=1):
            flat = batch.flatten()
            x = self.x.index_select(0, flat).unflatten(0, batch.shape)
            y = self.y.index_select(0, flat).unflatten(0, batch.shape)
            gradients = self.gradients(self.stacked, x, y)
            for name, parameter in self.stacked.items():
                parameter.grad = gradients[name]
            self.optimizer.step()
