"""The weights of the first layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastnn import validation
from fastnn.architecture import Array
from fastnn.drawing.canvas import axes_for, figure_of, lines, panels, shown
from fastnn.plots.checks import checked_network, names_of_inputs
from fastnn.plots.classified import class_names

TITLE = 0.29  # inches above an image of any size
MOST_FEATURES = 30  # maximum rows of a heat map, so that labels fit


def weights(
    network: Any,
    *,
    image_shape: tuple[int, int] | None = None,
    feature_names: Sequence[str] | None = None,
    feature_scale: Any = None,
    max_units: int = 25,
    cmap: Any = "RdBu_r",
    ax: Any = None,
) -> Figure:
    """Plot the first layer's weights: one image per unit, or a heat map of features and units.

    If there are many units, those with the largest norm are plotted; softmax regression has one per
    class. All colours share one scale, symmetric about zero.

    Parameters
    ----------
    network : Network
    image_shape : (int, int), optional
        Height and width, if rows are images. By default rows are images if the number of inputs is
        a square of at least 64 and inputs have no names.
    feature_names : sequence of str, optional
        Names of the inputs, for a heat map of at most 30 features, those with the largest norm.
    feature_scale : array of shape (n_in,), optional
        Factors for the weights, to compare features of different ranges: their standard
        deviations.
    max_units : int, default 25
    cmap : str or Colormap, default "RdBu_r"
        A diverging colormap; its centre is zero.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or weights are infinite or NaN.
    """
    validation.check_drawable(checked_network(network).parameters)
    n_in = network.architecture.n_in
    feature_names = names_of_inputs(network, feature_names)
    shape = validation.check_image_shape(image_shape, n_in)
    if image_shape is None and feature_names is not None:
        shape = None
    names = validation.check_feature_names(feature_names, n_in)
    max_units = validation.check_count("max_units", max_units)
    weight = network.weights[0] * validation.check_feature_scale(feature_scale, n_in)[:, None]
    units = largest(weight, max_units)
    titles = _unit_names(network, units)
    if shape is None:
        return _heat_map(weight[:, units], names, titles, cmap, ax)
    return _images(weight[:, units], shape, titles, cmap, ax)


def largest(weight: Array, count: int) -> Array:
    """Return the columns with the largest norm, in their order."""
    norm = np.linalg.norm(weight.astype(np.float64) / _limit(weight), axis=0)  # no overflow
    return np.sort(np.argsort(-norm, kind="stable")[:count])


def grid(n_units: int) -> tuple[int, int]:
    """Return the number of columns and rows of the images."""
    n_columns = min(5, n_units)
    return n_columns, lines(n_units, n_columns)


def _unit_names(network: Any, units: Array) -> list[str]:
    a = network.architecture
    if len(a.sizes) == 2 and a.n_out == a.n_classes:  # one unit per class
        return [shown(class_names(network)[unit]) for unit in units]
    return [str(unit + 1) for unit in units]


def _images(weight: Array, shape: tuple[int, int], titles: list[str], cmap: Any, ax: Any) -> Figure:
    n = len(titles)
    n_columns, n_lines = grid(n)
    height_of_width = shape[0] / shape[1]
    ax = axes_for(ax, 1.1 * n_columns, n_lines * (1.1 * height_of_width + TITLE))
    ax.set_axis_off()
    figure_of(ax).draw_without_rendering()  # the layout determines the image size
    width = ax.get_window_extent().width / figure_of(ax).dpi / n_columns
    gap = (0.08, TITLE / (width * height_of_width))
    limit = _limit(weight)
    for i, place in enumerate(panels(ax, n, n_columns, gap)):
        image = weight[:, i].reshape(shape)
        place.imshow(image, cmap=cmap, vmin=-limit, vmax=limit, interpolation="none")
        place.set_title(titles[i], pad=2, size="small", parse_math=False)
        _bare(place)
    return figure_of(ax)


def _heat_map(
    weight: Array, names: tuple[str, ...], titles: list[str], cmap: Any, ax: Any
) -> Figure:
    rows = largest(weight.T, MOST_FEATURES)
    ax = axes_for(ax, max(4.0, 0.28 * len(titles) + 2.0), max(2.2, 0.28 * len(rows) + 1.2))
    limit = _limit(weight)
    picture = ax.imshow(
        weight[rows],
        cmap=cmap,
        vmin=-limit,
        vmax=limit,
        interpolation="none",
        aspect="auto",
    )
    ax.set_yticks(range(len(rows)), [shown(names[row]) for row in rows], parse_math=False)
    few = len(titles) <= 12
    long = max(map(len, titles)) > 3
    ax.set_xticks(
        range(len(titles)) if few else range(0, len(titles), 5),
        titles if few else titles[::5],
        rotation=90 if long else 0,
        parse_math=False,
    )
    ax.set_xlabel("class" if not titles[0].isdecimal() else "unit")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    figure_of(ax).colorbar(picture, ax=ax, fraction=0.06, pad=0.03)
    return figure_of(ax)


def _limit(weight: Array) -> float:
    return float(np.abs(weight).max()) or 1.0


def _bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set(linewidth=0.5, alpha=0.35)
