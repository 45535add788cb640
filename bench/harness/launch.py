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

import peers
from harness import machine, picture, report

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
    *,
    default_peers: Sequence[str] = peers.DEFAULT,
    smoke_peers: Sequence[str] = ("numpy",),
    seconds: float = 10.0,
    threads: Sequence[int] = (1,),
    conclude: Callable[[list[dict[str, Any]]], str] | None = None,
    more_options: Callable[[argparse.ArgumentParser], object] | None = None,
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
    default_peers, smoke_peers, seconds, threads
        What ``--peers``, ``--seconds`` and ``--threads`` are if not said.
    conclude : callable, optional
        From the runs of all numbers of threads to what is to be said of them together.
    more_options : callable, optional
        Adds to the parser what this benchmark alone has.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = _parser(name, description, case_names)
    parser.set_defaults(peers=list(default_peers), seconds=seconds, threads=list(threads))
    if more_options is not None:
        more_options(parser)
    options = parser.parse_args(argv)
    if options.smoke:
        options.peers, options.seconds = list(smoke_peers), 0.0
    try:
        if INNER in os.environ:
            return _inner(name, options, measure)
        runs = [_run_inner(threads, argv, options.json == "-") for threads in options.threads]
    except KeyboardInterrupt:
        return 130
    results = {"benchmark": name, "runs": runs}
    if conclude is not None:
        print(conclude(runs), file=sys.stderr if options.json == "-" else None)
    if getattr(options, "picture", None):
        picture.draw(results, options.picture)
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


def _parser(name: str, description: str, case_names: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add(
        "--cases",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"which to run, '*' allowed; there are: {', '.join(case_names).replace('%', '%%')}",
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
        choices=list(peers.MODULES),
        metavar="NAME",
        help=f"of {', '.join(peers.MODULES)}; nothing for none (default %(default)s)",
    )
    add(
        "--threads",
        nargs="+",
        type=int,
        metavar="N",
        help="threads for everything, a process for each number (default %(default)s)",
    )
    add(
        "--seconds",
        type=float,
        help="time for each case, all candidates together (default %(default)s)",
    )
    add(
        "--data-dir",
        metavar="FOLDER",
        help="MNIST's four files; default $FASTNN_MNIST_DIR, else digits made "
        "by fastnn take their place",
    )
    add("--json", metavar="FILE", help="write all results there; - for standard output")
    if name in picture.DRAWINGS:
        add("--picture", metavar="FILE", help="draw what was found: PNG, SVG, PDF (matplotlib)")
    add(
        "--smoke",
        action="store_true",
        help="a few seconds in all: tiny sizes, NumPy the only peer, figures that mean nothing",
    )
    return parser  # fmt: skip
