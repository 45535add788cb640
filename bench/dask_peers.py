"""Seconds of training on a Dask cluster to an accuracy on MNIST's test images, by way.

    python bench/dask_peers.py [--targets 0.95 0.97] [--seeds 3] [--data-dir FOLDER] [--json FILE]
                               [--smoke]

784-100-10 relu on the 55,000 training images, which 2 worker processes hold in 2 partitions:

- fastnn: fastnn.dask.fit, Adam at 0.001, a round per pass, from bytes; tuned, with minibatches of
  100 rows of each partition at 0.003
- Incremental: dask_ml's, of scikit-learn's MLPClassifier, Adam at 0.001 and minibatches of 100;
  tuned, of 200 at 0.004: block after block, by partial_fit, one task at a time. Its workers' BLAS
  has both processors
- L-BFGS: each evaluation sends the parameters to the partitions, through the scheduler, and adds
  their gradients over all rows, by NumPy in float32; SciPy's minimizer is the client's

All but fastnn get float32 rows that are scaled already. Before anything is timed, the gradient of
the last must agree with fastnn's reference, and each way must reach the highest target in a run
that is not counted, which also warms it up. The clock stops while the client evaluates the test
images: after each pass or iteration. The ways take turns, each from the weights of every seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np

import fastnn
import fastnn.dask
from cases import PIXEL, Array
from harness import clusters, launch, machine, report

SIZES = (784, 100, 10)
TARGETS = (0.95, 0.97)
N_PARTITIONS = N_WORKERS = 2
MOST_PASSES, MOST_ITERATIONS = 40, 400
RATE = 0.001
BLOCK = 1000  # rows at a time, of the gradient in NumPy: they stay in the L2 cache
BLAS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"


class Rows(NamedTuple):
    """The rows as workers hold them, and those to test with here."""

    bytes: Any
    floats: Any
    y: Any
    test_x: Array
    test_y: Array


class Clock:
    """Runs while somebody trains; stops while accuracy is measured.

    Attributes
    ----------
    curve : list of (seconds, accuracy)
    """

    def __init__(self, rows: Rows, most: int, target: float) -> None:
        self._rows, self._most, self._target = rows, most, target
        self.curve: list[tuple[float, float]] = []
        self._seconds, self._start = 0.0, time.perf_counter()

    def look(self, params: Sequence[Array]) -> bool:
        """Note the accuracy of W₁, b₁, W₂, b₂; return whether that is enough."""
        self._seconds += time.perf_counter() - self._start
        w1, b1, w2, b2 = (np.asarray(p, np.float32) for p in params)
        x = self._rows.test_x
        found = (np.maximum(x @ w1 + b1, 0) @ w2 + b2).argmax(axis=1) == self._rows.test_y
        self.curve.append((self._seconds, float(found.mean())))
        self._start = time.perf_counter()
        return self.curve[-1][1] >= self._target or len(self.curve) >= self._most


Way = Callable[..., None]
"""Of a client, rows, a seed and a clock."""


def new_network(seed: int) -> fastnn.Network:
    """Return the network of a seed."""
    return fastnn.Network(SIZES, activation="relu", input_scale=PIXEL, seed=seed)


def arrays(network: fastnn.Network) -> list[Array]:
    """Return W₁, b₁, W₂, b₂."""
    return [
        part
        for pair in zip(network.weights, network.biases, strict=True)
        for part in pair
        if part is not None
    ]


def by_fastnn(client: Any, rows: Rows, seed: int, clock: Clock, **options: Any) -> None:
    """Train by rounds."""
    network = new_network(seed)
    fastnn.dask.fit(
        network, rows.bytes, rows.y, client=client, epochs=MOST_PASSES, progress=False,
        callbacks=lambda network, epoch, record: clock.look(arrays(network)), **options,
    )  # fmt: skip


def by_incremental(
    client: Any, rows: Rows, seed: int, clock: Clock, batch_size: int = 100, rate: float = RATE
) -> None:
    """Train block after block, a pass at a time."""
    from dask_ml.wrappers import Incremental
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(
        (100,), batch_size=batch_size, learning_rate_init=rate, alpha=0.0, random_state=seed
    )
    model = Incremental(classifier, shuffle_blocks=False, assume_equal_chunks=True)
    with client.as_current():
        while True:
            model.partial_fit(rows.floats, rows.y, classes=np.arange(10))
            (w1, w2), (b1, b2) = model.estimator_.coefs_, model.estimator_.intercepts_
            if clock.look([w1, b1, w2, b2]):
                return


def gradient(params: Array, x: Array, y: Array) -> tuple[float, Array]:
    """Return the summed cross-entropy of rows, and its gradient by W₁, b₁, W₂, b₂, flat.

    In float32, block by block of rows.
    """
    params = params.astype(np.float32)
    w1, b1, w2, b2 = unpacked(params)
    total, flat = 0.0, np.zeros_like(params)
    g1, gb1, g2, gb2 = unpacked(flat)
    for start in range(0, len(x), BLOCK):
        rows, labels = x[start : start + BLOCK], y[start : start + BLOCK]
        hidden = rows @ w1
        hidden += b1
        np.maximum(hidden, 0, out=hidden)
        delta = hidden @ w2
        delta += b2
        delta -= delta.max(axis=1, keepdims=True)
        right = np.arange(len(rows)), labels
        logits = delta[right]
        np.exp(delta, out=delta)
        sums = delta.sum(axis=1)
        total += float(np.log(sums).sum() - logits.sum())
        delta /= sums[:, None]
        delta[right] -= 1
        g2 += hidden.T @ delta
        gb2 += delta.sum(axis=0)
        back = delta @ w2.T
        back *= hidden > 0
        g1 += rows.T @ back
        gb1 += back.sum(axis=0)
    return total, flat


def unpacked(params: Array) -> list[Array]:
    """Return W₁, b₁, W₂, b₂ as views of a flat vector."""
    n_in, n_hidden, n_out = SIZES
    shapes = [(n_in, n_hidden), (n_hidden,), (n_hidden, n_out), (n_out,)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(params, ends), shapes, strict=True)]


class Enough(Exception):  # noqa: N818 - it is no error
    """The accuracy is reached."""


def by_lbfgs(client: Any, rows: Rows, seed: int, clock: Clock) -> None:
    """Minimize the mean loss of all rows."""
    from scipy.optimize import minimize

    xs, ys = rows.floats.to_delayed().ravel(), rows.y.to_delayed().ravel()
    parts = [client.compute([x, y]) for x, y in zip(xs, ys, strict=True)]
    n_rows = rows.y.shape[0]

    def mean(params: Array) -> tuple[float, Array]:
        sent = params.astype(np.float32)
        sums = client.gather([client.submit(gradient, sent, x, y, pure=False) for x, y in parts])
        loss = sum(loss for loss, _ in sums) / n_rows
        return loss, sum(flat.astype(np.float64) for _, flat in sums) / n_rows

    def look(params: Array) -> None:
        if clock.look(unpacked(params)):
            raise Enough

    start = np.concatenate([part.ravel() for part in arrays(new_network(seed))])
    options = {"maxiter": MOST_ITERATIONS, "maxfun": 10**6, "maxcor": 10}
    try:
        minimize(mean, start.astype(np.float64), jac=True, method="L-BFGS-B", callback=look,
                 options=options)  # fmt: skip
    except Enough:
        return


WAYS: dict[str, Way] = {
    "fastnn": by_fastnn,
    "fastnn, tuned": partial(by_fastnn, batch_size=100, rate_factor=3.0),
    "Incremental": by_incremental,
    "Incremental, tuned": partial(by_incremental, batch_size=200, rate=0.004),
    "L-BFGS": by_lbfgs,
}


def check_gradient(x: Array, y: Array) -> None:
    """Compare the gradient in NumPy with that of fastnn's reference in float64."""
    network = fastnn.Network(SIZES, activation="relu", dtype="float64", backend="numpy", seed=0)
    params = np.concatenate([part.ravel() for part in arrays(network)])
    trainer = network.trainer(optimizer=fastnn.SGD(1.0), reduction="sum")
    trainer(x.astype(np.float64), y)
    after = np.concatenate([part.ravel() for part in arrays(network)])
    expected = params - after
    apart = np.linalg.norm(gradient(params, x, y)[1] - expected) / np.linalg.norm(expected)
    if apart > 1e-5:
        sys.exit(f"the gradient in NumPy differs from the reference by {apart:.2g}")


