"""Timing that does not flatter: candidates interleaved round by round in one process.

Each round gives every candidate one sample, in an order that rotates from round to round, so that
frequency, heat and neighbours fall on all alike. A sample is as many calls as fill some
milliseconds. What is quoted is the median; minimum and quartiles say how far to trust it.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

MIN_ROUNDS = 5
MAX_ROUNDS = 2000
MIN_SAMPLE = 5e-3  # seconds: thousands of times the clock's resolution and the loop's overhead
PATIENCE = 60.0  # seconds: thread pools on a busy machine can take a hundred times their time
PAUSE = 0.02  # seconds: until a thread pool that spins after work has gone to sleep


@dataclass(frozen=True)
class Candidate:
    """Something to time: one `run` does `units` units of work (steps, calls, operations).

    Attributes
    ----------
    elsewhere : callable, optional
        Returns the processor seconds that other processes have spent for it so far.
    """

    name: str
    run: Callable[[], object]
    units: float = 1.0
    elsewhere: Callable[[], float] = float  # zero


@dataclass
class Timing:
    """Seconds per unit, a sample a round, and the processor time spent in each.

    Attributes
    ----------
    cores : float
        Processor time over wall time: above the threads allowed, the candidate used more than its
        share; clearly below one, the processor was busy with something else.
    """

    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return float(np.median(self.seconds))

    @property
    def minimum(self) -> float:
        return min(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, high = np.percentile(self.seconds, [25, 75])
        return float(low), float(high)

    @property
    def processor_median(self) -> float:
        return float(np.median(self.processor_seconds))

    @property
    def cores(self) -> float:
        return sum(self.processor_seconds) / sum(self.seconds)


def measure(
    candidates: Sequence[Candidate],
    seconds: float,
    *,
    min_rounds: int = MIN_ROUNDS,
    min_sample: float = MIN_SAMPLE,
    pause: float = 0.0,
) -> dict[str, Timing]:
    """Time the candidates for about `seconds` in all, and for `min_rounds` rounds at least.

    Each candidate first runs twice unmeasured: to warm up, and to see how many calls make a sample.
    After `PATIENCE` seconds fewer rounds have to do. `pause` seconds pass before each sample; give
    `PAUSE` when thread pools are about.
    """
    timings = {candidate.name: Timing() for candidate in candidates}
    if len(timings) != len(candidates):
        raise ValueError(f"two candidates have one name: {[c.name for c in candidates]}")
    repeats = {c.name: _calls_for(c, min_sample) for c in candidates}
    start = time.perf_counter()
    round_number = 0
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        while round_number < MAX_ROUNDS:
            elapsed = time.perf_counter() - start
            enough = round_number >= (min_rounds if elapsed < PATIENCE else 1)
            if enough and elapsed >= seconds:
                break
            first = round_number % len(candidates)
            for candidate in (*candidates[first:], *candidates[:first]):
                if pause:
                    time.sleep(pause)
                _sample(candidate, repeats[candidate.name], timings[candidate.name])
            gc.collect()
            round_number += 1
    finally:
        if was_enabled:
            gc.enable()
    return timings


def _calls_for(candidate: Candidate, min_sample: float) -> int:
    candidate.run()
    start = time.perf_counter()
    candidate.run()
    return max(1, math.ceil(min_sample / (time.perf_counter() - start)))


def _sample(candidate: Candidate, repeats: int, timing: Timing) -> None:
    run = candidate.run
    elsewhere = candidate.elsewhere()
    processor = time.process_time()
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    wall = time.perf_counter() - start
    processor = time.process_time() - processor + candidate.elsewhere() - elsewhere
    timing.seconds.append(wall / (repeats * candidate.units))
    timing.processor_seconds.append(processor / (repeats * candidate.units))
