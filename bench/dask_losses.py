"""Does a fit on a cluster survive the loss of workers and of the scheduler, with the same bits?

    python bench/dask_losses.py [--times 50] [--schedulers 10] [--seed 0] [--limit 90]
                                [--json FILE] [--smoke]

fastnn.dask.fit trains 12-16-3 in 15 rounds over 11 partitions, with dropout, on worker processes of
one thread:

- on 1, 2, 3 and 4 workers;
- --times times on 2 workers, of which one, or in two fits of five both, are killed (SIGKILL) at a
  random moment of a random round, or while rows are looked at before the first;
- --schedulers times on 2 workers, the scheduler killed likewise: fastnn.dask.LostError must end the
  fit, the network must have the parameters of the rounds before, and the checkpoint must resume the
  fit on another cluster, of 3 workers.

All must have the same bits. A fit that takes longer than --limit seconds prints the stacks of all
threads and ends the benchmark; a difference ends it with 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import dask.array as da
import numpy as np

import fastnn
import fastnn.dask
from harness import clusters, launch, machine, report

N_ROWS, N_PARTITIONS, EPOCHS, ROUNDS_PER_EPOCH = 3000, 11, 3, 5
N_ROUNDS = EPOCHS * ROUNDS_PER_EPOCH
N_WORKERS = 2
BOTH = 0.4  # of the fits that lose both workers


class Uninterrupted(NamedTuple):
    """What a fit gives that nothing happens to.

    Attributes
    ----------
    bits : list of bytes
        Of the parameters after each round, the first before any.
    moments : list of float
        Seconds from the beginning to the end of each round.
    """

    bits: list[bytes]
    moments: list[float]


class Watch:
    """A callback: notes the parameters of each round, and kills in one of them."""

    def __init__(self, network: fastnn.Network) -> None:
        self.bits = [network.parameters.tobytes()]
        self.start = time.perf_counter()
        self.moments: list[float] = []

    def __call__(self, network: fastnn.Network, epoch: int, record: Any) -> None:
        self.bits.append(network.parameters.tobytes())
        self.moments.append(time.perf_counter() - self.start)


class Killing:
    """A callback: calls a function so many seconds after a round has begun, counted from 0."""

    def __init__(self, at_round: int, after: float, killed: Callable[[], object]) -> None:
        self._round, self.rounds_done = at_round, 0
        self.timer = threading.Timer(after, killed)
        if at_round == 0:
            self.timer.start()

    def __call__(self, network: fastnn.Network, epoch: int, record: Any) -> None:
        self.rounds_done += 1
        if self.rounds_done == self._round:
            self.timer.start()


def new_network() -> fastnn.Network:
    """Return the network that every fit begins with."""
    return fastnn.Network((12, 16, 3), activation="relu", seed=7)


def fit(network: fastnn.Network, client: Any, callback: Any = (), checkpoint: Any = None) -> None:
    """Train for all rounds."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(N_ROWS, 12)).astype(np.float32)
    y = (x[:, :4] @ rng.normal(size=(4, 3))).argmax(axis=1)
    n = -(-N_ROWS // N_PARTITIONS)
    fastnn.dask.fit(
        network, da.from_array(x, chunks=(n, 12)), da.from_array(y, chunks=n), client=client,
        epochs=EPOCHS, rounds_per_epoch=ROUNDS_PER_EPOCH, dropout=0.2, l2=1e-3,
        callbacks=callback, checkpoint=checkpoint, progress=False,
    )  # fmt: skip


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End the process with the stacks of all threads if the block takes longer."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def watched(client: Any) -> Uninterrupted:
    """Fit, and return what was seen."""
    network = new_network()
    watch = Watch(network)
    fit(network, client, watch)
    assert watch.bits[-1] == network.parameters.tobytes()
    return Uninterrupted(watch.bits, watch.moments)


def drawn(draw: random.Random, expected: Uninterrupted) -> tuple[int, float]:
    """Return a random round, and a random moment of it in seconds from its beginning."""
    at_round = draw.randrange(N_ROUNDS)
    begins = expected.moments[at_round - 1] if at_round else 0.0
    return at_round, draw.random() * (expected.moments[at_round] - begins)


def lose_workers(client: Any, draw: random.Random, expected: Uninterrupted) -> dict[str, Any]:
    """Kill one or all workers in the middle of a fit."""
    n = N_WORKERS if draw.random() < BOTH else 1
    at_round, after = drawn(draw, expected)
    killed: list[int] = []

    def kill() -> None:
        pids = clusters.worker_pids(client)
        killed.extend(draw.sample(pids, min(n, len(pids))))
        clusters.kill(killed)

    callback = Killing(at_round, after, kill)
    network, start = new_network(), time.perf_counter()
    fit(network, client, callback)
    seconds = time.perf_counter() - start
    callback.timer.join()
    same = network.parameters.tobytes() == expected.bits[-1]
    return {"killed": len(killed), "round": at_round + 1, "after": after, "seconds": seconds,
            "same": same}  # fmt: skip


def lose_scheduler(path: Path, draw: random.Random, expected: Uninterrupted) -> dict[str, Any]:
    """Kill the scheduler in the middle of a fit, and resume it on another cluster."""
    at_round, after = drawn(draw, expected)
    with clusters.Programs() as programs:
        address, pid = programs.scheduler("127.0.0.1")
        for _ in range(N_WORKERS):
            programs.worker(address, "127.0.0.1")
        with clusters.connected(address, N_WORKERS) as client:
            callback = Killing(at_round, after, lambda: clusters.kill([pid]))
            network, start = new_network(), time.perf_counter()
            said, noticed = "nothing", 0.0
            try:
                fit(network, client, callback, fastnn.Checkpoint(path))
            except fastnn.dask.LostError as error:
                said = str(error)
                noticed = time.perf_counter() - start
            kept = network.parameters.tobytes() == expected.bits[callback.rounds_done]
    network = new_network()
    with clusters.Programs() as programs:
        address, _ = programs.scheduler("127.0.0.1")
        for _ in range(N_WORKERS + 1):
            programs.worker(address, "127.0.0.1")
        with clusters.connected(address, N_WORKERS + 1) as client:
            resumed = Killing(-1, 0.0, lambda: None)
            fit(network, client, resumed, fastnn.Checkpoint(path, resume=True))
    return {
        "round": at_round + 1, "after": after, "said": said, "seconds": noticed,
        "rounds_done": callback.rounds_done, "rounds_resumed": resumed.rounds_done, "kept": kept,
        "same": network.parameters.tobytes() == expected.bits[-1],
    }  # fmt: skip


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Do all of it, printing each line when it is known."""
    draw, results = random.Random(options.seed), {"workers": {}, "kills": [], "schedulers": []}
    with clusters.local_cluster(N_WORKERS) as client:
        with limited(options.limit):
            watched(client)  # to warm up
            expected = watched(client)
        print(f"{N_WORKERS} workers: {expected.moments[-1]:.2f} s for {N_ROUNDS} rounds")
        for k in range(options.times):
            clusters.wait_for_workers(client, N_WORKERS)
            with limited(options.limit):
                found = lose_workers(client, draw, expected)
            results["kills"].append(found)
            print(
                f"{k + 1:>3}: killed {found['killed']} in round {found['round']:>2}, after "
                f"{1e3 * found['after']:>4.0f} ms: {found['seconds']:>5.2f} s, "
                f"{'the same bits' if found['same'] else 'OTHER BITS'}",
                flush=True,
            )
    results["seconds"] = expected.moments[-1]
    for n in (1, 3, 4):
        with clusters.local_cluster(n) as client, limited(options.limit):
            found = watched(client)
        same = results["workers"][n] = found.bits == expected.bits
        print(f"{n} workers: {'the same bits in every round' if same else 'OTHER BITS'}")
    for _ in range(options.schedulers):
        with tempfile.TemporaryDirectory() as folder, limited(2 * options.limit):
            found = lose_scheduler(Path(folder, "fit.checkpoint"), draw, expected)
        results["schedulers"].append(found)
        print(
            f"scheduler killed in round {found['round']:>2}: ended after {found['seconds']:.2f} s, "
            f"{found['rounds_done']} rounds kept{'' if found['kept'] else ' WRONG'}, "
            f"{found['rounds_resumed']} resumed, "
            f"{'the same bits' if found['same'] else 'OTHER BITS'}",
            flush=True,
        )
    for found in results["schedulers"][-1:]:
        print(f"  LostError: {found['said']}")
    return results


def summary(results: dict[str, Any]) -> list[str]:
    """Return the lines of the table at the end."""
    rows = [["lost", "fits", "other bits", "seconds", "q3", "max"]]
    for name, found in (
        ("one worker", [k for k in results["kills"] if k["killed"] == 1]),
        ("both workers", [k for k in results["kills"] if k["killed"] == N_WORKERS]),
        ("none in time", [k for k in results["kills"] if not k["killed"]]),
        ("the scheduler", results["schedulers"]),
    ):
        if found:
            seconds = [each["seconds"] for each in found]
            q = [f"{value:.2f}" for value in np.percentile(seconds, [50, 75, 100])]
            n_other = sum(not each["same"] for each in found)
            rows.append([name, str(len(found)), str(n_other), *q])
    return report.aligned(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Do all of it; return 1 if bits differ, or a fit did not end as it must."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--times", type=int, default=50, help="fits that lose workers (default 50)")
    parser.add_argument("--schedulers", type=int, default=10, help="that lose it (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--limit", type=float, default=90.0, help="seconds of a fit (default 90)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--smoke", action="store_true", help="2 times: does it run?")
    options = parser.parse_args(argv)
    if options.smoke:
        options.times, options.schedulers = 2, 1
    before = machine.load_average()
    results = measure(options)
    print("\n".join(summary(results)))
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    if options.json:
        text = json.dumps({"benchmark": "dask_losses", "machine": stamp, "results": results})
        Path(options.json).write_text(text, encoding="utf-8")
    right = all(results["workers"].values())
    right &= all(each["same"] for each in (*results["kills"], *results["schedulers"]))
    right &= all(each["kept"] and each["said"] != "nothing" for each in results["schedulers"])
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
