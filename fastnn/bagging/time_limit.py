"""A time limit: how many epochs of how many networks can be done by then."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastnn.training.history import History

LEAST_EPOCHS = 4
"""A time limit rather trains fewer networks than one for fewer epochs."""

SHARE_OF_TRIALS = 0.25
"""Of the time: there is no second trial, without compilation and cold caches, if the first took
more."""


def within(
    end: float,
    epochs: int,
    n_models: int,
    trial: Callable[[], list[History]],
    now: Callable[[], float] = time.perf_counter,
) -> tuple[int, int]:
    """Return how many epochs of how many networks can be done, by the time of a trial of one epoch.

    Fewer than `LEAST_EPOCHS` epochs are left to fewer networks; one network is always trained.

    Parameters
    ----------
    end : float
        When the fit should be done, by the clock `now`.
    epochs, n_models : int
        At most.
    trial : callable
        Trains all networks for an epoch.
    now : callable

    Raises
    ------
    KeyboardInterrupt
        If a trial was interrupted.
    """
    begin, seconds = now(), 0.0
    for _ in range(2):
        began = now()
        histories = trial()
        seconds = max(now() - began, 1e-9)
        if any(history.stopped == "interrupted" for history in histories):
            raise KeyboardInterrupt
        if now() - begin > SHARE_OF_TRIALS * (end - begin):
            break
    possible = max(end - now(), 0.0) / seconds
    least = min(epochs, LEAST_EPOCHS)
    if possible >= least:
        return min(epochs, int(possible)), n_models
    return least, max(1, int(n_models * possible / least))
