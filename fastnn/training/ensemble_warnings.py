"""What a user is warned of an ensemble's models."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.backends.fits import Stopping
from fastnn.rows.checked import Rows
from fastnn.rows.shares import Shares
from fastnn.training.ensemble_history import EnsembleHistory


def warn_if_unwatched(
    stopping: Stopping | None, watched: tuple[Rows, Shares] | None, trained: NDArray[np.bool_]
) -> None:
    """Warn of models without validation rows, whose fits early stopping does not end."""
    if stopping is None or watched is None or not stopping.monitor.startswith("val_"):
        return
    without = np.flatnonzero(trained & (watched[1].n_rows == 0)).tolist()
    if without:
        warnings.warn(
            f"{_some(without, int(trained.sum()))} have no validation rows: early stopping does "
            "not end their fits",
            UserWarning,
            stacklevel=3,
        )


def _some(models: Sequence[int], n_models: int) -> str:
    """Return how many models of how many, and the first of them."""
    shown = ", ".join(map(str, models[:5])) + (" …" if len(models) > 5 else "")
    return f"{len(models)} of {n_models} models ({shown})"


_REASONS = {
    "interrupted": "were not trained to the end, since the fit was interrupted; they keep what "
    "they have learned",
    "diverged": "diverged: their loss became infinite or NaN and their fits were stopped: try "
    "smaller learning rates, clip_norm=, or inputs with a smaller range",
}


def warn_if_cut_short(history: EnsembleHistory, trained: NDArray[np.bool_]) -> None:
    """Warn of models whose fits were interrupted, or diverged."""
    for reason, words in _REASONS.items():
        which = [i for i, stopped in enumerate(history.stopped) if stopped == reason]
        if which:
            warnings.warn(
                f"{_some(which, int(trained.sum()))} {words}",
                RuntimeWarning,
                stacklevel=3,
            )


def warn_if_not_finite(parameters: Array) -> None:
    """Warn of models whose parameters (n_models, n_slots) are not finite."""
    wrong = np.flatnonzero(~np.isfinite(parameters).all(axis=1)).tolist()
    if wrong:
        warnings.warn(
            f"{_some(wrong, len(parameters))} diverged and predict NaN: leave them out, as in "
            "ensemble[np.isfinite(ensemble.parameters).all(axis=1)]",
            RuntimeWarning,
            stacklevel=4,
        )
