"""What fastnn costs before it does anything: milliseconds to import, megabytes on the disk.

    python bench/cost.py [--backend cython] [--peers torch sklearn] [--seconds 30]
                         [--wheel dist/fastnn-….whl] [--json FILE] [--smoke]

A process for every import, the candidates in turns; bytecode and disk are warm. Sizes are those of
the files that installers recorded. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import peers
from cases import CHECKOUT
from harness import launch, report, timing

BASELINE = "import numpy"
PREDICTION = """import numpy, fastnn
fastnn.Network((64, 32, 10), backend={!r}).predict_proba(numpy.zeros((1, 64), "f4"))"""
PEERS = {  # module to import, distribution
    "torch": ("torch", "torch"),
    "sklearn": ("sklearn.neural_network", "scikit-learn"),
    "jax": ("jax", "jax"),
    "onnxruntime": ("onnxruntime", "onnxruntime"),
}
SECONDS = 30.0
BYTECODE = ".pyc"  # written by some installers and not by others: not counted


def statements(backends: Sequence[str], chosen: Sequence[str]) -> dict[str, str]:
    """Return what the processes do, by name; only what is installed here."""
    found = {"python": "pass", BASELINE: BASELINE, "import fastnn": "import fastnn"}
    found |= {f"first prediction, {name}": PREDICTION.format(name) for name in backends}
    for name in chosen:
        module = PEERS[name][0]
        if find_spec(module.split(".")[0]) is not None:
            found[f"import {module}"] = f"import {module}"
    return found


def execute(statement: str) -> None:
    """Run a statement in a new process, from start to exit."""
    compiled_once = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", statement]
    subprocess.run(command, env=compiled_once, check=True, capture_output=True, text=True)


def import_costs(todo: dict[str, str], seconds: float) -> dict[str, Any]:
    """Time the processes; what fails is not timed."""
    verdicts: list[dict[str, Any]] = []
    for name, statement in todo.items():
        verdict: dict[str, Any] = {"name": name, "ours": "fastnn" in statement}
        try:
            execute(statement)  # also writes the bytecode
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().splitlines()[-1:] or ["it failed"]
            verdict |= {"status": "failed", "reason": reason[0]}
        verdicts.append(verdict)
    runs = [v["name"] for v in verdicts if "status" not in v]
    timings = timing.measure(
        [timing.Candidate(name, partial(execute, todo[name])) for name in runs], seconds
    )
    base = timings[BASELINE]
    for verdict in verdicts:
        if verdict["name"] in timings:
            measured = timings[verdict["name"]]
            verdict |= {
                "status": "timed",
                "median": measured.median,
                "minimum": measured.minimum,
                "quartiles": list(measured.quartiles),
                "rounds": len(measured.seconds),
                "over_numpy": measured.median - base.median,
                "least_over_numpy": measured.minimum - base.minimum,
            }
    return {"case": "import", "unit": "process", "results": verdicts}


def files_size(distribution: metadata.Distribution) -> int:
    """Return the bytes of the files that an installer recorded, bytecode aside."""
    files = distribution.files or []
    return sum(
        Path(str(file.locate())).stat().st_size
        for file in files
        if file.suffix != BYTECODE and Path(str(file.locate())).is_file()
    )


def is_editable(distribution: metadata.Distribution) -> bool:
    """Return whether the distribution is a pointer to a checkout, whose files are not its size."""
    files = distribution.files or []
    return not any(file.parts[0] == distribution.name for file in files)


def requirements(name: str) -> set[str]:
    """Return the names of all distributions that `name` needs here, itself among them."""
    found: set[str] = set()
    waiting = [canonicalize_name(name)]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        try:
            needed = metadata.requires(current) or []
        except metadata.PackageNotFoundError:  # not for this platform, or not installed
            continue
        found.add(current)
        parsed = map(Requirement, needed)
        waiting += [
            canonicalize_name(r.name)
            for r in parsed
            if r.marker is None or r.marker.evaluate({"extra": ""})
        ]
    return found


def sizes(chosen: Sequence[str], wheel: Path | None) -> dict[str, Any]:
    """Return the megabytes of fastnn, of NumPy and of the peers, alone and with what they need."""
    results = []
    for name in ("fastnn", "numpy", *(PEERS[peer][1] for peer in chosen)):
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        result: dict[str, Any] = {"name": name, "ours": name == "fastnn", "status": "measured"}
        alone: int | None = files_size(distribution)
        if name == "fastnn":
            unpacked = None if wheel is None else wheel_sizes(wheel)
            if unpacked is not None:
                result["wheel"], alone = unpacked
            elif is_editable(distribution):
                alone = None
        needed = requirements(name) - {name}
        others = sum(files_size(metadata.distribution(other)) for other in needed)
        result |= {"alone": alone, "needs": sorted(needed)}
        result["with_needs"] = None if alone is None else alone + others
        results.append(result)
    return {"case": "size", "unit": "installation", "results": results}


def wheel_sizes(wheel: Path) -> tuple[int, int]:
    """Return the bytes of a wheel, packed and unpacked."""
    with ZipFile(wheel) as archive:
        return wheel.stat().st_size, sum(entry.file_size for entry in archive.infolist())


def newest(wheels: Iterable[Path]) -> Path | None:
    """Return the wheel that was built last."""
    return max(wheels, key=lambda path: path.stat().st_mtime, default=None)


def table(imports: dict[str, Any], installed: dict[str, Any]) -> str:
    """Return both as text."""
    rows = [["", "ms", "min", "over numpy", "of minima"]]
    notes = []
    for result in imports["results"]:
        if result["status"] != "timed":
            notes.append(f"  {result['name']}: {result['status'].upper()}: {result['reason']}")
            continue
        keys = ("median", "minimum", "over_numpy", "least_over_numpy")
        rows.append([result["name"], *(f"{1e3 * result[key]:.1f}" for key in keys)])
    lines = ["import: milliseconds from the start of a process to its end", *report.aligned(rows)]
    rows = [["", "alone", "with what it needs", "wheel"]]
    for result in installed["results"]:
        found = [result.get(key) for key in ("alone", "with_needs", "wheel")]
        rows.append([result["name"], *("" if n is None else f"{n / 1e6:.2f}" for n in found)])
    if any(result["alone"] is None for result in installed["results"]):
        notes.append(
            "  fastnn is an editable install: for its size build a wheel, "
            "pip wheel --no-deps -w dist ."
        )
    return "\n".join([*lines, "", "size: megabytes", *report.aligned(rows), *notes, ""])


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure both and print them."""
    backends, absent = peers.find("kernels", options.backend, ())
    if absent:
        print(report.absent_lines(absent) + "\n")
    chosen = [name for name in options.peers if name in PEERS]
    todo = statements([b.label.removeprefix("fastnn ") for b in backends], chosen)
    wheel = Path(options.wheel) if options.wheel else newest(CHECKOUT.glob("dist/fastnn-*.whl"))
    imports = import_costs(todo, options.seconds)
    installed = sizes(chosen, wheel)
    print(table(imports, installed), flush=True)
    return [imports, installed]


if __name__ == "__main__":
    raise SystemExit(
        launch.main(
            "cost",
            __doc__.split("\n")[0],
            ["import", "size"],
            measure,
            more_options=lambda parser: parser.add_argument(
                "--wheel", metavar="FILE", help="of fastnn; by default the newest in dist/"
            ),
            default_peers=tuple(PEERS),
            smoke_peers=(),
            seconds=SECONDS,
        )
    )
