"""Saving and loading models as safetensors files: data only, nothing is executed.

The file holds one tensor for the weights of each layer, ``weights.0`` (n_in, n_out) from the input
on, and one for its biases, ``biases.0`` (n_out,), without padding. Its metadata are these strings:

    format          "fastnn"
    format_version  "2"
    fastnn_version  the version that wrote it
    architecture    JSON: sizes, activations, output, loss, bias, dtype, input_scale, huber_delta;
                    quantiles and label_smoothing where there are any
    class_labels    JSON: a list, or null
    trained_on      JSON: inputs, feature_names, label_name, mean, deviation, training_rows (see
                    `fastnn.rows.trained_on`), or null; where the network carries columns, columns:
                    their JSON, as text (see `fastnn.tabular.stored`); n_rows, temperature and
                    simplest_guess where they are known
    input_scale     present only until it is inferred from the first training rows
    checksum        CRC-32 of everything (see `fastnn.system.checksums.file_checksum`)

Files of version "1" have no checksum, and early ones no trained_on; they are read with a
warning.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import validation
from fastnn.architecture import Architecture, Array
from fastnn.model.model import Learner, Model
from fastnn.rows.trained_on import NEWER, TrainedOn, checked_trained_on
from fastnn.system.checksums import file_checksum
from fastnn.system.files import write_whole
from fastnn.system.memory_budget import Budget, OverBudgetError, memory_errors_of
from fastnn.system.printable import named
from fastnn.system.tensor_files import header_of, parsed, read_bytes
from fastnn.system.version import __version__
from fastnn.system.whole_files import budget_of
from fastnn.validation.values import shortened, words_of

FORMAT = "fastnn"
FORMAT_VERSION = "2"
_VERSIONS = ("1", FORMAT_VERSION)
OPEN = "to be chosen by the first training rows"

_FIELDS = (
    "sizes",
    "activations",
    "output",
    "loss",
    "bias",
    "dtype",
    "input_scale",
    "huber_delta",
)
_OPTIONAL_FIELDS = ("quantiles", "label_smoothing")
_HINTS = {
    "fastnn-checkpoint": "; resume it with fit(checkpoint=)",
    "fastnn-ensemble": "; it holds an ensemble: fastnn.load reads it",
}


def save(model: Model, path: Any) -> None:
    """Write `model` to the file `path`, atomically.

    Parameters
    ----------
    model : Model
    path : path-like

    Raises
    ------
    OSError
        If the file cannot be written; an existing file is then unchanged.
    """
    with write_whole(path) as file:
        file.write(to_bytes(model))


def load(path: Any, read: Callable[[bytes, Budget], tuple[Any, bool]] | None = None) -> Any:
    """Read a model from a file written by `save`.

    Parameters
    ----------
    path : path-like
    read : callable, optional
        ``read(data, budget)`` returns what the bytes of the file hold, and whether they have a
        checksum; by default a model.

    Returns
    -------
    Model
        With the saved parameters, and a newly seeded random generator.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a network file, or is damaged; nothing in a file is ever executed. If it
        needs more memory than `fastnn.system.memory_budget` allows for a file of its size, or than
        is free.

    Warns
    -----
    UserWarning
        If the file is of an older fastnn and has no checksum.
    """
    from safetensors import SafetensorError

    path = Path(path)
    with path.open("rb") as file, memory_errors_of(str(path)):
        budget = budget_of(file)
        data = read_bytes(file, budget)
        try:
            model, has_checksum = (read or read_model)(data, budget)
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            from fastnn.system.file_kinds import HEAD_BYTES, said_of_no_network

            if isinstance(error, OverBudgetError):
                raise
            reason = words_of(error) if isinstance(error, SafetensorError) else str(error)
            why = said_of_no_network(path, file, data[:HEAD_BYTES], reason)
            raise ValueError(
                f"{named(path)} is not a network that fastnn can load: {why}"
            ) from None
    if not has_checksum:
        warnings.warn(
            f"{path} has no checksum: it was written by an older fastnn, and damage to its values "
            "would not be detected. Save the network again to add one",
            UserWarning,
            stacklevel=3,
        )
    return model


def to_bytes(model: Model) -> bytes:
    """Return the contents of a file of the model."""
    return packed(_named(model.architecture, model.parameters), metadata_of(model))


def packed(views: Mapping[str, Array], metadata: dict[str, str]) -> bytes:
    """Return a safetensors file of named arrays and text, with a checksum of both."""
    from safetensors.numpy import save as to_safetensors

    tensors = {name: np.ascontiguousarray(view) for name, view in views.items()}
    metadata["checksum"] = file_checksum(metadata, tensors)
    data = to_safetensors(tensors, metadata)
    header = json.dumps(header_of(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    text = header.encode()  # in a fixed order, unlike safetensors': equal networks, equal files
    text = text.ljust(-(-len(text) // 8) * 8)
    return len(text).to_bytes(8, "little") + text + data[8 + int.from_bytes(data[:8], "little") :]


def metadata_of(model: Learner) -> dict[str, str]:
    """Return everything of a model but its parameters, as named strings.

    Raises
    ------
    TypeError, ValueError
        If the labels do not match the architecture, which may have been replaced.
    """
    if model.class_labels is not None:  # write nothing that `load` would refuse
        validation.check_class_labels(model.class_labels, model.architecture)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fastnn_version": __version__,
        "architecture": json.dumps(architecture_fields(model.architecture)),
        "class_labels": json.dumps(model.class_labels),
        "trained_on": json.dumps(model.trained_on and model.trained_on.to_fields()),
    } | ({"input_scale": OPEN} if model.chooses_scale else {})


def architecture_fields(architecture: Architecture) -> dict[str, Any]:
    """Return an architecture's fields; the optional ones only where they say something.

    So the file of a network that an older fastnn can read is one that it reads.
    """
    fields = asdict(architecture)
    return {k: v for k, v in fields.items() if v or k not in _OPTIONAL_FIELDS}


def _named(architecture: Architecture, params: Array) -> dict[str, Array]:
    """Return the name of each tensor in the file, and its view into the parameters."""
    named = {f"weights.{i}": w for i, w in enumerate(architecture.weights(params))}
    biases = enumerate(architecture.biases(params))
    return named | {f"biases.{i}": b for i, b in biases if b is not None}


def check_format(metadata: Mapping[str, str], name: str, versions: Sequence[str]) -> None:
    """Check that the metadata of a file have the expected format and a known version."""
    found = metadata.get("format")
    if found != name:
        shown = shortened(repr(found))
        hint = _HINTS.get(str(found), "")
        if not str(found).startswith("fastnn"):
            hint = ": it was written by another library; load it there, and see fastnn.from_torch"
        raise ValueError(f"its metadata name the format {shown}, expected {name!r}{hint}")
    if metadata.get("format_version") not in versions:
        raise ValueError(
            f"it has format version {shortened(repr(metadata.get('format_version')))}, this fastnn "
            f"({__version__}) reads {' and '.join(map(repr, versions))}; it was written by fastnn "
            f"{shortened(repr(metadata.get('fastnn_version')))}"
        )


def read_metadata(metadata: Mapping[str, str]) -> tuple[Architecture, Any]:
    """Return the architecture and the class labels that `metadata_of` wrote.

    Raises
    ------
    TypeError, ValueError
        If they are damaged or another format's.
    """
    check_format(metadata, FORMAT, _VERSIONS)
    try:
        fields = json.loads(metadata["architecture"])
        class_labels = json.loads(metadata["class_labels"])
    except (KeyError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"its metadata are damaged ({type(error).__name__}: {error})") from None
    if not isinstance(fields, dict) or set(fields) - set(_OPTIONAL_FIELDS) != set(_FIELDS):
        raise ValueError(f"its architecture must hold {', '.join(_FIELDS)}")
    validation.check_choice("dtype", fields["dtype"], ("float32", "float64"))
    fields["activation"] = fields.pop("activations")
    architecture = validation.check_architecture(**fields)
    if class_labels is not None:
        if not isinstance(class_labels, list):
            raise ValueError("its class_labels must be a list")
        class_labels = validation.check_class_labels(class_labels, architecture)
    return architecture, class_labels


def read_trained_on(metadata: Mapping[str, str], n_in: int) -> TrainedOn | None:
    """Return the properties of the training rows written by `metadata_of`, or None.

    Raises
    ------
    TypeError, ValueError
        If it is damaged.
    """
    try:
        fields = json.loads(metadata.get("trained_on", "null"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"its metadata are damaged ({type(error).__name__}: {error})") from None
    if fields is None:
        return None
    known = (*TrainedOn().to_fields(), *NEWER)
    if not isinstance(fields, dict) or not set(fields) <= set(known):
        raise ValueError(f"its trained_on must hold {', '.join(known)}")
    return checked_trained_on(fields, n_in)


def read_model(data: bytes, budget: Budget) -> tuple[Model, bool]:
    """Return the model in a file, and whether the file has a checksum (then verified)."""
    held = parsed(data)
    architecture, class_labels = read_metadata(held.metadata)
    trained_on = read_trained_on(held.metadata, architecture.n_in)
    check_tensors(architecture, held.described)
    has_checksum = check_checksum(held.metadata, held.tensors)
    n_bytes = architecture.n_slots * np.dtype(architecture.dtype).itemsize
    budget.take(n_bytes, f"its parameters are {architecture.n_slots} slots")
    model = _build(architecture, class_labels, trained_on, held.tensors)
    model.chooses_scale = held.metadata.get("input_scale") == OPEN
    return model, has_checksum


def check_tensors(
    architecture: Architecture, found: Mapping[str, Any], before: tuple[int, ...] = ()
) -> None:
    """Check names, shapes (behind the axes `before`) and dtypes before allocating memory."""
    dtype = {"float32": "F32", "float64": "F64"}[architecture.dtype]
    expected = {f"weights.{i}": [*before, *shape] for i, shape in enumerate(architecture.shapes)}
    if architecture.bias:
        widths = enumerate(n_out for _, n_out in architecture.shapes)
        expected |= {f"biases.{i}": [*before, n_out] for i, n_out in widths}
    if set(found) != set(expected):
        wrong = map(shortened, sorted(set(found) ^ set(expected))[:4])
        raise ValueError(f"its tensors do not match its architecture: {', '.join(wrong)}")
    for name, shape in expected.items():
        tensor = found[name]
        if tensor["shape"] != shape or tensor["dtype"] != dtype:
            raise ValueError(
                f"its tensor {name} has shape {tensor['shape']} and dtype {tensor['dtype']}, but "
                f"its architecture requires {shape} and {dtype}"
            )


def check_checksum(metadata: Mapping[str, str], tensors: Mapping[str, Array]) -> bool:
    """Verify the checksum of a file; return False if it is too old to have one."""
    if metadata["format_version"] == "1" and "checksum" not in metadata:
        return False
    if metadata.get("checksum") != file_checksum(metadata, tensors):
        raise ValueError("its checksum does not match: the file is damaged")
    return True


def _build(
    architecture: Architecture,
    class_labels: Any,
    trained_on: TrainedOn | None,
    tensors: Mapping[str, Array],
) -> Model:
    model = Model(architecture, class_labels=class_labels)
    model.trained_on = trained_on
    for name, view in _named(architecture, model.parameters).items():
        view[...] = tensors[name]
    return model


def from_bytes(data: bytes) -> Model:
    """Return a model from the result of `to_bytes`."""
    held = parsed(data)
    architecture, class_labels = read_metadata(held.metadata)
    trained_on = read_trained_on(held.metadata, architecture.n_in)
    check_checksum(held.metadata, held.tensors)
    return _build(architecture, class_labels, trained_on, held.tensors)
