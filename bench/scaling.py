"""Time per floating-point operation over batch, width, density of the inputs and threads.

    python bench/scaling.py [--cases train-* predict-width] [--backend cython] [--threads 1 2]
                            [--peers numpy torch] [--seconds 0.3] [--json FILE] [--picture FILE]
                            [--smoke]

Every point is a case of train.py or predict.py, verified and timed as there. Points that cost over
1.5 times as much an operation as a neighbour, above width 64, are pointed out as cliffs; so are
inputs with zeros that take longer than inputs without. Those are judged by minima, which other work
on the machine disturbs least. See README.md beside this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import cases
import peers
import predict
import train
from cases import Data, Net, PredictCase, TrainCase
from harness import launch, report

BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536,
           2048, 3072, 4096)  # fmt: skip
WIDTHS = (8, 12, 16, 24, 32, 48, 64, 65, 96, 128, 129, 192, 256, 257, 384, 512, 513, 768, 1000,
          1024, 1025, 1536, 2048)  # fmt: skip
DENSITIES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SMOKE_VALUES = {"batch": (1, 32), "width": (8, 96), "density": (0.2, 1.0)}

BATCH_SIZE = 128
DATA_BYTES = 16e6  # of a point's inputs: more than the L2 cache, as a user's are
MAX_STEPS = 4000
SMOKE_BYTES = 1e5
LEARNING_RATE = 0.05  # with batches of BATCH_SIZE; less for smaller ones, or they diverge
ROWS_IN_TURN = 1024

CLIFF = 1.5  # times a neighbour's time an operation
WIDE = 64  # below, a layer is less than a register tile, and its cost is not its arithmetic
SLOWER = 1.05  # times the time without zeros: beyond the noise of a median
CONFIRMATIONS = 3  # times that what looks like a cliff is measured again
SECONDS = 0.3


@dataclass(frozen=True)
class Sweep:
    """One quantity that varies, in training or in prediction."""

    program: str
    quantity: str
    values: tuple[float, ...]
    dtype: str = "float32"
    default: bool = True

    @property
    def name(self) -> str:
        return f"{self.program}-{self.quantity}" + ("-bytes" if self.dtype == "uint8" else "")

    def net(self, value: float) -> Net:
        """Return the net: 784-128-10, or, where the width varies, two layers of it."""
        if self.quantity == "width":
            return Net((int(value), int(value), 10), "relu")
        return Net((784, 128, 10), "relu")

    def batch(self, value: float) -> int:
        return int(value) if self.quantity == "batch" else BATCH_SIZE

    def density(self, value: float) -> float:
        return value if self.quantity == "density" else 1.0


SWEEPS = tuple(
    Sweep(program, quantity, values, dtype)
    for program in ("train", "predict")
    for quantity, values, dtype in (
        ("batch", BATCHES, "float32"),
        ("width", WIDTHS, "float32"),
        ("density", DENSITIES, "float32"),
        ("density", DENSITIES, "uint8"),
    )
)

RunPoint = Callable[[Sweep, float, argparse.Namespace], dict[str, Any]]


def train_point(sweep: Sweep, value: float, options: argparse.Namespace) -> dict[str, Any]:
    """Time fits of one point, long enough that what a fit costs once does not count."""
    net, batch_size = sweep.net(value), sweep.batch(value)
    data_bytes = SMOKE_BYTES if options.smoke else DATA_BYTES
    steps = int(data_bytes / (4 * net.sizes[0] * batch_size))
    steps = min(max(steps, 4), MAX_STEPS)
    rate = LEARNING_RATE * min(1.0, batch_size / BATCH_SIZE)
    case = TrainCase(f"{sweep.name}-{value}", net, batch_size, "sgd", rate, "random", steps)
    contestants, _ = peers.find("Trainer", options.backend, options.peers)
    data = _data(sweep, value, steps * batch_size)
    return train.run_case(case, data, contestants, threads=options.threads, seconds=options.seconds)


def predict_point(sweep: Sweep, value: float, options: argparse.Namespace) -> dict[str, Any]:
    """Time calls of one point, by fastnn's frozen predictors."""
    n_rows = sweep.batch(value)
    case = PredictCase(f"{sweep.name}-{value}", sweep.net(value), n_rows, "random")
    contestants, _ = peers.find("FrozenPredictor", options.backend, ())
    contestants += [c for c in peers.find("Predictor", (), options.peers)[0] if not c.ours]
    data = _data(sweep, value, max(n_rows, 64 if options.smoke else ROWS_IN_TURN))
    return predict.run_case(
        case, data, contestants, threads=options.threads, seconds=options.seconds
    )


