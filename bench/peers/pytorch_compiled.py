"""PyTorch with forward and loss through ``torch.compile``; the rest as in the eager peer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cases import Array, Net, TrainCase
from peers import pytorch


class Trainer(pytorch.Trainer):
    """The eager loop around a compiled loss, whose backward pass is compiled with it."""

    def __init__(self, case: TrainCase, x: Array, y: NDArray[np.int64]) -> None:
        super().__init__(case, x, y)
        self.loss = torch.compile(self._loss, dynamic=False)


class Predictor(pytorch.Predictor):
    """The same model, compiled."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        self.compiled = torch.compile(self.model.forward, dynamic=False)

    @property
    def call(self) -> Callable[[Any], Any]:
        return self.compiled
