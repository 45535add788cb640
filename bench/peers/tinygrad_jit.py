"""tinygrad: `TinyJit` on the CPU, its kernels compiled by clang as its heuristics choose them.

Its beam search (``BEAM=2``) also tries kernels of several threads, and fails where only one is
allowed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from cases import Array, Net, as_float32
from peers import base

if shutil.which("clang") is None:
    raise ImportError("no clang, which tinygrad compiles with")
os.environ.setdefault("DEV", "CPU")
os.environ.setdefault("THREADS", str(int(os.environ.get("OMP_NUM_THREADS", "1") != "1")))

# tinygrad reads the variables when it is imported
from tinygrad import Device, Tensor, TinyJit


def logits(activation: str, parameters: list[Tensor], x: Tensor) -> Tensor:
    """Forward up to the last layer's z."""
    *hidden, (weight, bias) = base.layer_pairs(parameters)
    for hidden_weight, hidden_bias in hidden:
        x = getattr(x.linear(hidden_weight, hidden_bias), activation)()
    return x.linear(weight, bias)


def synchronize() -> None:
    """Wait for what has been queued."""
    Device[Device.DEFAULT].synchronize()


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
