"""Checkpoints: where a fit stands after an epoch, in a file from which it goes on bit for bit.

A checkpoint is a safetensors file, written whole or not at all, of which nothing is executed. Its
tensors are the flat vectors as they lie in memory (see `fastnn.architecture`):

    parameters               (n_slots,)
    optimizer                (n_state, n_slots)
    callbacks.<i>.<name>     the arrays in the state of callback i

and its metadata hold, as text:

    format          "fastnn-checkpoint"
    format_version  "2"
    fastnn_version  the version that wrote it
    fit             JSON: what makes the fit what it is (see `fastnn.fit_description`)
    state           JSON: step, dropout_seed, rng, history, stop_asked, the callbacks' other values
    checksum        CRC-32 of all that (see `fastnn.checksums.file_checksum`); version "1" had one
                    of fit, state and the tensors' numbers only

Whoever resumes a fit calls it as before; ``fit`` tells whether that is so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import validation
from fastnn._version import __version__
from fastnn.architecture import Array
from fastnn.callbacks import Callback
from fastnn.checksums import checksum, file_checksum
from fastnn.files import check_folder_of, write_whole
from fastnn.fit_description import AnotherFitError, as_plain, check_same_fit
from fastnn.generator_state import from_json
from fastnn.history import History
from fastnn.memory_budget import memory_errors_of
from fastnn.optimizers import OptimizerState
from fastnn.persistence import check_format
from fastnn.tensor_files import parsed, read_bytes
from fastnn.whole_files import budget_of

if TYPE_CHECKING:
    from fastnn.network import Network

FORMAT = "fastnn-checkpoint"
FORMAT_VERSION = "2"

_DAMAGE = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)
"""What reading a state raises that no fit wrote."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a fit keeps its state, so that a run that was killed goes on as if it had not been.

    Parameters
    ----------
    path : path-like
        The file, written after an epoch and replaced as a whole; never half of one.
    every : int, default 1
        Epochs from one writing to the next; the last epoch, or the one a callback ends the fit
        with, is written in any case. After Ctrl-C, or where numbers are no longer finite, the file
        keeps the state before.
    resume : bool, default False
        Whether to go on from the file, if there is one; without one the fit starts from its
        beginning. A resumed fit ends with the same bits as one that was never stopped, on the same
        backend and instruction set. If False a file that is there already is an error, not lost.

    Examples
    --------
    Run the same program again after a crash, and it goes on:

    >>> run = fastnn.Checkpoint("run.checkpoint", resume=True)  # doctest: +SKIP
    >>> net.fit(x, y, epochs=100, checkpoint=run)  # doctest: +SKIP
    """

    path: Any
    every: int = 1
    resume: bool = False

    def __post_init__(self) -> None:
        validation.check_path("path", self.path)
        validation.check_count("every", self.every)
        validation.check_flag("resume", self.resume)


@dataclass(frozen=True)
class Snapshot:
    """The state of a fit between two epochs.

    Attributes
    ----------
    parameters : ndarray of shape (n_slots,)
    slots : ndarray of shape (n_state, n_slots)
        The optimizer's.
    step, dropout_seed : int
        As in `OptimizerState`.
    rng : dict
        State of the network's bit generator.
    history : History
        Of the epochs so far.
    stop_asked : bool
        Whether a callback asked to end the fit there.
    callbacks : list of dict
        ``state_dict`` of each.
    """

    parameters: Array
    slots: Array
    step: int
    dropout_seed: int
    rng: Mapping[str, Any]
    history: History
    stop_asked: bool
    callbacks: Sequence[Mapping[str, Any]]

    @classmethod
    def of(
        cls,
        network: Network,
        state: OptimizerState,
        history: History,
        callbacks: Sequence[Callback],
        stop_asked: bool,
    ) -> Snapshot:
        """Take the state of a fit; the arrays are those in use, not copies."""
        return cls(
            network.parameters,
            state.slots,
            state.step,
            state.dropout_seed,
            network.rng.bit_generator.state,
            history,
            stop_asked,
            [callback.state_dict() for callback in callbacks],
        )

    def restore(self, network: Network, state: OptimizerState) -> None:
        """Put the network and its optimizer's `state`, of this shape, back where they were."""
        copy = network.architecture.copy_parameters
        copy(self.parameters, network.parameters)
        for remembered, slot in zip(self.slots, state.slots, strict=True):
            copy(remembered, slot)
        state.step, state.dropout_seed = self.step, self.dropout_seed
        network.rng.bit_generator.state = self.rng


