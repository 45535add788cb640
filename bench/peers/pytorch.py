"""PyTorch, eager: ``nn.Sequential``, ``torch.optim``, ``torch.inference_mode``.

The data are tensors in memory, images as bytes: an ``index_select`` of bytes, then scaled, takes
half the time of one of float32, and both are far faster than a DataLoader. Of the optimizer's
implementations on CPU (a loop, ``foreach``, ``fused``) the one that is fastest here is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cases import PIXEL, Array, Net, TrainCase, as_float32
from peers import base

TRIALS, TRIAL_STEPS = 15, 10
ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}
IMPLEMENTATIONS: dict[str, dict[str, bool]] = {
    "loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}


def sequential(net: Net) -> nn.Sequential:
    """Return the layers up to the logits."""
    layers: list[nn.Module] = []
    for n_in, n_out in zip(net.sizes[:-1], net.sizes[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), ACTIVATIONS[net.activation]()]
    return nn.Sequential(*layers[:-1])


def set_parameters(model: nn.Module, parameters: list[Array]) -> None:
    """Copy weights, then biases, into the model, which keeps them transposed and in turn."""
    with torch.no_grad():
        pairs = [array for pair in base.layer_pairs(parameters) for array in pair]
        for parameter, array in zip(model.parameters(), pairs, strict=True):
            parameter.copy_(torch.from_numpy(array.T))


class Trainer(base.Trainer):
    """The usual loop: zero_grad, loss, backward, step."""

    def __init__(self, case: TrainCase, x: Array, y: NDArray[np.int64]) -> None:
        super().__init__(case, x, y)
        self.labels = torch.from_numpy(y)
        self.model = sequential(case.net)
        self.loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = self._loss
        self.implementation = self._fastest()
        self.note = f"optimizer: {self.implementation}"

    def convert(self, x: Array) -> torch.Tensor:
        return torch.from_numpy(x)

    def _loss(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(self.model(x), labels)

    def _fastest(self) -> str:
        """Try the implementations in turn; a best time is one that nothing else disturbed."""
        rows = np.arange(TRIAL_STEPS * self.case.batch_size) % len(self.y)
        best = dict.fromkeys(IMPLEMENTATIONS, float("inf"))
        for _ in range(TRIALS):
            for self.implementation in IMPLEMENTATIONS:
                self.reset()
                self.one_pass(rows[: self.case.batch_size])  # allocates the optimizer's state
                start = perf_counter()
                self.one_pass(rows)
                taken = perf_counter() - start
                best[self.implementation] = min(best[self.implementation], taken)
        return min(best, key=lambda name: best[name])

    def reset(self) -> None:
        set_parameters(self.model, self.start)
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[self.case.optimizer]
        options: dict[str, Any] = IMPLEMENTATIONS[self.implementation]
        self.optimizer = kind(self.model.parameters(), lr=self.case.learning_rate, **options)

    def one_pass(self, order: NDArray[np.int64]) -> None:
        rows = torch.from_numpy(order)
        for batch in rows.split(self.case.batch_size):
            x = self.x.index_select(0, batch)
            if x.dtype == torch.uint8:
                x = x.to(torch.float32).mul_(PIXEL)
            labels = self.labels.index_select(0, batch)
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(x, labels).backward()
            self.optimizer.step()

    def parameters(self) -> list[Array]:
        arrays = [p.detach().numpy().T.copy() for p in self.model.parameters()]
        return arrays[::2] + arrays[1::2]


class Predictor(base.Predictor):
    """``nn.Sequential`` with its softmax, in evaluation and inference mode, on float32 tensors."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        model = sequential(net)
        set_parameters(model, parameters)
        self.model = model.append(nn.Softmax(dim=1)).eval().requires_grad_(False)

    def convert(self, x: Array) -> torch.Tensor:
        return torch.from_numpy(as_float32(x))

    @property
    def call(self) -> Callable[[Any], Any]:
        forward: Callable[[Any], Any] = self.model.forward
        return forward

    def run(self, inputs: Sequence[Any]) -> None:
        with torch.inference_mode():  # entered once: a decorated call takes 5 µs more
            super().run(inputs)
