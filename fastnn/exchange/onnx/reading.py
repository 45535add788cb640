"""Reading networks from ONNX models: plain MLP graphs, and nothing that is in a file is executed.

A model that fastnn wrote gives back the very network, loss and class labels included; the graph
must then be what the model's metadata say. Of other libraries' models the graph is all there is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import validation
from fastnn.architecture import ACTIVATIONS, OUTPUTS, Architecture
from fastnn.exchange.assembly import Dense, assemble
from fastnn.exchange.class_labels import unless_numbers
from fastnn.exchange.folding import Activation, Kink, Scaling, Step, fold, folded_dtype
from fastnn.exchange.onnx.computed import Computing
from fastnn.exchange.onnx.export import METADATA_PREFIX
from fastnn.exchange.onnx.expressions import SIGMOIDS_OF_ONE
from fastnn.exchange.onnx.graph import Graph
from fastnn.exchange.onnx.ml import of_second_class
from fastnn.exchange.onnx.nodes import PLAIN
from fastnn.exchange.onnx.steps import steps_of
from fastnn.exchange.onnx.tensors import BASE, RATIO, Tensors
from fastnn.exchange.onnx.values import Computed, Label
from fastnn.model.model import Model
from fastnn.model.persistence import FORMAT, read_metadata, read_trained_on
from fastnn.system.memory_budget import Budget, memory_errors_of
from fastnn.system.packages import imported
from fastnn.system.whole_files import budget_of, read_whole
from fastnn.vocabulary import Output

OLDEST_OPSET = 7  # since then Gemm, Add and Mul broadcast as they do today

HIDDEN_ONLY = frozenset(ACTIVATIONS) - frozenset(OUTPUTS)
"""Activations that no network ends in by itself."""

NUMBERS_ONLY = frozenset({"tanh", "relu"})
"""Outputs that no class is chosen from."""


def from_onnx(path: Any, *, output: Output | None = None) -> Model:
    """Read a model from an ONNX file that is a plain MLP; see `fastnn.from_onnx`."""
    path = Path(path)
    if output is not None:
        validation.check_choice("output", output, OUTPUTS)
    onnx = imported("onnx", extra="onnx")
    from google.protobuf.message import DecodeError

    with path.open("rb") as file, memory_errors_of(str(path)):
        data = read_whole(file, budget_of(file))
    budget = Budget(str(path), len(data), base=BASE, ratio=RATIO)
    try:
        with np.errstate(all="ignore"):  # what becomes infinite is refused
            model = onnx.ModelProto.FromString(data)
            return _network(onnx, model, Tensors(onnx, path.parent, budget), output)
    except (DecodeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        words = str(error).removeprefix(f"{path}: ") or "memory ran out"
        raise ValueError(f"{path} is not a network that fastnn can import: {words}") from None


def _network(onnx: Any, model: Any, tensors: Tensors, output: str | None) -> Model:
    if not model.HasField("graph") or not model.graph.node:
        raise ValueError("it is no ONNX model with a graph")
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST_OPSET:
        raise ValueError(f"it is of operator set {opset}, expected {OLDEST_OPSET} or later")
    metadata = {p.key: p.value for p in model.metadata_props if p.key.startswith(METADATA_PREFIX)}
    _check_plain(_texts(metadata))
    graph = Graph(onnx, model, tensors)
    found, labels = _last(graph)
    steps, name, found = _end(graph.computing, found, labels, output)
    written, class_labels = _metadata(metadata) if metadata else (None, None)
    scale = 1.0 if written is None else written.input_scale
    scaling = found.rows.scaling
    if found.rows.is_bytes:
        scale, scaling = _scale_of_bytes(scaling)
    dtype = folded_dtype([scaling, *steps])
    layers, activations = fold([scaling, *steps], take=tensors.take)
    sizes = (layers[0].weight.shape[0], *(layer.weight.shape[1] for layer in layers))
    architecture = Architecture(sizes, tuple(activations), name, dtype=dtype)
    # rows of weights are padded there
    tensors.take(np.dtype(dtype).itemsize * architecture.n_slots)
    network = assemble(
        layers,
        activations,
        name,
        input_scale=scale,
        class_labels=_class_labels(found, labels, architecture.n_classes),
        dtype=dtype,
    )
    if written is None or output not in (None, written.output):
        return network
    rebuilt = _as_written(network, written, class_labels, found)
    rebuilt.trained_on = read_trained_on(_texts(metadata), written.n_in)
    return rebuilt


def _scale_of_bytes(scaling: Scaling) -> tuple[float, Scaling]:
    """Return what bytes are multiplied by, and what is left to fold into the first layer."""
    if np.ndim(scaling.factor) == 0 and scaling.factor > 0:
        return float(scaling.factor), scaling._replace(factor=1.0)
    return 1.0, scaling


def _last(graph: Graph) -> tuple[Computed, list[Label]]:
    """Return what the graph computes, and the labels chosen from it."""
    labels = [value for value in graph.outputs if isinstance(value, Label)]
    numbers = [value for value in graph.outputs if isinstance(value, Computed)]
    if len(labels) + len(numbers) != len(graph.outputs) or not graph.outputs:
        raise ValueError(f"its outputs are not those of dense layers: {PLAIN}")
    all_numbers = numbers + [label.of for label in labels]
    if any(value.steps is not all_numbers[0].steps for value in all_numbers):
        raise ValueError(f"its outputs are of different layers: {PLAIN}")
    past_logits = [value for value in all_numbers if value.expression != 0]
    if len({value.expression for value in past_logits}) > 1:
        raise ValueError(f"its outputs are of more than one kind: {PLAIN}")
    last = (past_logits or all_numbers)[0]
    for value in all_numbers:
        if value.class_labels and not last.class_labels:
            last = value
    return last, labels


def _end(
    computing: Computing, last: Computed, labels: list[Label], wanted: str | None
) -> tuple[list[Step], str, Computed]:
    """Return the steps to the output, the output's name, and what was computed by it."""
    steps = steps_of(computing.expressions, last.expression, last.node)
    if steps is None:
        raise ValueError(
            f"it ends in {last.node}, which computes neither an output of fastnn's "
            f"({', '.join(OUTPUTS)}) nor one of its activations: {PLAIN}"
        )
    name = "identity"
    kept = HIDDEN_ONLY | NUMBERS_ONLY if labels else HIDDEN_ONLY
    if steps and isinstance(steps[-1], Activation) and steps[-1].kind not in kept:
        name = steps.pop().kind  # type: ignore[union-attr]
    steps = [*last.steps.listed(), *steps]
    for step in steps:
        if isinstance(step, Activation) and step.kind not in ACTIVATIONS:
            raise ValueError(
                f"{last.node} follows {step.kind}, which only the end of a network is: {PLAIN}"
            )
    curved = [isinstance(step, Activation | Kink) for step in steps]
    if name == "identity" and labels and any(curved[_last_dense(steps) :]):
        raise ValueError(  # a softmax of numbers that an activation made nearly equal is blind
            f"its classes are chosen from what {last.node.removeprefix('its ')} computes, which "
            f"are neither logits nor probabilities: {PLAIN}"
        )
    if name == "log_softmax":
        if wanted != "softmax":
            raise ValueError(
                "it ends in LogSoftmax, and fastnn gives probabilities: to read it as softmax say "
                'output="softmax"'
            )
        name = "softmax"
    if name == SIGMOIDS_OF_ONE:
        second = of_second_class(steps)
        if second is None:
            raise ValueError(
                f"{last.node} divides sigmoids by their sum, which is plain only for two columns "
                f"-z and z: {PLAIN}"
            )
        steps, name, last = second, "sigmoid", replace(last, two_columns=True)
    return steps, _output(name, last, labels, wanted), last


