"""What fits and predictions decide about threads, where processors are near, far apart, and taken.

    python bench/teams.py [--cases mnist-sgd dense-512] [--threads 2] [--repeats 5]
                          [--json FILE] [--picture FILE] [--smoke]

Each work is done alone, by a team of threads that always works, and as fastnn does it: both ways
are tried, and the faster one goes on. Situations: the machine as it is; processors further and
further apart, imitated by a pause of all threads but the first at each barrier; and all processors
taken by other programs. The three take turns; results must have the same bits. See README.md
beside this file.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import cases
import fastnn
from fastnn.backends import get_backend
from fastnn.backends.cython import _kernels
from harness import machine, report

WAYS = ("alone", "team", "tried")
PAUSES = (0.0, 2e-6, 5e-6, 2e-5, 1e-4)
"""Seconds at each barrier; a cache line comes back from a distant processor in 5e-7."""

PREDICTED = "predict"
PREDICTED_ROWS = 10_000
MORE_STEPS = 4
"""A fit goes through a case's rows so often: long enough for what trials cost to be seen."""


def work(case: cases.TrainCase, rows: cases.Data) -> Callable[[], bytes]:
    """Return a fit from the start, which returns the parameters' bytes."""
    optimizer = {"sgd": fastnn.SGD, "adam": fastnn.Adam}[case.optimizer](case.learning_rate)

    def fit() -> bytes:
        network = network_of(case)
        network.fit(
            rows.x, rows.y, epochs=MORE_STEPS, batch_size=case.batch_size, optimizer=optimizer,
            progress=False,
        )  # fmt: skip
        return network.parameters.tobytes()

    return fit


def predictions(case: cases.TrainCase, rows: cases.Data) -> Callable[[], bytes]:
    """Return predictions of some thousand rows, again and again."""
    predictor, x = network_of(case).predictor(), np.ascontiguousarray(rows.x[:PREDICTED_ROWS])

    def predict() -> bytes:
        for _ in range(30):
            out = predictor(x)
        return bytes(out.tobytes())

    return predict


def network_of(case: cases.TrainCase) -> fastnn.Network:
    return fastnn.Network(case.net.sizes, activation=case.net.activation, backend="cython", seed=0)


@contextmanager
def situation(pause: float, taken: bool) -> Iterator[None]:
    """Have threads lose so many seconds at each barrier, or other programs take all processors."""
    others = [
        multiprocessing.Process(target=_spin, daemon=True) for _ in range(os.cpu_count() or 1)
    ]
    before = _kernels.set_handicap(pause)
    try:
        for other in others if taken else ():
            other.start()
        yield
    finally:
        _kernels.set_handicap(before)
        for other in others if taken else ():
            other.kill()
            other.join()


def _spin() -> None:
    while True:
        pass


def timed(way: str, threads: int, do: Callable[[], bytes]) -> tuple[float, bytes]:
    """Return the seconds that work takes on one of the ways, and its result."""
    to_wake, to_share, tries = _kernels.set_work_for_threads(1, 1)
    _kernels.set_work_for_threads(to_wake, to_share, way == "tried" and tries)
    fastnn.set_num_threads(1 if way == "alone" else threads)
    try:
        begin = perf_counter()
        result = do()
        return perf_counter() - begin, result
    finally:
        fastnn.set_num_threads(None)
        _kernels.set_work_for_threads(to_wake, to_share, tries)


def compare(do: Callable[[], bytes], threads: int, repeats: int) -> dict[str, float]:
    """Return median seconds by way, after a check that all results have the same bits."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for repeat in range(repeats + 1):
        results = set()
        for way in WAYS:
            took, result = timed(way, threads, do)
            results.add(result)
            if repeat > 0:  # the first warms up
                seconds[way].append(took)
        if len(results) != 1:
            raise SystemExit("the results differ between numbers of threads")
    return {way: median(took) for way, took in seconds.items()}


def main() -> None:
    options = _parser().parse_args()
    if get_backend("cython").isa is None or (os.cpu_count() or 1) < 2:
        raise SystemExit("needs the Cython backend and two processors")
    situations = [(f"a pause of {1e6 * p:g} µs" if p else "as it is", p, False) for p in PAUSES]
    situations.append(("taken by others", 0.0, True))
    if options.smoke:
        situations, options.repeats = situations[::3], 1
    found: list[dict[str, Any]] = []
    stamp: dict[str, Any] = {"load_average_before": machine.load_average()}
    for name in options.cases:
        case = cases.select(cases.TRAIN_CASES, [name.removeprefix(f"{PREDICTED}-")])[0]
        steps = min(case.steps, 20) if options.smoke else case.steps
        rows = cases.load(case.data, case.net, steps * case.batch_size, options.data_dir)
        do = predictions(case, rows) if name.startswith(PREDICTED) else work(case, rows)
        for words, pause, taken in situations:
            with situation(pause, taken):
                seconds = compare(do, options.threads, options.repeats)
            found.append({"case": name, "processors": words, "seconds": seconds})
            print(".", end="", flush=True)
    print()
    lines = [["", "processors", *(f"{way}, ms" for way in WAYS), "team ÷ alone", "tried ÷ alone"]]
    for one in found:
        alone, team, tried = (one["seconds"][way] for way in WAYS)
        lines.append([
            one["case"], one["processors"], *(f"{1e3 * s:.1f}" for s in (alone, team, tried)),
            f"{alone / team:.2f}×", f"{alone / tried:.2f}×",
        ])  # fmt: skip
    print("\n".join(report.aligned(lines)))
    stamp |= machine.stamp({})
    print(report.machine_lines(stamp, options.threads))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"results": found, "machine": stamp}, file, indent=1)
    if options.picture:
        draw(found, options.picture)


def draw(found: list[dict[str, Any]], path: str) -> None:
    """Draw how much faster than one thread a team is that always works, and one that is tried."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(one["case"] for one in found))
    figure = Figure(figsize=(4 * len(names), 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        of_case = [one for one in found if one["case"] == name]
        for way, mark in (("team", "o"), ("tried", "s")):
            gains = [one["seconds"]["alone"] / one["seconds"][way] for one in of_case]
            axes.plot(range(len(gains)), gains, mark + "-", label=way)
        axes.axhline(1.0, color="grey", linewidth=0.8)
        words = [one["processors"].removeprefix("a pause of ") for one in of_case]
        axes.set_xticks(range(len(words)), words, rotation=40, ha="right")
        axes.set_ylim(bottom=0)
        axes.set_title(name)
        axes.set_ylabel("times as fast as one thread")
        axes.legend()
    figure.savefig(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = [case.name for case in cases.TRAIN_CASES]
    known += [f"{PREDICTED}-{name}" for name in known]
    parser.add_argument(
        "--cases", nargs="+", choices=known, metavar="NAME",
        default=["mnist-sgd", "dense-512", "predict-mnist-sgd"], help=f"of {', '.join(known)}",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data-dir", metavar="FOLDER", help="MNIST's files, as for train.py")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--picture", metavar="FILE")
    parser.add_argument("--smoke", action="store_true", help="a few seconds; they mean nothing")
    return parser


if __name__ == "__main__":
    main()
