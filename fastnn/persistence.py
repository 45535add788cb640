"""Saving and loading networks as safetensors files: data only, nothing is executed.

The file holds one tensor for each layer's weights, ``weights.0`` (n_in, n_out) from the input on,
and one for each layer's biases, ``biases.0`` (n_out,), without padding. Its metadata hold, as text:

    format          "fastnn"
    format_version  "2"
    fastnn_version  the version that wrote it
    architecture    JSON: sizes, activations, output, loss, bias, dtype, input_scale, huber_delta
    class_labels    JSON: a list, or null
    trained_on      JSON: inputs, feature_names, label_name, mean, deviation, training_rows (see
                    `fastnn.trained_on`), or null
    input_scale     there only until the first training rows have chosen it
    checksum        CRC-32 of all that (see `fastnn.checksums.file_checksum`)

Files of version "1" had no checksum, and the first of them no trained_on; they are read, with a
warning that says so.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import validation
from fastnn._version import __version__
from fastnn.architecture import Architecture, Array
from fastnn.backends import NAMES, get_backend
from fastnn.checksums import file_checksum
from fastnn.files import write_whole
from fastnn.memory_budget import Budget, OverBudgetError, memory_errors_of
from fastnn.tensor_files import header_of, parsed, read_bytes
from fastnn.trained_on import TrainedOn
from fastnn.vocabulary import BackendName
from fastnn.whole_files import budget_of

if TYPE_CHECKING:
    from fastnn.network import Network

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


def save(network: Network, path: Any) -> None:
    """Write `network` to the file `path`, whole or not at all.

    Parameters
    ----------
    network : Network
    path : path-like

    Raises
    ------
    OSError
        If the file cannot be written; what was there before is then still there.
    """
    with write_whole(path) as file:
        file.write(to_bytes(network))


def load(path: Any, *, backend: BackendName = "auto") -> Network:
    """Read a network from a file that `Network.save` wrote.

    Parameters
    ----------
    path : path-like
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        Who computes.

    Returns
    -------
    Network
        With the saved parameters, and randomness seeded anew.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a network's file, or is damaged; nothing in a file is ever executed. If it
        takes more memory than `fastnn.memory_budget` allows a file of its size, or than is free.
    BackendUnavailableError
        If that backend cannot run here.

    Warns
    -----
    UserWarning
        If the file is of an older fastnn and has no checksum.
    """
    from safetensors import SafetensorError

    path = Path(path)
    get_backend(validation.check_backend_name(backend, (*NAMES, "auto"), "backend="))
    with path.open("rb") as file, memory_errors_of(str(path)):
        budget = budget_of(file)
        data = read_bytes(file, budget)
        try:
            network, has_checksum = _read(data, backend, budget)
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            from fastnn.file_kinds import HEAD_BYTES, said_of_no_network

            if isinstance(error, OverBudgetError):
                raise
            why = said_of_no_network(path, file, data[:HEAD_BYTES], str(error))
            raise ValueError(f"{path} is not a network that fastnn can load: {why}") from None
    if not has_checksum:
        warnings.warn(
            f"{path} has no checksum: it was written by an older fastnn, and damage to its numbers "
            "would not be seen. Save the network again to give it one",
            UserWarning,
            stacklevel=2,
        )
    return network


def to_bytes(network: Network) -> bytes:
    """Return what a file of the network holds."""
    from safetensors.numpy import save as to_safetensors

    architecture = network.architecture
    tensors = {
        name: np.ascontiguousarray(view)
        for name, view in _named(architecture, network.parameters).items()
    }
    metadata = metadata_of(network)
    metadata["checksum"] = file_checksum(metadata, tensors)
    data = to_safetensors(tensors, metadata)
    header = json.dumps(header_of(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    text = header.encode()  # in a fixed order, which safetensors' is not: one network, one file
    text = text.ljust(-(-len(text) // 8) * 8)
    return len(text).to_bytes(8, "little") + text + data[8 + int.from_bytes(data[:8], "little") :]


def metadata_of(network: Network) -> dict[str, str]:
    """Return all of a network but its parameters, as text by name.

    Raises
    ------
    TypeError, ValueError
        If the network's `class_labels` were replaced by what does not fit it.
    """
    if network.class_labels is not None:  # nothing is written that `load` would refuse
        validation.check_class_labels(network.class_labels, network.architecture)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fastnn_version": __version__,
        "architecture": json.dumps(asdict(network.architecture)),
        "class_labels": json.dumps(network.class_labels),
        "trained_on": json.dumps(network.trained_on and asdict(network.trained_on)),
    } | ({"input_scale": OPEN} if network._chooses_scale else {})


def _named(architecture: Architecture, params: Array) -> dict[str, Array]:
    """Return each tensor's name in the file, and its view into the parameters."""
    named = {f"weights.{i}": w for i, w in enumerate(architecture.weights(params))}
    biases = enumerate(architecture.biases(params))
    return named | {f"biases.{i}": b for i, b in biases if b is not None}


