"""Many small networks: a minibatch of each side by side, one in each lane, or one after the other.

    python bench/lanes.py [--sizes 24,16,1 4,8,3] [--rows 32] [--dtype float32] [--optimizer adam]

Prints, for each network and minibatch size, µs per model and minibatch: of `train_epoch` for each
model alone, and of all lanes together; best of interleaved repetitions. FASTNN_ISA chooses an
instruction set.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from fastnn.kernels.cython import _kernels

import fastnn
from fastnn.architecture import Architecture
from fastnn.backends.base import learning_rates
from fastnn.backends.cython import CythonBackend
from fastnn.optimizers import Optimizer

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": fastnn.SGD(0.01),
    "momentum": fastnn.SGD(0.01, momentum=0.9),
    "rmsprop": fastnn.RMSprop(0.001),
    "adam": fastnn.Adam(0.001),
}
N_DATA = 2048  # rows, that stay in L2
N_STEPS = 200
N_REPETITIONS = 12


def calls(
    sizes: tuple[int, ...], n_rows: int, options: argparse.Namespace
) -> tuple[Callable[[], Any], Callable[[], Any], int]:
    """Return passes over N_STEPS minibatches: of one model alone, and of a model in each lane."""
    rng = np.random.default_rng(0)
    output = "softmax" if sizes[-1] > 1 else options.single
    hidden = (options.activation,) * (len(sizes) - 2)
    architecture = Architecture(sizes, hidden, output, dtype=options.dtype)
    backend, optimizer = CythonBackend(), OPTIMIZERS[options.optimizer]
    n = N_DATA
    x = rng.normal(size=(n, sizes[0])).astype(options.x_dtype or options.dtype)
    labels = rng.integers(0, max(2, sizes[-1]), n)
    y: Any = labels if output == "softmax" else labels.astype(options.dtype)[:, None]
    orders = rng.integers(0, n, (16, N_STEPS * n_rows))
    program = backend._program_of(architecture)
    rule = _kernels.RULES.index(optimizer.rule)
    rates = learning_rates(optimizer, 0, N_STEPS)
    models = []
    for _ in range(16):
        params = architecture.allocate()
        for _layer, weight, _bias in architecture.views(params):
            weight[...] = rng.normal(0, 0.1, weight.shape)
        slots = np.zeros((optimizer.n_state, architecture.n_slots), options.dtype)
        models.append((params, slots, 0, rates, optimizer.coefficients, 0.0, 0.0))

    def alone() -> Any:
        state = fastnn.optimizers.OptimizerState(models[0][1])
        return program.train_epoch(
            models[0][0], models[0][1], state, x, y, orders[0], None, rates, rule,
            optimizer.coefficients, n_rows, True, 0.0, 0.0, 0.0, 0.0, np.empty(0),
            np.empty(0, np.uint32), 0,
        )  # fmt: skip

    n_lanes = backend._kernels[np.dtype(options.dtype)].lanes

    def together() -> Any:
        return _kernels.train_epoch_in_lanes(
            program, models[:n_lanes], x, y, orders[:n_lanes], None, rule, n_rows, True
        )

    return alone, together, n_lanes


def best(passes: list[Callable[[], Any]]) -> list[float]:
    """Return the shortest time of each, in µs per minibatch; they take turns."""
    found = [float("inf")] * len(passes)
    for _ in range(N_REPETITIONS):
        for i, run in enumerate(passes):
            begun = time.thread_time()
            run()
            found[i] = min(found[i], (time.thread_time() - begun) / N_STEPS * 1e6)
    return found


def main() -> None:
    """Print a line for each network and size of minibatch."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["24,16,1", "4,8,3", "10,8,1"])
    parser.add_argument("--rows", nargs="+", type=int, default=[32])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--x-dtype", choices=["float32", "float64"])
    parser.add_argument("--activation", default="relu", choices=fastnn.architecture.ACTIVATIONS)
    parser.add_argument("--single", default="sigmoid", help="what a single output is")
    parser.add_argument("--optimizer", default="adam", choices=OPTIMIZERS)
    options = parser.parse_args()
    print(f"{'network':>16} {'rows':>5} {'alone':>8} {'lanes':>8} {'ratio':>6}   µs")
    for sizes in options.sizes:
        for n_rows in options.rows:
            widths = tuple(int(n) for n in sizes.split(","))
            one, all_lanes, n_lanes = calls(widths, n_rows, options)
            alone, together = best([one, all_lanes])
            together /= n_lanes
            print(
                f"{'-'.join(sizes.split(',')):>16} {n_rows:>5} {alone:8.2f} {together:8.2f} "
                f"{alone / together:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
