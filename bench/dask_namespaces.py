"""A fit on a cluster of machines with slow wires between them: its bits, bytes and seconds.

    sudo python bench/dask_namespaces.py [--workers 2 3] [--delay 5] [--rate 100] [--json FILE]
                                         [--smoke]

The client, a scheduler and the workers (`dask scheduler`, `dask worker --nthreads 1`) run in
network namespaces of their own; a packet takes --delay ms from one to another, at --rate Mbit/s
(harness/wires.py). fastnn.dask.fit trains 784-100-10 with Adam on 4 partitions of bytes, 2 rounds
a pass:

- as it is: bytes and seconds of a round, from the interfaces' counters, beside what they must be
- while the link of a worker is down for 3 s in the middle
- while it goes down for good: the others finish

Each must have the bits of a LocalCluster; else the benchmark ends with 1. Linux, as root.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

import fastnn
import fastnn.dask
from harness import clusters, launch, machine, report, wires

SIZES, N_ROWS, N_PARTITIONS, ROUNDS_PER_EPOCH = (784, 100, 10), 8000, 4, 2
LIMIT = 240  # seconds of a fit
SHORT = 3.0  # seconds of the short cut
NOTICED = "12s"  # after which Dask gives up a connection that is silent; its default is 30 s
N_STATE = 2  # vectors of Adam


class Counters:
    """A callback: reads the counters of all interfaces after the first round and after the last."""

    def __init__(self, names: Sequence[str], n_rounds: int) -> None:
        self._names, self._last = names, n_rounds
        self.n_done = 0
        self.seen: list[tuple[float, dict[str, tuple[int, int]]]] = []

    def __call__(self, network: fastnn.Network, epoch: int, record: Any) -> None:
        self.n_done += 1
        if self.n_done in (1, self._last):
            before = time.perf_counter()
            found = {name: wires.carried(name) for name in self._names}
            self.seen.append((time.perf_counter() if self.n_done == 1 else before, found))

    def per_round(self) -> dict[str, Any]:
        """Return seconds of a round, and bytes sent and received in it by each namespace."""
        (start, first), (end, last) = self.seen
        n = self._last - 1
        return {
            "seconds": (end - start) / n,
            "bytes": {
                name: [(b - a) / n for a, b in zip(first[name], last[name], strict=True)]
                for name in self._names
            },
        }


class Cutting:
    """A callback: cuts the link of a worker when so many rounds are done."""

    def __init__(self, name: str, n_rounds: int, seconds: float | None) -> None:
        self._name, self._n_left, self._seconds = name, n_rounds, seconds
        self.mended: threading.Timer | None = None

    def __call__(self, network: fastnn.Network, epoch: int, record: Any) -> None:
        self._n_left -= 1
        if self._n_left == 0:
            wires.cut(self._name)
            if self._seconds is not None:
                self.mended = threading.Timer(self._seconds, wires.cut, (self._name,), {"up": True})
                self.mended.start()


def fit(client: Any, epochs: int, callback: Any = ()) -> tuple[bytes, float]:
    """Train; return the bits of the parameters, and the seconds it took."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, N_ROWS)
    centres = rng.integers(1, 256, (10, 784)).astype(np.uint8)
    x = centres[y] * (rng.random((N_ROWS, 784)) < 0.2)
    network = fastnn.Network(SIZES, activation="relu", input_scale=1 / 255, seed=0)
    n = -(-N_ROWS // N_PARTITIONS)
    start = time.perf_counter()
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    fastnn.dask.fit(
        network, da.from_array(x, chunks=(n, 784)), da.from_array(y, chunks=n), client=client,
        epochs=epochs, rounds_per_epoch=ROUNDS_PER_EPOCH, callbacks=callback, progress=False,
    )  # fmt: skip
    faulthandler.cancel_dump_traceback_later()
    return network.parameters.tobytes(), time.perf_counter() - start


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Do all of it, within the namespace of the client."""
    n_rounds = options.epochs * ROUNDS_PER_EPOCH
    with clusters.local_cluster(2) as client:
        fit(client, 1)
        expected, local = fit(client, options.epochs)
    print(f"LocalCluster of 2 workers: {local:.2f} s for {n_rounds} rounds", flush=True)
    found = []
    for n in options.workers:
        names = [f"worker{i}" for i in range(n)]
        counters = Counters(["client", "scheduler", *names], n_rounds)
        for what, callback in (
            ("as it is", counters),
            (f"a link down for {SHORT:.0f} s", Cutting(names[0], n_rounds // 2, SHORT)),
            ("a link down for good", Cutting(names[0], n_rounds // 2, None)),
        ):
            with clusters.Programs() as programs:
                address, _ = programs.scheduler(
                    options.addresses["scheduler"], wires.inside("scheduler")
                )
                for name in names:
                    programs.worker(address, options.addresses[name], wires.inside(name))
                with clusters.connected(address, n) as client:
                    bits, seconds = fit(client, options.epochs, callback)
                    left = len(client.scheduler_info(-1)["workers"])
                wires.cut(names[0], up=True)
            case = {"workers": n, "what": what, "seconds": seconds, "left": left,
                    "same": bits == expected}  # fmt: skip
            print(
                f"{n} workers, {what}: {seconds:.2f} s, {left} workers at the end, "
                f"{'the same bits' if case['same'] else 'OTHER BITS'}",
                flush=True,
            )
            found.append(case)
        found[-3] |= counters.per_round()
        print("\n".join(traffic(found[-3], options)), flush=True)
    return found


def traffic(case: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Return a table of a round's bytes, and what they must be at least.

    The parameters and the vectors of the optimizer, S bytes, go from the client to one worker and
    from there to those that train; every partition's result, S bytes, to the worker that adds them,
    if it is not there; their sum, of float64, 2 S, to the client.
    """
    n = case["workers"]
    n_slots = fastnn.Network(SIZES, activation="relu", seed=0).architecture.n_slots
    s = 4 * n_slots * (1 + N_STATE)
    moved = N_PARTITIONS - -(-N_PARTITIONS // n)  # the results of other workers
    least = {"client sends": s, "client receives": 2 * s, "workers send to each other":
             (n - 1 + moved) * s}  # fmt: skip
    sent = case["bytes"]
    between = sum(b[0] for name, b in sent.items() if name.startswith("worker"))
    between -= sent["client"][1]  # of which the scheduler sends next to nothing
    seen = {"client sends": sent["client"][0], "client receives": sent["client"][1],
            "workers send to each other": between}  # fmt: skip
    case["least"], case["seen"] = least, seen
    rows = [["kB per round", "must", "was"]]
    rows += [[name, f"{least[name] / 1e3:,.0f}", f"{seen[name] / 1e3:,.0f}"] for name in least]
    both = sum(sent["scheduler"])
    rows.append(["scheduler sends + receives", "", f"{both / 1e3:,.0f}"])
    wire = 8 * (s + s + moved * s + 2 * s) / (options.rate * 1e6)
    case["least_seconds"] = wire
    return [
        f"  S = 4 bytes × {n_slots:,} × {1 + N_STATE} vectors = {s / 1e3:,.0f} kB; a round takes "
        f"{case['seconds']:.3f} s,",
        f"  of which the wire, one after the other, at least {wire:.3f} s",
        *report.aligned(rows),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Make the namespaces, and measure within the client's; return 1 if bits differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 3], help="default 2 3")
    parser.add_argument("--delay", type=float, default=5.0, help="ms (default 5)")
    parser.add_argument("--rate", type=float, default=100.0, help="Mbit/s (default 100)")
    parser.add_argument("--epochs", type=int, default=10, help="passes (default 10)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--smoke", action="store_true", help="2 workers, 3 passes: does it run?")
    parser.add_argument("--addresses", type=json.loads, help=argparse.SUPPRESS)  # inside
    options = parser.parse_args(argv)
    if options.smoke:
        options.workers, options.epochs = [2], 3
    if options.addresses:
        found = measure(options)
        Path(options.json).write_text(json.dumps(found), encoding="utf-8")
        return 0
    if sys.platform != "linux" or os.geteuid() != 0:
        print("network namespaces need Linux, and root", file=sys.stderr)
        return 2
    before = machine.load_average()
    names = ["client", "scheduler", *(f"worker{i}" for i in range(max(options.workers)))]
    print(f"{options.delay:g} ms from one to another, {options.rate:g} Mbit/s")
    with (
        wires.Wires(names, options.delay / 1e3, options.rate * 1e6) as network,
        tempfile.TemporaryDirectory() as folder,
    ):
        file = Path(folder, "found.json")
        addresses = json.dumps({name: network.address(name) for name in names})
        command = [*wires.inside("client"), sys.executable, __file__, "--addresses", addresses,
                   "--json", str(file), "--epochs", str(options.epochs), "--workers",
                   *map(str, options.workers), "--rate", str(options.rate)]  # fmt: skip
        variables = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": NOTICED}
        done = subprocess.run(command, env=os.environ | variables, check=False)
        if done.returncode:
            return done.returncode
        found = json.loads(file.read_text(encoding="utf-8"))
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    if options.json:
        text = json.dumps({"benchmark": "dask_namespaces", "machine": stamp, "results": found})
        Path(options.json).write_text(text, encoding="utf-8")
    return 0 if all(case["same"] for case in found) else 1


if __name__ == "__main__":
    sys.exit(main())
