"""µs a training step that Python calls: streams, losses of one's own, minimizers.

    python bench/steps.py [--cases stream-* own-loss] [--backend cython] [--threads 1]
                          [--peers torch jax] [--seconds 10] [--json results.json] [--smoke]

Every candidate starts from the same weights, and must end at those of fastnn's NumPy backend in
float64 before it is timed. See README.md beside this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import cases
import fastnn
import own_step_work as own
import peers
from cases import Array, Net, TrainCase
from harness import contest, launch, report, timing, verification
from step_work import Entry, steps

SMOKE_STEPS = 8
GRADIENT_BOUND = 1e-10
"""Of a gradient in float64: sums of 200 terms round by 1e-14 of the largest."""

Entries = Callable[..., Iterator[Entry]]


class Case(NamedTuple):
    """A training step, and who takes it: ``entries(backends, peers, dtype=…)``."""

    name: str
    description: str
    unit: str
    n_steps: int  # in a row, from the start
    flops: float
    start: list[Array]  # what differences are measured against: where parameters began, or zero
    bound: float
    make: Callable[[argparse.Namespace, int], tuple[Entries, str]]  # and what the data are
    default: bool = True


def built_in(case: TrainCase) -> Case:
    """Return a case of the trainer's call with a built-in loss."""

    def make(options: argparse.Namespace, n_steps: int) -> tuple[Entries, str]:
        data = cases.load(case.data, case.net, n_steps * case.batch_size, options.data_dir)
        return lambda *who, **dtype: steps(case, data, *who, **dtype), str(data)

    return Case(
        case.name, f"trainer(x, y), {case.net}, {rows(case.batch_size)}, {case.optimizer}", "step",
        case.steps, case.flops, case.net.initial_parameters(), verification.bound(case), make,
    )  # fmt: skip


def callers_own(
    name: str, description: str, unit: str, net: Net, n_rows: int, n_steps: int,
    entries: Entries, bound: float, start: list[Array] | None = None,
) -> Case:  # fmt: skip
    """Return a case of a loss, a derivative or an update of the caller's own."""
    flops = TrainCase(name, net, n_rows, "sgd", 0.0, "random", n_steps).flops
    return Case(
        name, f"{description}, {net}, {rows(n_rows)}", unit, n_steps, flops,
        net.initial_parameters() if start is None else start, bound,
        lambda *_: (entries, "random numbers"),
    )  # fmt: skip


def rows(n: int) -> str:
    """Return a number of rows in words."""
    return f"{n:,} row{'s' * (n != 1)}"


SMALL, IMAGES = Net((64, 32, 10), "relu"), Net((784, 100, 10), "relu")
NOTHING = [np.zeros(1)] * 5  # value, weights and biases of two layers: of any shape
CASES = [
    built_in(TrainCase("stream-32", SMALL, 32, "sgd", 0.1, "random", 60)),
    built_in(TrainCase("stream-1", SMALL, 1, "sgd", 0.01, "random", 600)),
    built_in(TrainCase("stream-mnist", IMAGES, 100, "adam", 1e-3, "mnist", 60)),
    callers_own(
        "own-delta", "forward, a policy gradient's delta, backward, sgd", "step", own.POLICY,
        own.POLICY_ROWS, own.N_BATCHES, own.policy_gradient, verification.RELU_BOUND,
    ),
    callers_own(
        "minimizer", "value_and_gradient, float64", "call", own.MINIMIZED, own.MINIMIZED_ROWS, 60,
        own.value_and_gradient, GRADIENT_BOUND, NOTHING,
    ),
    callers_own(
        "full-batch", "fit, an epoch of one minibatch, adam", "epoch", own.FULL, own.FULL_ROWS, 25,
        own.full_batch, verification.SMOOTH_BOUND["adam"],
    ),
    callers_own(
        "own-loss", "fit(loss=f), sgd", "step", own.REGRESSION, own.REGRESSION_ROWS,
        10 * own.N_BATCHES, own.own_loss, verification.RELU_BOUND,
    ),
]  # fmt: skip


def run_case(case: Case, options: argparse.Namespace, backends: list[str]) -> dict[str, Any]:
    """Compare all entries with the NumPy backend in float64, then time those that agree."""
    n_steps = SMOKE_STEPS if options.smoke else case.n_steps
    verified = min(n_steps, verification.VERIFIED_STEPS)
    entries, data = case.make(options, n_steps)
    judge = next(entries(["numpy"], (), dtype="float64"))
    judge.run(verified)
    expected = judge.found()
    verdicts, candidates = [], []
    for entry in entries(backends, options.peers):
        verdict = verify(case, entry, verified, expected)
        verdicts.append({"name": entry.name, "ours": entry.ours} | verdict)
        if verdict["status"] == "verified":
            candidates.append(
                timing.Candidate(entry.name, lambda e=entry: e.run(n_steps), n_steps)  # type: ignore[misc]
            )
    measured = contest.time_beside_peak(
        verdicts, candidates, case.flops, threads=options.threads, seconds=options.seconds
    )
    note_differences(measured["results"])
    return {
        "case": case.name,
        "description": case.description,
        "unit": case.unit,
        "data": data,
    } | measured


def note_differences(results: list[dict[str, Any]]) -> None:
    """Note how much longer each backend's step takes than the same one inside `fit`."""
    timed = {result["name"]: result for result in results if result["status"] == "timed"}
    for name, result in timed.items():
        for other, baseline in timed.items():
            if other.startswith(name.removeprefix("fastnn ") + ", "):
                more = 1e6 * (result["median"] - baseline["median"])
                result["note"] = f"{more:+.3g} µs relative to {other}"


def verify(case: Case, entry: Entry, n_steps: int, expected: list[Array]) -> dict[str, Any]:
    """Return the verdict on an entry after its first steps; not its first ones from a start."""
    try:
        entry.run(2)
        entry.run(n_steps)
        found = entry.found()
    except Exception as error:  # one candidate that breaks does not cost the others' figures
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return verification.judged(verification.distance(found, expected, case.start), case.bound)


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the cases that were asked for, and print each as it is done."""
    contestants, absent = peers.find("Trainer", options.backend, options.peers)
    if absent:
        print(report.absent_lines(absent) + "\n")
    there = [contestant.label for contestant in contestants]
    backends = [
        name for name in options.backend or fastnn.available_backends() if f"fastnn {name}" in there
    ]
    options.peers = [name for name in options.peers if peers.LABELS[name] in there]
    results = []
    for case in cases.select(CASES, options.cases):
        results.append(run_case(case, options, backends))
        print(report.case_table(results[-1]), flush=True)
    return results


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "steps",
            __doc__.split("\n")[0],
            [case.name for case in CASES],
            measure,
            default_peers=("numpy", "torch", "sklearn", "jax"),
        )
    )
