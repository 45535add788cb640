"""Predictions against true values, for regressions."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastnn import validation
from fastnn.drawing.canvas import axes_for, drawable, evenly, figure_of, lines, panels
from fastnn.plots.checks import checked_network, of_checked_rows
from fastnn.rows.checked import checked_x

MOST_POINTS = 1000  # evenly spaced rows; more would overlap
MOST_OUTPUTS = 9


def predictions(network: Any, x: Any, y: Any, *, ax: Any = None) -> Figure:
    """Plot predictions against true values, one panel for each of up to nine outputs.

    Points on the diagonal are exact. Of more than 1,000 rows, 1,000 evenly spaced rows are
    plotted.

    Parameters
    ----------
    network : Network
        With an output of numbers: identity, exp, tanh or relu.
    x, y : array
        As for `Network.evaluate`.
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
    a = checked_network(network).architecture
    validation.check_predicts_numbers(a)
    x = checked_x(a, network.trained_on, x)
    n_rows = x.shape[0]
    validation.check_not_empty(n_rows)
    truth = validation.check_targets(y, n_rows, a.n_targets, a.output, a.dtype)
    truth = np.broadcast_to(truth, (n_rows, a.n_out))
    rows = evenly(n_rows, MOST_POINTS)
    predicted = (
        of_checked_rows(network).predict(x[rows], progress=False).reshape(len(rows), a.n_out)
    )
    n = min(a.n_out, MOST_OUTPUTS)
    n_columns, n_lines = grid(n)
    ax = axes_for(ax, 4.0 if n == 1 else 3.2 * n_columns, 4.0 if n == 1 else 3.2 * n_lines)
    places = [ax] if n == 1 else panels(ax, n, n_columns, (0.35, 0.5))
    for output, place in enumerate(places):
        _scatter(place, truth[rows, output], predicted[:, output], 5 if n == 1 else 3)
        if a.n_targets < a.n_out:
            place.set_title(f"quantile {a.quantiles[output]:g}")
        elif n > 1:
            place.set_title(f"output {output + 1}" + (f" of {a.n_out}" if a.n_out > n else ""))
    return figure_of(ax)


def grid(n_outputs: int) -> tuple[int, int]:
    """Return the number of columns and rows of the panels."""
    n_columns = 1 if n_outputs == 1 else 2 if n_outputs <= 4 else 3
    return n_columns, lines(n_outputs, n_columns)


def _scatter(ax: Axes, truth: Any, predicted: Any, n_ticks: int) -> None:
    truth, predicted = drawable(truth), drawable(predicted)
    known = np.concatenate((truth, predicted))
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    margin = 0.04 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    ink = ax.spines["left"].get_edgecolor()
    ax.plot(limits, limits, "-", color=ink, lw=1, alpha=0.5)
    ax.plot(truth, predicted, "o", color="C0", markersize=4, alpha=0.5, markeredgewidth=0)
    ax.set(xlim=limits, ylim=limits, aspect="equal", xlabel="true", ylabel="predicted")
    ax.locator_params(nbins=n_ticks)
    ax.grid(alpha=0.2)
    ax.spines[["top", "right"]].set_visible(False)
