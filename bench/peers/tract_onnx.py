"""tract on the ONNX graph, optimized for these shapes, in one execution state."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tract

from cases import Array, Net
from peers import base, onnx_runtime


class Predictor(base.Predictor):
    """`State.run` on arrays; its output's memory is tract's own, and copied."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "net.onnx")
            path.write_bytes(onnx_runtime.model(net, self.weights, self.biases, n_rows))
            self.runnable = tract.onnx().load(path).into_model().into_runnable()
        self.state = self.runnable.spawn_state()

    @property
    def call(self) -> Callable[[Any], Any]:
        run = self.state.run
        return lambda x: run([x])[0].to_numpy()
