"""Checkpoints: a stopped or killed fit resumes from a file with bit-identical results.

`fastnn.training.checkpoint_files` describes the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import validation
from fastnn.model.model import Model
from fastnn.optimizers import OptimizerState
from fastnn.system.files import check_folder_of
from fastnn.system.locks import only_writer
from fastnn.training.checkpoint_files import read, write
from fastnn.training.computed_by import Computer, Computes, compare, computer
from fastnn.training.history import History
from fastnn.training.hooks import Hook
from fastnn.training.snapshot import Snapshot
from fastnn.validation.values import shortened


@dataclass(frozen=True)
class Checkpoint:
    """Checkpoint file of a fit, from which a killed run can be resumed.

    Parameters
    ----------
    path : path-like
        The file, written after an epoch and replaced atomically. Only one fit at a time may write
        it: a second one is an error.
    every : int, default 1
        Epochs between checkpoints; the last epoch is always written. After Ctrl-C, or if values are
        no longer finite, the file keeps the previous state.
    resume : bool, default False
        Whether to resume from the file, if it exists; otherwise the fit starts from the beginning.
        The results are bit-identical to those of an uninterrupted fit on the same backend and
        instruction set. If False, an existing file is an error and is not overwritten.
    exact : bool, default False
        Whether to refuse to resume with a backend or instruction set that differs from the file's
        or if the file does not record it. If False, a difference is a warning.

    Examples
    --------
    To resume after a crash, run the same program again:

    >>> run = fastnn.Checkpoint("run.checkpoint", resume=True)  # doctest: +SKIP
    >>> net.fit(x, y, epochs=100, checkpoint=run)  # doctest: +SKIP
    """

    path: Any
    every: int = 1
    resume: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        validation.check_path("path", self.path)
        validation.check_count("every", self.every)
        validation.check_flag("resume", self.resume)
        validation.check_flag("exact", self.exact)


def checked_checkpoint(checkpoint: Any) -> Checkpoint:
    """Return `checkpoint` if it is one, or raise a TypeError."""
    return validation.check_instance(
        "checkpoint",
        checkpoint,
        Checkpoint,
        'a fastnn.Checkpoint, such as fastnn.Checkpoint("run.checkpoint")',
    )


@dataclass
class Keeper:
    """Finds the checkpoint to resume from, and writes the following ones.

    Attributes
    ----------
    checkpoint : Checkpoint
    fit : mapping
        The result of `fastnn.training.fit_description.description`.
    backend : Backend
        The backend of the following epochs, or what has its name and instruction set.
    measured : list of str
        What each epoch measures, as `fastnn.training.history.measurements` names it.
    computed_by : list
        The backends of all epochs, as in `fastnn.training.computed_by`; set by `held`.
    """

    checkpoint: Checkpoint
    fit: Mapping[str, Any]
    backend: Computes
    measured: Sequence[str]
    computed_by: list[Computer | None] = field(default_factory=list)

    @contextmanager
    def held(self, model: Model, n_state: int, epochs: int) -> Iterator[Snapshot | None]:
        """Lock the file against other fits within the block; change nothing else.

        Yields the state to resume from, or None if the fit starts from the beginning. Warnings
        refer to the caller of the function with the block.

        Raises
        ------
        OSError
            If another fit has the file, or it exists and `resume` is false, or it cannot be read,
            or its folder does not exist.
        ValueError
            If it is not a checkpoint of this fit, or is past its last epoch, or was computed by
            another backend and `exact` is true.
        """
        ours, exact = computer(self.backend), self.checkpoint.exact
        with only_writer(self.checkpoint.path, "the checkpoint"):
            snapshot = self._found(model, n_state, epochs)
            theirs = [] if snapshot is None else snapshot.computed_by
            compare(Path(self.checkpoint.path), theirs, ours, exact=exact, stacklevel=4)
            self.computed_by = [*theirs, *([] if ours in theirs else [ours])]
            yield snapshot

    def _found(self, model: Model, n_state: int, epochs: int) -> Snapshot | None:
        path = Path(self.checkpoint.path)
        if not path.exists():
            check_folder_of(Path(os.path.realpath(path)))
            return None
        if not self.checkpoint.resume:
            raise FileExistsError(
                f"the checkpoint {path} already exists: resume from it (resume=True), or remove "
                "it first"
            )
        snapshot = read(path, self.fit, model, n_state)
        if set(snapshot.history) != set(self.measured):
            raise ValueError(
                f"{path} is not a checkpoint of this fit: its history holds "
                f"{shortened(', '.join(snapshot.history))}; this fit records "
                f"{', '.join(self.measured)}"
            )
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
        model: Model,
        state: OptimizerState,
        history: History,
        hooks: Sequence[Hook],
        *,
        stop_asked: bool,
        is_last: bool,
    ) -> None:
        """Write the file if it is due and all values are finite."""
        due = is_last or history.n_epochs % self.checkpoint.every == 0
        numbers = (model.parameters, state.slots)
        if due and all(np.isfinite(values).all() for values in numbers):
            snapshot = Snapshot.of(model, state, history, hooks, stop_asked, self.computed_by)
            write(self.checkpoint.path, self.fit, snapshot)
