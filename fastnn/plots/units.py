"""What the units of the first layer look for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastnn import validation
from fastnn.architecture import Array
from fastnn.drawing.canvas import axes_for, figure_of, lines, panels, shown
from fastnn.plots.checks import checked_network
from fastnn.plots.classified import class_names

TITLE = 0.29  # inches above an image, whatever its size
MOST_FEATURES = 30  # rows of a heat map that can still be named


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
    """Draw the first layer's weights: an image a unit, or a heat map of features and units.

    Of many units those with the largest norm are drawn; softmax regression has one a class. All
    colours are on one scale, symmetric about zero.

    Parameters
    ----------
    network : Network
    image_shape : (int, int), optional
        Height and width of the images that rows are. By default inputs are an image if their
        number is a square, at least 64, and they have no names.
    feature_names : sequence of str, optional
        Of the inputs: for a heat map, of the 30 features with the largest norm at the most.
    feature_scale : array of shape (n_in,), optional
        What weights are multiplied by, to compare features of different ranges: their standard
        deviations.
    max_units : int, default 25
    cmap : str or Colormap, default "RdBu_r"
        A diverging one; its middle is zero.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or weights are infinite or NaN.
    """
    validation.check_drawable(checked_network(network).parameters)
    n_in = network.architecture.n_in
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
    """Return how many columns and lines the images of some units stand in."""
    n_columns = min(5, n_units)
    return n_columns, lines(n_units, n_columns)


def _unit_names(network: Any, units: Array) -> list[str]:
    a = network.architecture
    if len(a.sizes) == 2 and a.n_out == a.n_classes:  # a unit a class
        return [shown(class_names(network)[unit]) for unit in units]
    return [str(unit + 1) for unit in units]


def _images(weight: Array, shape: tuple[int, int], titles: list[str], cmap: Any, ax: Any) -> Figure:
    n = len(titles)
    n_columns, n_lines = grid(n)
    height_of_width = shape[0] / shape[1]
    ax = axes_for(ax, 1.1 * n_columns, n_lines * (1.1 * height_of_width + TITLE))
    ax.set_axis_off()
    figure_of(ax).draw_without_rendering()  # the layout decides how large an image is
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
