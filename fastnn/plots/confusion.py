"""The confusion matrix of a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from fastnn import validation
from fastnn.architecture import Array
from fastnn.drawing.canvas import axes_for, figure_of, shown
from fastnn.plots.checks import checked_network
from fastnn.plots.classified import classify

STRONGEST = 0.65  # opacity of a full cell: its count stays readable in the colour of text
LETTER = 0.62  # width of a digit, in font sizes
SMALLEST_LETTER = 4.5  # points; below this, counts are omitted
SMALLEST_RULED = 6.0  # points per cell; grid lines would hide smaller cells
MOST_COUNTED = 50  # maximum number of classes for which cells show counts
MOST_CLASSES = 1000  # more classes than a plot has pixels


def confusion_matrix(network: Any, x: Any, y: Any, *, ax: Any = None) -> Figure:
    """Plot the confusion matrix: true classes by predicted classes.

    The colour intensity of a cell is the square root of its fraction of the true class, so that one
    per cent is still visible; correct and wrong predictions have different colours. Counts are
    shown for up to 50 classes if they fit.

    Parameters
    ----------
    network : Network
        With softmax output of up to 1,000 classes, or sigmoid output of width 1.
    x, y : array
        As for `Network.evaluate`.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, larger for more classes.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.
    """
    a = checked_network(network).architecture
    validation.check_one_class_a_row(a)
    validation.check_few_classes(a, MOST_CLASSES)
    found = classify(network, x, y)
    if not np.isfinite(found.probability).all():
        raise ValueError(
            "the network's probabilities are not numbers: its training diverged, or x is far from "
            "the training data"
        )
    counts = found.counts()
    n = len(counts)
    side = min(16.0, max(4.0, 1.2 + 0.42 * n))
    ax = axes_for(ax, side, side)
    ax.imshow(_colors(counts), extent=(0, n, n, 0), interpolation="none")
    ax.set(xlabel="predicted", ylabel="true")
    _name_classes(ax, found.labels)
    figure = figure_of(ax)
    figure.draw_without_rendering()  # the layout determines the cell size
    cell = _cell(ax, n)
    if cell >= SMALLEST_RULED:
        ink = ax.spines["left"].get_edgecolor()
        for rule in (ax.hlines, ax.vlines):
            rule(np.arange(1, n), 0, n, color=ink, lw=0.5, alpha=0.2)
    size = min(_letter(ax), cell / (LETTER * max(2, len(str(counts.max())) + 0.5)))
    if size >= SMALLEST_LETTER and n <= MOST_COUNTED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            count = str(counts[row, column])
            ax.text(column + 0.5, row + 0.5, count, ha="center", va="center", size=size)
    return figure


def _colors(counts: Array) -> Array:
    """Return the colours of the cells, RGBA (n, n, 4) float32."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colors = np.empty((*counts.shape, 4), np.float32)
    colors[..., :3] = to_rgb("C1")
    np.einsum("iij->ij", colors)[:, :3] = to_rgb("C0")
    colors[..., 3] = STRONGEST * np.sqrt(share)
    return colors


def _name_classes(ax: Axes, labels: tuple[Any, ...]) -> None:
    """Label the classes on both axes, or every second, fifth, tenth … if they do not fit."""
    n = len(labels)
    apart = 1.1 * _letter(ax) / _cell(ax, n)
    step = next(
        step for power in range(6) for step in (10**power * k for k in (1, 2, 5)) if step >= apart
    )
    named = np.arange(0, n, step)
    names = [shown(labels[k]) for k in named]
    rotation = 90 if step > 1 or max(map(len, names)) > 3 else 0
    ax.set_xticks(named + 0.5, names, rotation=rotation, parse_math=False)
    ax.set_yticks(named + 0.5, names, parse_math=False)
    ax.tick_params(length=0)


def _cell(ax: Axes, n: int) -> float:
    return float(min(ax.get_window_extent().size) / n * 72 / figure_of(ax).dpi)


def _letter(ax: Axes) -> float:
    return float(ax.xaxis.get_ticklabels()[0].get_fontsize())
