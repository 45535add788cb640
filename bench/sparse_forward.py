"""What each step gains in the product of minibatches that are mostly zeros with the weights.

    python bench/sparse_forward.py [--cases mnist] [--threads 1] [--seconds 5] [--json FILE]
                                   [--smoke]

784 → 100 on minibatches of 100 images, float32, in ways that go from NumPy's product over plain
loops to the kernels of the Numba and the Cython backend; see docs/one-kernel-three-ways.md. Each is
verified against NumPy in float64 before it is timed. Packing the non-zeros is not part of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

import cases
import sparse_steps
from cases import PIXEL, SEED, Array
from harness import contest, launch, report, timing, verification

N_ROWS, N_OUT = 100, 100
STRIDE = 112  # of a row of weights in a network's buffer
N_BATCHES, SMOKE_BATCHES = 20, 2  # different ones, so that no branch is known by heart
CASES = ("mnist",)
SECONDS = 5.0


@dataclass(frozen=True)
class Way:
    """A way to multiply: from a minibatch and where z goes to a call without arguments."""

    name: str
    prepare: Callable[[Array, Array], Callable[[], object]]


def ways(weight: Array) -> list[Way]:
    """Return the ways, `weight` (784, STRIDE) with zeros after 100 columns."""
    from fastnn.kernels.numba import masks, sparse_products

    from fastnn.backends import available_backends, get_backend

    dense = np.ascontiguousarray(weight[:, :N_OUT])
    flat = weight.reshape(-1)

    def of_matrix(function: Any) -> Callable[[Array, Array], Callable[[], object]]:
        return lambda x, z: partial(function, x, dense, z[:, :N_OUT])

    def of_packed(function: Any) -> Callable[[Array, Array], Callable[[], object]]:
        return lambda x, z: partial(function, *packed(x), weight, z)

    def of_flat(x: Array, z: Array) -> Callable[[], object]:
        return partial(sparse_steps.sums_in_registers, *packed(x), flat, z.reshape(-1))

    def of_kernel(x: Array, z: Array) -> Callable[[], object]:
        _, column, value = packed(x)
        column = column.astype(np.uint32)
        n_parts = -(-x.shape[1] // masks.BITS)
        edges = np.arange(0, x.shape[1], masks.BITS)
        in_parts = np.add.reduceat(x != 0, edges, axis=1).ravel()
        starts = np.concatenate([[0], np.cumsum(in_parts)])
        out = z.reshape(-1)

        def run() -> None:
            out[:] = 0
            sparse_products.add_sparse_product(
                len(x), n_parts, starts, column, value, STRIDE, flat, 0, out, 0
            )

        return run

    def of_backend(name: str, x: Any, z: Array) -> Callable[[], object]:
        kernel, view = get_backend(name).dense_forward, weight[:, :N_OUT]
        return lambda: kernel(x, view, None, "identity", z[:, :N_OUT])

    found = [
        Way("NumPy", partial(of_backend, "numpy")),
        Way("1 column by column", of_matrix(sparse_steps.column_by_column)),
        Way("2 row by row", of_matrix(sparse_steps.row_by_row)),
        Way("3 non-zeros only", of_packed(sparse_steps.nonzeros_only)),
        Way("4 four at a time", of_packed(sparse_steps.four_at_a_time)),
        Way("5 sums in registers", of_flat),
        Way("6 in parts", of_kernel),
    ]
    if available_backends()["cython"] is None:
        found.append(Way("C, by rows", lambda x, z: of_backend("cython", sparse.csr_array(x), z)))
    return found


def packed(x: Array) -> tuple[Array, Array, Array]:
    """Return starts, columns and values of the non-zeros of x."""
    rows, column = np.nonzero(x)
    starts = np.searchsorted(rows, np.arange(len(x) + 1))
    return starts, np.ascontiguousarray(column), x[rows, column]


def run_case(options: argparse.Namespace) -> dict[str, Any]:
    """Verify the ways on all minibatches, time those that are right."""
    from fastnn.architecture import aligned_zeros

    n_batches = SMOKE_BATCHES if options.smoke else N_BATCHES
    images, _ = cases.images(60_000, options.data_dir)
    rng = np.random.default_rng(SEED)
    chosen = rng.permutation(len(images.x))[: n_batches * N_ROWS]
    batches = np.multiply(images.x[chosen], np.float32(PIXEL), dtype=np.float32)
    batches = batches.reshape(n_batches, N_ROWS, -1)
    n_in = batches.shape[2]
    weight = aligned_zeros(n_in * STRIDE, "float32").reshape(n_in, STRIDE)
    weight[:, :N_OUT] = rng.normal(size=(n_in, N_OUT)) / 28
    exact = batches.astype(np.float64) @ weight.astype(np.float64)
    size = np.abs(batches).astype(np.float64) @ np.abs(weight).astype(np.float64)
    # two sums of K products may lie 8 √K eps Σ|products| apart (see kernel_work.py)
    bound = 8 * np.sqrt(n_in) * np.finfo(np.float32).eps * size[..., :N_OUT]

    verdicts: list[dict[str, Any]] = []
    candidates = []
    for way in ways(weight):
        z = aligned_zeros(N_ROWS * STRIDE, "float32").reshape(N_ROWS, STRIDE)
        calls = [way.prepare(x, z) for x in batches]
        far = 0.0
        for call, right, allowed in zip(calls, exact[..., :N_OUT], bound, strict=True):
            z[:] = np.nan
            call()
            error = np.abs(z[:, :N_OUT] - right) / allowed
            far = max(far, float(np.nan_to_num(error, nan=1e30).max()))
        verdict = verification.judged(far, 1.0)
        verdicts.append({"name": way.name, "ours": way.name == "6 in parts"} | verdict)
        if verdict["status"] == "verified":
            candidates.append(timing.Candidate(way.name, partial(all_of, calls), n_batches))
    flops = 2.0 * N_ROWS * n_in * N_OUT
    return {
        "case": "mnist",
        "description": f"{N_ROWS} × {n_in} → {N_OUT}, {n_batches} minibatches in turn",
        "unit": "product",
        "data": f"{images.source}, {np.count_nonzero(batches) / batches.size:.0%} non-zero",
    } | contest.time_beside_peak(
        verdicts, candidates, flops, threads=options.threads, seconds=options.seconds
    )


def all_of(calls: list[Callable[[], object]]) -> None:
    """Make all calls."""
    for call in calls:
        call()


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the case and print it."""
    cases_asked = options.cases or CASES
    if tuple(cases_asked) != CASES:
        raise SystemExit(f"no case {cases_asked}; there are: {', '.join(CASES)}")
    result = run_case(options)
    print(report.case_table(result), flush=True)
    return [result]


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "sparse_forward",
            __doc__.split("\n")[0],
            CASES,
            measure,
            seconds=SECONDS,
            default_peers=(),
            smoke_peers=(),
        )
    )