def check_format(metadata: Mapping[str, str], name: str, versions: Sequence[str]) -> None:
    """Check that a file's metadata name the format and a version that are to be read."""
    found = metadata.get("format")
    if found != name:
        hint = "; resume it with fit(checkpoint=)" if found == "fastnn-checkpoint" else ""
        if not str(found).startswith("fastnn"):
            hint = ": another library wrote it; load it there, and see fastnn.from_torch"
        raise ValueError(f"its metadata name the format {found!r}, expected {name!r}{hint}")
    if metadata.get("format_version") not in versions:
        raise ValueError(
            f"it has format version {metadata.get('format_version')!r}, this fastnn "
            f"({__version__}) reads {' and '.join(map(repr, versions))}; it was written by fastnn "
            f"{metadata.get('fastnn_version')!r}"
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
    if not isinstance(fields, dict) or set(fields) != set(_FIELDS):
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
    """Return what `metadata_of` wrote of the training rows; None if it did not.

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
    known = asdict(TrainedOn())
    if not isinstance(fields, dict) or not set(fields) <= set(known):
        raise ValueError(f"its trained_on must hold {', '.join(known)}")
    return validation.check_trained_on(known | fields, n_in)


def _read(data: bytes, backend: BackendName, budget: Budget) -> tuple[Network, bool]:
    """Return the network in a file, and whether the file has a checksum, which is then right."""
    held = parsed(data)
    architecture, class_labels = read_metadata(held.metadata)
    trained_on = read_trained_on(held.metadata, architecture.n_in)
    _check_tensors(architecture, held.described)
    has_checksum = _check_checksum(held.metadata, held.tensors)
    n_bytes = architecture.n_slots * np.dtype(architecture.dtype).itemsize
    budget.take(n_bytes, f"its parameters are {architecture.n_slots} slots")
    network = _build(architecture, class_labels, trained_on, held.tensors, backend)
    network._chooses_scale = held.metadata.get("input_scale") == OPEN
    return network, has_checksum


def _check_tensors(architecture: Architecture, found: Mapping[str, Any]) -> None:
    """Compare names, shapes and dtypes before memory is asked for that the file does not hold."""
    dtype = {"float32": "F32", "float64": "F64"}[architecture.dtype]
    expected = {f"weights.{i}": [*shape] for i, shape in enumerate(architecture.shapes)}
    if architecture.bias:
        expected |= {f"biases.{i}": [n_out] for i, (_, n_out) in enumerate(architecture.shapes)}
    if set(found) != set(expected):
        wrong = sorted(set(found) ^ set(expected))
        raise ValueError(f"its tensors do not fit its architecture: {', '.join(wrong[:4])}")
    for name, shape in expected.items():
        tensor = found[name]
        if tensor["shape"] != shape or tensor["dtype"] != dtype:
            raise ValueError(
                f"its tensor {name} has shape {tensor['shape']} and dtype {tensor['dtype']}, its "
                f"architecture says {shape} and {dtype}"
            )


def _check_checksum(metadata: Mapping[str, str], tensors: Mapping[str, Array]) -> bool:
    """Compare a file's checksum with its contents; return False if it is too old to have one."""
    if metadata["format_version"] == "1" and "checksum" not in metadata:
        return False
    if metadata.get("checksum") != file_checksum(metadata, tensors):
        raise ValueError("its checksum is another: the file is damaged")
    return True


def _build(
    architecture: Architecture,
    class_labels: Any,
    trained_on: TrainedOn | None,
    tensors: Mapping[str, Array],
    backend: BackendName,
) -> Network:
    from fastnn.network import Network

    network = Network.from_architecture(architecture, backend=backend, class_labels=class_labels)
    network.trained_on = trained_on
    for name, view in _named(architecture, network.parameters).items():
        view[...] = tensors[name]
    return network


def from_bytes(data: bytes) -> Network:
    """Return the network that `to_bytes` wrote."""
    held = parsed(data)
    architecture, class_labels = read_metadata(held.metadata)
    trained_on = read_trained_on(held.metadata, architecture.n_in)
    _check_checksum(held.metadata, held.tensors)
    return _build(architecture, class_labels, trained_on, held.tensors, "auto")
