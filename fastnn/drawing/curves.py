"""Training curves.

A history is a mapping of names to lists with one value per epoch, such as `fastnn.History`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from fastnn import validation
from fastnn.drawing.canvas import axes_for, drawable, figure_of, panels, say

Measured: TypeAlias = Mapping[str, Sequence[float]]

# The series of each panel: name in the history, displayed name, colour and line style.
PANELS = {
    "loss": (
        ("loss", "training", "C0", "-"),
        ("val_loss", "validation", "C1", "--"),
        ("penalty", "penalty", "C2", ":"),
    ),
    "accuracy": (
        ("accuracy", "training", "C0", "-"),
        ("val_accuracy", "validation", "C1", "--"),
    ),
    "r2": (("val_r2", "validation", "C1", "--"),),
}
NAMES = {"loss": "loss", "accuracy": "accuracy", "r2": "R²"}
LOG_SCALE_FROM = 1e3  # ratio of largest to smallest value from which a log scale is used
MARKED_EPOCHS = 12  # maximum number of epochs with markers


def measures(history: Measured) -> tuple[str, ...]:
    """Return the panels for which a history has data."""
    return tuple(
        panel for panel, series in PANELS.items() if any(name in history for name, *_ in series)
    )


def curves(
    history: Measured, stopped: str | None, *, measure: str | None = None, ax: Any = None
) -> Figure:
    """Plot the columns of a history, and whether it diverged; see `History.plot`."""
    found = measures(history)
    if measure is not None:
        wanted = validation.check_choice("measure", measure, tuple(PANELS))
        if found and wanted not in found:
            raise ValueError(f"this fit did not record {wanted!r}, only {', '.join(found)}")
        found = (wanted,) if found else ()
    ax = axes_for(ax, 4.2 * max(1, len(found)), 3.2)
    if not found:
        say(ax, "no epoch was completed")
        return figure_of(ax)
    places = [ax] if len(found) == 1 else panels(ax, len(found), len(found), (0.3, 0.0))
    for place, name in zip(places, found, strict=True):
        _draw(place, history, stopped, name)
    return figure_of(ax)


def _draw(ax: Axes, history: Measured, stopped: str | None, measure: str) -> None:
    n_epochs = len(history["loss"])
    epochs = np.arange(1, n_epochs + 1)
    lines = {}
    for name, label, color, style in PANELS[measure]:
        if name in history:
            lines[label] = values = drawable(history[name])
            marker = "o" if len(values) <= MARKED_EPOCHS else ""
            (line,) = ax.plot(epochs, values, style, color=color, label=label)
            line.set(marker=marker, markersize=4)
    known = np.concatenate(list(lines.values()))
    known = known[np.isfinite(known)]
    diverged = f"diverged in epoch {n_epochs}" if stopped == "diverged" else None
    if not known.size:
        ax.clear()
        say(ax, f"{NAMES[measure]}: {diverged or 'no finite values'}")
        return
    _scale(ax, known, measure)
    ax.set_xlabel("epoch")
    ax.set_title(NAMES[measure])
    ax.set_xlim(0.5, n_epochs + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    ax.grid(alpha=0.2)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    if diverged:
        ax.text(0.5, 0.5, diverged, ha="center", transform=ax.transAxes)


def _scale(ax: Axes, known: NDArray[np.float64], measure: str) -> None:
    if measure == "accuracy":
        ax.yaxis.set_major_formatter(PercentFormatter(xmax=1.0))
        low, high = ax.get_ylim()
        edge = 0.01 * (high - low)  # about half a line width
        ax.set_ylim(max(low, -edge), min(high, 1.0 + edge))  # accuracies are in [0, 1]
        return
    if measure == "loss" and known.min() >= 0:
        above = known[known > 0]
        if above.size and np.log10(above.max()) - np.log10(above.min()) > np.log10(LOG_SCALE_FROM):
            ax.set_yscale("log")
