"""µs a training step: fastnn's backends and what a user would pick instead.

    python bench/train.py [--cases mnist-sgd small-*] [--backend cython] [--threads 1 2]
                          [--peers numpy torch] [--seconds 10] [--json results.json] [--smoke]

Every candidate starts from the same weights. Before it is timed it trains some steps on the same
minibatches as fastnn's reference in float64, and must end at the same weights. Then whole fits are
timed, gathering of shuffled minibatches included. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import cases
import peers
from cases import Data, TrainCase
from harness import contest, launch, report, timing, verification

SMOKE_CASES = ("mnist-sgd", "small-adam")
SMOKE_STEPS = 8
LOSS_ROWS = 2000


def run_case(
    case: TrainCase,
    data: Data,
    contestants: Sequence[peers.Contestant],
    *,
    threads: int = 1,
    seconds: float = 0.0,
) -> dict[str, Any]:
    """Verify the contestants on one case, time those that are right, return all there is to say."""
    n_rows = len(data.y) // case.batch_size * case.batch_size
    data = Data(data.x[:n_rows], data.y[:n_rows], data.source)
    reference = verification.Reference(case.net)
    verdicts: list[dict[str, Any]] = []
    trainers = {}
    for contestant in contestants:
        verdict, trainer = verify(case, data, contestant, reference)
        verdicts.append({"name": contestant.label, "ours": contestant.ours} | verdict)
        if verdict["status"] == "verified":
            trainers[contestant.label] = trainer

    steps = case.epochs * n_rows // case.batch_size
    candidates = [
        timing.Candidate(name, partial(trainer.train, case.epochs), steps)
        for name, trainer in trainers.items()
    ]
    measured = contest.time_beside_peak(
        verdicts, candidates, case.flops, threads=threads, seconds=seconds
    )
    few = Data(data.x[:LOSS_ROWS], data.y[:LOSS_ROWS], data.source)
    for result in measured["results"]:
        if result["status"] == "timed":
            trainer = trainers[result["name"]]
            result["loss"] = reference.loss(trainer.parameters(), few)
            result["note"] = trainer.note
    return {
        "case": case.name,
        "description": f"{case.net}, batch {case.batch_size}, {case.optimizer}, {steps} steps",
        "unit": "step",
        "data": str(data),
    } | measured


def verify(
    case: TrainCase,
    data: Data,
    contestant: peers.Contestant,
    reference: verification.Reference,
) -> tuple[dict[str, Any], Any]:
    """Return the verdict on a contestant after its first steps, and its trainer."""
    order = np.random.default_rng(cases.SEED).permutation(len(data.y))
    order = order[: verification.VERIFIED_STEPS * case.batch_size]
    try:
        trainer = contestant.make(case, data.x, data.y)
        trainer.follow(order)
        found = trainer.parameters()
    except Exception as error:  # one candidate that breaks does not cost the others' figures
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}, None
    expected = reference.train(case, data, order)
    apart = verification.distance(found, expected, case.net.initial_parameters())
    return verification.judged(apart, trainer.bound or verification.bound(case)), trainer


def smoke(case: TrainCase) -> TrainCase:
    """Return the case with hardly anything to do."""
    return dataclasses.replace(case, steps=SMOKE_STEPS, epochs=1)


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the cases that were asked for, and print each as it is done."""
    chosen = cases.select(
        cases.TRAIN_CASES, options.cases or (SMOKE_CASES if options.smoke else ())
    )
    if options.smoke:
        chosen = [smoke(case) for case in chosen]
    contestants, absent = peers.find("Trainer", options.backend, options.peers)
    if absent:
        print(report.absent_lines(absent) + "\n")
    results = []
    for case in chosen:
        data = cases.load(case.data, case.net, case.steps * case.batch_size, options.data_dir)
        result = run_case(case, data, contestants, threads=options.threads, seconds=options.seconds)
        results.append(result)
        print(report.case_table(result), flush=True)
    return results


if __name__ == "__main__":
    raise SystemExit(
        launch.main("train", __doc__.split("\n")[0], [c.name for c in cases.TRAIN_CASES], measure)
    )
