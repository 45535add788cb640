"""What a hundred thousand small networks cost: memory, and the time to make, save and load them.

In a process of its own, whose resident memory nothing else has grown. Linux only: elsewhere the
bytes are missing. Run by ``ensembles.py``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import fastnn
from cases import SEED
from harness import report

SIZES = (10, 8, 1)
N_MODELS, SMOKE_MODELS = 100_000, 1000
N_ROWS = 64
MB = 1e6
STATUS = Path("/proc/self/status")


def memory(options: argparse.Namespace, backends: list[str]) -> dict[str, Any]:
    """Measure once for each backend, in a process of its own."""
    n_models = SMOKE_MODELS if options.smoke else N_MODELS
    results: list[dict[str, Any]] = []
    for backend in backends:
        command = [sys.executable, __file__, backend, str(n_models)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        result: dict[str, Any] = {"name": f"fastnn {backend}", "ours": True}
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["it failed"]
            result |= {"status": "failed", "reason": lines[-1]}
        else:
            result |= json.loads(done.stdout)
        results.append(result)
    return {
        "case": "memory",
        "description": f"{n_models:,} of {'-'.join(map(str, SIZES))} in one ensemble, a fit of an "
        f"epoch on {N_ROWS} rows for all",
        "unit": "ensemble",
        "data": "random numbers",
        "n_models": n_models,
        "results": results,
    }


def table(case: dict[str, Any]) -> str:
    """Return the case as text: seconds and megabytes of each step, bytes for each model."""
    lines = [f"{case['case']}: {case['description']}"]
    for result in case["results"]:
        if result["status"] != "timed":
            lines.append(f"  {result['name']}: {result['status'].upper()}: {result['reason']}")
            continue
        rows = [[result["name"], "seconds", "MB more", "bytes per model"]]
        for name, step in result["steps"].items():
            grown = step["grown"]
            each = "" if grown is None else f"{grown / case['n_models']:.0f}"
            megabytes = "" if grown is None else f"{grown / MB:.1f}"
            rows.append([name, f"{step['seconds']:.3f}", megabytes, each])
        per_model = result["parameter_bytes"] / case["n_models"]
        lines += report.aligned(rows)
        lines.append(
            f"  parameters {result['parameter_bytes'] / MB:.1f} MB, {per_model:.0f} bytes per "
            f"model; file {result['file_bytes'] / MB:.1f} MB"
        )
    return "\n".join([*lines, ""])


def resident() -> int | None:
    """Return the bytes of this process that are in memory."""
    if not STATUS.exists():
        return None
    lines = (line.split() for line in STATUS.read_text().splitlines())
    return next(int(line[1]) * 1024 for line in lines if line and line[0] == "VmRSS:")


def measured(backend: str, n_models: int) -> dict[str, Any]:
    """Make, save, load and fit; what was loaded must have the bits of what was saved."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((N_ROWS, SIZES[0]), dtype=np.float32)
    y = x[:, 0] * x[:, 1]

    def made(n: int) -> fastnn.Ensemble:
        return fastnn.Ensemble(
            SIZES, n, activation="relu", output="identity", backend=backend, seed=SEED
        )

    warm = made(2)  # loads what a backend loads on first use
    warm.fit(x, y, epochs=1, batch_size=N_ROWS, progress=False)
    steps: dict[str, dict[str, Any]] = {}

    def step(name: str, run: Callable[[], Any]) -> Any:
        before, start = resident(), perf_counter()
        result = run()
        seconds, after = perf_counter() - start, resident()
        grown = None if before is None or after is None else after - before
        steps[name] = {"seconds": seconds, "grown": grown}
        return result

    ensemble = step("make", lambda: made(n_models))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ensemble.safetensors")
        warm.save(path)
        fastnn.load(path)
        step("save", lambda: ensemble.save(path))
        loaded = step("load", lambda: fastnn.load(path))
        file_bytes = path.stat().st_size
    if loaded.parameters.tobytes() != ensemble.parameters.tobytes():
        raise SystemExit("what was loaded is not what was saved")
    del loaded
    history = step("fit", lambda: ensemble.fit(x, y, epochs=1, batch_size=N_ROWS, progress=False))
    if not np.isfinite(history["loss"]).all():
        raise SystemExit("some losses are not finite")
    return {
        "status": "timed",
        "steps": steps,
        "parameter_bytes": ensemble.parameters.nbytes,
        "file_bytes": file_bytes,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("backend", help="backend to use")
    parser.add_argument("n_models", type=int, help=f"members of the ensemble, such as {N_MODELS}")
    chosen = parser.parse_args()
    print(json.dumps(measured(chosen.backend, chosen.n_models)))
