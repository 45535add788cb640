"""The command line the benchmarks share, and a process of its own for each number of threads.

Libraries read their thread counts when they load, so the script runs itself again for each number
of threads with the environment set first; the inner run writes its results to a file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import machine
import peers
import report

INNER = "FASTNN_BENCH_THREADS"
THREAD_VARIABLES = (
    "FASTNN_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",  # the size of XLA's thread pool
)

Measure = Callable[[argparse.Namespace], list[dict[str, Any]]]


def environment(threads: int) -> dict[str, str]:
    """Return the variables that hold every library to `threads` threads."""
    chosen = dict.fromkeys(THREAD_VARIABLES, str(threads))
    chosen["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        chosen["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return chosen


def main(
    name: str,
    description: str,
    case_names: Sequence[str],
    measure: Measure,
    argv: Sequence[str] | None = None,
) -> int:
    """Run a benchmark: the outer process starts one inner one per number of threads.

    Parameters
    ----------
    name : str
        Of the benchmark: the script's name without ``.py``.
    description : str
        For ``--help``.
    case_names : sequence of str
        For ``--help``.
    measure : callable
        From the parsed options (``threads`` now one number) to the results of all cases; prints
        each case as it is done.
    argv : sequence of str, optional
        The arguments; those of this process by default.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    options = _parser(description, case_names).parse_args(argv)
    if options.smoke:
        options.peers, options.seconds = ["numpy"], 0.0
    if INNER in os.environ:
        return _inner(name, options, measure)
    runs = [_run_inner(threads, argv, options.json == "-") for threads in options.threads]
    results = {"benchmark": name, "runs": runs}
    if options.json == "-":
        print(json.dumps(results, indent=1))
    elif options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    wrong = [
        f"{case['case']}: {result['name']}: {result['status']}"
        for run in runs
        for case in run["cases"]
        for result in case["results"]
        if result["status"] in ("wrong", "failed")
    ]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _run_inner(threads: int, argv: Sequence[str], json_to_stdout: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.json")
        command = [sys.executable, sys.argv[0], *argv, "--threads", str(threads)]
        variables = environment(threads) | {INNER: str(path)}
        tables = sys.stderr if json_to_stdout else None
        done = subprocess.run(command, env=os.environ | variables, stdout=tables, check=False)
        if done.returncode:
            raise SystemExit(done.returncode)
        run: dict[str, Any] = json.loads(path.read_text())
        return run


def _inner(name: str, options: argparse.Namespace, measure: Measure) -> int:
    (options.threads,) = options.threads
    before = machine.load_average()
    cases = measure(options)
    stamp = machine.stamp(environment(options.threads)) | {"load_average_before": before}
    print(report.machine_lines(stamp, options.threads), flush=True)
    run = {"benchmark": name, "threads": options.threads, "machine": stamp, "cases": cases}
    Path(os.environ[INNER]).write_text(json.dumps(run))
    return 0


def _parser(description: str, case_names: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add(
        "--cases",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"which to run, '*' allowed; there are: {', '.join(case_names)}",
    )
    add(
        "--backend",
        nargs="+",
        default=[],
        metavar="NAME",
        help="fastnn's backends to measure; all that run here by default",
    )
    add(
        "--peers",
        nargs="*",
        default=list(peers.DEFAULT),
        choices=list(peers.MODULES),
        metavar="NAME",
        help=f"of {', '.join(peers.MODULES)}; nothing for none; "
        f"by default {', '.join(peers.DEFAULT)}",
    )
    add(
        "--threads",
        nargs="+",
        type=int,
        default=[1],
        metavar="N",
        help="threads for everything, a process for each number (default 1)",
    )
    add(
        "--seconds",
        type=float,
        default=10.0,
        help="time for each case, all candidates together (default 10)",
    )
    add(
        "--data-dir",
        metavar="FOLDER",
        help="MNIST's four files; default $FASTNN_MNIST_DIR, else "
        "../shared/data/mnist beside the checkout, else digits made by fastnn take their place",
    )
    add("--json", metavar="FILE", help="write all results there; - for standard output")
    add(
        "--smoke",
        action="store_true",
        help="a few seconds in all: tiny sizes, NumPy the only peer, figures that mean nothing",
    )
    return parser  # fmt: skip
