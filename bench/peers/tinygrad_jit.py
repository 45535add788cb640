"""tinygrad: `TinyJit` on the CPU, its kernels compiled by clang as its heuristics choose them.

Its beam search (``BEAM=2``) also tries kernels of several threads, and fails where only one is
allowed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cases import PIXEL, Array, Net, TrainCase, as_float32
from peers import base

if shutil.which("clang") is None:
    raise ImportError("no clang, which tinygrad compiles with")
os.environ.setdefault("DEV", "CPU")
os.environ.setdefault("THREADS", str(int(os.environ.get("OMP_NUM_THREADS", "1") != "1")))

# tinygrad reads the variables when it is imported
from tinygrad import Context, Device, Tensor, TinyJit
from tinygrad.nn import optim, state


def logits(activation: str, parameters: list[Tensor], x: Tensor) -> Tensor:
    """Forward up to the last layer's z."""
    *hidden, (weight, bias) = base.layer_pairs(parameters)
    for hidden_weight, hidden_bias in hidden:
        x = getattr(x.linear(hidden_weight, hidden_bias), activation)()
    return x.linear(weight, bias)


def synchronize() -> None:
    """Wait for what has been queued."""
    Device[Device.DEFAULT].synchronize()


class Trainer(base.Trainer):
    """A whole step in one jitted function, which gathers its rows by index."""

    def __init__(self, case: TrainCase, x: Array, y: NDArray[np.int64]) -> None:
        super().__init__(case, x, y)
        self.labels = Tensor(y.astype(np.int32)).realize()
        self.tensors = [Tensor(p).realize() for p in self.start]
        kind = {"sgd": optim.SGD, "adam": optim.Adam}[case.optimizer]
        self.optimizer = kind(self.tensors, lr=case.learning_rate)
        self.state = state.get_state_dict(self.optimizer)
        self.at_start = {name: tensor.numpy().copy() for name, tensor in self.state.items()}
        self.step = TinyJit(self._step)

    def convert(self, x: Array) -> Tensor:
        return Tensor(x).realize()

    def reset(self) -> None:
        for name, tensor in self.state.items():
            tensor.assign(Tensor(self.at_start[name])).realize()

    def one_pass(self, order: NDArray[np.int64]) -> None:
        with Context(TRAINING=1):
            for rows in order.astype(np.int32).reshape(-1, self.case.batch_size):
                self.step(Tensor(rows).realize())
        synchronize()

    def _step(self, rows: Tensor) -> None:
        x = self.x[rows]
        if self.x.dtype.itemsize == 1:
            x = x.float() * PIXEL
        self.optimizer.zero_grad()
        z = logits(self.case.net.activation, self.tensors, x)
        z.sparse_categorical_crossentropy(self.labels[rows]).backward()
        self.optimizer.step()

    def parameters(self) -> list[Array]:
        return [tensor.numpy().copy() for tensor in self.tensors]


class Predictor(base.Predictor):
    """A jitted forward pass on rows that are tensors already."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        tensors = [Tensor(p).realize() for p in parameters]
        self.forward = TinyJit(
            lambda x: logits(net.activation, tensors, x).softmax(axis=1).realize()
        )

    def convert(self, x: Array) -> Tensor:
        return Tensor(as_float32(x)).realize()

    @property
    def call(self) -> Callable[[Any], Any]:
        forward = self.forward
        return lambda x: forward(x).numpy()

    def run(self, inputs: Sequence[Any]) -> None:
        for x in inputs:  # as an array, the result would take 300 µs more
            self.forward(x)
            synchronize()
