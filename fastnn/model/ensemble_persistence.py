"""Ensembles as safetensors files: those of `fastnn.model.persistence`, with an axis of models.

The tensors ``weights.0`` (n_models, n_in, n_out) and ``biases.0`` (n_models, n_out) and so on hold
the parameters of all models. The metadata are those of a network, with the format
"fastnn-ensemble" and

    n_models        their number
    group_labels    JSON: a list, or null
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastnn.architecture import Architecture, Array, aligned_zeros
from fastnn.model import persistence
from fastnn.rows.trained_on import TrainedOn
from fastnn.system.memory_budget import Budget
from fastnn.system.tensor_files import TensorFile, header_of, parsed
from fastnn.validation.ensembles import check_group_labels

FORMAT, FORMAT_VERSION = "fastnn-ensemble", "1"


class Stored(NamedTuple):
    """What a file of an ensemble holds.

    Attributes
    ----------
    architecture : Architecture
    params : ndarray of shape (n_models, n_slots)
    class_labels, group_labels : tuple or None
    trained_on : TrainedOn or None
    chooses_scale : bool
    """

    architecture: Architecture
    params: Array
    class_labels: tuple[Any, ...] | None
    group_labels: tuple[Any, ...] | None
    trained_on: TrainedOn | None
    chooses_scale: bool


def stacked_views(architecture: Architecture, params: Array) -> dict[str, Array]:
    """Return the name of each tensor, and its view (n_models, …) into params (n_models, n_slots).

    With one dimension less they are a single network's.
    """
    before = params.shape[:-1]
    views = {}
    for i, layer in enumerate(architecture.layers):
        end = layer.weight_offset + layer.n_in * layer.stride
        flat = params[..., layer.weight_offset : end]
        matrix = flat.reshape(*before, layer.n_in, layer.stride)
        views[f"weights.{i}"] = matrix[..., : layer.n_out]
    for i, layer in enumerate(architecture.layers):
        if layer.bias_offset is not None:
            end = layer.bias_offset + layer.n_out
            views[f"biases.{i}"] = params[..., layer.bias_offset : end]
    return views


def to_bytes(ensemble: Any) -> bytes:
    """Return the contents of a file of the ensemble."""
    metadata = persistence.metadata_of(ensemble) | {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "n_models": str(len(ensemble.parameters)),
        "group_labels": json.dumps(ensemble.group_labels),
    }
    views = stacked_views(ensemble.architecture, ensemble.parameters)
    return persistence.packed(views, metadata)


def read_either(data: bytes, budget: Budget) -> tuple[Any, bool]:
    """Return the model or the ensemble in a file, and whether it has a checksum."""
    header = header_of(data)
    if header.get("__metadata__", {}).get("format") == FORMAT:
        return read(data, budget), True
    return persistence.read_model(data, budget)


def read(data: bytes, budget: Budget | None = None) -> Stored:
    """Return what the file holds.

    Raises
    ------
    TypeError, ValueError
        If it is damaged, or needs more memory than the budget allows.
    """
    held = parsed(data)
    metadata = held.metadata
    persistence.check_format(metadata, FORMAT, (FORMAT_VERSION,))
    as_network = {**metadata, "format": persistence.FORMAT,
                  "format_version": persistence.FORMAT_VERSION}  # fmt: skip
    architecture, class_labels = persistence.read_metadata(as_network)
    trained_on = persistence.read_trained_on(metadata, architecture.n_in)
    n_models, group_labels = _of_models(metadata)
    persistence.check_tensors(architecture, held.described, (n_models,))
    persistence.check_checksum(metadata, held.tensors)
    if budget is not None:
        n_bytes = n_models * architecture.n_slots * np.dtype(architecture.dtype).itemsize
        budget.take(n_bytes, f"the parameters of {n_models} models")
    return Stored(
        architecture,
        _params(architecture, n_models, held),
        class_labels,
        group_labels,
        trained_on,
        metadata.get("input_scale") == persistence.OPEN,
    )


def _of_models(metadata: Mapping[str, str]) -> tuple[int, tuple[Any, ...] | None]:
    """Return the number of models and the names of the groups."""
    text = metadata.get("n_models", "")
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 19 and int(text) > 0):
        raise ValueError("its n_models must be a number above 0")
    try:
        labels = json.loads(metadata["group_labels"])
    except (KeyError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"its metadata are damaged ({type(error).__name__}: {error})") from None
    if labels is not None:
        if not isinstance(labels, list):
            raise ValueError("its group_labels must be a list")
        labels = check_group_labels(labels, int(text))
    return int(text), labels


def _params(architecture: Architecture, n_models: int, held: TensorFile) -> Array:
    params = aligned_zeros(n_models * architecture.n_slots, architecture.dtype)
    params = params.reshape(n_models, architecture.n_slots)
    for name, view in stacked_views(architecture, params).items():
        view[...] = held.tensors[name]
    return params
