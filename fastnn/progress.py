"""Cutting long work into calls, and showing how far it has come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

from fastnn.architecture import Architecture

WORK_PER_CALL = 4e10
"""Floating-point operations that one call of a program may take before the bar moves: a second of a
slow core. A function of sizes alone, so that runs repeat bit for bit."""


def calls(
    architecture: Architecture, n_rows: int, batch_size: int, window: int | None = None
) -> list[slice]:
    """Cut `n_rows` rows into calls of whole batches, of `WORK_PER_CALL` each at the most.

    Where every `window` rows are given, calls also end with the batch in which a window does.
    """
    per_batch = 6.0 * architecture.n_parameters * batch_size  # forward and two gradients
    step = max(1, int(WORK_PER_CALL / per_batch)) * batch_size
    cuts = {*range(0, n_rows, step), n_rows}
    if window is not None:
        cuts |= {-(-end // batch_size) * batch_size for end in range(window, n_rows, window)}
    ends = sorted(cut for cut in cuts if cut <= n_rows)
    return [slice(first, last) for first, last in pairwise(ends)]


PATIENCE = 1.0
"""Seconds that work may take before it shows how far it is."""

_wanted: ContextVar[bool] = ContextVar("fastnn_progress_wanted", default=True)


@contextmanager
def progress_wanted(wanted: bool) -> Iterator[None]:
    """Say whether what goes on within the block, a compilation too, may be shown."""
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def is_progress_wanted() -> bool:
    """Return what the innermost `progress_wanted` says; True outside of all."""
    return _wanted.get()


class ProgressBar:
    """A bar that appears once the work has taken `PATIENCE` seconds, if it is wanted at all.

    Until then tqdm is not imported, starts no thread and takes no lock. Its lock is one of all
    processes that were forked from one another, and stays taken for ever when the process that has
    it is killed: work that shows nothing must not wait for it.
    """

    def __init__(self, n_rows: int, wanted: bool) -> None:
        self._n_rows = n_rows
        self._wanted = wanted
        self._start = time.time()
        self._n_done = 0
        self._text = ""
        self._bar: Any = None

    def update(self, n_rows: int) -> None:
        """Count `n_rows` more as done."""
        self._n_done += n_rows
        if self._bar is not None:
            self._bar.update(n_rows)
        elif self._wanted and time.time() - self._start >= PATIENCE:
            self._appear()

    def say(self, record: Mapping[str, float]) -> None:
        """Show measurements beside the bar."""
        self._text = ", ".join(f"{k}={v:.4g}" for k, v in record.items() if k != "time")
        if self._bar is not None:
            self._bar.set_postfix_str(self._text, refresh=False)

    def close(self) -> None:
        """Leave the bar as it is, on a line of its own."""
        if self._bar is not None:
            self._bar.close()

    def _appear(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=self._n_rows, unit="row", unit_scale=True, postfix=self._text or None
        )
        self._bar.start_t = self._start
        self._bar.update(self._n_done)


@contextmanager
def progress_bar(n_rows: int, wanted: bool) -> Iterator[ProgressBar]:
    """Show, within the block, a bar over `n_rows` rows if they take over `PATIENCE` seconds."""
    bar = ProgressBar(n_rows, wanted)
    with progress_wanted(wanted):
        try:
            yield bar
        finally:
            bar.close()
