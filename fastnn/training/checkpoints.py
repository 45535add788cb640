"""Checkpoints: a fit that was stopped, or killed, goes on from a file bit for bit.

`fastnn.training.checkpoint_files` says what the file holds.
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
from fastnn.backends.base import Backend
from fastnn.model.model import Model
from fastnn.optimizers import OptimizerState
from fastnn.system.files import check_folder_of
from fastnn.system.locks import only_writer
from fastnn.training.checkpoint_files import read, write
from fastnn.training.computed_by import Computer, compare, computer
from fastnn.training.history import History
from fastnn.training.hooks import Hook
from fastnn.training.snapshot import Snapshot


@dataclass(frozen=True)
class Checkpoint:
    """Where a fit keeps its state, so that a run that was killed goes on as if it had not been.

    Parameters
    ----------
    path : path-like
        The file, written after an epoch and replaced as a whole; never half of one. One fit at a
        time writes it: a second one is an error.
    every : int, default 1
        Epochs from one writing to the next; the last epoch, or the one a callback ends the fit
        with, is written in any case. After Ctrl-C, or where numbers are no longer finite, the file
        keeps the state before.
    resume : bool, default False
        Whether to go on from the file, if there is one; without one the fit starts from its
        beginning. A resumed fit ends with the same bits as one that was never stopped, on the same
        backend and instruction set. If False a file that is there already is an error, not lost.
    exact : bool, default False
        Whether to refuse going on under another backend or instruction set than wrote the file,
        or than is known. If False that is a warning.

    Examples
    --------
    Run the same program again after a crash, and it goes on:

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
    """Finds the checkpoint that a fit goes on from, and writes the next ones.

    Attributes
    ----------
    checkpoint : Checkpoint
    fit : mapping
        What `fastnn.training.fit_description.description` returns.
    backend : Backend
        Who computes the epochs from here on.
    computed_by : list
        Who computed those before too, as in `fastnn.training.computed_by`; known within `held`.
    """

    checkpoint: Checkpoint
    fit: Mapping[str, Any]
    backend: Backend
    computed_by: list[Computer | None] = field(default_factory=list)

    @contextmanager
    def held(self, model: Model, n_state: int, epochs: int) -> Iterator[Snapshot | None]:
        """Keep other fits from the file within the block; change nothing else.

        Yields the state to go on from, or None where the fit starts. What is warned of is said to
        the caller of who enters the block.

        Raises
        ------
        OSError
            If another fit has the file, or it is there and not to be resumed, or cannot be read,
            or has no folder.
        ValueError
            If it is not a checkpoint of this fit, or is past its last epoch, or was computed by
            another backend than an exact one is to be.
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
                f"the checkpoint {path} is there already: resume from it (resume=True), or remove "
                "it first"
            )
        snapshot = read(path, self.fit, model, n_state)
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
        """Write the file if it is time to, and there is something to go on from."""
        due = is_last or history.n_epochs % self.checkpoint.every == 0
        numbers = (model.parameters, state.slots)
        if due and all(np.isfinite(values).all() for values in numbers):
            snapshot = Snapshot.of(model, state, history, hooks, stop_asked, self.computed_by)
            write(self.checkpoint.path, self.fit, snapshot)
