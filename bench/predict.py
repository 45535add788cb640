"""µs a call to class probabilities: fastnn's backends and what a user would pick instead.

    python bench/predict.py [--cases medium-* wide-random-1] [--backend cython] [--threads 1 2]
                            [--peers numpy onnxruntime] [--seconds 5] [--json FILE] [--smoke]

Before a candidate is timed, its probabilities must be those of fastnn's reference in float64. Calls
of few rows go round a thousand rows, so that no cache and no branch predictor learns the input by
heart. See README.md beside this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import cases
import peers
from cases import Data, PredictCase
from harness import contest, launch, report, timing, verification

SMOKE_CASES = ("small-random-*", "medium-mnist-1", "medium-mnist-32")
SMOKE_ROWS = 64
BIAS_RADIUS = 0.5  # no bias is zero: one that is left out shows
ROWS_IN_TURN = 1024
"""Rows that calls of few rows go round: 3 MB as floats of MNIST, which leave the caches nearest to
the core to the weights."""


def run_case(
    case: PredictCase,
    data: Data,
    contestants: Sequence[peers.Contestant],
    *,
    threads: int = 1,
    seconds: float = 0.0,
) -> dict[str, Any]:
    """Verify the contestants on one case, time those that are right, return all there is to say."""
    starts = range(0, len(data.x) - case.n_rows + 1, case.n_rows)
    parameters = case.net.initial_parameters(BIAS_RADIUS)
    expected = verification.Reference(case.net).probabilities(parameters, data.x)
    verdicts: list[dict[str, Any]] = []
    candidates = []
    for contestant in contestants:
        verdict: dict[str, Any]
        try:
            predictor = contestant.make(case.net, parameters, case.n_rows)
            calls = [predictor.convert(data.x[start : start + case.n_rows]) for start in starts]
            call = predictor.call
            apart = max(
                float(np.abs(np.asarray(call(x)) - expected[start : start + case.n_rows]).max())
                for start, x in zip(starts, calls, strict=True)
            )
        except Exception as error:  # one candidate that breaks does not cost the others' figures
            verdict = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
        else:
            verdict = verification.judged(apart, verification.PROBABILITY_BOUND)
            if verdict["status"] == "verified":
                run = partial(predictor.run, calls)
                candidates.append(timing.Candidate(contestant.label, run, len(calls)))
        verdicts.append({"name": contestant.label, "ours": contestant.ours} | verdict)

    return {
        "case": case.name,
        "description": f"{case.net}, {case.n_rows} row{'s' if case.n_rows > 1 else ''} a call",
        "unit": "call",
        "data": str(data),
    } | contest.time_beside_peak(verdicts, candidates, case.flops, threads=threads, seconds=seconds)


def find(options: argparse.Namespace) -> tuple[list[peers.Contestant], dict[str, str]]:
    """Return the contestants, with fastnn's frozen predictors where Network has them."""
    import fastnn

    contestants, absent = peers.find("Predictor", options.backend, options.peers)
    if hasattr(fastnn.Network, "predictor"):
        frozen, _ = peers.find("FrozenPredictor", options.backend, ())
        contestants[:0] = [peers.Contestant(f"{c.label} predictor", c.make, c.ours) for c in frozen]
    return contestants, absent


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the cases that were asked for, and print each as it is done."""
    chosen = cases.select(
        cases.PREDICT_CASES, options.cases or (SMOKE_CASES if options.smoke else ())
    )
    contestants, absent = find(options)
    if absent:
        print(report.absent_lines(absent) + "\n")
    results = []
    for case in chosen:
        n_rows = max(case.n_rows, ROWS_IN_TURN)
        if options.smoke:
            n_rows = SMOKE_ROWS
            case = PredictCase(case.name, case.net, min(case.n_rows, n_rows), case.data)
        data = cases.load(case.data, case.net, n_rows, options.data_dir)
        result = run_case(case, data, contestants, threads=options.threads, seconds=options.seconds)
        results.append(result)
        print(report.case_table(result), flush=True)
    return results


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "predict", __doc__.split("\n")[0], [c.name for c in cases.PREDICT_CASES], measure
        )
    )
