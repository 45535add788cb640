"""Cutting long work into calls of a backend's programs, so that something can happen in between."""

from __future__ import annotations

from itertools import pairwise

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
    if n_rows <= batch_size:  # one call, as those of microseconds are
        return [slice(0, n_rows)] if n_rows else []
    per_batch = 6.0 * architecture.n_parameters * batch_size  # forward and two gradients
    step = max(1, int(WORK_PER_CALL / per_batch)) * batch_size
    cuts = {*range(0, n_rows, step), n_rows}
    if window is not None:
        cuts |= {-(-end // batch_size) * batch_size for end in range(window, n_rows, window)}
    ends = sorted(cut for cut in cuts if cut <= n_rows)
    return [slice(first, last) for first, last in pairwise(ends)]
