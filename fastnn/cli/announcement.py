"""What ``fastnn train`` prints before and after training: what was inferred, and the results."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.cli import options as words
from fastnn.cli.streams import losing_nothing, say
from fastnn.datasets import Dataset
from fastnn.network import Network
from fastnn.system.printable import named


def announce(
    options: argparse.Namespace,
    network: Network,
    data: Dataset,
    backend: str,
    rows: Mapping[str, int] | None = None,
) -> None:
    """Print before training the data, what was inferred about a table, and the network.

    `rows` counts the training, validation and test rows where `data` does not hold them.
    """
    if rows is None:
        weight = data.train_weight
        n_train = len(data.train) if weight is None else int(np.count_nonzero(weight))
        rows = {"train": n_train, "validation": len(data.validation), "test": len(data.test)}
    words.note(
        f"{data.name}: {rows['train']:,} training, {rows['validation']:,} validation and "
        f"{rows['test']:,} test rows",
        options,
    )
    if data.choice is not None:
        for text in _said_of_labels(data):
            words.note(text, options)
    for note in data.notes:
        words.note(f"note: {note}", options)
    words.note(_network_line(network, backend), options)
    if options.json and not options.quiet and data.choice is not None:
        with losing_nothing():
            words.print_json(
                {
                    "event": "data",
                    "name": data.name,
                    "rows": dict(rows),
                    "label": data.label_name,
                    "label_reason": data.label_reason,
                    "task": data.choice.task,
                    "task_reason": data.choice.reason,
                    "n_classes": None if data.class_labels is None else len(data.class_labels),
                    "notes": data.notes,
                }
            )


def _network_line(network: Network, backend: str) -> str:
    a = network.architecture
    widths = "-".join(str(n) for n in a.sizes)
    hidden = f" {a.activations[0]}" if a.activations else ""
    return (
        f"{widths}{hidden}, {a.output}, {a.n_parameters:,} parameters, {a.dtype}, backend {backend}"
    )


def _said_of_labels(data: Dataset) -> tuple[str, str]:
    """Return which column is the label, the task, and the options that override them."""
    assert data.choice is not None
    choice = data.choice
    other = {"classification": "regression", "regression": "classification"}[choice.task]
    instead = f" (--task {other} if not)" if choice.open and not choice.named else ""
    return f"label {said_of_column(data)}", f"{choice.task}: {choice.reason}{instead}"


def said_of_column(data: Dataset) -> str:
    """Return which column is the label, why, and the option that selects another."""
    if data.label_reason is None:
        return f"{data.label_name!r}"
    return f"{data.label_name!r}, {data.label_reason} (--target selects another)"


def say_results(
    options: argparse.Namespace,
    network: Network,
    backend: Any,
    measured: Mapping[str, Mapping[str, float]],
    seconds: float,
    path: Path,
) -> None:
    """Print what was measured by the split, and where the network was saved.

    `backend` has the `name` and `isa` of what trained it.
    """
    if options.json:
        words.print_json(
            {
                "event": "result",
                "backend": backend.name,
                "isa": getattr(backend, "isa", None),
                "seconds": seconds,
                **measured,
                "model": path,
            }
            | ({"report": options.report} if options.report else {})
        )
        return
    for name, values in measured.items():
        say(f"{name:<5}  {words.measures(values)}", indent=" " * 7)
    n_parameters = network.architecture.n_parameters
    say(f"trained in {seconds:.2f} s, saved {named(path)} ({n_parameters:,} parameters)")
