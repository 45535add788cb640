"""ONNX models written node by node, as other libraries and vandals write them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

W1 = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
B1 = np.array([0.5, -0.25, 0.125], np.float32)
W2 = np.linspace(1, -1, 6, dtype=np.float32).reshape(3, 2)
B2 = np.array([0.1, -0.2], np.float32)
WEIGHTS = {"W1": W1, "b1": B1, "W2": W2, "b2": B2}

FIRST = ("Gemm", ["x", "W1", "b1"], "z1")
RELU = ("Relu", ["z1"], "h1")
LAST = ("Gemm", ["h1", "W2", "b2"], "y")
PLAIN = (FIRST, RELU, LAST)


def model_of(
    nodes=PLAIN, outputs=("y",), x=(TensorProto.FLOAT, ["rows", 4]), opset=17, **constants
):
    """A model of nodes ``(op_type, inputs, output, attributes)``; scalars among the constants."""
    made = []
    for op_type, inputs, output, *attributes in nodes:
        settings = attributes[0] if attributes else {}
        results = [output] if isinstance(output, str) else output
        made.append(helper.make_node(op_type, inputs, results, name=f"the {op_type}", **settings))
    tensors = [
        numpy_helper.from_array(value if isinstance(value, np.ndarray) else np.array(value), name)
        for name, value in (WEIGHTS | constants).items()
    ]
    graph = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info("x", *x)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        initializer=tensors,
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def written(model, folder):
    """Write the model; return its path."""
    path = folder / "net.onnx"
    onnx.save(model, path)
    return path
