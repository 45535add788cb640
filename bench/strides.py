"""How much longer fit and predict take where a row's numbers do not lie side by side.

    python bench/strides.py [--backend cython numba numpy] [--repeats 7] [--smoke]

For each shape and dtype the same numbers are laid out row-major, column-major (as pandas and
scikit-learn's scalers hand them over), and as every other row or column of a wider array. Before
anything is timed, all layouts must train and predict to the same bits, else the benchmark ends
with 1. Layouts take turns; what is printed is the median of the row-major ones in milliseconds, and
of the others as a multiple of it: fit (2 epochs), then predict. The shapes with a power of two of
rows are the worst that can be: all numbers of a row fall into the same few lines of a cache.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median
from typing import Any

import numpy as np

import fastnn
from harness import launch, machine, report

SHAPES = (
    (80_000, (20, 10, 2)),
    (65_536, (64, 32, 4)),
    (32_768, (256, 32, 4)),
    (20_000, (784, 100, 10)),
)
DTYPES = ("float64", "float32", "uint8")
ROWS = "row-major"


def layouts(x: Any) -> dict[str, Any]:
    """The same numbers, lying in different ways."""
    n_rows, n_in = x.shape
    rows, columns = np.zeros((2 * n_rows, n_in), x.dtype), np.zeros((n_rows, 2 * n_in), x.dtype)
    rows[::2], columns[:, ::2] = x, x
    return {
        ROWS: x,
        "column-major": np.asfortranarray(x),
        "every other row": rows[::2],
        "every other column": columns[:, ::2],
    }


def run(sizes: tuple[int, ...], backend: str, x: Any, y: Any) -> tuple[float, float, bytes]:
    """Return the seconds of a fit and of a prediction, and the bits of what they made."""
    net = fastnn.Network(
        sizes, activation="relu", backend=backend, input_scale=1 / 255, seed=0, dtype="float32"
    )
    start = time.perf_counter()
    net.fit(x, y, epochs=2, progress=False)
    between = time.perf_counter()
    predicted = net.predict_proba(x, progress=False)
    end = time.perf_counter()
    return between - start, end - between, net.parameters.tobytes() + predicted.tobytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", nargs="+", default=["cython", "numba", "numpy"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--smoke", action="store_true", help="few rows, once")
    options = parser.parse_args()
    before = machine.load_average()
    rng = np.random.default_rng(0)
    for n_rows, sizes in SHAPES:
        n_rows = 2_048 if options.smoke else n_rows
        y = rng.integers(0, sizes[-1], n_rows)
        for dtype in DTYPES:
            x = (rng.random((n_rows, sizes[0])) * (255 if dtype == "uint8" else 1)).astype(dtype)
            ways = layouts(x)
            for backend in options.backend:
                if len({run(sizes, backend, rows, y)[2] for rows in ways.values()}) > 1:
                    print(f"{backend}: layouts of {dtype} differ in their bits", file=sys.stderr)
                    return 1
                seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
                for _ in range(1 if options.smoke else options.repeats):
                    for name, rows in ways.items():
                        seconds[name].append(run(sizes, backend, rows, y)[:2])
                fit, predict = (median(s[i] for s in seconds[ROWS]) for i in (0, 1))
                print(
                    f"{n_rows} x {sizes[0]} {dtype}, {backend}: fit {1e3 * fit:.1f} ms, "
                    f"predict {1e3 * predict:.1f} ms"
                )
                for name in list(ways)[1:]:
                    others = (median(s[i] for s in seconds[name]) for i in (0, 1))
                    ratios = [t / own for t, own in zip(others, (fit, predict), strict=True)]
                    print(f"    {name:<20}{ratios[0]:>6.2f} x {ratios[1]:>6.2f} x", flush=True)
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
