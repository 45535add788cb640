"""Plots of a table's networks, each drawn on an Axes: bars, reliability, predictions, curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from fastnn import scores
from fastnn.drawing.canvas import shown
from fastnn.training.history import History

THIN = 0.9


def bars(names: Sequence[str], values: NDArray[np.float64], ax: Any) -> None:
    """Draw a horizontal bar for each column, the first one on top."""
    places = np.arange(len(names))
    ax.barh(places, values, height=0.7, color="C0")
    ax.set_yticks(places, [shown(name) for name in names])
    ax.invert_yaxis()
    ax.margins(x=0.02, y=0.02)
    ax.spines[["top", "right"]].set_visible(False)


def reliability(y: NDArray[np.int64], p: NDArray[Any], ax: Any) -> None:
    """Draw accuracy by confidence, in ten bins; larger points are of more rows."""
    weight, confidence, right = scores.reliability(y, p)
    some = weight > 0
    ax.plot([0, 1], [0, 1], color="C1", linestyle="--", linewidth=THIN)
    ax.plot(confidence[some], right[some], color="C0", linewidth=THIN)
    ax.scatter(confidence[some], right[some], s=20 + 180 * weight[some] / weight.max(), color="C0")
    low = max(0.0, min(float(confidence[some].min()), float(right[some].min())) - 0.05)
    ax.set(xlim=(low, 1.02), ylim=(low, 1.02), xlabel="confidence", ylabel="accuracy")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    ax.spines[["top", "right"]].set_visible(False)


def scattered(y: NDArray[Any], predicted: NDArray[Any], ax: Any) -> None:
    """Draw predictions against true numbers."""
    low, high = min(y.min(), predicted.min()), max(y.max(), predicted.max())
    ax.plot([low, high], [low, high], color="C1", linestyle="--", linewidth=THIN)
    ax.scatter(y, predicted, s=14, alpha=0.5, color="C0", linewidths=0)
    ax.set(xlabel="true", ylabel="predicted")
    ax.spines[["top", "right"]].set_visible(False)


def curves(histories: Sequence[History], measure: str, ax: Any) -> None:
    """Draw a metric of each network over its epochs, of rows learned and of rows left out."""
    for name, label, color, style in (
        (measure, "training", "C0", "-"),
        (f"val_{measure}", "rows left out", "C1", "--"),
    ):
        measured = [history for history in histories if name in history]
        for i, history in enumerate(measured):
            epochs = np.arange(1, history.n_epochs + 1)
            told = label if not i else None  # once in the legend
            ax.plot(epochs, history[name], style, color=color, linewidth=THIN, label=told)
    ax.set(xlabel="epoch", title=measure)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if measure == "accuracy":
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
