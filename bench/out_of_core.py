"""How much memory training from a large file takes, and how long a pass over it.

    python bench/out_of_core.py [--gigabytes 2] [--folder .] [--backend cython] [--limit 300]
                                [--json FILE] [--smoke]

Makes an NPY file of uint8 rows of 784 in a folder of its own, deletes it afterwards, and trains
784-100-10 for an epoch on it, once for each way, in a process of its own each:

- blocks, in turn, shuffle: shuffle="blocks", False and True on the map, its pages in the file cache
- blocks, cold: the file's pages dropped from the cache first, as far as the system does so
- blocks, limited: under a limit of --limit MB of private memory (RLIMIT_DATA: a copy would fail)
- array: shuffle="blocks" on the file read into memory

Before any of it: a map and an array of the file's first rows train to the same bits, else the
benchmark ends with 1. Memory is the kernel's count of resident pages, sampled every millisecond:
anonymous ones are the process's own; those of files can be taken back at any time. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import fastnn
from harness import launch, machine, report

N_IN = 784
SIZES = (N_IN, 100, 10)
WAYS = ("blocks", "blocks, cold", "blocks, limited", "in turn", "shuffle", "array")
SHUFFLE: dict[str, bool | str] = {"in turn": False, "shuffle": True}
ROWS_AT_A_TIME = 20_000
MB = 1 << 20


def make(folder: Path, n_rows: int) -> None:
    """Write rows around ten centres, and their labels; a third of the bytes are not zero."""
    rng = np.random.default_rng(0)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, (n_rows, N_IN))
    y = rng.integers(0, 10, n_rows).astype(np.uint8)
    centres = rng.integers(1, 256, (10, N_IN)).astype(np.uint8)
    for start in range(0, n_rows, ROWS_AT_A_TIME):
        labels = y[start : start + ROWS_AT_A_TIME]
        seen = rng.random((len(labels), N_IN), np.float32) < 0.33
        x[start : start + ROWS_AT_A_TIME] = centres[labels] * seen
    x.flush()
    np.save(folder / "y.npy", y)


def same_bits(folder: Path, backend: str) -> bool:
    """Return whether a map and an array train to the same parameters, over several windows."""
    y = np.load(folder / "y.npy")[:200_000]
    x = np.load(folder / "x.npy", mmap_mode="r")[: len(y)]
    parameters = []
    for rows in (x, np.array(x)):
        network = fastnn.Network(SIZES, backend=backend, seed=0)
        network.fit(rows, y, epochs=1, shuffle="blocks", progress=False)
        parameters.append(network.parameters.tobytes())
    return parameters[0] == parameters[1]


def resident() -> dict[str, int]:
    """Return the bytes of this process that are in memory, by kind."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    kinds = ("VmRSS:", "RssAnon:", "RssFile:")
    return {line[0][:-1]: int(line[1]) * 1024 for line in lines if line and line[0] in kinds}


def measure(folder: Path, way: str, backend: str, limit: int) -> dict[str, Any]:
    """Train for an epoch in this process; return its seconds and the most memory it had."""
    if way == "blocks, limited":
        resource.setrlimit(resource.RLIMIT_DATA, (limit * MB, limit * MB))
    if way == "blocks, cold":
        file = os.open(folder / "x.npy", os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
    y = np.load(folder / "y.npy")
    x: Any = np.load(folder / "x.npy", mmap_mode=None if way == "array" else "r")
    network = fastnn.Network(SIZES, backend=backend, seed=0)
    most, done = resident(), threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            for kind, size in resident().items():
                most[kind] = max(most[kind], size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    history = network.fit(x, y, epochs=1, shuffle=SHUFFLE.get(way, "blocks"), progress=False)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    return {"seconds": seconds, "loss": history["loss"][-1], **most}


def main() -> int:
    """Run all ways, each in a process of its own."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of rows (default 2)")
    parser.add_argument("--folder", default=".", help="where the file is made (default: here)")
    parser.add_argument("--backend", default="cython", help="default cython")
    parser.add_argument("--limit", type=int, default=300, help="MB, for the limited way")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    parser.add_argument("--smoke", action="store_true", help="100 MB: does it run?")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # a folder and a way: measure it
    options = parser.parse_args()
    if options.one:
        folder, way = options.one
        print(json.dumps(measure(Path(folder), way, options.backend, options.limit)))
        return 0
    if not Path(options.folder).is_dir():
        parser.error(f"argument --folder: the folder {options.folder} does not exist")
    n_rows = int((0.1 if options.smoke else options.gigabytes) * 1e9) // N_IN
    before = machine.load_average()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        make(Path(name), n_rows)
        if not same_bits(Path(name), options.backend):
            print("a map and an array train to different parameters", file=sys.stderr)
            return 1
        print(f"{n_rows:,} rows, {n_rows * N_IN / MB:,.0f} MB, 784-100-10, {options.backend}")
        print(f"{'':<16}{'seconds':>9}{'own MB':>9}{'file MB':>9}{'all MB':>9}")
        for way in WAYS:
            command = [sys.executable, __file__, "--one", name, way, "--backend", options.backend]
            done = subprocess.run(
                [*command, "--limit", str(options.limit)],
                env=os.environ | launch.environment(1),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                print(f"{way}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                return 1
            found = results[way] = json.loads(done.stdout)
            megabytes = "".join(f"{found[k] / MB:>9.0f}" for k in ("RssAnon", "RssFile", "VmRSS"))
            print(f"{way:<16}{found['seconds']:>9.2f}{megabytes}", flush=True)
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    losses = {results[way]["loss"] for way in WAYS if way not in SHUFFLE}
    if len(losses) > 1:
        print(f"the same order gave different losses: {losses}", file=sys.stderr)
        return 1
    if options.json:
        text = json.dumps({"benchmark": "out_of_core", "machine": stamp, "results": results})
        Path(options.json).write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
