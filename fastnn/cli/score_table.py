"""Scores of predictions beside those of the simplest guess, as one aligned table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import scores
from fastnn.cli.streams import WIDTH

Scores = dict[str, float]

NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "auc": "AUC",
    "log_loss": "log-loss",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}
"""The scores, as they are called in tables."""

IN_UNITS = ("rmse", "mae")
"""Scores in the units of the target, of which any size may be usual."""

SMALL, LARGE = 0.01, 1e6
"""Between these, numbers are shown with fixed decimals; beyond, with significant digits."""


def scores_of(
    y: NDArray[Any], predictions: NDArray[Any], n_classes: int, positive: int = 1
) -> Scores:
    """Return the scores of predictions.

    Parameters
    ----------
    y : ndarray
        Classes (n_rows,) int64, or numbers (n_rows, 1).
    predictions : ndarray
        Probabilities (n_rows, n_classes), or numbers (n_rows, 1).
    n_classes : int
        0 for a regression.
    positive : int, default 1
        The class of two that F1 is of; see `rarer`. AUC is the same for both.
    """
    if not n_classes:
        return {
            "rmse": scores.rmse(y, predictions),
            "mae": scores.mae(y, predictions),
            "r2": scores.r2(y, predictions),
        }
    predicted = predictions.argmax(axis=1)
    return {
        "accuracy": scores.accuracy(y, predicted),
        "balanced_accuracy": scores.balanced_accuracy(y, predicted, n_classes),
        "f1": scores.f1(1 - y, 1 - predicted, 2)
        if n_classes == 2 and positive == 0
        else scores.f1(y, predicted, n_classes),
        "auc": scores.roc_auc(y, predictions),
        "log_loss": scores.log_loss(y, predictions),
    }


def rarer(y: NDArray[Any], n_classes: int) -> int:
    """Return the class of two that fewer rows (n_rows,) have; 1 if none has, or of more classes.

    What is looked for, such as a fraud or a disease, is mostly the rarer one.
    """
    return int(n_classes != 2 or np.count_nonzero(y) <= len(y) / 2)


def simplest_guess(learned: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
    """Return what somebody would predict for any row who knows only the targets of training rows.

    The frequencies of the classes (n_classes,), or the mean (1,).
    """
    if n_classes:
        return np.bincount(learned, minlength=n_classes) / len(learned)
    return np.asarray(learned.mean(axis=0), np.float64)


def scores_of_guess(
    y: NDArray[Any], guess: Sequence[float] | NDArray[Any], n_classes: int, positive: int = 1
) -> Scores:
    """Return the scores of a simplest guess, the same for all rows; `y` as in `scores_of`."""
    return scores_of(y, np.tile(guess, (len(y), 1)), n_classes, positive)


def shown(name: str, value: float, like: float | None = None) -> str:
    """Return a score as text: shares of rows in percent, others with as many digits as `like`.

    >>> shown("rmse", 14.2499), shown("rmse", 1.4e-05), shown("r2", -0.0021)
    ('14.2499', '1.4e-05', '-0.0021')
    """
    if not np.isfinite(value):
        return "-"
    if name.endswith("accuracy"):
        return f"{value:.2%}".replace("%", " %")
    size = abs(value if like is None else like)
    if size >= LARGE or (0 < size < SMALL and name in IN_UNITS):
        return f"{value:.4g}"
    decimals = 4 if size < 100 else 2 if size < 1e4 else 0
    return f"{value:,.{decimals}f}"


def cells(
    columns: Mapping[str, Mapping[str, float | str]], counts: Sequence[int], positive: str
) -> list[tuple[str, ...]]:
    """Return the rows of a table of scores, with a column for each set of rows.

    Parameters
    ----------
    columns : mapping
        The header of each column, and its scores by name, as numbers or as they are shown.
    counts : sequence of int
        How many rows each is of.
    positive : str
        The class that F1 is of, or "" for the mean over classes.
    """
    names = list(next(iter(columns.values())))
    labels = [NAMES[name] for name in names]
    if positive and "f1" in names:
        labels[names.index("f1")] = f"F1 of {positive}"
    rows = [("rows", *(f"{count:,}" for count in counts))]
    for name, label in zip(names, labels, strict=True):
        values = [column[name] for column in columns.values()]
        rows.append(
            (label, *(value if isinstance(value, str) else shown(name, value) for value in values))
        )
    return rows


def lines(
    columns: Mapping[str, Mapping[str, float | str]], counts: Sequence[int], positive: str
) -> list[str]:
    """Return the same as aligned lines of at most 80 columns, the first one with the headers."""
    rows = cells(columns, counts, positive)
    widths = [max(map(len, column)) for column in zip(("", *columns), *rows, strict=True)]
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - 3 * len(columns))
    return [
        _line(("", *columns), widths),
        *(_line(row, widths) for row in rows),
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = cells
    if len(first) > widths[0]:
        first = f"{first[: widths[0] - 1]}…"
    text = f"{first:<{widths[0]}}"
    for cell, width in zip(others, widths[1:], strict=True):
        text += f"   {cell:>{width}}"
    return text.rstrip()
