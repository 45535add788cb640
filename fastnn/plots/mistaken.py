"""The most confident mistakes of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fastnn import validation
from fastnn.architecture import Array
from fastnn.drawing.canvas import axes_for, figure_of, lines, panels, say, shown
from fastnn.plots.checks import names_of_inputs
from fastnn.plots.classified import Classified, classify
from fastnn.rows.checked import checked_x
from fastnn.validation.sparse import rows_of_csr

MOST_COLUMNS = 6  # features of a row that is not an image


def mistakes(
    network: Any,
    x: Any,
    y: Any,
    *,
    image_shape: tuple[int, int] | None = None,
    feature_names: Sequence[str] | None = None,
    max_rows: int = 12,
    ax: Any = None,
) -> Figure:
    """Plot misclassified rows, those with the highest probability first.

    Each is shown with its true class, predicted class and predicted probability.
    Rows that are not images are shown as a table of their first six features.

    Parameters
    ----------
    network : Network
        With softmax output, or sigmoid output of width 1.
    x, y : array
        As for `Network.evaluate`.
    image_shape : (int, int), optional
        Height and width, if rows are images. By default rows are images if the number of features
        is a square of at least 64 and features have no names.
    feature_names : sequence of str, optional
        Of the columns of x.
    max_rows : int, default 12
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.
    """
    found = classify(network, x, y)
    feature_names = names_of_inputs(network, feature_names)
    n_in = network.architecture.n_in
    shape = validation.check_image_shape(image_shape, n_in)
    if image_shape is None and feature_names is not None:
        shape = None
    names = validation.check_feature_names(feature_names, n_in)
    rows = found.mistakes()[: validation.check_count("max_rows", max_rows)]
    x = checked_x(network.architecture, network.trained_on, x)
    if not len(rows):
        ax = axes_for(ax, 4.0, 1.5)
        say(ax, f"no mistakes in {x.shape[0]:,} rows")
        return figure_of(ax)
    features = dense_rows(x, rows)
    if shape is None:
        return _table(found, rows, features, names, ax)
    return _images(found, rows, features.reshape(-1, *shape), ax)


def dense_rows(x: Any, rows: Array) -> Array:
    """Return some rows of a dense or sparse x."""
    dense: Array = x[rows] if isinstance(x, np.ndarray) else rows_of_csr(x, rows).toarray()
    return dense


def _images(found: Classified, rows: Array, images: Array, ax: Any) -> Figure:
    n_columns = min(4, len(rows))
    ax = axes_for(ax, 1.6 * n_columns, 2.1 * lines(len(rows), n_columns))
    for row, image, place in zip(
        rows, images, panels(ax, len(rows), n_columns, (0.15, 0.4)), strict=True
    ):
        true, given = (shown(found.labels[of[row]]) for of in (found.truth, found.predicted))
        place.imshow(image, cmap="gray", interpolation="none")
        place.set_title(
            f"{true}, not {given}\n{found.probability[row]:.1%}", size="small", parse_math=False
        )
        place.set_xticks([])
        place.set_yticks([])
    return figure_of(ax)


def _table(
    found: Classified, rows: Array, features: Array, names: tuple[str, ...], ax: Any
) -> Figure:
    n_shown = min(len(names), MOST_COLUMNS)
    header = ["row", "true", "predicted", "probability", *map(shown, names[:n_shown])]
    cells = [
        [
            str(row),
            shown(found.labels[found.truth[row]]),
            shown(found.labels[found.predicted[row]]),
            f"{found.probability[row]:.1%}",
            *(f"{value:.4g}" for value in values[:n_shown]),
        ]
        for row, values in zip(rows, features.tolist(), strict=True)
    ]
    ax = axes_for(ax, 0.95 * len(header), 0.3 * (len(cells) + 2))
    ax.set_axis_off()
    table = ax.table(cells, colLabels=header, loc="center", edges="horizontal")
    table.auto_set_font_size(False)
    table.auto_set_column_width(list(range(len(header))))
    for cell in table.get_celld().values():
        cell.get_text().set_parse_math(False)
    return figure_of(ax)