def on(client: Any, data: Any, smoke: bool) -> Rows:
    """Put the rows on the workers, a partition on each."""
    x, y = data.train
    test_x, test_y = data.test
    if smoke:
        x, y = x[:2000], y[:2000]
    y = y.astype(np.int64)
    n = -(-len(x) // N_PARTITIONS)
    workers = list(client.scheduler_info(-1)["workers"])
    floats = (x * np.float32(PIXEL)).astype(np.float32)
    held = []
    for array in (x, floats, y):
        blocks = [
            client.scatter(array[i * n : (i + 1) * n], workers=[workers[i]], direct=True)
            for i in range(N_PARTITIONS)
        ]
        held.append(
            da.concatenate([
                da.from_delayed(dask.delayed(block), array[i * n : (i + 1) * n].shape, array.dtype)
                for i, block in enumerate(blocks)
            ])
        )  # fmt: skip
    return Rows(*held, (test_x * np.float32(PIXEL)).astype(np.float32), test_y)


def seconds_to(curve: Sequence[tuple[float, float]], target: float) -> float:
    """Return when the accuracy was reached; infinity if never."""
    return next((seconds for seconds, accuracy in curve if accuracy >= target), np.inf)


def measure(options: argparse.Namespace) -> dict[str, list[list[tuple[float, float]]]]:
    """Verify, then time; return the curves of each way."""
    data = fastnn.datasets.mnist(options.data_dir)
    x, y = data.test
    check_gradient((x[:500] * np.float32(PIXEL)).astype(np.float32), y[:500].astype(np.int64))
    top = max(options.targets)
    curves: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in WAYS}
    variables = "distributed.nanny.pre-spawn-environ"
    both = {variables: dict.fromkeys(BLAS, N_WORKERS)}
    one = {variables: dict.fromkeys(BLAS, 1)}
    with (
        dask.config.set(one), clusters.local_cluster(N_WORKERS) as parallel,
        dask.config.set(both), clusters.local_cluster(N_WORKERS) as serial,
    ):  # fmt: skip
        places = {client: on(client, data, options.smoke) for client in (parallel, serial)}
        for seed in range(-1, options.seeds):  # the first is not counted
            for name, way in WAYS.items():
                client = serial if name.startswith("Incremental") else parallel
                most = MOST_ITERATIONS if name == "L-BFGS" else MOST_PASSES
                clock = Clock(places[client], 2 if options.smoke else most, top)
                way(client, places[client], max(seed, 0), clock)
                seconds, reached = clock.curve[-1]
                n = len(clock.curve)
                print(f"{name}: {reached:.2%} after {n} looks, {seconds:.2f} s", flush=True)
                if seed >= 0:
                    curves[name].append(clock.curve)
                elif reached < top and not options.smoke:
                    sys.exit(f"{name} does not reach {top:.1%}")
    return curves


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--targets", type=float, nargs="+", default=list(TARGETS))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--data-dir", metavar="FOLDER", help="default $FASTNN_MNIST_DIR")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--smoke", action="store_true", help="only check that it runs")
    options = parser.parse_args(argv)
    if options.smoke:
        options.seeds, options.targets = 1, [0.1]
    before = machine.load_average()
    curves = measure(options)
    rows = [["seconds to"]]
    for target in options.targets:
        rows[0] += [f"{target:.0%}", "min … max", "÷ fastnn", "passes"]
    ours = {t: np.median([seconds_to(c, t) for c in curves["fastnn"]]) for t in options.targets}
    for name, found in curves.items():
        row = [name]
        for target in options.targets:
            seconds = [seconds_to(curve, target) for curve in found]
            passes = [sum(a < target for _, a in curve) + 1 for curve in found]
            middle = float(np.median(seconds))
            row += [f"{middle:.3f}", f"{min(seconds):.3f} … {max(seconds):.3f}",
                    f"{middle / ours[target]:.1f}", f"{np.median(passes):.0f}"]  # fmt: skip
        rows.append(row)
    print("\n".join(report.aligned(rows)))
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    if options.json:
        text = json.dumps({"benchmark": "dask_peers", "machine": stamp, "results": curves})
        Path(options.json).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
