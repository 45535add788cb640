"""Sections about the trained network: curves, confusion matrix, mistakes, weights."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup

from fastnn import plots, validation
from fastnn.datasets import Dataset
from fastnn.drawing.canvas import evenly, shown
from fastnn.drawing.curves import NAMES, measures
from fastnn.network import Network
from fastnn.plots import numbers, units
from fastnn.plots.classified import Classified, classify
from fastnn.plots.mistaken import MOST_COLUMNS, dense_rows
from fastnn.report import pictures
from fastnn.report.facts import counted
from fastnn.report.parts import Part, deviation, labelled
from fastnn.training.history import History

MOST_MISTAKES = 18
MOST_CLASSES = 100  # of a confusion matrix: with more the page would have megabytes


def curves(history: History) -> list[Markup]:
    """Return a plot for each metric of the epochs."""
    return [
        pictures.svg(
            f"curve-{name}",
            f"{NAMES[name]} over {counted(history.n_epochs, 'epoch')}: {_last(history, name)}",
            2.9,
            partial(_curve, history, name),
        )
        for name in measures(history)
    ]


def _curve(history: History, measure: str, ax: Any) -> None:
    plots.history(history, measure=measure, ax=ax)


def _last(history: History, measure: str) -> str:
    ends = [
        f"{kind} ends at {history[name][-1]:.4g}"
        for name, kind in ((measure, "training"), (f"val_{measure}", "validation"))
        if name in history
    ]
    return ", ".join(ends)


def classified(network: Network, data: Dataset, part: Part) -> Classified | None:
    """Return the predictions for the rows of a part; None unless each row has one class."""
    if not network.architecture.one_class_a_row:
        return None
    found = classify(network, *labelled(network, data, part.split))
    truth, predicted, probability = (of[part.rows] for of in found[:3])
    return Classified(truth, predicted, probability, found.labels)


def confusion(found: Classified | None) -> dict[str, Any] | None:
    """Return labels, counts and the fraction of each count in its true class."""
    if found is None or len(found.labels) > MOST_CLASSES:
        return None
    counts = found.counts()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return {
        "labels": [shown(label) for label in found.labels],
        "rows": [
            [(int(count), math.sqrt(part)) for count, part in zip(*row, strict=True)]
            for row in zip(counts, share, strict=True)
        ],
    }


def predictions(network: Network, part: Part) -> dict[str, Any] | None:
    """Return predictions against true values; None for classes."""
    a = network.architecture
    if a.classifies:
        return None
    n = min(a.n_out, numbers.MOST_OUTPUTS)
    n_columns, n_lines = numbers.grid(n)
    height = 1.1 * pictures.WIDTH / n_columns * n_lines
    rows = part.rows[evenly(len(part.rows), numbers.MOST_POINTS)]
    x, y = part.split
    picture = pictures.svg(
        "predictions",
        "predictions against true values, with a line where they are equal",
        4.3 if n == 1 else height,
        lambda ax: plots.predictions(network, x[rows], y[rows], ax=ax),
    )
    return {
        "picture": picture,
        "n_shown": len(rows),
        "n_outputs": n,
        "of_outputs": a.n_out,
    }


def mistakes(
    found: Classified | None, data: Dataset, part: Part, shape: tuple[int, int] | None
) -> dict[str, Any] | None:
    """Return the most confident mistakes as images, or as rows of a table."""
    if found is None:
        return None
    wrong = found.mistakes()
    shown_ones = wrong[:MOST_MISTAKES]
    x = part.split.x
    features = dense_rows(x, part.rows[shown_ones])
    names = validation.check_feature_names(data.feature_names, x.shape[1])[:MOST_COLUMNS]
    return {
        "count": len(wrong),
        "n_rows": len(found.truth),
        "names": names,
        "rows": [
            {
                "row": int(part.rows[i]),
                "true": shown(found.labels[found.truth[i]]),
                "given": shown(found.labels[found.predicted[i]]),
                "probability": f"{found.probability[i]:.1%}".replace("%", " %"),
                "image": None if shape is None else pictures.png(values.reshape(shape)),
                "values": [f"{value:.4g}" for value in values[:MOST_COLUMNS].tolist()],
            }
            for i, values in zip(shown_ones, features, strict=True)
        ],
        "images": shape is not None,
    }


def weights(network: Network, data: Dataset, shape: tuple[int, int] | None) -> dict[str, Any]:
    """Return a plot of the first layer's weights, and its properties."""
    n_in, n_out = network.architecture.shapes[0]
    n_units = min(n_out, 25 if shape else 20)
    options: dict[str, Any] = {"image_shape": shape}
    if shape is None:
        options = {"feature_names": None, "feature_scale": None}
        if network.columns is None:
            names = validation.check_feature_names(data.feature_names, n_in)
            options = {"feature_names": names, "feature_scale": deviation(data)}
        height = max(1.8, 0.27 * min(n_in, units.MOST_FEATURES) + 0.9)
    else:
        n_columns, n_lines = units.grid(n_units)
        height = n_lines * (pictures.WIDTH / n_columns * shape[0] / shape[1] + units.TITLE)
    picture = pictures.svg(
        "weights",
        f"weights of the first layer, {n_units} of {counted(n_out, 'unit')}, as "
        + ("images" if shape else "a heat map of features and units"),
        height,
        lambda ax: plots.weights(
            network, max_units=n_units, cmap=pictures.DIVERGING, ax=ax, **options
        ),
    )
    templates = len(network.architecture.sizes) == 2
    return {
        "picture": picture,
        "n_units": n_units,
        "of_units": n_out,
        "images": shape is not None,
        "templates": templates,
    }
