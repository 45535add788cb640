"""Do the estimators on a cluster find with L-BFGS what those on one machine find?

    python bench/dask_minima.py [--partitions 1 2 5 11] [--seeds 3] [--allowed 1e-6] [--json FILE]
                                [--smoke]

DaskSoftmaxRegression and DaskMLPClassifier(solver="lbfgs") on 2 workers, beside the estimators of
fastnn.sklearn, in float64, on scikit-learn's digits (standardized) and on random rows with weights
and three classes. The sums over partitions are rounded in another order, nothing else differs. The
table shows the largest difference of a parameter, relative to the largest parameter, over the
seeds, which draw the rows' order and the initial weights. Above --allowed the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dask.array as da
import numpy as np

from cases import Array
from harness import clusters, launch, machine, report

N_WORKERS = 2
ITERATIONS = {"softmax": 1000, "mlp": 50}
"""The first ends before, at its minimum."""


class Problem(NamedTuple):
    """Rows of float64, labels, and weights or None."""

    x: Array
    y: Array
    weights: Array | None


def digits(seed: int) -> Problem:
    """Return scikit-learn's digits, in the order of a seed."""
    from sklearn.datasets import load_digits
    from sklearn.preprocessing import StandardScaler

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    return Problem(StandardScaler().fit_transform(x)[order], y[order], None)


def weighted(seed: int) -> Problem:
    """Return random rows with weights, and labels that are text."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2000, 20))
    y = (x[:, :5] @ rng.normal(size=(5, 3)) + rng.normal(size=(2000, 3))).argmax(axis=1)
    return Problem(x, np.array(["one", "two", "three"])[y], rng.uniform(0.1, 2.0, len(x)))


PROBLEMS = {"digits": digits, "weighted": weighted}


def estimators(kind: str, seed: int, client: Any) -> tuple[Any, Any]:
    """Return the local estimator, and that of the cluster."""
    import fastnn.dask
    import fastnn.sklearn

    iterations = ITERATIONS[kind]
    if kind == "softmax":
        return (
            fastnn.sklearn.SoftmaxRegression(max_iter=iterations),
            fastnn.dask.DaskSoftmaxRegression(max_iter=iterations, client=client),
        )
    options = {"solver": "lbfgs", "max_iter": iterations, "random_state": seed}
    return (
        fastnn.sklearn.MLPClassifier((20,), **options),
        fastnn.dask.DaskMLPClassifier((20,), client=client, **options),
    )


def compare(
    client: Any, kind: str, problem: Problem, n_partitions: int, seed: int
) -> dict[str, Any]:
    """Fit both, and return how far apart they are."""
    x, y, weights = problem
    local, spread = estimators(kind, seed, client)
    n = -(-len(x) // n_partitions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations
        local.fit(x, y, weights)
        spread.fit(
            da.from_array(x, chunks=(n, x.shape[1])), da.from_array(y, chunks=n),
            None if weights is None else da.from_array(weights, chunks=n),
        )  # fmt: skip
    ours, theirs = spread.network_.parameters, local.network_.parameters
    assert ours.dtype == np.float64
    return {
        "apart": float(np.abs(ours - theirs).max() / np.abs(theirs).max()),
        "loss": abs(spread.loss_ / local.loss_ - 1.0),
        "iterations": [int(np.max(each.n_iter_)) for each in (local, spread)],
    }


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare all, and return the lines of the table."""
    lines = []
    with clusters.local_cluster(N_WORKERS) as client:
        for kind in ITERATIONS:
            for name, problem in PROBLEMS.items():
                for n in options.partitions:
                    found = [
                        compare(client, kind, problem(seed), n, seed)
                        for seed in range(options.seeds)
                    ]
                    lines.append({"estimator": kind, "data": name, "partitions": n, "fits": found})
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, and print the table; return 1 if they differ by more than is allowed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--partitions", type=int, nargs="+", default=[1, 2, 5, 11])
    parser.add_argument("--seeds", type=int, default=3, help="default 3")
    parser.add_argument("--allowed", type=float, default=1e-6, help="default 1e-6")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--smoke", action="store_true", help="only check that it runs")
    options = parser.parse_args(argv)
    if options.smoke:
        options.partitions, options.seeds = [2], 1
    before = machine.load_average()
    lines = measure(options)
    rows = [["estimator", "data", "partitions", "iterations", "on the cluster", "parameters",
             "loss"]]  # fmt: skip
    for line in lines:
        fits = line["fits"]
        here, there = zip(*(fit["iterations"] for fit in fits), strict=True)
        rows.append([
            line["estimator"], line["data"], str(line["partitions"]),
            " ".join(map(str, here)), " ".join(map(str, there)),
            f"{max(fit['apart'] for fit in fits):.1e}", f"{max(fit['loss'] for fit in fits):.1e}",
        ])  # fmt: skip
    print("\n".join(report.aligned(rows)))
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    if options.json:
        text = json.dumps({"benchmark": "dask_minima", "machine": stamp, "results": lines})
        Path(options.json).write_text(text, encoding="utf-8")
    apart = max(fit["apart"] for line in lines for fit in line["fits"])
    if apart > options.allowed:
        print(f"parameters differ by {apart:.1e}, allowed are {options.allowed:g}", file=sys.stderr)
    return 0 if apart <= options.allowed else 1


if __name__ == "__main__":
    sys.exit(main())
