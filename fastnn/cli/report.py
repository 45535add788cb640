"""``--report``: the HTML page that ``fastnn train`` writes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastnn.cli import options as words
from fastnn.system.printable import named

if TYPE_CHECKING:
    from fastnn.datasets import Dataset
    from fastnn.network import Network
    from fastnn.optimizers import Optimizer
    from fastnn.training.history import History

NOT_TRAINING = (
    "command", "run", "quiet", "json", "report", "output", "checkpoint", "checkpoint_every",
    "resume", "log", "optimizer", "learning_rate",
)  # fmt: skip
"""Options not shown as settings; the optimizer is shown with its rate and constants."""

STANDARDISED = (
    "During training, targets were standardized, so the losses in the curves are in "
    "units of the targets' variance; in the results they are in the targets' own units."
)


def add_report_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--report``."""
    parser.add_argument(
        "--report",
        type=words.output_path,
        metavar="FILE",
        help="also write an HTML page with curves, confusion matrix, mistakes, weights and timings",
    )


def check_report(options: argparse.Namespace) -> None:
    """Check, before any work, that the page can be made."""
    if options.report is not None:
        import fastnn.report  # noqa: F401  an ImportError that names the extra, if it is missing


def write_report(
    options: argparse.Namespace,
    network: Network,
    history: History,
    data: Dataset,
    optimizer: Optimizer,
    measured: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Write the page, if requested."""
    if options.report is None:
        return
    from fastnn import report

    chosen = {
        name: value
        for name, value in vars(options).items()
        if name not in NOT_TRAINING and value is not None
    }
    report.write(
        options.report,
        network,
        history,
        data,
        optimizer=optimizer,
        options=chosen,
        measured=measured,
        note=STANDARDISED if measured and data.class_labels is None else None,
    )
    words.note(
        f"report {named(options.report)} ({options.report.stat().st_size / 1000:,.0f} kB)",
        options,
    )
