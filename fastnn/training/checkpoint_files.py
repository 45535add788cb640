"""Checkpoint files: the state of a fit after an epoch.

A checkpoint is a safetensors file, written atomically; nothing in it is executed. Its
tensors are the flat vectors as in memory (see `fastnn.architecture`):

    parameters               (n_slots,)
    optimizer                (n_state, n_slots)
    callbacks.<i>.<name>     the arrays in the state of callback i

and its metadata are these strings:

    format          "fastnn-checkpoint"
    format_version  "2"
    fastnn_version  the version that wrote it
    fit             JSON: the description of the fit (see `fastnn.training.fit_description`)
    state           JSON: step, dropout_seed, rng, history, stop_asked, the callbacks' other values
    computed_by     JSON: the backends and instruction sets of its epochs (see
                    `fastnn.training.computed_by`); missing in older checkpoints
    checksum        CRC-32 of everything (see `fastnn.system.checksums.file_checksum`); in version
                    "1" only of fit, state and the tensors' values

A fit is resumed by calling it with the same arguments, which is checked with ``fit``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import validation
from fastnn.architecture import Array
from fastnn.model.generator_state import from_json
from fastnn.model.model import Model
from fastnn.model.persistence import check_format
from fastnn.system.checksums import checksum, file_checksum
from fastnn.system.files import write_whole
from fastnn.system.memory_budget import memory_errors_of
from fastnn.system.tensor_files import parsed, read_bytes
from fastnn.system.version import __version__
from fastnn.system.whole_files import budget_of
from fastnn.training.computed_by import check_computers
from fastnn.training.fit_description import AnotherFitError, as_plain, check_same_fit
from fastnn.training.history import History
from fastnn.training.snapshot import Snapshot

FORMAT = "fastnn-checkpoint"
FORMAT_VERSION = "2"

_DAMAGE = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)
"""Exceptions raised when reading an invalid state."""


def write(path: Any, fit: Mapping[str, Any], snapshot: Snapshot) -> None:
    """Write a checkpoint of the fit described by `fit`, atomically."""
    from safetensors.numpy import save

    tensors = {"parameters": snapshot.parameters, "optimizer": snapshot.slots}
    plain: list[dict[str, Any]] = []
    for i, state in enumerate(snapshot.callbacks):
        arrays = {name: v for name, v in state.items() if isinstance(v, np.ndarray)}
        tensors |= {f"callbacks.{i}.{name}": _native(a) for name, a in arrays.items()}
        plain.append({name: v for name, v in state.items() if name not in arrays})
    state = {
        "step": snapshot.step,
        "dropout_seed": snapshot.dropout_seed,
        "rng": snapshot.rng,
        "history": dict(snapshot.history),
        "stop_asked": snapshot.stop_asked,
        "callbacks": plain,
    }
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fastnn_version": __version__,
        "fit": json.dumps(fit),
        "state": json.dumps(state, default=as_plain),
        "computed_by": json.dumps(snapshot.computed_by),
    }
    metadata["checksum"] = file_checksum(metadata, tensors)
    with write_whole(path) as file:
        file.write(save(tensors, metadata))


def _native(array: Array) -> Array:
    """Return the array contiguous and in native byte order."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _described(metadata: Mapping[str, str], fit: Mapping[str, Any]) -> Any:
    """Return the description of the fit in a checkpoint.

    Version "1" did not infer `input_scale`: it is ignored unless rows are bytes.
    """
    theirs = json.loads(metadata["fit"])
    if metadata["format_version"] == "1" and fit["x"][0] != "uint8":
        theirs["architecture"]["input_scale"] = fit["architecture"]["input_scale"]
    return theirs


def _checksum_of(metadata: Mapping[str, str], tensors: Mapping[str, Array]) -> str:
    """Return the checksum of a checkpoint, by its version."""
    if metadata["format_version"] == "1":
        arrays = (tensors[name] for name in sorted(tensors))
        return checksum(*arrays, text=metadata["fit"] + metadata["state"])
    return file_checksum(metadata, tensors)


def read(path: Any, fit: Mapping[str, Any], model: Model, n_state: int) -> Snapshot:
    """Return the state in a checkpoint of the fit described by `fit`; `model` is not changed.

    Parameters
    ----------
    path : path-like
    fit : mapping
        The result of `fastnn.training.fit_description.description`.
    model : Model
    n_state : int
        Number of state vectors of the optimizer.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a checkpoint, is damaged, or is from another fit; or if it needs more memory
        than `fastnn.system.memory_budget` allows for a file of its size, or than is free.
    """
    from safetensors import SafetensorError

    path = Path(path)
    with path.open("rb") as file, memory_errors_of(str(path)):
        data = read_bytes(file, budget_of(file))
        try:
            return _read(data, fit, model, n_state)
        except AnotherFitError as error:
            text = f"{path} is not a checkpoint of this fit: {error}"
            raise AnotherFitError(error.name, text) from None
        except _DAMAGE as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} is not a checkpoint of this fit: {reason}") from None
        except SafetensorError as error:
            raise ValueError(f"{path} is not a checkpoint, or a damaged one: {error}") from None


def _read(data: bytes, fit: Mapping[str, Any], model: Model, n_state: int) -> Snapshot:
    held = parsed(data)
    metadata = held.metadata
    check_format(metadata, FORMAT, ("1", FORMAT_VERSION))
    if metadata["checksum"] != _checksum_of(metadata, held.tensors):
        raise ValueError("its checksum does not match: the file is damaged")
    check_same_fit(_described(metadata, fit), fit)
    computed_by = json.loads(metadata.get("computed_by", "[null]"))
    state = json.loads(metadata["state"])
    return _snapshot(state, computed_by, held.tensors, model, n_state)


def _snapshot(
    state: Any, computed_by: Any, tensors: Mapping[str, Array], model: Model, n_state: int
) -> Snapshot:
    n_slots, dtype = model.architecture.n_slots, model.architecture.dtype
    shapes = {"parameters": (n_slots,), "optimizer": (n_state, n_slots)}
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype != dtype:
            raise ValueError(
                f"its tensor {name} is {tensor.dtype} {tensor.shape}, expected {dtype} {shape}"
            )
    rng = from_json(state["rng"], type(model.rng.bit_generator))
    callbacks = [dict(plain) for plain in state["callbacks"]]
    for name, tensor in tensors.items():
        if name not in shapes:
            _, i, key = name.split(".", 2)
            callbacks[int(i)][key] = tensor
    return Snapshot(
        tensors["parameters"],
        tensors["optimizer"],
        _count("its step", state["step"]),
        _count("its dropout_seed", state["dropout_seed"]),
        rng,
        _history(state["history"]),
        validation.check_flag("its stop_asked", state["stop_asked"]),
        callbacks,
        check_computers(computed_by),
    )


def _count(name: str, value: Any) -> int:
    """Return a whole number that fits in a C integer."""
    if validation.check_count(name, value, 0) >= 2**63:
        raise ValueError(f"{name} must be below 2**63, got {value}")
    return int(value)


def _history(values: Any) -> History:
    columns = {str(name): [float(v) for v in column] for name, column in dict(values).items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise ValueError("its history does not hold one value per epoch for each metric")
    history = History()
    for record in zip(*columns.values(), strict=True):
        history.append(dict(zip(columns, record, strict=True)))
    return history
