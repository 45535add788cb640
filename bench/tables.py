"""Accuracy and time of learners of tables, all with their defaults, on public tables.

    python bench/tables.py [--sets credit ames star-*] [--peers fastnn-mlp lightgbm] [--folds 2]
                           [--rows 0 10000] [--max-rows 5000] [--cap 1200] [--threads 2]
                           [--results tables.jsonl] [--interleave] [--tag NAME] [--retry]
    python bench/tables.py --report [--results tables.jsonl more.jsonl] [--base fastnn-mlp]
    python bench/tables.py --list

Each result is appended to the file of results as it comes; started again, a run goes on where it
was stopped. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

import table_sets
from harness import folds, launch, machine, table_report
from harness.capped import CappedProcess, OverTheCapError, WorkFailedError
from harness.journal import Journal, Result, key, latest, name_of, read
from peers import tabular

Task = dict[str, Any]
WARM_UP_ROWS = 60


# -- in the process of its own ------------------------------------------------------------------


@lru_cache(maxsize=1)
def table(name: str, max_rows: int | None) -> table_sets.Table:
    """Load a set; the last one is kept."""
    (found,) = (known for known in table_sets.SETS if known.name == name)
    return found.table(max_rows)


@lru_cache
def warm_up(peer: str, classifies: bool, threads: int) -> None:
    """Fit a few rows, so that imports and first uses are not timed."""
    import pandas as pd

    rng = np.random.default_rng(0)
    kind = np.where(rng.random(WARM_UP_ROWS) < 0.5, "a", "b").astype(object)
    x = pd.DataFrame({"number": rng.standard_normal(WARM_UP_ROWS), "kind": kind})
    y = np.arange(WARM_UP_ROWS) % 2
    learner = tabular.LEARNERS[peer](classifies, ["kind"], 0, threads)
    task: Any = "binary" if classifies else "regression"
    small = table_sets.Table(
        "warm-up", task, x, y if classifies else y + x["number"].to_numpy(), ("0", "1")
    )
    folds.measure(learner, small, 0)


def measure(task: Task, start: Callable[[], None]) -> Result:
    """Measure a fold of a set with a peer; `start` starts the clock of the cap."""
    of = table(task["set"], task["max_rows"])
    classifies = of.task != "regression"
    warm_up(task["peer"], classifies, task["threads"])
    make = tabular.LEARNERS[task["peer"]]
    start()
    learner = make(classifies, of.categorical, task["fold"], task["threads"])
    load = machine.load_average()
    found = folds.measure(learner, of, task["fold"])
    return found | {"version": make.version(), "load": load, "n_rows": len(of.y)}


# -- in the one that was started ------------------------------------------------------------------


def tasks(options: argparse.Namespace) -> Iterator[Task]:
    """Yield what to measure: set by set; of each, peer by peer or, interleaved, fold by fold."""
    for of in table_sets.select(options.sets, *options.rows):
        pairs = [(peer, fold) for peer in options.peers for fold in range(options.folds)]
        if options.interleave:
            pairs.sort(key=lambda pair: pair[1])
        for peer, fold in pairs:
            yield {
                "set": of.name, "task": of.task, "peer": peer, "fold": fold,
                "max_rows": options.max_rows, "threads": options.threads,
            } | ({"tag": options.tag} if options.tag else {})  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Measure what the file of results does not have, and append it there."""
    journal = Journal(options.results[0])
    done = journal.done(options.retry)
    absent = tabular.absent(options.peers)
    for peer, reason in absent.items():
        print(f"not measured: {tabular.LABELS[peer]}: {reason}", flush=True)
    options.peers = [peer for peer in options.peers if peer not in absent]
    over = {} if options.retry else skipped_before(journal)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    stamp = {
        "run": f"{now} {os.getpid()}",
        "interleaved": options.interleave,
        "machine": {"cpu": machine.cpu_model(), "processors": os.cpu_count()},
    }
    with CappedProcess(measure, launch.environment(options.threads), options.threads) as process:
        for task in tasks(options):
            if key(task) in done:
                continue
            of = (task["set"], name_of(task), task["max_rows"])
            result = attempt(process, task, over.get(of), options.cap)
            if result["status"] == "skipped":
                over[of] = result["reason"]
            date = datetime.now(UTC).isoformat(timespec="seconds")
            journal.append(task | stamp | {"date": date} | result)
            print(line(task, result), flush=True)
    return 0


