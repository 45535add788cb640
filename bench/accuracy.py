"""Seconds of training to 98 % of MNIST's test images, and to less: the same training for all.

    python bench/accuracy.py [--backend cython] [--threads 1] [--peers torch jax] [--seeds 5]
                             [--json FILE] [--smoke]

Every candidate is verified as in train.py, then trains as many epochs as the rest from the same
weights, a set for each seed. The clock stops for what is not training: the test images are judged
by fastnn's reference for everyone. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import cases
import peers
import train
from cases import Data, TrainCase
from harness import launch, report, verification

CASE = next(case for case in cases.TRAIN_CASES if case.name == "mnist-adam")
TARGETS = (0.97, 0.975, 0.98)
"""The last is about as far as this net goes without a schedule: some seeds meet it, some do not."""
N_SEEDS = 5
EPOCHS = 20  # beyond, it overfits
LAST_EPOCHS = 3  # whose mean is the accuracy a run ends with: one epoch's varies by 0.001
SAME_ACCURACY = 0.003  # of 10,000 images: twice the standard error of 98 %
ALL_ROWS = 60_000
SMOKE_ROWS, SMOKE_EPOCHS, SMOKE_TARGETS = 1280, 2, (0.1, 1.01)

Curve = list[tuple[float, float]]
"""After each epoch: seconds of training so far, and accuracy on the test images."""


class Stopwatch:
    """Runs while its owner trains, and stands still while something else is asked."""

    def __init__(self, ask: Callable[[], float]) -> None:
        self.ask = ask
        self.curve: Curve = []
        self.seconds = 0.0
        self.started = perf_counter()

    def look(self) -> None:
        """Note the time and the answer, which does not cost any."""
        self.seconds += perf_counter() - self.started
        self.curve.append((self.seconds, self.ask()))
        self.started = perf_counter()


def run(
    trainer: Any, test: Data, epochs: int, seed: int, reference: verification.Reference
) -> Curve:
    """Train from the weights of a seed; return what was seen after each epoch."""
    trainer.start = trainer.case.net.initial_parameters(seed=seed)
    trainer.rng = np.random.default_rng(seed)

    def accuracy() -> float:
        p = reference.probabilities(trainer.parameters(), test.x)
        return float((p.argmax(axis=1) == test.y).mean())

    watch = Stopwatch(accuracy)
    trainer.learn(epochs, watch.look)
    return watch.curve


def reached(curve: Curve, target: float) -> tuple[float, int] | None:
    """Return the seconds and the epochs until the target was first met, or None."""
    for epoch, (seconds, accuracy) in enumerate(curve, start=1):
        if accuracy >= target:
            return seconds, epoch
    return None


def summary(curves: Sequence[Curve], targets: Sequence[float]) -> dict[str, Any]:
    """Return the medians over the seeds.

    A run that never met a target counts as infinite; where most never did, the time is None.
    """
    per_epoch = [curve[-1][0] / len(curve) for curve in curves]
    to_target = {}
    for target in targets:
        met = [reached(curve, target) for curve in curves]
        hits = [hit for hit in met if hit is not None]
        middle = median(hit[0] if hit else np.inf for hit in met)
        to_target[str(target)] = {
            "seconds": middle if np.isfinite(middle) else None,
            "least": min((seconds for seconds, _ in hits), default=None),
            "epochs": [hit[1] if hit else None for hit in met],
            "met": len(hits),
        }
    return {
        "status": "timed",
        "median": median(per_epoch),
        "minimum": min(per_epoch),
        "to_target": to_target,
        "final_accuracy": median(
            float(np.mean([accuracy for _, accuracy in curve[-LAST_EPOCHS:]])) for curve in curves
        ),
        "curves": curves,
    }


def target_ratios(results: Sequence[dict[str, Any]], target: str) -> dict[str, dict[str, float]]:
    """Return the ratios of the times to a target, of those that met it."""
    seconds = [r | {"seconds": r["to_target"][target]["seconds"]} for r in results if "median" in r]
    return report.ratios([r for r in seconds if r["seconds"] is not None], "seconds")


def run_case(
    case: TrainCase,
    data: tuple[Data, Data],
    contestants: Sequence[peers.Contestant],
    *,
    n_seeds: int,
    epochs: int = EPOCHS,
    targets: Sequence[float] = TARGETS,
) -> dict[str, Any]:
    """Verify the contestants, let each train from every seed in turns, compare them."""
    rows, test = data
    n_rows = len(rows.y) // case.batch_size * case.batch_size
    rows = Data(rows.x[:n_rows], rows.y[:n_rows], rows.source)
    reference = verification.Reference(case.net)
    verdicts: list[dict[str, Any]] = []
    trainers = {}
    for contestant in contestants:
        verdict, trainer = train.verify(case, rows, contestant, reference)
        verdicts.append({"name": contestant.label, "ours": contestant.ours} | verdict)
        if verdict["status"] == "verified":
            trainer.learn(1, lambda: None)  # compiles, allocates, warms up
            trainers[contestant.label] = trainer
    curves: dict[str, list[Curve]] = {name: [] for name in trainers}
    turns = list(trainers)
    for seed in range(n_seeds):
        for name in turns:
            curves[name].append(run(trainers[name], test, epochs, seed, reference))
        turns = [*turns[1:], *turns[:1]]
    found = {name: summary(of_seeds, targets) for name, of_seeds in curves.items()}
    results = [verdict | found.get(verdict["name"], {}) for verdict in verdicts]
    return {
        "case": case.name,
        "description": f"{case.net}, batch {case.batch_size}, {case.optimizer}, {epochs} epochs",
        "data": str(rows),
        "seeds": n_seeds,
        "results": results,
        "ratios": report.ratios(results),
        "ratios_to_target": {str(t): target_ratios(results, str(t)) for t in targets},
    }


def unlike(results: Sequence[dict[str, Any]]) -> list[str]:
    """Say who does not end at the accuracy of the others: it did not do the same training."""
    ended = {r["name"]: r["final_accuracy"] for r in results if "final_accuracy" in r}
    middle = median(ended.values()) if ended else 0.0
    return [
        f"{name}: SUSPECT: it ends at {accuracy:.2%}, the others at {middle:.2%}"
        for name, accuracy in ended.items()
        if abs(accuracy - middle) > SAME_ACCURACY
    ]


def table(outcome: dict[str, Any]) -> str:
    """Return the comparison as text: for each target, seconds, how many seeds met it, ratios."""
    blocks, notes = [], []
    for target, by_ours in outcome["ratios_to_target"].items():
        rows = [[f"to {float(target):.1%}", "seconds", "least", "met", "epochs"]]
        rows[0] += [f"÷ {name.removeprefix('fastnn ')}" for name in by_ours]
        for result in outcome["results"]:
            if result["status"] != "timed":
                continue
            found = result["to_target"][target]
            times = (
                "never" if t is None else f"{t:.3g}" for t in (found["seconds"], found["least"])
            )
            row = [result["name"], *times, f"{found['met']} of {outcome['seeds']}"]
            row.append(" ".join("–" if n is None else str(n) for n in found["epochs"]))
            ratios = [ratios.get(result["name"]) for ratios in by_ours.values()]
            rows.append([*row, *("" if r is None else f"{r:.2f}×" for r in ratios)])
        blocks += report.aligned(rows)
    rows = [["an epoch", "seconds", "min", "ends at"]]
    rows[0] += [f"÷ {name.removeprefix('fastnn ')}" for name in outcome["ratios"]]
    for result in outcome["results"]:
        if result["status"] != "timed":
            notes.append(f"  {result['name']}: {result['status'].upper()}: {result['reason']}")
            continue
        row = [result["name"], f"{result['median']:.3g}", f"{result['minimum']:.3g}"]
        ratios = [ratios.get(result["name"]) for ratios in outcome["ratios"].values()]
        row += [f"{result['final_accuracy']:.2%}"]
        rows.append([*row, *("" if r is None else f"{r:.2f}×" for r in ratios)])
    head = f"{outcome['description']}, seeds: {outcome['seeds']}\n  data: {outcome['data']}"
    notes += [f"  {line}" for line in unlike(outcome["results"])]
    return "\n".join([head, *blocks, *report.aligned(rows), *notes, ""])


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the comparison."""
    contestants, absent = peers.find("Trainer", options.backend, options.peers)
    if absent:
        print(report.absent_lines(absent) + "\n")
    rows, test = cases.images(SMOKE_ROWS if options.smoke else ALL_ROWS, options.data_dir)
    case = CASE
    how: dict[str, Any] = {"n_seeds": options.seeds, "epochs": EPOCHS, "targets": TARGETS}
    if options.smoke:
        case = dataclasses.replace(case, steps=SMOKE_ROWS // case.batch_size)
        how = {"n_seeds": 1, "epochs": SMOKE_EPOCHS, "targets": SMOKE_TARGETS}
    outcome = run_case(case, (rows, test), contestants, **how)
    print(table(outcome), flush=True)
    return [outcome]


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "accuracy",
            __doc__.split("\n")[0],
            [CASE.name],
            measure,
            more_options=lambda parser: parser.add_argument(
                "--seeds", type=int, default=N_SEEDS, help="runs of each (default %(default)s)"
            ),
            default_peers=("numpy", "torch", "sklearn", "jax"),
        )
    )
