"""One checksum for each of a fixed set of trained networks: did a change change results?

    python bench/bits.py [--backend cython numba numpy] [--threads 1 2] > before.txt
    ... change the code, build it ...
    python bench/bits.py | diff before.txt -

Each case trains a network with an option of `Network` or its `fit` that the others have not. Its
checksum (CRC-32) covers the parameters, the optimizer's state, the history, and the predictions of
many rows and of one. Equal seeds give equal bits on one backend and instruction set, whatever the
number of threads, so that lines differ by their backend only. FASTNN_ISA chooses a set.
"""

from __future__ import annotations

import argparse
import sys
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

import fastnn
from fastnn.optimizers import RateFactors
from fastnn.schedules import Constant, Cosine, CosLog, FlatCosine, InverseScaling, StepDecay

N_ROWS = 300


def inputs(kind: str, n_in: int) -> Any:
    """Rows of one of the kinds that networks take, a third of their numbers zero."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 256, (N_ROWS, n_in)) * (rng.random((N_ROWS, n_in)) < 2 / 3)
    if kind == "uint8":
        return values.astype(np.uint8)
    if kind.startswith("csr"):
        return sparse.csr_matrix((values / 256).astype(kind.removeprefix("csr ")))
    return (values / 256).astype(kind)


def targets(net: fastnn.Network) -> Any:
    """What the network's output is to be, for each row."""
    a, rng = net.architecture, np.random.default_rng(2)
    if a.output == "softmax":
        return np.arange(N_ROWS) % a.n_out
    if a.output == "sigmoid":
        return rng.integers(0, 2, (N_ROWS, a.n_out))
    if a.output == "tanh":
        return rng.uniform(-1, 1, (N_ROWS, a.n_out))
    return rng.gamma(2.0, size=(N_ROWS, a.n_targets))


def cases() -> Iterator[tuple[str, dict[str, Any], dict[str, Any], str]]:
    """Yield names of cases, options of the network, of its fit, and the kind of its inputs."""
    yield "softmax regression", {"sizes": (64, 10)}, {}, "float32"
    yield "no bias", {"bias": False}, {}, "float32"
    yield "three hidden layers", {"sizes": (64, 48, 33, 17, 10)}, {}, "float32"
    yield "large enough for threads", {"sizes": (784, 512, 256, 10)}, {}, "uint8"
    yield "large, float64", {"sizes": (784, 512, 10), "dtype": "float64"}, {}, "float64"
    for activation in sorted(fastnn.architecture.ACTIVATIONS):
        for dtype in ("float32", "float64"):
            yield f"{activation} {dtype}", {"activation": activation, "dtype": dtype}, {}, dtype
    for output, loss in (
        (output, loss)
        for output, losses in fastnn.architecture.LOSSES.items()
        for loss in losses
        if loss != "cross_entropy"
    ):
        yield f"{output}, {loss}", {"output": output, "loss": loss}, {}, "float32"
    quantile = {"output": "identity", "loss": "quantile"}
    yield "quantile 0.1", quantile | {"quantiles": 0.1}, {}, "float32"
    yield "ten quantiles", quantile | {"quantiles": np.linspace(0.05, 0.95, 10)}, {}, "float32"
    for dtype in ("float32", "float64"):
        yield f"label smoothing {dtype}", {"label_smoothing": 0.1, "dtype": dtype}, {}, dtype
    for kind in ("uint8", "float32", "float64", "csr float32", "csr float64"):
        yield f"inputs {kind}", {}, {}, kind
        yield f"inputs {kind}, float64", {"dtype": "float64"}, {}, kind
    for optimizer in (
        fastnn.SGD(0.1),
        fastnn.SGD(0.1, momentum=0.9),
        fastnn.SGD(0.1, momentum=0.9, nesterov=True),
        fastnn.RMSprop(0.001),
        fastnn.Adam(0.01),
        fastnn.AdamW(0.01),
        fastnn.AdamW(0.01, rate_factors=RateFactors("fan_in", 0.1, decays_biases=False)),
        fastnn.Adam(0.01, rate_factors=RateFactors("fan_in", 0.1, feature_scales=6.0)),
        *(
            fastnn.SGD(schedule)
            for schedule in (
                Constant(0.1, warmup=3),
                InverseScaling(0.1),
                StepDecay(0.1, every=3),
                Cosine(0.1, n_steps=20),
                FlatCosine(0.1, n_steps=20),
                CosLog(0.1, n_steps=20),
            )
        ),
    ):
        for dtype in ("float32", "float64"):
            yield f"{optimizer} {dtype}", {"dtype": dtype}, {"optimizer": optimizer}, dtype
    weight = np.random.default_rng(3).random(N_ROWS)
    for options in (
        {"reduction": "sum", "optimizer": fastnn.SGD(0.001)},
        *({"shuffle": shuffle} for shuffle in (False, "blocks")),
        {"sample_weight": weight},
        {"sample_weight": weight, "reduction": "sum", "optimizer": fastnn.SGD(0.001)},
        {"l1": 0.001},
        {"l2": 0.01},
        {"max_norm": 0.7},
        {"clip_norm": 0.1},
        {"dropout": 0.3},
        {"dropout": 0.3, "l2": 0.01, "max_norm": 1.0, "clip_norm": 1.0, "sample_weight": weight},
        *({"batch_size": size} for size in (1, 7, 32, 10**6)),
    ):
        shown = {k: "given" if k == "sample_weight" else v for k, v in options.items()}
        yield f"{shown}", {}, options, "float32"
        yield f"{shown} csr", {}, options, "csr float32"


def checksum(network: dict[str, Any], fit: dict[str, Any], kind: str, backend: str) -> str:
    """Train, predict, and return the checksum of all that came of it."""
    net = fastnn.Network(**{"sizes": (64, 40, 10), "seed": 0, "backend": backend} | network)
    x = inputs(kind, net.architecture.n_in)
    y = targets(net)
    history = net.fit(x, y, **{"epochs": 2, "batch_size": 32, "progress": False} | fit)
    net.partial_fit(x, y, **{"batch_size": 32} | fit)
    rows = x if isinstance(x, np.ndarray) else x.toarray()
    has_probabilities = net.architecture.output in ("softmax", "sigmoid")
    probabilities = net.predict_proba if has_probabilities else net.predict
    numbers = [column for name, column in history.items() if name != "time"]
    arrays = [
        net.parameters,
        net.optimizer_state.slots,
        np.array(numbers),
        probabilities(x, progress=False),
        *(net.predictor()(row) for row in rows[:2]),
    ]
    code = 0
    for array in arrays:
        code = zlib.crc32(np.ascontiguousarray(array).tobytes(), code)
    return f"{code:08x}"


def main() -> int:
    """Print a line for each case; return 1 where threads changed one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", nargs="+", default=["cython", "numba", "numpy"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of ranges: the numbers mean nothing
    changed = 0
    for backend in arguments.backend:
        for name, network, fit, kind in cases():
            codes = []
            for n_threads in arguments.threads:
                fastnn.set_num_threads(n_threads)
                codes.append(checksum(network, fit, kind, backend))
            print(backend, name, *sorted(set(codes)), sep="\t", flush=True)
            changed += len(set(codes)) > 1
    if changed:
        print(f"{changed} cases depend on the number of threads", file=sys.stderr)
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
