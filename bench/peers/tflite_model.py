"""The net as a .tflite model: fully connected, activation, softmax, written without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cases import Array, Net

VERSION, IDENTIFIER = 3, b"TFL3"  # of the file format
OPERATORS = (
    schema.BuiltinOperator.FULLY_CONNECTED,
    schema.BuiltinOperator.LOGISTIC,
    schema.BuiltinOperator.SOFTMAX,
)


class Graph:
    """A subgraph that grows by tensors and operators, each named by its index."""

    def __init__(self) -> None:
        self.made = schema.SubGraphT()
        self.made.tensors, self.made.operators = [], []
        self.buffers = [schema.BufferT()]  # the first is that of tensors without constant data

    def tensor(self, shape: Sequence[int], data: Array | None = None) -> int:
        """Add a float32 tensor, constant if it has data; return its index."""
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), schema.TensorType.FLOAT32, 0
        tensor.name = f"t{len(self.made.tensors)}"
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.astype(np.float32).tobytes(), np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.made.tensors.append(tensor)
        return len(self.made.tensors) - 1

    def operator(self, kind: int, inputs: list[int], output: int, options: Any = None) -> int:
        """Add an operator; return the index of its output."""
        operator = schema.OperatorT()
        operator.opcodeIndex = OPERATORS.index(kind)
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = options
        self.made.operators.append(operator)
        return output


def model(net: Net, weights: list[Array], biases: list[Array], n_rows: int) -> bytes:
    """Return the serialised model from x (n_rows, n_in) to p (n_rows, n_out); relu is fused."""
    graph = Graph()
    fully_connected, logistic, softmax = OPERATORS
    h = graph.tensor((n_rows, net.sizes[0]))
    graph.made.inputs = [h]
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        hidden = i < len(weights) - 1
        options = schema.FullyConnectedOptionsT()
        if hidden and net.activation == "relu":
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        shape = (n_rows, len(bias))
        constants = [graph.tensor(weight.T.shape, weight.T), graph.tensor(bias.shape, bias)]
        h = graph.operator(fully_connected, [h, *constants], graph.tensor(shape), options)
        if hidden and net.activation == "sigmoid":
            h = graph.operator(logistic, [h], graph.tensor(shape))
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    graph.made.outputs = [
        graph.operator(softmax, [h], graph.tensor((n_rows, net.sizes[-1])), options)
    ]
    return _serialised(graph)


def _serialised(graph: Graph) -> bytes:
    made = schema.ModelT()
    made.version, made.subgraphs, made.buffers = VERSION, [graph.made], graph.buffers
    made.operatorCodes = []
    for kind in OPERATORS:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 1
        made.operatorCodes.append(code)
    builder = flatbuffers.Builder()
    builder.Finish(made.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())
