"""The HTML page about networks on a table: scores, columns, calibration, importances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from fastnn.bagging.tables import TableFit
from fastnn.drawing.canvas import evenly
from fastnn.plots.classified import Classified
from fastnn.report import facts, findings, pictures, table_pictures
from fastnn.system.files import write_whole
from fastnn.tabular import Columns

MOST_COLUMNS = 25
"""Bars of importances."""

MOST_POINTS = 2_000


@dataclass(frozen=True, eq=False)
class TableResults:
    """What a page shows of networks on a table.

    Attributes
    ----------
    name : str
        Of the data.
    target : str
    fit : TableFit
    headers : sequence of str
        Of the columns of scores.
    scores : sequence of (str, sequence of str)
        The name of each score, and its cells.
    tiles : sequence of (str, str)
        The most important figures: value and name.
    which : str
        What rows `y` and `predictions` are of, such as "test".
    y : ndarray
        Classes (n_rows,) int64, or numbers (n_rows, 1).
    predictions : ndarray
        Probabilities (n_rows, n_classes), or numbers (n_rows, 1).
    classes : tuple or None
        None for a regression.
    notes : sequence of str
        What was guessed about the table.
    settings : mapping
        Names and values, in order.
    """

    name: str
    target: str
    fit: TableFit
    headers: Sequence[str]
    scores: Sequence[tuple[str, Sequence[str]]]
    tiles: Sequence[tuple[str, str]]
    which: str
    y: NDArray[Any]
    predictions: NDArray[Any]
    classes: tuple[Any, ...] | None
    notes: Sequence[str]
    settings: Mapping[str, object]


def write_table(path: Any, results: TableResults) -> None:
    """Write a report on networks that learned a table as one HTML file, atomically.

    Parameters
    ----------
    path : path-like
    results : TableResults

    Raises
    ------
    OSError
        If the file cannot be written; an existing file is then unchanged.
    """
    fit = results.fit
    environment = Environment(
        loader=PackageLoader("fastnn.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    first = fit.ensemble[0]
    states = [facts.state(history) for history in fit.histories if history.stopped == "interrupted"]
    page = environment.get_template("table.html.j2").render(
        date=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        name=results.name,
        headline=f"{results.target}: {len(fit.ensemble)} networks {facts.headline(first)}",
        state=states[0] if states else None,
        tiles=results.tiles,
        scores={"headers": results.headers, "rows": results.scores},
        which=results.which,
        loss="log-loss" if results.classes is not None else "squared error (1 is that of the mean)",
        importances=_importances(fit),
        confusion=_confusion(results),
        calibration=_calibration(results),
        predictions=_predictions(results),
        notes=results.notes,
        columns=_columns(fit.columns),
        curves=_curves(fit),
        training=facts.training(None, results.settings),
        machine=facts.machine_facts(first),
    )
    with write_whole(path) as file:
        file.write(page.encode("utf-8", errors="replace"))


def _columns(columns: Columns) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "read_as": column.read_as,
            "encoded_as": "left out" if column.encoding is None else column.encoding.words,
            "outputs": f"{len(column.outputs):,}",
            "note": column.note or "",
        }
        for column in columns.table
    ]


def _importances(fit: TableFit) -> dict[str, Any] | None:
    read = [i for i, column in enumerate(fit.columns.table) if column.encoding is not None]
    order = np.array(sorted(read, key=lambda i: -fit.importances[i])[:MOST_COLUMNS])
    values = fit.importances[order]
    if not np.isfinite(values).all():
        return None
    names = [fit.columns.table[i].name for i in order.tolist()]
    shown = ", ".join(f"{name} {value:.3g}" for name, value in zip(names, values, strict=True))
    picture = pictures.svg(
        "importances",
        f"importances of columns: {shown}",
        0.6 + 0.3 * len(names),
        partial(table_pictures.bars, names, values),
    )
    return {"picture": picture, "n_shown": len(names), "n": len(read)}


def _confusion(results: TableResults) -> dict[str, Any] | None:
    if results.classes is None:
        return None
    p = results.predictions
    predicted = p.argmax(axis=1)
    probability = p[np.arange(len(p)), predicted]
    return findings.confusion(Classified(results.y, predicted, probability, results.classes))


def _calibration(results: TableResults) -> Any:
    if results.classes is None:
        return None
    return pictures.svg(
        "calibration",
        "accuracy of predictions by their confidence, with a line where they are equal",
        4.3,
        partial(table_pictures.reliability, results.y, results.predictions),
    )


def _predictions(results: TableResults) -> dict[str, Any] | None:
    if results.classes is not None:
        return None
    rows = evenly(len(results.y), MOST_POINTS)
    picture = pictures.svg(
        "predictions",
        "predictions against true values, with a line where they are equal",
        4.3,
        partial(table_pictures.scattered, results.y[rows, 0], results.predictions[rows, 0]),
    )
    return {"picture": picture, "n_shown": len(rows)}


def _curves(fit: TableFit) -> list[Any]:
    names = {"loss": "loss", "accuracy": "accuracy"}
    return [
        pictures.svg(
            f"curve-{measure}",
            f"{spoken} of each network over its epochs",
            2.9,
            partial(table_pictures.curves, fit.histories, measure),
        )
        for measure, spoken in names.items()
        if measure in fit.histories[0] or f"val_{measure}" in fit.histories[0]
    ]