PROGRAMS: dict[str, RunPoint] = {"train": train_point, "predict": predict_point}


def _data(sweep: Sweep, value: float, n_rows: int) -> Data:
    return cases.random(sweep.net(value), n_rows, sweep.density(value), sweep.dtype)


def run_sweep(sweep: Sweep, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time all points of a sweep, and mark in each result what is a cliff.

    What looks like a cliff is measured again together with what it is compared with, and of two
    measurements that with the lesser minimum is kept: noise goes away, a cliff stays.
    """
    outcomes = [run_point(sweep, value, options) for value in sweep.values]
    for _ in range(0 if options.smoke else CONFIRMATIONS):
        suspects = mark_cliffs(outcomes)
        if not suspects:
            break
        for i in sorted(suspects):
            keep_lesser(outcomes[i], run_point(sweep, sweep.values[i], options))
    mark_cliffs(outcomes)
    return outcomes


def run_point(sweep: Sweep, value: float, options: argparse.Namespace) -> dict[str, Any]:
    """Time one point; to the results come picoseconds an operation."""
    outcome = PROGRAMS[sweep.program](sweep, value, options)
    for result in outcome["results"]:
        if result["status"] == "timed":
            result["ps_per_flop"] = 1e12 * result["median"] / outcome["flops"]
            result["least_ps_per_flop"] = 1e12 * result["minimum"] / outcome["flops"]
    return outcome | {"sweep": sweep.name, "quantity": sweep.quantity, "value": value}


def keep_lesser(outcome: dict[str, Any], again: dict[str, Any]) -> None:
    """Replace the results whose second measurement has the lesser minimum."""
    outcome["peak_gflops"] = max(outcome["peak_gflops"], again["peak_gflops"])
    outcome["results"] = [
        second if second.get("minimum", np.inf) < first.get("minimum", 0.0) else first
        for first, second in zip(outcome["results"], again["results"], strict=True)
    ]


def curves(outcomes: Sequence[dict[str, Any]]) -> dict[str, list[tuple[float, dict[str, Any]]]]:
    """Return, for each candidate, its values and timed results along a sweep."""
    found: dict[str, list[tuple[float, dict[str, Any]]]] = {}
    for outcome in outcomes:
        for result in outcome["results"]:
            if result["status"] == "timed":
                found.setdefault(result["name"], []).append((outcome["value"], result))
    return found


def mark_cliffs(outcomes: Sequence[dict[str, Any]]) -> set[int]:
    """Write into each result ``"cliff"``: how many times a neighbour's time, if it is too many.

    Along the density, whose neighbours have honestly less to do, the time without zeros is what
    none may exceed. Returns which points to look at again: cliffs and what they are compared with.
    """
    place = {outcome["value"]: i for i, outcome in enumerate(outcomes)}
    suspects = set()
    for points in curves(outcomes).values():
        for i, (value, result) in enumerate(points):
            result.pop("cliff", None)
            if outcomes[0]["quantity"] == "density":
                beside, allowed = [points[-1]], SLOWER
            else:
                beside, allowed = [points[j] for j in (i - 1, i + 1) if 0 <= j < len(points)], CLIFF
            if outcomes[0]["quantity"] == "width":
                beside = [other for other in beside if min(other[0], value) >= WIDE]
            mine = result["least_ps_per_flop"]
            ratio = max((mine / other["least_ps_per_flop"] for _, other in beside), default=0.0)
            if ratio > allowed:
                result["cliff"] = ratio
                suspects |= {place[v] for v in (value, *(v for v, _ in beside))}
    return suspects


def crossover(points: Sequence[tuple[float, dict[str, Any]]]) -> float | None:
    """Return the largest density at which zeros still save more than noise; None if at none."""
    without = points[-1][1]["least_ps_per_flop"]
    saving = [d for d, result in points[:-1] if SLOWER * result["least_ps_per_flop"] < without]
    return max(saving, default=None)


def table(outcomes: Sequence[dict[str, Any]]) -> str:
    """Return a sweep as text: µs and ps an operation for every candidate, cliffs marked."""
    first = outcomes[0]
    by_name = curves(outcomes)
    head = (
        f"{first['sweep']}: from {first['description']}; {first['data'].split(',')[1].strip()}; "
        f"the FMA limit is {min(1e3 / o['peak_gflops'] for o in outcomes):.2f} ps"
    )
    upper, lower = [first["quantity"]], [""]
    for name in by_name:
        upper += [name.removeprefix("fastnn "), "", ""]
        lower += [f"µs/{first['unit']}", "ps/flop", ""]
    rows = []
    for outcome in outcomes:
        row = [f"{outcome['value']:g}"]
        for name in by_name:
            result = next(r for r in outcome["results"] if r["name"] == name)
            if result["status"] != "timed":
                row += [result["status"].upper(), "", ""]
                continue
            cliff = f"CLIFF {result['cliff']:.2f}×" if "cliff" in result else ""
            row += [f"{1e6 * result['median']:.4g}", f"{result['ps_per_flop']:.3g}", cliff]
        rows.append(row)
    return "\n".join([head, *report.aligned([upper, lower, *rows]), *_notes(outcomes), ""])


def _notes(outcomes: Sequence[dict[str, Any]]) -> Iterator[str]:
    for outcome in outcomes:
        for result in outcome["results"]:
            if result["status"] != "timed":
                yield f"  at {outcome['value']:g}: {result['name']}: {result['reason']}"
    if outcomes[0]["quantity"] == "density":
        for name, points in curves(outcomes).items():
            last = crossover(points)
            said = "save nothing at any density" if last is None else f"save time up to {last:.0%}"
            yield f"  {name}: zeros {said}"


def conclusion(runs: Sequence[dict[str, Any]]) -> str:
    """Say what is a cliff in any run, and how much faster several threads are than the first."""
    lines = [
        f"cliff: {outcome['sweep']} at {outcome['value']:g}, {result['name']}, "
        f"threads {run['threads']}: {result['cliff']:.2f}×"
        for run in runs
        for outcome in run["cases"]
        for result in outcome["results"]
        if "cliff" in result
    ] or ["no cliffs"]
    for run in runs[1:]:
        lines.append(f"\nspeed of {run['threads']} threads over {runs[0]['threads']}:")
        lines += report.aligned(_speedups(runs[0], run))
    return "\n".join(lines)


def _speedups(one: dict[str, Any], many: dict[str, Any]) -> list[list[str]]:
    names = list(curves(one["cases"]))
    rows = [["", "", *(name.removeprefix("fastnn ") for name in names)]]
    for before, after in zip(one["cases"], many["cases"], strict=True):
        by_name = [{r["name"]: r for r in o["results"]} for o in (before, after)]
        row = [before["sweep"], f"{before['value']:g}"]
        for name in names:
            times = [results.get(name, {}).get("median") for results in by_name]
            row.append(f"{times[0] / times[1]:.2f}×" if all(times) else "")
        rows.append(row)
    return rows


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the sweeps that were asked for, and print each as it is done."""
    sweeps = cases.select(SWEEPS, options.cases)
    _, absent = peers.find("Trainer", options.backend, options.peers)
    if absent:
        print(report.absent_lines(absent) + "\n")
    results = []
    for sweep in sweeps:
        if options.smoke:
            values = SMOKE_VALUES[sweep.quantity]
            sweep = Sweep(sweep.program, sweep.quantity, values, sweep.dtype)
        outcomes = run_sweep(sweep, options)
        results += outcomes
        print(table(outcomes), flush=True)
    return results


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "scaling",
            __doc__.split("\n")[0],
            [sweep.name for sweep in SWEEPS],
            measure,
            default_peers=(),
            smoke_peers=(),
            seconds=SECONDS,
            threads=(1, 2),
            conclude=conclusion,
        )
    )
