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

A network with columns takes a table instead of ``x``, an input for each column that is read (see
`fastnn.exchange.onnx.table_inputs`). Of an ensemble the graph computes network after network, which
ONNX Runtime does faster than with all weights of a layer in one MatMul, whose weights it does not
pack; then the mean of their outputs, in float64.

The graph computes in the network's dtype. `fastnn train` makes float64 networks of tables, so that
columns far from zero lose nothing; hand such a model float64 rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.architecture import Architecture, Array
from fastnn.exchange.class_labels import doubles, utf8
from fastnn.exchange.onnx.formulas import FORMULAS
from fastnn.exchange.onnx.preparation import prepare
from fastnn.exchange.onnx.table_inputs import as_unicode, check_float32, table_inputs, value_infos
from fastnn.exchange.onnx.writer import Writer
from fastnn.model.ensemble_model import EnsembleModel
from fastnn.model.model import Learner, Model
from fastnn.model.persistence import metadata_of
from fastnn.system.files import write_whole
from fastnn.system.packages import imported
from fastnn.system.version import __version__

OPSETS = {"": 13, "ai.onnx.ml": 2}
"""The oldest in which all that is used here takes float64, and LabelEncoder text."""

IR_VERSION = 7  # of the same age: ONNX Runtime 1.7 and later

METADATA_PREFIX = "fastnn."
LARGEST = 2**31 - 2**16  # bytes: what Protocol Buffers can hold, less the graph itself


def to_onnx(model: Model | EnsembleModel, path: Any, *, input_dtype: Any = None) -> None:
    """Write a network or an ensemble as an ONNX model; see `Network.to_onnx`.

    Raises
    ------
    ImportError
        If onnx is not installed.
    OSError
        If the file cannot be written.
    TypeError, ValueError
        If `input_dtype` is none of the choices, a class label or the name of a column has no place
        in the format, or the parameters are too many for one file.
    """
    onnx = imported("onnx", extra="onnx")
    architecture = model.architecture
    input_dtype = _check_input_dtype(model, input_dtype)
    n_models = model.n_models if isinstance(model, EnsembleModel) else 1
    n_parameters = n_models * architecture.n_parameters
    n_bytes = n_parameters * np.dtype(architecture.dtype).itemsize
    if n_bytes > LARGEST:
        of = "network" if isinstance(model, Model) else "ensemble"
        raise ValueError(
            f"the {of}'s {n_parameters} parameters take {n_bytes} bytes, and an ONNX file holds at "
            f"most {LARGEST}"
        )
    proto = _model(onnx, model, input_dtype)
    onnx.checker.check_model(proto, full_check=True)
    data = proto.SerializeToString(deterministic=True)
    with write_whole(path) as file:
        file.write(data)


def _check_input_dtype(model: Model | EnsembleModel, value: Any) -> str:
    takes_table = model.columns is not None
    if value is None:
        return "float64" if takes_table else model.architecture.dtype
    try:
        name = np.dtype(value).name
    except (TypeError, ValueError, SyntaxError):
        name = value
    choices = ("float32", "float64", "uint8")
    return validation.check_choice("input_dtype", name, choices[:2] if takes_table else choices)


