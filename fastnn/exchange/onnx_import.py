"""Reading networks from ONNX models: plain MLP graphs, and nothing that is in a file is executed.

A model that fastnn wrote gives back the very network, loss and class labels included; the graph
must then be what the model's metadata say. Of other libraries' models the graph is all there is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import validation
from fastnn.architecture import OUTPUTS, Architecture
from fastnn.backends import NAMES, get_backend
from fastnn.exchange.assembly import assemble
from fastnn.exchange.class_labels import unless_numbers
from fastnn.exchange.onnx_export import METADATA_PREFIX
from fastnn.exchange.onnx_graph import Graph
from fastnn.exchange.onnx_nodes import PLAIN
from fastnn.exchange.onnx_tensors import Tensors
from fastnn.exchange.onnx_values import Computed, Label
from fastnn.exchange.packages import imported
from fastnn.persistence import FORMAT, read_metadata, read_trained_on

if TYPE_CHECKING:
    from fastnn.network import Network

OLDEST_OPSET = 7  # since then Gemm, Add and Mul broadcast as they do today


def from_onnx(path: Any, *, output: str | None = None, backend: str = "auto") -> Network:
    """Read a network from an ONNX model that is a plain MLP.

    Read are Gemm or MatMul and Add, with or without a bias; fastnn's activations, as fastnn,
    PyTorch, Keras and scikit-learn's converters write them; Dropout, Identity, casts to other
    floating-point numbers; flattening and a scale at the input; Softmax, Sigmoid or Exp at the end,
    and the choice of a class after it.

    Parameters
    ----------
    path : path-like
        Weights in files beside the model's are read too; in other folders they are not.
    output : {"softmax", "sigmoid", "identity", "exp"}, optional
        What turns the graph's last numbers into predictions, where it ends in plain logits: such
        a graph has otherwise the output identity, or softmax if it chooses the largest. "softmax"
        also reads a graph that ends in LogSoftmax.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        Who computes.

    Returns
    -------
    Network
        float64 if the weights are, else float32 (half precision is widened). Its `input_scale` is
        the model's for uint8 rows, else 1: bytes are the numbers they are. One sigmoid output
        stays one where the model gives both classes' probabilities.

    Raises
    ------
    ImportError
        If onnx is not installed: ``pip install "fastnn[onnx]"``.
    OSError
        If a file cannot be read.
    ValueError
        If it is no ONNX model, damaged, or not a plain MLP: the error names the node. Or if it
        takes far more memory than its files do.
    BackendUnavailableError
        If that backend cannot run here.
    """
    path = Path(path)
    get_backend(validation.check_backend_name(backend, (*NAMES, "auto"), "backend="))
    if output is not None:
        validation.check_choice("output", output, OUTPUTS)
    onnx = imported("onnx", extra="onnx")
    from google.protobuf.message import DecodeError

    data = path.read_bytes()
    try:
        with np.errstate(all="ignore"):  # what becomes infinite is refused
            model = onnx.ModelProto.FromString(data)
            tensors = Tensors(onnx, path.parent, len(data))
            return _network(onnx, model, tensors, output, backend)
    except (DecodeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        words = str(error) or "memory ran out"
        raise ValueError(f"{path} is not a network that fastnn can import: {words}") from None


def _network(onnx: Any, model: Any, tensors: Tensors, output: str | None, backend: str) -> Network:
    if not model.HasField("graph") or not model.graph.node:
        raise ValueError("it is no ONNX model with a graph")
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST_OPSET:
        raise ValueError(f"it is of operator set {opset}, expected {OLDEST_OPSET} or later")
    graph = Graph(onnx, model, tensors)
    found, labels = _last(graph)
    name = _output(graph, found, labels, output)
    metadata = {p.key: p.value for p in model.metadata_props if p.key.startswith(METADATA_PREFIX)}
    written, class_labels = _metadata(metadata) if metadata else (None, None)
    scale = 1.0 if written is None else written.input_scale
    if found.rows.is_bytes:
        if found.rows.scale is not None and found.rows.scale.size != 1:
            raise ValueError("it scales each column of its uint8 input by a factor of its own")
        scale = 1.0 if found.rows.scale is None else float(found.rows.scale[0])
    layers, activations = found.layers.listed()
    sizes = (layers[0].weight.shape[0], *(layer.weight.shape[1] for layer in layers))
    architecture = Architecture(sizes, tuple(activations), name)
    itemsize = max(layer.weight.itemsize for layer in layers)
    tensors.take(itemsize * architecture.n_slots)  # rows of weights are padded there
    network = assemble(
        layers,
        activations,
        name,
        backend=backend,
        input_scale=scale,
        class_labels=_class_labels(found, labels, architecture.n_classes),
    )
    if written is None or output not in (None, written.output):
        return network
    rebuilt = _as_written(network, written, class_labels, found)
    rebuilt.trained_on = read_trained_on(_texts(metadata), written.n_in)
    return rebuilt


def _last(graph: Graph) -> tuple[Computed, list[Label]]:
    """Return what the graph computes, and the labels chosen from it."""
    labels = [value for value in graph.outputs if isinstance(value, Label)]
    numbers = [value for value in graph.outputs if isinstance(value, Computed)]
    if len(labels) + len(numbers) != len(graph.outputs) or not graph.outputs:
        raise ValueError(f"its outputs are not those of dense layers: {PLAIN}")
    all_numbers = numbers + [label.of for label in labels]
    if any(value.layers is not all_numbers[0].layers for value in all_numbers):
        raise ValueError(f"its outputs are of different layers: {PLAIN}")
    past_logits = [value for value in all_numbers if value.expression != 0]
    if len({value.expression for value in past_logits}) > 1:
        raise ValueError(f"its outputs are of more than one kind: {PLAIN}")
    last = (past_logits or all_numbers)[0]
    for value in all_numbers:
        if value.class_labels and not last.class_labels:
            last = value
    return last, labels


def _output(graph: Graph, last: Computed, labels: list[Label], wanted: str | None) -> str:
    """Return the name of the network's output."""
    expressions = graph.expressions
    name = expressions.outputs.get(last.expression)
    if last.expression == expressions.log_softmax:
        if wanted != "softmax":
            raise ValueError(
                "it ends in LogSoftmax, and fastnn gives probabilities: to read it as softmax say "
                'output="softmax"'
            )
        name = "softmax"
    if name is None:
        activation = expressions.activations.get(last.expression)
        ends = f"the activation {activation!r}" if activation else last.node
        raise ValueError(f"it ends in {ends}, but a network ends in {', '.join(OUTPUTS)}: {PLAIN}")
    rules = {label.rule for label in labels}
    if name == "identity":
        chosen = {"argmax": "softmax", "threshold": "sigmoid"}
        name = wanted or (chosen[min(rules)] if rules else name)
    if wanted not in (None, name):
        raise ValueError(f"it ends in {name}, not in plain logits, and output={wanted!r} was asked")
    largest = name == "softmax" or last.two_columns
    if rules and rules != {"argmax" if largest else "threshold"}:
        raise ValueError(f"its classes are not chosen as those of a {name} output: {PLAIN}")
    return name


