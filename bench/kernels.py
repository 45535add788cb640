"""µs, GFLOP/s and share of the FMA peak of each kernel of fastnn's backends, beside NumPy's.

    python bench/kernels.py [--cases mnist-* 2048-dense_forward*] [--backend cython] [--threads 1 2]
                            [--seconds 0.5] [--json FILE] [--smoke]

A kernel is verified against fastnn's reference in float64 before it is timed. What is timed is a
call from Python, checks and conversions of the adapter included. See README.md beside this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any

import cases
import peers
from harness import contest, launch, report, timing, verification
from kernel_work import KERNELS, READ_INPUTS, KernelCase, Work, work

SHAPES = {
    "mnist": (128, 784, 128),
    "small": (32, 64, 32),
    "outputs": (128, 128, 10),
    "512": (128, 512, 512),
    "2048": (256, 2048, 2048),
}
"""Rows, inputs and outputs of a layer."""
IMAGE_DENSITY = 0.19  # of MNIST's pixels
DENSITIES = (1.0, IMAGE_DENSITY)
CASES = tuple(
    KernelCase(kernel, name, *shape, density)
    for name, shape in SHAPES.items()
    for kernel in KERNELS
    for density in (DENSITIES if kernel in READ_INPUTS and name != "outputs" else (1.0,))
)
SMOKE_CASES = ("small-*", "outputs-*")
SECONDS = 0.5


def run_case(
    case: KernelCase,
    contestants: Sequence[peers.Contestant],
    *,
    threads: int = 1,
    seconds: float = 0.0,
) -> dict[str, Any]:
    """Verify the contestants on one kernel, time those that are right."""
    from fastnn.backends import get_backend

    todo = work(case)
    expected = todo.results(get_backend("numpy"), "float64")
    verdicts, candidates = [], []
    for contestant in contestants:
        verdict, backend = _verify(todo, contestant, expected)
        verdicts.append({"name": contestant.label, "ours": contestant.ours} | verdict)
        if verdict["status"] == "verified":
            run = partial(todo.call, backend, *todo.fresh("float32"))
            candidates.append(timing.Candidate(contestant.label, run))
    described = f"{case.n_rows} × {case.n_in} → {case.n_out}"
    return {
        "case": case.name,
        "shape": case.shape,
        "kernel": case.name.removeprefix(f"{case.shape}-"),
        "description": described,
        "unit": "call",
    } | contest.time_beside_peak(verdicts, candidates, todo.flops, threads=threads, seconds=seconds)


def _verify(
    todo: Work, contestant: peers.Contestant, expected: list[Any]
) -> tuple[dict[str, Any], Any]:
    try:
        backend = contestant.make()
        apart = todo.distance(todo.results(backend, "float32"), expected)
    except Exception as error:  # one candidate that breaks does not cost the others' figures
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}, None
    return verification.judged(apart, 1.0), backend


def table(outcomes: Sequence[dict[str, Any]]) -> str:
    """Return the kernels of one shape as text: a line for each, and each who did it."""
    peaks = [case["peak_gflops"] for case in outcomes]
    head = (
        f"{outcomes[0]['shape']}: {outcomes[0]['description']}, FMA peak {max(peaks):.0f} GFLOP/s"
    )
    rows = [["kernel", "", "µs", "min", "GFLOP/s", "% peak", "÷ NumPy"]]
    notes = []
    for case in outcomes:
        for result in case["results"]:
            if result["status"] != "timed":
                notes.append(f"  {case['kernel']}: {result['name']}: {result['reason']}")
                continue
            median = result["median"]
            ratio = case["ratios"].get(result["name"], {}).get(peers.LABELS["numpy-kernels"])
            row = [case["kernel"], result["name"].removeprefix("fastnn ")]
            row += [f"{1e6 * median:.4g}", f"{1e6 * result['minimum']:.4g}"]
            row += [f"{case['flops'] / median / 1e9:.3g}", f"{result['percent_of_peak']:.3g}"]
            rows.append([*row, "" if ratio is None else f"{ratio:.2f}×"])
    return "\n".join([head, *report.aligned(rows), *notes, ""])


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the cases that were asked for, and print each shape as it is done."""
    chosen = cases.select(CASES, options.cases or (SMOKE_CASES if options.smoke else ()))
    contestants, absent = peers.find("kernels", options.backend, options.peers)
    if absent:
        print(report.absent_lines(absent) + "\n")
    results = []
    for _, of_a_shape in groupby(chosen, key=lambda case: case.shape):
        outcomes = [
            run_case(case, contestants, threads=options.threads, seconds=options.seconds)
            for case in of_a_shape
        ]
        results += outcomes
        print(table(outcomes), flush=True)
    return results


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "kernels",
            __doc__.split("\n")[0],
            [case.name for case in CASES],
            measure,
            seconds=SECONDS,
            default_peers=("numpy-kernels",),
            smoke_peers=("numpy-kernels",),
        )
    )