def _model(onnx: Any, model: Model | EnsembleModel, input_dtype: str) -> Any:
    architecture, columns = model.architecture, model.columns
    helper, kind = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype
    real = kind(np.dtype(architecture.dtype))
    numbers = "probabilities" if architecture.classifies else "prediction"
    names = ("label", numbers) if architecture.classifies else (numbers,)

    order = None
    if columns is None:
        x = helper.make_tensor_value_info(
            "x", kind(np.dtype(input_dtype)), ["rows", architecture.n_in]
        )
        inputs, writer = [x], Writer(onnx, architecture.dtype)
        value = "x"
        if input_dtype != architecture.dtype:
            value = writer.op("Cast", value, to=real)
        if input_dtype == "uint8":
            value = writer.op("Mul", value, float(architecture.input_scale))
    else:
        table = table_inputs(columns, names)
        if input_dtype == "float32":
            check_float32(table)
        inputs = value_infos(onnx, table, input_dtype)
        writer = Writer(onnx, architecture.dtype, [*names, *(one.name for one in table)])
        value, order = prepare(writer, table)
        if architecture.dtype != "float32":
            value = writer.op("Cast", value, to=real)
    value = _outputs(writer, model, value, order)

    outputs = []
    if architecture.classifies:
        label, label_kind = _label(onnx, writer, model, value)
        shape = ["rows"] if architecture.one_class_a_row else ["rows", architecture.n_out]
        writer.output("label", label)
        outputs.append(helper.make_tensor_value_info("label", label_kind, shape))
    writer.output(numbers, value)
    outputs.append(helper.make_tensor_value_info(numbers, real, ["rows", architecture.n_out]))
    _name(inputs[0] if columns is None else None, outputs, model)

    proto = helper.make_model(
        helper.make_graph(
            writer.nodes, "fastnn", inputs, outputs, initializer=list(writer.constants.values())
        ),
        opset_imports=[helper.make_opsetid(d, OPSETS[d]) for d in sorted(writer.domains)],
        ir_version=IR_VERSION,
        producer_name="fastnn",
        producer_version=__version__,
    )
    metadata = metadata_of(model)
    if isinstance(model, EnsembleModel):
        metadata["n_models"] = str(model.n_models)
    if columns is not None:
        metadata["takes"] = "table"
    metadata = {METADATA_PREFIX + k: v for k, v in metadata.items() if k != "format"}
    helper.set_model_props(proto, metadata)
    return proto


def _outputs(
    writer: Writer,
    model: Model | EnsembleModel,
    value: str,
    order: NDArray[np.int64] | None,
) -> str:
    """Append the layers, of each network, and the mean of several; return the outputs' name."""
    if isinstance(model, Model):
        return _layers(writer, model.architecture, model.parameters, value, order)
    a, each = model.architecture, []
    for m, parameters in enumerate(model.parameters):
        writer.prefix = f"model_{m}_"
        each.append(_layers(writer, a, parameters, value, order))
    if len(each) == 1:
        return each[0]
    proto = writer.onnx.TensorProto
    together = writer.op("Cast", writer.op("Concat", *each, axis=1), to=proto.DOUBLE)
    shape = np.array([0, len(each), a.n_out], np.int64)  # 0: as many rows as there are
    together = writer.op("Reshape", together, writer.constant("each", shape))
    mean = writer.op("ReduceMean", together, axes=[1], keepdims=0)
    real = proto.FLOAT if a.dtype == "float32" else proto.DOUBLE
    return writer.op("Cast", mean, to=real)


def _layers(
    writer: Writer,
    architecture: Architecture,
    parameters: Array,
    value: str,
    order: NDArray[np.int64] | None,
) -> str:
    """Append the layers of one network; `order` says which input each column of `value` is."""
    prefix = writer.prefix
    for i, (layer, weight, bias) in enumerate(architecture.views(parameters)):
        writer.prefix = f"{prefix}layer_{i}_"
        if i == 0 and order is not None:
            weight = weight[order]
        weight = np.ascontiguousarray(weight)
        operands = [value, writer.constant(f"{prefix}weights.{i}", weight)]
        if bias is not None:
            bias = np.ascontiguousarray(bias)
            operands.append(writer.constant(f"{prefix}biases.{i}", bias))
        value = FORMULAS[architecture.dtype][layer.activation](
            writer.op, writer.op("Gemm", *operands)
        )
    writer.prefix = ""
    return value


def _name(x: Any, outputs: Sequence[Any], network: Learner) -> None:
    """Write the label's name into the outputs' doc strings, and those of columns into that of x."""
    trained_on = network.trained_on
    if trained_on is None:
        return
    if x is not None and trained_on.feature_names is not None:
        x.doc_string = as_unicode(f"columns: {', '.join(trained_on.feature_names)}")
    if trained_on.label_name is not None:
        for output in outputs:
            output.doc_string = as_unicode(f"of {trained_on.label_name}")


def _label(onnx: Any, writer: Writer, network: Learner, value: str) -> tuple[str, Any]:
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
