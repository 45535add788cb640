"""Networks as ONNX models: data for ONNX Runtime and whatever else reads the format.

The graph has one input ``x`` (rows, n_in), any number of rows, and the outputs

    label          softmax: (rows,); sigmoid: (rows,) for one output, else (rows, n_out). Indices or
                   0 and 1 as int64, or the class labels: strings, int64, double or bool
    probabilities  softmax and sigmoid: (rows, n_out)
    prediction     identity and exp: (rows, n_out)

and is otherwise one Gemm a layer with its activation behind it (see
`fastnn.exchange.onnx.formulas`). The model's metadata hold what the graph does not: the loss, the
scale of uint8 inputs, the version, and what the network was trained on. The columns' names and the
label's also stand, for people and viewers of models, in the doc strings of ``x`` and of the
outputs.

The graph computes in the network's dtype. `fastnn train` makes float64 networks of tables, so that
columns far from zero lose nothing; hand such a model float64 rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn import validation
from fastnn.architecture import Array
from fastnn.exchange.class_labels import doubles, utf8
from fastnn.exchange.columns import check_no_columns
from fastnn.exchange.onnx.formulas import FORMULAS
from fastnn.model.model import Model
from fastnn.model.persistence import metadata_of
from fastnn.system.files import write_whole
from fastnn.system.packages import imported
from fastnn.system.version import __version__

OPSET = 13  # the oldest in which all that is used here takes float64
IR_VERSION = 7  # of the same age: ONNX Runtime 1.7 and later

METADATA_PREFIX = "fastnn."
LARGEST = 2**31 - 2**16  # bytes: what Protocol Buffers can hold, less the graph itself


def to_onnx(network: Model, path: Any, *, input_dtype: Any = None) -> None:
    """Write `network` as an ONNX model; see `Network.to_onnx`.

    Raises
    ------
    ImportError
        If onnx is not installed.
    OSError
        If the file cannot be written.
    TypeError, ValueError
        If `input_dtype` is none of the choices, a class label has no place in the format, or the
        parameters are too many for one file.
    """
    check_no_columns(network, "an ONNX model")
    onnx = imported("onnx", extra="onnx")
    architecture = network.architecture
    input_dtype = _check_input_dtype(architecture.dtype if input_dtype is None else input_dtype)
    n_bytes = architecture.n_parameters * np.dtype(architecture.dtype).itemsize
    if n_bytes > LARGEST:
        raise ValueError(
            f"the network's {architecture.n_parameters} parameters take {n_bytes} bytes, and an "
            f"ONNX file holds at most {LARGEST}"
        )
    model = _model(onnx, network, input_dtype)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString(deterministic=True)
    with write_whole(path) as file:
        file.write(data)


def _check_input_dtype(value: Any) -> str:
    try:
        name = np.dtype(value).name
    except (TypeError, ValueError, SyntaxError):
        name = value
    return validation.check_choice("input_dtype", name, ("float32", "float64", "uint8"))


class _Writer:
    """The nodes and constants of a graph that grows."""

    def __init__(self, onnx: Any, dtype: str) -> None:
        self.onnx = onnx
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.prefix = ""

    def op(self, op_type: str, *operands: str | float, **attributes: Any) -> str:
        """Append a node and return the name of what it computes."""
        name = f"{self.prefix}{op_type.lower()}_{len(self.nodes)}"
        inputs = [self.number(o) if isinstance(o, float) else o for o in operands]
        node = self.onnx.helper.make_node(op_type, inputs, [name], name=name, **attributes)
        self.nodes.append(node)
        return name

    def number(self, value: float) -> str:
        """Return the name of a number of the network's dtype."""
        return self.constant(f"number_{value!r}", np.array(value, self.dtype))

    def constant(self, name: str, values: Any) -> str:
        """Return the name of an array in the file."""
        if name not in self.constants:
            self.constants[name] = self.onnx.numpy_helper.from_array(values, name)
        return name

    def output(self, name: str, computed: str) -> None:
        """Give what was computed the name of an output."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [computed], [name], name=name))


def _model(onnx: Any, network: Model, input_dtype: str) -> Any:
    architecture = network.architecture
    helper, kind = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype
    writer = _Writer(onnx, architecture.dtype)
    real = kind(np.dtype(architecture.dtype))

    value = "x"
    if input_dtype != architecture.dtype:
        value = writer.op("Cast", value, to=real)
    if input_dtype == "uint8":
        value = writer.op("Mul", value, float(architecture.input_scale))
    for i, (layer, weight, bias) in enumerate(architecture.views(network.parameters)):
        writer.prefix = f"layer_{i}_"
        operands = [value, writer.constant(f"weights.{i}", np.ascontiguousarray(weight))]
        if bias is not None:
            operands.append(writer.constant(f"biases.{i}", np.ascontiguousarray(bias)))
        value = FORMULAS[architecture.dtype][layer.activation](
            writer.op, writer.op("Gemm", *operands)
        )
    writer.prefix = ""

    outputs = []
    if architecture.classifies:
        label, label_kind = _label(onnx, writer, network, value)
        shape = ["rows"] if architecture.one_class_a_row else ["rows", architecture.n_out]
        writer.output("label", label)
        outputs.append(helper.make_tensor_value_info("label", label_kind, shape))
    numbers = "probabilities" if architecture.classifies else "prediction"
    writer.output(numbers, value)
    outputs.append(helper.make_tensor_value_info(numbers, real, ["rows", architecture.n_out]))
    x = helper.make_tensor_value_info("x", kind(np.dtype(input_dtype)), ["rows", architecture.n_in])
    _name(x, outputs, network)

    model = helper.make_model(
        helper.make_graph(
            writer.nodes, "fastnn", [x], outputs, initializer=list(writer.constants.values())
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fastnn",
        producer_version=__version__,
    )
    metadata = {METADATA_PREFIX + k: v for k, v in metadata_of(network).items() if k != "format"}
    helper.set_model_props(model, metadata)
    return model


def _name(x: Any, outputs: Sequence[Any], network: Model) -> None:
    """Write the columns' names, and the label's, into the doc strings of the inputs and outputs."""
    trained_on = network.trained_on
    if trained_on is None:
        return
    if trained_on.feature_names is not None:
        x.doc_string = _text(f"columns: {', '.join(trained_on.feature_names)}")
    if trained_on.label_name is not None:
        for output in outputs:
            output.doc_string = _text(f"of {trained_on.label_name}")


def _text(text: str) -> str:
    """Return text as valid Unicode, which the format asks for."""
    return text.encode("utf-8", "backslashreplace").decode()


def _label(onnx: Any, writer: _Writer, network: Model, value: str) -> tuple[str, Any]:
    """Append the choice of a class, or of yes and no; return its name and its element type."""
    int64 = onnx.TensorProto.INT64
    if network.architecture.output == "softmax":
        label = writer.op("ArgMax", value, axis=1, keepdims=0)
    else:
        label = writer.op("Cast", writer.op("Greater", value, 0.5), to=int64)
        if network.architecture.n_out == 1:
            flat = writer.constant("flat", np.array([-1], np.int64))
            label = writer.op("Reshape", label, flat)
    if network.class_labels is None:
        return label, int64
    labels, label_kind = _label_array(onnx, network.class_labels)
    return writer.op("Gather", writer.constant("class_labels", labels), label, axis=0), label_kind


def _label_array(onnx: Any, labels: Sequence[Any]) -> tuple[Array, int]:
    """Return class labels, all texts or all numbers, as an array and its element type."""
    proto = onnx.TensorProto
    if all(isinstance(label, str) for label in labels):
        for label in labels:
            utf8(label)
        return np.array(labels, object), proto.STRING
    if all(isinstance(label, bool) for label in labels):
        return np.array(labels), proto.BOOL
    if not all(isinstance(label, int) for label in labels):
        return np.array(doubles(labels)), proto.DOUBLE
    if not all(-(2**63) <= label < 2**63 for label in labels):
        raise ValueError(
            "an ONNX model's whole-number labels must fit 64 bits, got class_labels "
            f"{list(labels)!r}"
        )
    return np.array(labels, np.int64), proto.INT64
