"""The part of a case that all benchmarks share: time the verified, beside the peak of the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import machine, peak, report, timing


def time_beside_peak(
    verdicts: Sequence[dict[str, Any]],
    candidates: Sequence[timing.Candidate],
    flops: float,
    *,
    threads: int,
    seconds: float,
) -> dict[str, Any]:
    """Time the candidates in the same rounds as the FMA peak; return the measured part of a case.

    Parameters
    ----------
    verdicts : sequence of dict
        What is known of every contestant, by its ``"name"``; those that are not among the
        candidates go into the results as they are.
    candidates : sequence of Candidate
        The verified ones.
    flops : float
        Operations of one unit of a candidate, if dense.
    """
    burst = peak.fma_peak(threads, machine.vector_bits())
    timings = timing.measure(
        [timing.Candidate("FMA peak", burst.run, burst.flops), *candidates],
        seconds,
        pause=timing.PAUSE if threads > 1 else 0.0,
    )
    peak_flops = 1.0 / timings.pop("FMA peak").minimum
    measured = report.results_of(timings, flops, peak_flops)
    results = [verdict | measured.get(verdict["name"], {}) for verdict in verdicts]
    return {
        "flops": flops,
        "peak": burst.source,
        "peak_gflops": peak_flops / 1e9,
        "results": results,
        "ratios": report.ratios(results),
        "ratios_of_minima": report.ratios(results, "minimum"),
        "ratios_of_processor_time": report.ratios(results, "processor_median"),
    }