@dataclass(frozen=True)
class Keeper:
    """Finds the checkpoint that a fit goes on from, and writes the next ones.

    Attributes
    ----------
    checkpoint : Checkpoint
    fit : mapping
        What `fastnn.fit_description.description` returns.
    """

    checkpoint: Checkpoint
    fit: Mapping[str, Any]

    def find(self, network: Network, n_state: int, epochs: int) -> Snapshot | None:
        """Return the state to go on from, or None where the fit starts; change nothing.

        Raises
        ------
        OSError
            If the file is there and not to be resumed, or cannot be read, or has no folder.
        ValueError
            If it is not a checkpoint of this fit, or is past its last epoch.
        """
        path = Path(self.checkpoint.path)
        if not path.exists():
            check_folder_of(Path(os.path.realpath(path)))
            return None
        if not self.checkpoint.resume:
            raise FileExistsError(
                f"the checkpoint {path} is there already: resume from it (resume=True), or remove "
                "it first"
            )
        snapshot = read(path, self.fit, network, n_state)
        if len(snapshot.callbacks) != len(self.fit["callbacks"]):
            raise ValueError(f"{path} is damaged: it lacks the state of some callbacks")
        if snapshot.history.n_epochs > epochs:
            raise ValueError(
                f"the checkpoint {path} was written after epoch {snapshot.history.n_epochs}, past "
                f"the {epochs} epochs of this fit"
            )
        return snapshot

    def epoch_ended(
        self,
        network: Network,
        state: OptimizerState,
        history: History,
        callbacks: Sequence[Callback],
        *,
        stop_asked: bool,
        is_last: bool,
    ) -> None:
        """Write the file if it is time to, and there is something to go on from."""
        due = is_last or history.n_epochs % self.checkpoint.every == 0
        numbers = (network.parameters, state.slots)
        if due and all(np.isfinite(values).all() for values in numbers):
            snapshot = Snapshot.of(network, state, history, callbacks, stop_asked)
            write(self.checkpoint.path, self.fit, snapshot)


def write(path: Any, fit: Mapping[str, Any], snapshot: Snapshot) -> None:
    """Write a checkpoint of the fit described by `fit`, whole or not at all."""
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
    }
    metadata["checksum"] = file_checksum(metadata, tensors)
    with write_whole(path) as file:
        file.write(save(tensors, metadata))


def _native(array: Array) -> Array:
    """Return the array in the order of bytes that a file has."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _described(metadata: Mapping[str, str], fit: Mapping[str, Any]) -> Any:
    """Return the fit that a checkpoint was written in.

    One of version "1" did not choose the factor of bytes: of other rows it says nothing.
    """
    theirs = json.loads(metadata["fit"])
    if metadata["format_version"] == "1" and fit["x"][0] != "uint8":
        theirs["architecture"]["input_scale"] = fit["architecture"]["input_scale"]
    return theirs


def _checksum_of(metadata: Mapping[str, str], tensors: Mapping[str, Array]) -> str:
    """Return the checksum that a checkpoint of its version has."""
    if metadata["format_version"] == "1":
        arrays = (tensors[name] for name in sorted(tensors))
        return checksum(*arrays, text=metadata["fit"] + metadata["state"])
    return file_checksum(metadata, tensors)


def read(path: Any, fit: Mapping[str, Any], network: Network, n_state: int) -> Snapshot:
    """Return the state in a checkpoint of the fit described by `fit`; `network` is not changed.

    Parameters
    ----------
    path : path-like
    fit : mapping
        What `fastnn.fit_description.description` returns.
    network : Network
    n_state : int
        Vectors that the optimizer remembers.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a checkpoint, is damaged, or is one of another fit; or if it takes more memory
        than `fastnn.memory_budget` allows a file of its size, or than is free.
    """
    from safetensors import SafetensorError

    path = Path(path)
    with path.open("rb") as file, memory_errors_of(str(path)):
        data = read_bytes(file, budget_of(file))
        try:
            return _read(data, fit, network, n_state)
        except AnotherFitError as error:
            text = f"{path} is not a checkpoint of this fit: {error}"
            raise AnotherFitError(error.name, text) from None
        except _DAMAGE as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} is not a checkpoint of this fit: {reason}") from None
        except SafetensorError as error:
            raise ValueError(f"{path} is not a checkpoint, or a damaged one: {error}") from None


def _read(data: bytes, fit: Mapping[str, Any], network: Network, n_state: int) -> Snapshot:
    held = parsed(data)
    metadata = held.metadata
    check_format(metadata, FORMAT, ("1", FORMAT_VERSION))
    if metadata["checksum"] != _checksum_of(metadata, held.tensors):
        raise ValueError("its checksum is another: the file is damaged")
    check_same_fit(_described(metadata, fit), fit)
    return _snapshot(json.loads(metadata["state"]), held.tensors, network, n_state)


def _snapshot(state: Any, tensors: Mapping[str, Array], network: Network, n_state: int) -> Snapshot:
    n_slots, dtype = network.architecture.n_slots, network.architecture.dtype
    shapes = {"parameters": (n_slots,), "optimizer": (n_state, n_slots)}
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype != dtype:
            raise ValueError(
                f"its tensor {name} is {tensor.dtype} {tensor.shape}, expected {dtype} {shape}"
            )
    rng = from_json(state["rng"], type(network.rng.bit_generator))
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
    )


def _count(name: str, value: Any) -> int:
    """Return a whole number that compiled code can count to."""
    if validation.check_count(name, value, 0) >= 2**63:
        raise ValueError(f"{name} must be below 2**63, got {value}")
    return int(value)


def _history(values: Any) -> History:
    columns = {str(name): [float(v) for v in column] for name, column in dict(values).items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1 or not {"loss", "time"} <= set(columns):
        raise ValueError("its history does not hold a number an epoch for each measurement")
    history = History()
    for record in zip(*columns.values(), strict=True):
        history.append(dict(zip(columns, record, strict=True)))
    return history
