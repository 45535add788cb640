"""How much memory and time workers need for rows that are many times larger than their memory.

    python bench/dask_out_of_core.py [--gigabytes 20] [--folder .] [--limit 1GB] [--json FILE]
                                     [--smoke]

Makes NPY files of uint8 rows of 784, of 1 GB each, in a folder of its own that it deletes
afterwards, and trains 784-32-10 for a pass on them by fastnn.dask.read and fastnn.dask.fit, in one
round, on 2 workers of one thread that may use --limit each. All rows do not fit, so that each
partition is recomputed whenever it is used: the workers look at all, check all, and train on all,
which are three passes over the files. The files' pages are dropped from the cache before.

Before that the first --verified gigabytes must give the same bits held by workers without a limit.
A worker that is paused, or killed, ends the benchmark with 1. Memory is the most that a worker had
resident, and the most of it that was its own, sampled 50 times a second. Linux only.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from distributed.diagnostics.plugin import SchedulerPlugin

import fastnn
import fastnn.dask
from cases import PIXEL
from harness import clusters, launch, machine, report

N_IN = 784
SIZES = (N_IN, 32, 10)
N_WORKERS = 2
MADE_ROWS = 100_000  # distinct ones: the files repeat them, with other labels first
GB, MB = 10**9, 10**6
PASSES = ("look", "check", "train")


def make(folder: Path, n_rows: int, file_rows: int) -> None:
    """Write rows around ten centres, a third of whose bytes are not zero, and their labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, MADE_ROWS).astype(np.uint8)
    centres = rng.integers(1, 256, (10, N_IN)).astype(np.uint8)
    rows = centres[labels] * (rng.random((MADE_ROWS, N_IN), np.float32) < 0.33)
    (folder / "x").mkdir()
    (folder / "y").mkdir()
    for number, start in enumerate(range(0, n_rows, file_rows)):
        n = min(file_rows, n_rows - start)
        which = np.arange(start, start + n) % MADE_ROWS
        np.save(folder / "y" / f"{number}.npy", labels[which])
        x = np.lib.format.open_memmap(folder / "x" / f"{number}.npy", "w+", np.uint8, (n, N_IN))
        for first in range(0, n, MADE_ROWS):
            x[first : first + MADE_ROWS] = rows[which[first : first + MADE_ROWS]]
        x.flush()


def drop(folder: Path) -> None:
    """Drop the files' pages from the cache, as far as the system does so."""
    for path in folder.rglob("*.npy"):
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