def attempt(process: CappedProcess, task: Task, reason: str | None, cap: float | None) -> Result:
    """Return the result of a task, or why there is none."""
    if reason is not None:
        return {"status": "skipped", "reason": reason}
    try:
        return process.run(task, cap) | {"status": "measured"}
    except OverTheCapError as error:
        return {"status": "skipped", "reason": str(error)}
    except WorkFailedError as error:
        return {"status": "failed", "reason": str(error)}


def skipped_before(journal: Journal) -> dict[tuple[str, str, int | None], str]:
    """Return which peers took too long on a set already: other folds of it would too."""
    results = latest(read([journal.path])) if journal.path.exists() else []
    return {
        (r["set"], name_of(r), r.get("max_rows")): r["reason"]
        for r in results
        if r["status"] == "skipped"
    }


def line(task: Task, result: Result) -> str:
    """Return a result as a line of the log."""
    head = f"{task['set']:17s} {name_of(task):15s} fold {task['fold']}  "
    if result["status"] != "measured":
        return f"{head}{result['status']}: {result['reason']}"
    return (
        f"{head}error {result['error']:.4f}  fit {result['fit_seconds']:.2f} s"
        f"  predict {result['predict_seconds']:.2f} s"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, or report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    peers = list(tabular.LEARNERS)
    add("--sets", nargs="+", default=[], metavar="NAME", help="'*' allowed; all by default")
    add("--peers", nargs="+", choices=peers, default=peers, metavar="NAME", help=", ".join(peers))
    add("--folds", type=int, default=folds.N_FOLDS, help="how many of the five folds")
    add("--rows", nargs=2, type=int, default=[0, sys.maxsize], metavar=("MIN", "BELOW"),
        help="only sets of so many rows")  # fmt: skip
    add("--max-rows", type=int, metavar="N", help="cut sets to a random sample of N rows")
    add("--cap", type=float, metavar="SECONDS", help="end a fit after so much processor time per"
        " thread, and skip that peer's other folds of the set")  # fmt: skip
    add("--threads", type=int, default=2, help="of every library; default %(default)s")
    add("--results", nargs="+", default=["tables.jsonl"], metavar="FILE",
        help="appended to; a report reads all of them (default tables.jsonl)")  # fmt: skip
    add("--interleave", action="store_true", help="all peers in turn for each fold: times whose"
        " ratios mean something")  # fmt: skip
    add("--tag", help="recorded as a part of the peers' names, to compare states of the code")
    add("--retry", action="store_true", help="measure what was skipped or failed again")
    add("--report", action="store_true", help="print tables of the results")
    add("--base", nargs="+", default=["fastnn-tabular", "fastnn-mlp"], metavar="NAME",
        help="peers to compare with all others in the report")  # fmt: skip
    add("--list", action="store_true", help="list the sets")
    options = parser.parse_args(argv)
    if not 1 <= options.folds <= folds.N_FOLDS:
        parser.error(f"--folds: {options.folds}, expected 1 to {folds.N_FOLDS}")
    if options.list:
        for of in table_sets.select(options.sets, *options.rows):
            print(f"{of.name:17s} {of.n_rows:7,d} × {of.n_columns:2d}  {of.task}")
        return 0
    if not options.report:
        return run(options)
    chosen = {of.name for of in table_sets.select(options.sets, *options.rows)}
    results = [
        r for r in read(options.results) if r["set"] in chosen and r["peer"] in options.peers
    ]
    print(table_report.text(results, tabular.LABELS, options.base))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
