"""Seconds of an ensemble's fit: here, and spread over worker processes of this machine.

    python bench/spread.py [--models 1000] [--rows 5000] [--epochs 20] [--workers 2] [--rounds 3]
                           [--json results.json] [--smoke]

Networks 24-16-1 learn the same rows: with one thread, with a thread for each worker, and
on a Dask cluster of workers with one thread each, to which every fit sends the rows anew. Before
they are timed, the fits must have the same bits. The rounds are interleaved.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

import fastnn
from fastnn.backends.threads import threads_limited
from harness import report

SIZES = (24, 16, 1)


def fit(options: argparse.Namespace, n_threads: int, client: Any = None) -> fastnn.Ensemble:
    """Train the networks."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(options.rows, SIZES[0])).astype(np.float32)
    ensemble = fastnn.Ensemble(SIZES, options.models, output="identity", seed=0)
    with threads_limited(n_threads):
        ensemble.fit(x, x[:, 0] * x[:, 1], epochs=options.epochs, progress=False, client=client)
    return ensemble


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Verify, and time in rounds; return the seconds of each way."""
    n = options.workers
    with (
        LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        ways: dict[str, Callable[[], fastnn.Ensemble]] = {
            "1 thread": lambda: fit(options, 1),
            f"{n} threads": lambda: fit(options, n),
            f"{n} workers": lambda: fit(options, 1, client),
        }
        bits = {way().parameters.tobytes() for way in ways.values()}
        if len(bits) > 1:
            sys.exit("the fits differ in their bits")
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - start)
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, default in (("models", 1000), ("rows", 5000), ("epochs", 20), ("workers", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--smoke", action="store_true", help="only check that it runs")
    options = parser.parse_args(argv)
    if options.smoke:
        options.models, options.rows, options.epochs, options.rounds = 20, 50, 2, 1
    seconds = measure(options)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    rows = [["fit by", "seconds", "min … max", "× faster"]]
    for name, values in seconds.items():
        spread = f"{min(values):.2f} … {max(values):.2f}"
        ratio = medians["1 thread"] / medians[name]
        rows.append([name, f"{medians[name]:.2f}", spread, f"{ratio:.2f}"])
    print(f"{options.models} networks 24-16-1, {options.rows} rows, {options.epochs} epochs")
    print("\n".join(report.aligned(rows)))
    if options.json:
        Path(options.json).write_text(json.dumps(seconds, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
