"""Figures without a window, and panels within one axes."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fastnn.validation.values import describe

LARGEST = 1e30  # above this, arithmetic and labels of matplotlib axes are unreliable
LONGEST_LABEL = 16  # characters; longer labels would leave too little space for the plot


class WindowlessFigure(Figure):
    """A figure without a window, displayed by notebooks."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def axes_for(ax: Any, width: float, height: float) -> Axes:
    """Return `ax`, or the only axes of a new figure of that size in inches.

    Raises
    ------
    TypeError
        If `ax` is neither an Axes nor None.
    """
    if ax is None:
        figure = WindowlessFigure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure.add_subplot()
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be a matplotlib Axes, such as figure.subplots(), got {describe(ax)}"
        )
    return ax


def figure_of(ax: Axes) -> Figure:
    """Return the figure of `ax`, also if it is in a subfigure."""
    holder = ax.figure
    assert holder is not None  # None only for removed axes
    return holder.figure


def lines(n: int, n_columns: int) -> int:
    """Return the number of rows for n panels."""
    return -(-n // n_columns)


def panels(ax: Axes, n: int, n_columns: int, gap: tuple[float, float]) -> list[Axes]:
    """Return n axes in a grid that fills `ax`; gap is between columns, rows, in panel sizes."""
    ax.set_axis_off()
    step_x, step_y = 1.0 / (n_columns - gap[0] / (1 + gap[0])), 1.0 / lines(n, n_columns)
    width = step_x / (1 + gap[0])
    height = step_y / (1 + gap[1])
    return [
        ax.inset_axes(
            (
                i % n_columns * step_x,
                1.0 - (i // n_columns + 1) * step_y,
                width,
                height,
            )
        )
        for i in range(n)
    ]


def drawable(values: Any) -> NDArray[np.float64]:
    """Return values as float64, NaN (a gap) for those that an axes cannot show."""
    numbers = np.asarray(values, np.float64)
    return np.where(np.abs(numbers) <= LARGEST, numbers, np.nan)


def evenly(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` evenly spaced indices below n, including the first and the last."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).astype(np.int64))


def say(ax: Axes, text: str) -> None:
    """Write a message into empty axes."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, parse_math=False)


def shown(label: object) -> str:
    """Return a label as one line, shortened to fit."""
    text = f"{label:g}" if isinstance(label, float) else " ".join(str(label).split())
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
