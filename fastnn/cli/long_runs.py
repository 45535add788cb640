"""Options of ``fastnn train`` for long runs: checkpoints, early stopping, logs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastnn.callbacks.base import PATIENCE, Callback, EarlyStopping
from fastnn.callbacks.logs import MetricsLog
from fastnn.cli import options as words
from fastnn.system.printable import named
from fastnn.training.checkpoints import Checkpoint
from fastnn.training.fit_description import AnotherFitError

MOST_CHECKPOINTS = 100  # per run, by default: each waits for the disk
PATIENCE_SHARE = 20  # early stopping waits a 20th of all epochs, if that is more than PATIENCE


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of ``fastnn train``."""
    parser.add_argument(
        "--checkpoint",
        type=words.output_path,
        metavar="FILE",
        help="save the state of the training in FILE after each epoch",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=words.whole_number(1),
        metavar="N",
        help=f"epochs between checkpoints (default: 1, or more for over {MOST_CHECKPOINTS} epochs)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="resume from the checkpoint, if it exists, with results bit-identical to an "
        "uninterrupted run; the other options must be unchanged",
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="with --resume, refuse a backend or instruction set other than the checkpoint's, "
        "whose results would not be bit-identical (default: a warning)",
    )
    parser.add_argument(
        "--early-stopping",
        type=words.whole_number(1),
        nargs="?",
        const=0,
        metavar="EPOCHS",
        help="stop when the validation loss has not improved for EPOCHS epochs, and restore the "
        f"best weights (default: {PATIENCE}, or a {PATIENCE_SHARE}th of all epochs)",
    )
    parser.add_argument(
        "--log", type=_log, metavar="FILE", help="write one line per epoch to a .csv or .jsonl file"
    )


def check_checkpoint(options: argparse.Namespace) -> None:
    """Check, before any work, that no checkpoint would be overwritten; note what is resumed."""
    path: Path | None = options.checkpoint
    if path is None:
        for name in ("resume", "exact", "checkpoint_every"):
            if getattr(options, name):
                raise ValueError(f"--{name.replace('_', '-')} needs --checkpoint FILE")
    elif options.resume:
        there = "resuming from" if path.exists() else "no checkpoint yet, saving to"
        words.note(f"{there} {named(path)}", options)
    elif path.exists():
        raise FileExistsError(
            f"the checkpoint {named(path)} already exists: add --resume to resume from it, or "
            "remove it first"
        )


def checkpoint(options: argparse.Namespace, rounds: int = 1) -> Checkpoint | None:
    """Return the requested checkpoint, of a fit that makes an epoch in so many rounds."""
    if options.checkpoint is None:
        return None
    every = options.checkpoint_every or max(1, options.epochs // MOST_CHECKPOINTS)
    return Checkpoint(
        options.checkpoint, every=every * rounds, resume=options.resume, exact=options.exact
    )


def callbacks(options: argparse.Namespace, has_validation: bool) -> list[Callback]:
    """Return the requested callbacks."""
    asked: list[Callback] = []
    if options.early_stopping is not None:
        if not has_validation:
            raise ValueError(
                f"--early-stopping needs validation rows, but {named(options.data)} has none"
            )
        patience = options.early_stopping or max(PATIENCE, options.epochs // PATIENCE_SHARE)
        asked.append(EarlyStopping(patience=patience))
    if options.log is not None:
        asked.append(options.log)
    return asked


_OPTIONS = {
    "architecture.sizes": "--layers",
    "architecture.activations": "--activation",
    "backend": "--backend, and FASTNN_ISA",
    "batch_size": "--batch-size",
    "callbacks": "--early-stopping or --log",
    "optimizer.learning_rate.learning_rate": "--learning-rate",
    "optimizer.learning_rate.n_steps": "--epochs, over which the learning rate decays",
    "optimizer.learning_rate.schedule.learning_rate": "--learning-rate",
    "optimizer.learning_rate.schedule.n_steps": "--epochs, over which the learning rate decays",
    "optimizer.learning_rate.factor": "the data",
    "optimizer": "--optimizer",
    "seed": "--seed",
    "settings of callbacks": "--early-stopping",
    "x": "the data",
    "y": "the data",
}
"""The option that sets a part of a fit's description."""


@contextmanager
def named_options() -> Iterator[None]:
    """Name the option in which a fit differs from the checkpoint."""
    try:
        yield
    except AnotherFitError as error:
        behind = [o for part, o in _OPTIONS.items() if f"{error.name}.".startswith(f"{part}.")]
        raise ValueError(f"{error} ({behind[0]})" if behind else str(error)) from None


def _log(text: str) -> MetricsLog:
    try:
        return MetricsLog(words.output_path(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
