"""How much longer predictions take where half of the weights, or of the inputs, are subnormal.

    python bench/subnormals.py [--backend cython numba numpy] [--seconds 2] [--smoke]

Processors work out each operation on a subnormal number (below 1.2e-38 in float32) by microcode, in
a hundred cycles or more; fastnn takes them as zero. Before anything is timed, the predictions must
be, to the bit, those with zeros in place of subnormal numbers, else the benchmark ends with 1.
Ordinary and subnormal numbers take turns; what is printed is the least processor time of a call of
a predictor in µs, and how many times as much the calls with subnormal numbers took: by their least
times, and by their medians. Above the limit of 1.1 by both, the benchmark ends with 1.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

import numpy as np

import fastnn
from harness import launch, machine, report, timing

SHAPES = ((64, 32, 10), (784, 100, 10))
ROWS = (1, 32, 1000)
LIMIT = 1.1
ORDINARY, WEIGHTS, INPUTS = "ordinary", "half of the weights", "half of the inputs"


def halved(rng: Any, x: Any, below: float) -> Any:
    """A copy of x with every other number, at random, so small."""
    return np.where(rng.random(x.shape) < 0.5, below * np.sign(x), x).astype(x.dtype)


def calls(backend: str, dtype: str, sizes: tuple[int, ...], n_rows: int, below: float) -> Any:
    """Return predictors and rows by what of them is `below`: a subnormal number, or zero."""
    rng = np.random.default_rng(0)
    net = fastnn.Network(sizes, activation="tanh", seed=0, dtype=dtype, backend=backend)
    x = rng.standard_normal((n_rows, sizes[0])).astype(dtype)
    ordinary = net.predictor()
    for weight in net.weights:
        weight[...] = halved(rng, weight, below)
    return {
        ORDINARY: (ordinary, x),
        WEIGHTS: (net.predictor(), x),
        INPUTS: (ordinary, halved(rng, x, below)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", nargs="+", default=["cython", "numba", "numpy"])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each case")
    parser.add_argument("--smoke", action="store_true", help="once each")
    options = parser.parse_args()
    before = machine.load_average()
    is_slow = False
    for backend in options.backend:
        for dtype in ("float32", "float64"):
            below = float(np.finfo(dtype).tiny) / 3
            for sizes in SHAPES:
                for n_rows in ROWS:
                    case = f"{backend}, {dtype}, {'-'.join(map(str, sizes))}, {n_rows} rows"
                    ways = calls(backend, dtype, sizes, n_rows, below)
                    for name, (predict, x) in calls(backend, dtype, sizes, n_rows, 0.0).items():
                        if predict(x).tobytes() != ways[name][0](ways[name][1]).tobytes():
                            print(f"{case}: {name}: not the bits of zeros", file=sys.stderr)
                            return 1
                    timed = timing.measure(
                        [timing.Candidate(name, partial(*way)) for name, way in ways.items()],
                        0.0 if options.smoke else options.seconds,
                        min_rounds=1 if options.smoke else timing.MIN_ROUNDS,
                        min_sample=0.0 if options.smoke else timing.MIN_SAMPLE,
                    )
                    own = timed[ORDINARY]
                    least = min(own.processor_seconds)
                    line = f"{case:<42}{1e6 * least:>10.2f} µs"
                    for name in (WEIGHTS, INPUTS):
                        ratios = (
                            min(timed[name].processor_seconds) / least,
                            timed[name].processor_median / own.processor_median,
                        )
                        is_slow |= min(ratios) > LIMIT and not options.smoke
                        line += f"   {name} {ratios[0]:.2f} x, {ratios[1]:.2f} x"
                    print(line, flush=True)
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    return int(is_slow)


if __name__ == "__main__":
    raise SystemExit(main())
