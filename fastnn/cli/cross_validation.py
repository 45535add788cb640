"""``--cv``: how well networks do on rows that they have not learned, fold by fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.bagging.folds import shared_out
from fastnn.cli.score_table import Scores, shown


def folds_of(y: NDArray[Any], n_classes: int, n_folds: int) -> NDArray[np.int64]:
    """Return the fold of each row (n_rows,): of equal size to within one row, stratified.

    The same rows of the same file are in a fold, whatever the seed of the networks.

    Raises
    ------
    ValueError
        If there are fewer rows than folds.
    """
    if len(y) < 2 * n_folds:
        raise ValueError(
            f"--cv {n_folds} needs at least {2 * n_folds} rows, and there are {len(y)}: ask for "
            "fewer folds"
        )
    return shared_out(len(y), n_folds, np.random.default_rng(0), y if n_classes else None)


def cross_validated(
    folds: NDArray[np.int64],
    n_folds: int,
    score: Callable[[NDArray[np.int64], NDArray[np.int64]], tuple[Scores, Scores]],
    told: Callable[[int, Scores], None],
) -> tuple[list[Scores], list[Scores]]:
    """Return the scores of each fold, and those of the simplest guess.

    Parameters
    ----------
    folds : ndarray of shape (n_rows,)
    n_folds : int
    score : callable
        Trains on rows, the first numbers, and returns the scores on others, the second.
    told : callable
        Called after each fold with its number, from 1, and its scores.
    """
    networks, guesses = [], []
    for fold in range(n_folds):
        rows = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        of_networks, of_guess = score(*rows)
        networks.append(of_networks)
        guesses.append(of_guess)
        told(fold + 1, of_networks)
    return networks, guesses


def spread(of_folds: Sequence[Scores]) -> dict[str, tuple[float, float]]:
    """Return the mean and the standard deviation, with n − 1, of each score over folds.

    Folds without a score, such as the AUC of one class, are left out.
    """
    found = {}
    for name in of_folds[0]:
        values = np.array([scores[name] for scores in of_folds])
        values = values[np.isfinite(values)]
        mean = float(values.mean()) if len(values) else np.nan
        deviation = float(values.std(ddof=1)) if len(values) > 1 else np.nan
        found[name] = mean, deviation
    return found


def spread_shown(of_folds: Sequence[Scores]) -> dict[str, str]:
    """Return the same as text: ``81.20 % ± 1.31 %``."""
    return {
        name: shown(name, mean)
        + (f" ± {shown(name, deviation, mean)}" if np.isfinite(deviation) else "")
        for name, (mean, deviation) in spread(of_folds).items()
    }
