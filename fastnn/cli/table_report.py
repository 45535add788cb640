"""``--report`` of a table: the HTML page that ``fastnn train`` writes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from fastnn.bagging.recipe import Recipe
from fastnn.bagging.tables import TableFit
from fastnn.cli import options as words
from fastnn.cli.report import NOT_TRAINING
from fastnn.cli.score_table import NAMES, Scores, cells, shown
from fastnn.cli.table_announcement import notes_of, positive, said_of_target, score_columns
from fastnn.cli.target import Problem
from fastnn.system.printable import named

NOT_SHOWN = (*NOT_TRAINING, "data", "model", "layers", "activation", "epochs", "batch_size", "l2",
             "dropout", "label_smoothing", "estimators", "remarks", "config")  # fmt: skip
"""Options that are shown otherwise, or do not concern the training."""


def write_report(
    options: argparse.Namespace,
    whole: Problem,
    asked: tuple[str, Any, Any],
    fit: TableFit,
    results: Mapping[str, tuple[Scores, int]],
    folds: tuple[list[Scores], list[Scores]] | None,
    recipe: Recipe,
) -> None:
    """Write the page, if requested.

    `asked` are the name of the rows whose errors are shown, their targets, and the predictions.
    """
    if options.report is None:
        return
    from fastnn.report.table_page import TableResults, write_table

    columns, counts = score_columns(results, folds, len(whole.labels), options.cv)
    main = results.get("test", results["left_out"])[0]
    classes = None if whole.classes is None else tuple(whole.classes.tolist())
    which, y, predictions = asked
    page = TableResults(
        whole.name,
        whole.target.name,
        fit,
        list(columns),
        [(label, values) for label, *values in cells(columns, counts, positive(classes, whole.y))],
        [
            *((shown(name, value), f"{which} {NAMES[name]}") for name, value in main.items()),
            (f"{len(whole.labels):,}", "rows"),
        ],
        which,
        y,
        predictions,
        classes,
        [*said_of_target(whole), *notes_of(whole)],
        _settings(options, fit, recipe),
    )
    write_table(options.report, page)
    words.note(
        f"report {named(options.report)} ({words.size_shown(options.report.stat().st_size)})",
        options,
    )


def _settings(options: argparse.Namespace, fit: TableFit, recipe: Recipe) -> dict[str, object]:
    own = {
        "networks": len(fit.ensemble),
        "layers": recipe.hidden_layer_sizes,
        "activation": recipe.activation,
        "epochs": ", ".join(str(history.n_epochs) for history in fit.histories),
        "batch size": recipe.batch_size,
        "learning rate": recipe.learning_rate,
        "weight decay": recipe.weight_decay,
        "dropout": recipe.dropout,
    }
    if fit.ensemble.architecture.classifies:
        own |= {"label smoothing": recipe.label_smoothing, "temperature": fit.temperature}
    given = {
        name: str(value) if isinstance(value, dict) else value
        for name, value in vars(options).items()
        if name not in NOT_SHOWN and value is not None
    }
    return own | given
