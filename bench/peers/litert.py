"""LiteRT, formerly TensorFlow Lite: its interpreter, which delegates the net to XNNPACK.

Copying the rows in and the probabilities out takes less time than views of the tensors, and
`CompiledModel` with its buffers takes three times as long for one row of 64-32-10.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ai_edge_litert.interpreter import Interpreter

from cases import Array, Net
from peers import base, tflite_model


class Predictor(base.Predictor):
    """`set_tensor`, `invoke`, `get_tensor`."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        self.interpreter = Interpreter(
            model_content=tflite_model.model(net, self.weights, self.biases, n_rows),
            num_threads=int(os.environ["OMP_NUM_THREADS"]),
        )
        self.interpreter.allocate_tensors()

    @property
    def call(self) -> Callable[[Any], Any]:
        (x_details,) = self.interpreter.get_input_details()
        (p_details,) = self.interpreter.get_output_details()
        x_index, p_index = x_details["index"], p_details["index"]
        put, invoke, get = (
            self.interpreter.set_tensor,
            self.interpreter.invoke,
            self.interpreter.get_tensor,
        )

        def call(x: Array) -> Any:
            put(x_index, x)
            invoke()
            return get(p_index)

        return call
