"""Training curves of a history."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from fastnn.drawing.curves import curves
from fastnn.training.history import History
from fastnn.validation import check_instance


def history(history: History, *, measure: str | None = None, ax: Any = None) -> Figure:
    """Plot loss and accuracy or R², of training and validation rows, over the epochs.

    Parameters
    ----------
    history : History
        Returned by `Network.fit`.
    measure : {"loss", "accuracy", "r2"}, optional
        Plot only this one. By default all recorded ones, side by side.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or the history does not have the metric.
    """
    check_instance("history", history, History, "what Network.fit returns")
    return curves(history, history.stopped, measure=measure, ax=ax)
