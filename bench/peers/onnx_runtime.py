"""ONNX Runtime: the net as Gemm, activation, Gemm, Softmax, all graph optimisations on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from cases import Array, Net
from peers import base

ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid"}
OUTPUTS = ["p"]
OPSET, IR_VERSION = 17, 8  # read by every ONNX Runtime since 1.12


def model(net: Net, weights: list[Array], biases: list[Array], n_rows: int) -> bytes:
    """Return the serialised graph from x (n_rows, n_in) to p (n_rows, n_out)."""
    nodes, constants, source = [], [], "x"
    last = len(weights) - 1
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        constants += [numpy_helper.from_array(np.ascontiguousarray(weight), f"weight{i}")]
        constants += [numpy_helper.from_array(bias, f"bias{i}")]
        nodes.append(helper.make_node("Gemm", [source, f"weight{i}", f"bias{i}"], [f"z{i}"]))
        source = "p" if i == last else f"h{i}"
        if i == last:
            nodes.append(helper.make_node("Softmax", [f"z{i}"], [source], axis=1))
        else:
            nodes.append(helper.make_node(ACTIVATIONS[net.activation], [f"z{i}"], [source]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (n_rows, net.sizes[0]))],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, (n_rows, net.sizes[-1]))],
        constants,
    )
    opset = [helper.make_opsetid("", OPSET)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    return bytes(made.SerializeToString())


class Predictor(base.Predictor):
    """`InferenceSession.run`, as everyone calls it."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        super().__init__(net, parameters, n_rows)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        graph = model(net, self.weights, self.biases, n_rows)
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    @property
    def call(self) -> Callable[[Any], Any]:
        run = self.session.run
        return lambda x: run(OUTPUTS, {"x": x})[0]