class Seen(SchedulerPlugin):  # type: ignore[misc]
    """When tasks that make a partition were done."""

    name = "seen"

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.done: list[float] = []

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Note a task that is in memory."""
        makes = str(key).startswith(("fastnn-from_recipe", "fastnn-from_checked"))
        if makes and start == "processing" and finish == "memory":
            self.done.append(time.perf_counter() - self.start)


class Watcher(threading.Thread):
    """Watches the memory and the state of workers."""

    def __init__(self, client: Any) -> None:
        super().__init__(daemon=True)
        self._client, self._finished = client, threading.Event()
        self.pids = clusters.worker_pids(client)
        self.most = {pid: {"VmRSS": 0, "RssAnon": 0} for pid in self.pids}
        self.states: set[str] = set()

    def run(self) -> None:
        """Sample until finished."""
        while not self._finished.wait(0.02):
            for pid in self.pids:
                for name, size in _resident(pid).items():
                    self.most[pid][name] = max(self.most[pid][name], size)
            workers = list(self._client.cluster.scheduler.workers.values())
            self.states |= {worker.status.name for worker in workers}

    def finish(self) -> bool:
        """Stop; return whether all workers are still those that there were, and never paused."""
        self._finished.set()
        self.join()
        same = sorted(clusters.worker_pids(self._client)) == sorted(self.pids)
        return same and self.states == {"running"}


def _resident(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it was killed
        return {}
    found = (line.split() for line in lines)
    return {w[0][:-1]: int(w[1]) * 1024 for w in found if w and w[0] in ("VmRSS:", "RssAnon:")}


def _read_from_disk(pids: Sequence[int]) -> int:
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            if line.startswith("read_bytes:"):
                total += int(line.split()[1])
    return total


def fit(client: Any, x: Any, y: Any, rounds: Any, persist: Any) -> tuple[bytes, float]:
    """Train for a pass; return the bits of the parameters, and the loss."""
    network = fastnn.Network(SIZES, activation="relu", input_scale=PIXEL, seed=0)
    history = fastnn.dask.fit(
        network, x, y, client=client, epochs=1, rounds_per_epoch=rounds, persist=persist,
        progress=False,
    )  # fmt: skip
    return network.parameters.tobytes(), history["loss"][-1]


def same_bits(folder: Path, gigabytes: float, limit: str) -> bool:
    """Return whether recomputed partitions and held ones give the same bits."""
    bits = []
    for memory_limit, persist in ((limit, "auto"), (0, True)):
        with clusters.local_cluster(N_WORKERS, memory_limit) as client:
            x, y = read(folder, client)
            n_blocks = int(gigabytes * GB // (N_IN * x.chunks[0][0]))
            n_rows = sum(x.chunks[0][:n_blocks])
            bits.append(fit(client, x[:n_rows], y[:n_rows], 2, persist))
    return bits[0] == bits[1]


def read(folder: Path, client: Any) -> tuple[Any, Any]:
    """Return the rows and labels."""
    return fastnn.dask.read(folder / "x", targets=folder / "y", client=client)


def measure(folder: Path, limit: str) -> dict[str, Any]:
    """Train on all rows, and return what it took."""
    drop(folder)
    with clusters.local_cluster(N_WORKERS, limit) as client:
        client.run(_import)
        x, y = read(folder, client)
        seen, watcher = Seen(), Watcher(client)
        idle = {pid: _resident(pid)["VmRSS"] for pid in watcher.pids}
        client.cluster.scheduler.add_plugin(seen)
        watcher.start()
        read_before = _read_from_disk(watcher.pids)
        _, loss = fit(client, x, y, 1, "auto")
        seconds = time.perf_counter() - seen.start
        read_bytes = _read_from_disk(watcher.pids) - read_before
        undisturbed = watcher.finish()
    n = x.numblocks[0]
    ends = [seen.done[k * n - 1] for k in (1, 2, 3)] if len(seen.done) == 3 * n else []
    return {
        "partitions": n, "rows": x.shape[0], "bytes": x.nbytes, "loss": loss, "seconds": seconds,
        "passes": dict(zip(PASSES, np.diff([0.0, *ends]).tolist(), strict=True)) if ends else {},
        "tasks": len(seen.done), "read_bytes": read_bytes, "idle": max(idle.values()),
        "most": [watcher.most[pid] for pid in watcher.pids], "undisturbed": undisturbed,
        "states": sorted(watcher.states),
    }  # fmt: skip


def _import() -> None:
    import fastnn.dask.held  # noqa: F401 - so that idle memory includes it


def main(argv: Sequence[str] | None = None) -> int:
    """Make the files, verify, measure, and delete the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=20.0, help="of rows (default 20)")
    parser.add_argument("--verified", type=float, default=1.5, help="of them (default 1.5)")
    parser.add_argument("--folder", default=".", help="where the files are made (default: here)")
    parser.add_argument("--limit", default="1GB", help="memory of a worker (default 1GB)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--smoke", action="store_true", help="1.2 GB: does it run?")
    options = parser.parse_args(argv)
    if not Path(options.folder).is_dir():
        parser.error(f"argument --folder: the folder {options.folder} does not exist")
    if options.smoke:
        options.gigabytes, options.verified = 1.2, 1.1
    logging.basicConfig(format="  %(name)s: %(message)s")
    before = machine.load_average()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, start = Path(name), time.perf_counter()
        make(folder, int(options.gigabytes * GB) // N_IN, GB // N_IN)
        print(f"{options.gigabytes:g} GB made in {time.perf_counter() - start:.0f} s", flush=True)
        if not same_bits(folder, options.verified, options.limit):
            print("recomputed partitions give other bits than held ones", file=sys.stderr)
            return 1
        print(f"{options.verified:g} GB of them: the same bits held or recomputed", flush=True)
        found = measure(folder, options.limit)
    size = found["bytes"]
    print(
        f"{found['rows']:,} rows, {size / GB:.1f} GB in {found['partitions']} partitions, "
        f"784-32-10, {N_WORKERS} workers of {options.limit}: {found['seconds']:.1f} s, of which"
    )
    rows = [["pass", "seconds", "GB/s"]]
    rows += [[k, f"{s:.1f}", f"{size / s / GB:.2f}"] for k, s in found["passes"].items()]
    print("\n".join(report.aligned(rows)))
    most = ", ".join(
        f"{each['VmRSS'] / MB:.0f} MB ({each['RssAnon'] / MB:.0f} of its own)"
        for each in found["most"]
    )
    print(f"most memory of each worker: {most}; {found['idle'] / MB:.0f} MB before")
    print(f"read from the disk: {found['read_bytes'] / GB:.1f} GB, the rest from the file cache")
    print("no worker was paused or killed" if found["undisturbed"] else
          f"WORKERS WERE DISTURBED: {', '.join(found['states'])}")  # fmt: skip
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    if options.json:
        text = json.dumps({"benchmark": "dask_out_of_core", "machine": stamp, "results": found})
        Path(options.json).write_text(text, encoding="utf-8")
    return 0 if found["undisturbed"] and found["passes"] else 1


if __name__ == "__main__":
    sys.exit(main())