def _last_dense(steps: list[Step]) -> int:
    return max(i for i, step in enumerate(steps) if isinstance(step, Dense))


def _output(name: str, last: Computed, labels: list[Label], wanted: str | None) -> str:
    """Return the name of the network's output, where the graph's last function is this one."""
    rules = {label.rule for label in labels}
    largest = name == "softmax" or last.two_columns
    if name == "identity" and last.two_columns:
        if rules != {"threshold"}:
            raise ValueError(f"it gives 1 - z and z, which is no output of a network: {PLAIN}")
        largest = False
    if name == "identity":
        chosen = {"argmax": "softmax", "threshold": "sigmoid"}
        name = wanted or (chosen[min(rules)] if rules else name)
    if wanted not in (None, name):
        raise ValueError(f"it ends in {name}, not in plain logits, and output={wanted!r} was asked")
    largest |= name == "softmax"
    if rules and rules != {"argmax" if largest else "threshold"}:
        raise ValueError(f"its classes are not chosen as those of a {name} output: {PLAIN}")
    return name


def _class_labels(last: Computed, labels: list[Label], n_classes: int) -> tuple[Any, ...] | None:
    sources: list[Label | Computed] = [*labels, last]
    if not n_classes and not any(label.class_labels for label in labels):
        return None  # a ZipMap's names of several sigmoids
    named = [source.class_labels for source in sources if source.class_labels]
    if not named:
        return None
    if any(other != named[0] for other in named):
        raise ValueError("its outputs name the classes differently")
    return unless_numbers(named[0], n_classes)


def _metadata(metadata: dict[str, str]) -> tuple[Architecture, Any]:
    """Return the architecture and the class labels that fastnn wrote beside the graph."""
    return read_metadata({"format": FORMAT} | _texts(metadata))


def _check_plain(metadata: dict[str, str]) -> None:
    """Refuse what fastnn wrote of more than a network of numbers."""
    what = None
    if "n_models" in metadata:
        what = "an ensemble"
    elif metadata.get("takes") == "table":
        what = "a network that prepares the columns of a table"
    if what is not None:
        raise ValueError(
            f"it holds {what}, which fastnn wrote and does not read back: fastnn.load reads the "
            "file of its save"
        )


def _texts(metadata: dict[str, str]) -> dict[str, str]:
    return {key.removeprefix(METADATA_PREFIX): text for key, text in metadata.items()}


def _as_written(network: Model, written: Architecture, class_labels: Any, found: Computed) -> Model:
    """Return the network with what fastnn wrote beside the graph."""
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
    rebuilt = Model(written, class_labels=class_labels)
    rebuilt.parameters = network.parameters
    return rebuilt