def _class_labels(last: Computed, labels: list[Label], n_classes: int) -> tuple[Any, ...] | None:
    sources: list[Label | Computed] = [*labels, last]
    named = [source.class_labels for source in sources if source.class_labels]
    if not named:
        return None
    if any(other != named[0] for other in named):
        raise ValueError("its outputs name the classes differently")
    return unless_numbers(named[0], n_classes)


def _metadata(metadata: dict[str, str]) -> tuple[Architecture, Any]:
    """Return the architecture and the class labels that fastnn wrote beside the graph."""
    return read_metadata({"format": FORMAT} | _texts(metadata))


def _texts(metadata: dict[str, str]) -> dict[str, str]:
    return {key.removeprefix(METADATA_PREFIX): text for key, text in metadata.items()}


def _as_written(
    network: Network, written: Architecture, class_labels: Any, found: Computed
) -> Network:
    """Return the network with what fastnn wrote beside the graph."""
    from fastnn.network import Network

    a = network.architecture
    fields = ("sizes", "activations", "output", "dtype", "bias")
    differ = [field for field in fields if getattr(a, field) != getattr(written, field)]
    real = np.dtype(a.dtype).type
    if found.rows.is_bytes and real(a.input_scale) != real(written.input_scale):
        differ.append("input_scale")
    if network.class_labels is not None and network.class_labels != class_labels:
        differ.append("class_labels")
    if differ:
        raise ValueError(f"its metadata and its graph do not agree on {', '.join(differ)}")
    rebuilt = Network.from_architecture(
        written, backend=network._backend, class_labels=class_labels
    )
    rebuilt.parameters = network.parameters
    return rebuilt
