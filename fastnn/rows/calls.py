"""Splitting long work into several calls of a backend's programs."""

from __future__ import annotations

from itertools import pairwise

from fastnn.architecture import Architecture

WORK_PER_CALL = 4e10
"""Maximum floating-point operations of one call between updates of the progress bar: a second on a
slow core. It depends only on sizes, so that runs are reproducible bit for bit."""


def calls(
    architecture: Architecture, n_rows: int, batch_size: int, window: int | None = None
) -> list[slice]:
    """Split `n_rows` rows into calls of whole batches, of at most `WORK_PER_CALL` each.

    If `window` is given, calls also end with the batch in which a window of that many rows ends.
    """
    if n_rows <= batch_size:  # one call, as those of microseconds are
        return [slice(0, n_rows)] if n_rows else []
    per_batch = 6.0 * architecture.n_parameters * batch_size  # forward and two gradients
    step = max(1, int(WORK_PER_CALL / per_batch)) * batch_size
    cuts = {*range(0, n_rows, step), n_rows}
    if window is not None:
        cuts |= {-(-end // batch_size) * batch_size for end in range(window, n_rows, window)}
    ends = sorted(cut for cut in cuts if cut <= n_rows)
    return [slice(first, last) for first, last in pairwise(ends)]
