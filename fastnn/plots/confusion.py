"""Which classes a network takes for which."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fastnn.plots.canvas import axes_for, figure_of, shown
from fastnn.plots.classified import classify

STRONGEST = 0.65  # opacity of a full cell: its count stays readable in the colour of text
LETTER = 0.62  # width of a digit, in font sizes
SMALLEST_LETTER = 4.5  # points; below it counts are left out


def confusion_matrix(network: Any, x: Any, y: Any, *, ax: Any = None) -> Figure:
    """Draw how many rows of each class were given each class.

    A cell's colour is strong as the square root of its share of the true class's rows, so that a
    hundredth of them can still be seen: one colour for right, another for wrong.

    Parameters
    ----------
    network : Network
        With softmax output, or sigmoid output of width 1.
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
        If an argument is not as described.
    """
    found = classify(network, x, y)
    counts = found.counts()
    n = len(counts)
    names = [shown(label) for label in found.labels]
    side = min(16.0, max(4.0, 1.2 + 0.42 * n))
    ax = axes_for(ax, side, side)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells = [Rectangle((column, row), 1, 1) for row in range(n) for column in range(n)]
    colors = [
        (*to_rgba("C0" if row == column else "C1")[:3], STRONGEST * np.sqrt(share[row, column]))
        for row in range(n)
        for column in range(n)
    ]
    ax.add_collection(PatchCollection(cells, facecolors=colors, linewidths=0))
    ax.set(xlim=(0, n), ylim=(n, 0), aspect="equal", xlabel="predicted", ylabel="true")
    middles = np.arange(n) + 0.5
    long = max(map(len, names)) > 3
    ax.set_xticks(middles, names, rotation=90 if long else 0, parse_math=False)
    ax.set_yticks(middles, names, parse_math=False)
    ax.tick_params(length=0)
    ax.hlines(np.arange(1, n), 0, n, color=ax.spines["left"].get_edgecolor(), lw=0.5, alpha=0.2)
    ax.vlines(np.arange(1, n), 0, n, color=ax.spines["left"].get_edgecolor(), lw=0.5, alpha=0.2)
    figure = figure_of(ax)
    figure.draw_without_rendering()  # the layout decides how large a cell is
    cell = min(ax.get_window_extent().size) / n * 72 / figure.dpi
    size = min(_points(ax), cell / (LETTER * max(2, len(str(counts.max())) + 0.5)))
    if size >= SMALLEST_LETTER:
        for row, column in zip(*np.nonzero(counts), strict=True):
            ax.text(
                column + 0.5,
                row + 0.5,
                str(counts[row, column]),
                ha="center",
                va="center",
                size=size,
            )
    return figure


def _points(ax: Any) -> float:
    return float(ax.xaxis.get_ticklabels()[0].get_size())
