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
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.model import persistence
from fastnn.model.ensemble_model import EnsembleModel, room_for
from fastnn.rows.generators import Generators
from fastnn.system.memory_budget import Budget
from fastnn.system.tensor_files import header_of, parsed
from fastnn.validation.ensembles import check_group_labels

FORMAT, FORMAT_VERSION = "fastnn-ensemble", "1"


def to_bytes(ensemble: EnsembleModel) -> bytes:
    """Return the contents of a file of the ensemble."""
    metadata = persistence.metadata_of(ensemble) | {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "n_models": str(len(ensemble.parameters)),
        "group_labels": json.dumps(ensemble.group_labels),
    }
    return persistence.packed(_named(ensemble), metadata)


def _named(ensemble: EnsembleModel) -> dict[str, Array]:
    """Return the name of each tensor in the file, and its view into the parameters."""
    named = {f"weights.{i}": view for i, view in enumerate(ensemble.weights)}
    biases = enumerate(ensemble.biases)
    return named | {f"biases.{i}": view for i, view in biases if view is not None}


def read_either(data: bytes, budget: Budget) -> tuple[Any, bool]:
    """Return the model or the ensemble in a file, and whether it has a checksum."""
    if _names_ensemble(data):
        return read(data, budget), True
    return persistence.read_model(data, budget)


def _names_ensemble(data: bytes) -> bool:
    """Say whether a file's metadata name this format; of a damaged file, no."""
    try:
        metadata = header_of(data)["__metadata__"]
        return bool(metadata["format"] == FORMAT)
    except (LookupError, RecursionError, TypeError, ValueError):
        return False


def read(data: bytes, budget: Budget | None = None) -> EnsembleModel:
    """Return the ensemble in a file, with generators that are not seeded.

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
    ensemble = EnsembleModel(
        architecture,
        room_for(architecture, n_models),
        Generators.empty(n_models),
        class_labels=class_labels,
        group_labels=group_labels,
    )
    for name, view in _named(ensemble).items():
        view[...] = held.tensors[name]
    ensemble.trained_on = trained_on
    ensemble.chooses_scale = metadata.get("input_scale") == persistence.OPEN
    return ensemble


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
