"""Options of ``fastnn train`` for runs that take long: checkpoints, early stopping, logs."""

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

MOST_CHECKPOINTS = 100  # of a run, where it is not said: each waits for the disk
PATIENCE_SHARE = 20  # early stopping waits a 20th of all epochs, if that is more than PATIENCE


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of ``fastnn train``."""
    parser.add_argument(
        "--checkpoint",
        type=words.output_path,
        metavar="FILE",
        help="keep the state of the training in FILE after each epoch",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=words.whole_number(1),
        metavar="N",
        help=f"epochs from one checkpoint to the next (default: 1, or more past {MOST_CHECKPOINTS} "
        "epochs)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint, if there is one, to the bits of a run never stopped; the "
        "other options must be those it was started with",
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="with --resume, refuse to go on under another backend or instruction set than wrote "
        "the checkpoint, which gives other bits (default: a warning)",
    )
    parser.add_argument(
        "--early-stopping",
        type=words.whole_number(1),
        nargs="?",
        const=0,
        metavar="EPOCHS",
        help="stop when the validation loss has not fallen for EPOCHS epochs, and take the best "
        f"weights (EPOCHS left out: {PATIENCE}, or a {PATIENCE_SHARE}th of all epochs)",
    )
    parser.add_argument(
        "--log", type=_log, metavar="FILE", help="write a line an epoch to a .csv or .jsonl file"
    )


def check_checkpoint(options: argparse.Namespace) -> None:
    """Check, before any work, that no checkpoint would be lost, and say what is gone on from."""
    path: Path | None = options.checkpoint
    if path is None:
        for name in ("resume", "exact", "checkpoint_every"):
            if getattr(options, name):
                raise ValueError(f"--{name.replace('_', '-')} needs --checkpoint FILE")
    elif options.resume:
        there = "going on from" if path.exists() else "no checkpoint yet, to be kept in"
        words.note(f"{there} {named(path)}", options)
    elif path.exists():
        raise FileExistsError(
            f"the checkpoint {named(path)} is there already: add --resume to go on from it, or "
            "remove it first"
        )


def checkpoint(options: argparse.Namespace) -> Checkpoint | None:
    """Return the checkpoint asked for."""
    if options.checkpoint is None:
        return None
    every = options.checkpoint_every or max(1, options.epochs // MOST_CHECKPOINTS)
    return Checkpoint(options.checkpoint, every=every, resume=options.resume, exact=options.exact)


def callbacks(options: argparse.Namespace, has_validation: bool) -> list[Callback]:
    """Return the callbacks asked for."""
    asked: list[Callback] = []
    if options.early_stopping is not None:
        if not has_validation:
            raise ValueError(
                f"--early-stopping needs validation rows, and {named(options.data)} sets none apart"
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
    "optimizer.learning_rate.n_steps": "--epochs, along which the learning rate falls",
    "optimizer": "--optimizer",
    "seed": "--seed",
    "settings of callbacks": "--early-stopping",
    "x": "the data",
    "y": "the data",
}
"""What on the command line is behind a part of a fit's description."""


@contextmanager
def named_options() -> Iterator[None]:
    """Say in options what another fit than the checkpoint's differs in."""
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
