"""What ``fastnn train`` prints of a table: what was guessed, what is learned, and the scores."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.bagging.recipe import Recipe
from fastnn.bagging.tables import TableFit
from fastnn.cli import options as words
from fastnn.cli import streams
from fastnn.cli.cross_validation import spread, spread_shown
from fastnn.cli.score_table import NAMES, Scores, lines, rarer, shown
from fastnn.cli.streams import losing_nothing, say
from fastnn.cli.target import Problem, said
from fastnn.system.printable import named, printable
from fastnn.tabular import Columns

MOST_IMPORTANT = 5
"""Columns that are named as the most important."""

LEAST_IMPORTANCE = 0.0005

HEADERS = {
    "test": "test rows",
    "simplest_guess": "simplest guess",
    "left_out": "out of fold",
}


def announce(
    options: argparse.Namespace,
    whole: Problem,
    train: Problem,
    test: Problem | None,
    columns: Columns,
) -> None:
    """Print before training what was read and guessed."""
    rows = {"train": len(train.labels)} | ({} if test is None else {"test": len(test.labels)})
    if not options.quiet:
        for text in _said_of_data(whole, rows):
            streams.remark(text)
        streams.remark_verbatim(f"\n{columns}\n\n")
    if options.json and not options.quiet:
        with losing_nothing():
            words.print_json({"event": "data", **described(whole, columns), "rows": rows})


def _said_of_data(whole: Problem, rows: Mapping[str, int]) -> list[str]:
    of_test = f" and {rows['test']:,} test rows" if "test" in rows else " rows"
    found = [
        f"{whole.name}: {whole.n_columns:,} columns, {rows['train']:,} training{of_test}",
        *said_of_target(whole),
    ]
    return [*found, *(f"note: {note}" for note in notes_of(whole))]


def said_of_target(whole: Problem) -> list[str]:
    """Return which column is the target, and the task, with the options that override them."""
    choice = whole.choice
    other = {"classification": "regression", "regression": "classification"}[choice.task]
    instead = f" (--task {other} if not)" if choice.open and not choice.named else ""
    return [f"target {said(whole.target)}", f"{choice.task}: {choice.reason}{instead}"]


def notes_of(whole: Problem) -> list[str]:
    """Return what else was guessed or left out while reading."""
    notes = list(whole.frame.notes)
    if whole.note is not None:
        notes.append(f"target {whole.target.name!r}: {whole.note}")
    if whole.n_missing:
        rows = "row is" if whole.n_missing == 1 else "rows are"
        notes.append(f"{whole.n_missing:,} {rows} left out, since the target is missing")
    return notes


def described(whole: Problem, columns: Columns) -> dict[str, Any]:
    """Return the same for JSON."""
    classes = whole.classes
    return {
        "name": whole.name,
        "target": whole.target.name,
        "target_reason": whole.target.reason,
        "task": whole.choice.task,
        "task_reason": whole.choice.reason,
        "classes": None if classes is None else classes.tolist(),
        "notes": notes_of(whole),
        "columns": columns_described(columns),
        "n_inputs": columns.n_out,
    }


def columns_described(columns: Columns) -> list[dict[str, Any]]:
    """Return the table of columns for JSON."""
    return [
        {
            "name": column.name,
            "read_as": column.read_as,
            "encoded_as": None if column.encoding is None else column.encoding.words,
            "outputs": len(column.outputs),
            "note": column.note,
        }
        for column in columns.table
    ]


def say_networks(
    options: argparse.Namespace,
    n_models: int,
    recipe: Recipe,
    n_in: int,
    n_classes: int,
    backend: str,
) -> None:
    """Print before training the shape of the networks."""
    widths = "-".join(map(str, (n_in, *recipe.hidden_layer_sizes, n_classes or 1)))
    hidden = f" {recipe.activation}" if recipe.hidden_layer_sizes else ""
    words.note(
        f"{n_models} networks {widths}{hidden}, up to {recipe.epochs} epochs, backend {backend}",
        options,
    )


def say_fold(options: argparse.Namespace, fold: int, of_fold: Scores) -> None:
    """Print the scores of a fold."""
    if options.json:
        if not options.quiet:
            with losing_nothing():
                words.print_json({"event": "fold", "fold": fold, **of_fold})
        return
    words.note(
        f"fold {fold}/{options.cv}  "
        + "  ".join(f"{NAMES[name]} {shown(name, value)}" for name, value in of_fold.items()),
        options,
    )


def say_results(
    options: argparse.Namespace,
    whole: Problem,
    fit: TableFit,
    results: Mapping[str, tuple[Scores, int]],
    folds: tuple[list[Scores], list[Scores]] | None,
    backend: Any,
    seconds: float,
    path: Path,
) -> None:
    """Print the scores, the most important columns, and where the networks were saved."""
    importances = dict(zip(names_of(fit.columns), fit.importances.tolist(), strict=True))
    if options.json:
        words.print_json(
            {
                "event": "result",
                "backend": backend.name,
                "isa": getattr(backend, "isa", None),
                "seconds": seconds,
                "n_estimators": len(fit.ensemble),
                "epochs": [history.n_epochs for history in fit.histories],
                "temperature": fit.temperature,
                **{name: {"rows": n, **values} for name, (values, n) in results.items()},
                **({} if folds is None else {"cross_validation": _spread_described(*folds)}),
                "importances": importances,
                "model": path,
            }
            | ({"report": options.report} if options.report else {})
        )
        return
    columns, counts = score_columns(results, folds, len(whole.labels), options.cv)
    for line in lines(columns, counts, positive(whole.classes, whole.y)):
        streams.say_verbatim(f"{line}\n")
    say(f"most important columns: {important(importances)}")
    n = len(fit.ensemble)
    say(
        f"trained {n} network{'' if n == 1 else 's'} in {seconds:.2f} s, saved {named(path)} "
        f"({words.size_shown(path.stat().st_size)})"
    )


def score_columns(
    results: Mapping[str, tuple[Scores, int]],
    folds: tuple[list[Scores], list[Scores]] | None,
    n_rows: int,
    n_folds: int | None,
) -> tuple[dict[str, Mapping[str, Any]], list[int]]:
    """Return the columns of the table of scores, and how many rows each is of."""
    if folds is not None:
        of_networks, of_guess = map(spread_shown, folds)
        return (
            {f"{n_folds} folds": of_networks, "simplest guess": of_guess},
            [n_rows, n_rows],
        )
    columns: dict[str, Mapping[str, Any]] = {
        HEADERS[name]: results[name][0] for name in HEADERS if name in results
    }
    return columns, [results[name][1] for name in HEADERS if name in results]


def positive(classes: Any, y: Any) -> str:
    """Return the class of two that F1 is of, the rarer one; "" if it is a mean over classes."""
    if classes is None or len(classes) != 2:
        return ""
    return printable(str(classes[rarer(y, 2)]))


def names_of(columns: Columns) -> list[str]:
    """Return the names of all columns of the training table, in order."""
    return [column.name for column in columns.table]


def important(importances: Mapping[str, float]) -> str:
    """Return the most important columns, and the increase of the loss without each."""
    some = [name for name, value in importances.items() if value >= LEAST_IMPORTANCE]
    order = sorted(some, key=lambda name: -importances[name])[:MOST_IMPORTANT]
    return ", ".join(f"{named(name)} {importances[name]:.3f}" for name in order) or "none"


def _spread_described(of_networks: Sequence[Scores], of_guess: Sequence[Scores]) -> dict[str, Any]:
    found = {}
    for who, of_folds in (("networks", of_networks), ("simplest_guess", of_guess)):
        found[who] = {
            name: {"mean": mean, "deviation": deviation if np.isfinite(deviation) else None}
            for name, (mean, deviation) in spread(of_folds).items()
        }
    return found
