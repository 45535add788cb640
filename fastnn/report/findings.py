"""What the page shows of a trained network: results, curves, confusion, mistakes, weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from fastnn import plots, validation
from fastnn.architecture import Array
from fastnn.datasets import Dataset, Split
from fastnn.history import History
from fastnn.network import Network
from fastnn.plots import numbers, units
from fastnn.plots.canvas import shown
from fastnn.plots.classified import Classified, classify
from fastnn.plots.curves import NAMES, measures
from fastnn.plots.mistaken import MOST_COLUMNS, dense_rows
from fastnn.report import pictures

PARTS = {"train": "training", "validation": "validation", "test": "test"}
MOST_MISTAKES = 18
MOST_CLASSES = 100  # of a confusion matrix: past it the page would weigh megabytes


class Part(NamedTuple):
    """A part of the data, and what was measured on it, by name."""

    key: str
    name: str
    n_rows: int
    values: Mapping[str, float]


def splits(data: Dataset) -> Iterator[tuple[str, Split]]:
    """Yield the parts that have rows."""
    return ((key, split) for key in PARTS if len(split := getattr(data, key)))


def rows_to_look_at(data: Dataset) -> tuple[str, Split]:
    """Return the part that says most: test, else validation, else training."""
    return list(splits(data))[-1]


def labelled(network: Network, data: Dataset, split: Split) -> tuple[Array, Array]:
    """Return x and y as the network takes them: labels, if its classes have names."""
    x, y = split
    if network.class_labels is not None and data.class_labels is not None and y.ndim == 1:
        return x, np.asarray(data.class_labels)[y]
    return x, y


def image_shape(network: Network, data: Dataset) -> tuple[int, int] | None:
    """Return the height and width of rows that may well be images; None for others."""
    shape = validation.check_image_shape(None, network.architecture.n_in)
    x = data.train.x
    if shape is None or x.dtype == np.uint8:
        return shape
    return shape if x.min() >= 0 and x.max() <= 255 else None


def results(
    network: Network, data: Dataset, measured: Mapping[str, Mapping[str, float]]
) -> list[Part]:
    """Return loss and accuracy or R² of each part; measure those that `measured` lacks."""
    return [
        Part(
            key,
            PARTS[key],
            len(split),
            measured.get(key) or network.evaluate(*labelled(network, data, split), progress=False),
        )
        for key, split in splits(data)
    ]


def curves(history: History) -> list[Markup]:
    """Return a picture for each thing that was measured after each epoch."""
    return [
        pictures.svg(
            f"curve-{name}",
            f"{NAMES[name]} over {history.n_epochs} epochs: {_last(history, name)}",
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


def classified(network: Network, data: Dataset, split: Split) -> Classified | None:
    """Return what the network says of some rows; None unless it gives each one class."""
    if not network.architecture.one_class_a_row:
        return None
    return classify(network, *labelled(network, data, split))


def confusion(found: Classified | None) -> dict[str, Any] | None:
    """Return labels, counts and each count's share of its true class."""
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


def predictions(network: Network, split: Split) -> dict[str, Any] | None:
    """Return predicted against true numbers; None for classes."""
    a = network.architecture
    if a.classifies:
        return None
    n = min(a.n_out, numbers.MOST_OUTPUTS)
    n_columns, n_lines = numbers.grid(n)
    height = 1.1 * pictures.WIDTH / n_columns * n_lines
    picture = pictures.svg(
        "predictions",
        "predicted against true numbers, with a line where they are equal",
        4.3 if n == 1 else height,
        lambda ax: plots.predictions(network, *split, ax=ax),
    )
    return {
        "picture": picture,
        "n_shown": min(len(split), numbers.MOST_POINTS),
        "n_outputs": n,
        "of_outputs": a.n_out,
    }


def mistakes(
    found: Classified | None, data: Dataset, x: Array, shape: tuple[int, int] | None
) -> dict[str, Any] | None:
    """Return the most confident mistakes as images, or as rows of a table."""
    if found is None:
        return None
    wrong = found.mistakes()
    rows = wrong[:MOST_MISTAKES]
    features = dense_rows(x, rows)
    names = validation.check_feature_names(data.feature_names, x.shape[1])[:MOST_COLUMNS]
    return {
        "count": len(wrong),
        "n_rows": len(found.truth),
        "names": names,
        "rows": [
            {
                "row": int(row),
                "true": shown(found.labels[found.truth[row]]),
                "given": shown(found.labels[found.predicted[row]]),
                "probability": f"{found.probability[row]:.1%}".replace("%", " %"),
                "image": None if shape is None else pictures.png(values.reshape(shape)),
                "values": [f"{value:.4g}" for value in values[:MOST_COLUMNS].tolist()],
            }
            for row, values in zip(rows, features, strict=True)
        ],
        "images": shape is not None,
    }


def weights(network: Network, data: Dataset, shape: tuple[int, int] | None) -> dict[str, Any]:
    """Return the first layer's weights as a picture, and what to say of it."""
    n_in, n_out = network.architecture.shapes[0]
    n_units = min(n_out, 25 if shape else 20)
    options: dict[str, Any] = {"image_shape": shape}
    if shape is None:
        options = {
            "feature_names": validation.check_feature_names(data.feature_names, n_in),
            "feature_scale": data.train.x.std(axis=0, dtype=np.float64),
        }
        height = max(1.8, 0.27 * min(n_in, units.MOST_FEATURES) + 0.9)
    else:
        n_columns, n_lines = units.grid(n_units)
        tile = pictures.WIDTH / n_columns / 1.08
        height = (tile * shape[0] / shape[1]) * 1.33 * n_lines
    picture = pictures.svg(
        "weights",
        f"weights of the first layer, {n_units} of {n_out} units, as "
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
