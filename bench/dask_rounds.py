"""Rounds on a Dask cluster: how much faster are two workers than one, and what does a round cost?

    python bench/dask_rounds.py [--seconds 0.5 1] [--rounds 5] [--partitions 2 8 32] [--repeat 3]
                                [--data-dir FOLDER] [--json results.json] [--smoke]

Speed-up: 784-100-10 learns two partitions of images with so many rows that a pass over one takes
`--seconds`; on clusters of one and of two worker processes with one thread each, and in this
process without Dask. All must have the same bits. Fits alternate; a fit's time is that of its
fastest round after the first.

Overhead: a round over partitions of one minibatch each, of which next to nothing is training, in
its parts as the client sees them, medians over rounds. Scheduler and client share the processors
with the workers. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from dask import delayed
from distributed import Client, LocalCluster

import fastnn
import fastnn.dask
from cases import Array
from fastnn.backends.threads import threads_limited
from fastnn.cluster import Cluster
from fastnn.dask.fitting import Outer, Rounds
from fastnn.dask.held import Partitions
from fastnn.dask.network import BATCH_SIZE, concluded
from fastnn.dask.partitions import NetworkChecks
from fastnn.dask.rounds import Plan, State, Sum, add, averaged, train
from fastnn.dask.scaling import Scaling
from fastnn.rows.checked import Rows
from fastnn.training.options import checked_options
from fastnn.training.sessions import started
from harness import launch, machine, report

IMAGES = (784, 100, 10)
TINY = (10, 16, 2)
N_PARTITIONS = 2  # of the speed-up
CALIBRATION_ROWS = 20_000
SMOKE_ROWS = 500


def partition(sizes: Sequence[int], n_rows: int, number: int, folder: str | None) -> Any:
    """Return rows and labels of a partition: images drawn from MNIST, or random numbers."""
    rng = np.random.default_rng(number)
    if sizes[0] != IMAGES[0]:
        x = rng.standard_normal((n_rows, sizes[0]), np.float32)
        return x, (x[:, 0] > x[:, 1]).astype(np.int64)
    if folder is None:
        images = fastnn.datasets.digits(1000, test=100, seed=1).train
    else:
        images = fastnn.datasets.mnist(folder).train
    taken = rng.integers(len(images.y), size=n_rows)
    return images.x[taken], images.y[taken].astype(np.int64)


def network(sizes: Sequence[int]) -> fastnn.Network:
    """Return the network that every way starts from."""
    scale = 1 / 255 if sizes[0] == IMAGES[0] else 1.0
    return fastnn.Network(tuple(sizes), activation="relu", input_scale=scale, seed=0)


def plan(net: fastnn.Network, backend: str, n_partitions: int) -> Plan:
    """Return the plan of `fastnn.dask.fit` with one round per pass."""
    scaling = Scaling("auto", "auto", "auto", "auto")
    optimizer = scaling.optimizer(fastnn.Adam(), BATCH_SIZE, n_partitions)
    n_rows = scaling.rows(BATCH_SIZE, n_partitions)
    a = net.architecture
    options = checked_options(a, optimizer, n_rows, "mean", 0.0, 0.0, None, None, 0.0)
    return Plan(a, options, backend, True)


def outer(n_partitions: int) -> Outer:
    """Return the outer optimizer of `fastnn.dask.fit`."""
    return Outer(Scaling("auto", "auto", "auto", "auto").outer_of(n_partitions))


# -- speed-up -------------------------------------------------------------------------------------


def here(parts: Sequence[Rows], backend: str, n_rounds: int) -> tuple[Array, list[float]]:
    """Do the rounds in this process, one partition after the other; return as `there`."""
    net = network(IMAGES)
    of_fit, stepping = plan(net, backend, len(parts)), outer(len(parts))
    state = started(net, of_fit.options.optimizer).state
    parameters, slots, step, ends = net.parameters.copy(), state.slots, 0, []
    for number in range(n_rounds):
        begun = State(parameters, slots, step, state.dropout_seed, number)
        total = add(*(train(rows, i, begun, of_fit) for i, rows in enumerate(parts)))
        vectors = averaged(total)
        parameters = stepping.step(parameters, vectors[0], number)
        slots, step = vectors[1:].astype(slots.dtype), total.step
        ends.append(time.perf_counter())
    return parameters, np.diff(ends).tolist()


def there(client: Any, n_rows: int, n_rounds: int, folder: str | None) -> tuple[Array, list[float]]:
    """Fit on a cluster; return the parameters, and the seconds of each round after the first."""
    net, ends = network(IMAGES), list[float]()
    made = delayed(partition, nout=2)
    x, y = zip(*(made(IMAGES, n_rows, i, folder) for i in range(N_PARTITIONS)), strict=True)
    fastnn.dask.fit(
        net, list(x), list(y), client=client, epochs=n_rounds, rounds_per_epoch=1, persist=True,
        callbacks=lambda network, epoch, record: ends.append(time.perf_counter()), progress=False,
    )  # fmt: skip
    return net.parameters.copy(), np.diff(ends).tolist()


def rows_for(seconds: float, backend: str, folder: str | None) -> int:
    """Return how many images a pass of `seconds` has."""
    net = network(IMAGES)
    rows = Rows(*partition(IMAGES, CALIBRATION_ROWS, 0, folder), None)
    state = started(net, fastnn.Adam()).state
    begun = State(net.parameters, state.slots, 0, 0, 0)
    took = []
    for _ in range(4):
        start = time.perf_counter()
        train(rows, 0, begun, plan(net, backend, N_PARTITIONS))
        took.append(time.perf_counter() - start)
    return int(CALIBRATION_ROWS * seconds / min(took))


def speed_up(
    clients: Sequence[Any], n_rows: int, n_rounds: int, n_repeats: int, folder: str | None
) -> dict[str, list[float]]:
    """Verify, and time in turn; return the fastest round of every fit, for each way."""
    backend = Cluster(clients[0]).computing.backend
    parts = [Rows(*partition(IMAGES, n_rows, i, folder), None) for i in range(N_PARTITIONS)]
    ways: dict[str, Callable[[], tuple[Array, list[float]]]] = {
        "no cluster": lambda: here(parts, backend, n_rounds)
    }
    for n, client in enumerate(clients, 1):
        ways[f"{n} worker{'s' if n > 1 else ''}"] = (
            lambda client=client: there(client, n_rows, n_rounds, folder)
        )  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found = set()
    for _ in range(n_repeats):
        for name, way in ways.items():
            parameters, took = way()
            found.add(parameters.tobytes())
            seconds[name].append(min(took))
    if len(found) > 1:
        sys.exit("WRONG: the fits differ in their bits")
    return seconds


def speed_up_line(pass_seconds: float, n_rows: int, seconds: dict[str, list[float]]) -> list[str]:
    """Return a line of the table."""
    alone, one, two = (min(values) for values in seconds.values())
    pairs = [a / b for a, b in zip(*list(seconds.values())[1:], strict=True)]
    return [
        f"{pass_seconds:g} s, {n_rows:,} rows", f"{alone:.3f}", f"{one:.3f}", f"{two:.3f}",
        f"{one / two:.2f}", " ".join(f"{pair:.2f}" for pair in pairs),
    ]  # fmt: skip


SPEED_UP_HEAD = ["a pass over a partition", "no cluster", "1 worker", "2 workers", "×", "pairs"]


# -- overhead -------------------------------------------------------------------------------------


class Timed(Cluster):
    """A cluster that adds up the seconds of what is asked of it."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.seconds: dict[str, float] = {}
        self._waiting_for = "tasks"

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time of the block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + took

    def share(self, value: Any) -> Any:
        with self.part("share"):
            return super().share(value)

    def submit(self, *arguments: Any) -> Any:
        with self.part("submit"):
            return super().submit(*arguments)

    def done(self, tasks: Any) -> Iterator[Any]:
        waiting = super().done(tasks)
        while True:
            with self.part(self._waiting_for):
                task = next(waiting, None)
            if task is None:
                return
            yield task

    def results(self, tasks: Any) -> list[Any]:
        self._waiting_for = "last sums"
        try:
            with self.part("gather"):
                return super().results(tasks)
        finally:
            self._waiting_for = "tasks"
            self.seconds["gather"] -= self.seconds["last sums"]


@dataclass(frozen=True)
class Overhead:
    """Milliseconds of a round."""

    sizes: tuple[int, ...]
    n_partitions: int
    parts: dict[str, float]
    computing: float


PARTS = ("share", "submit", "tasks", "last sums", "gather", "rest", "round")
OVERHEAD_HEAD = ["ms of a round", "P", *PARTS, "training"]


def overhead(client: Any, sizes: tuple[int, ...], n: int, n_rounds: int) -> Overhead:
    """Return what a round over n partitions of one minibatch takes, and its parts."""
    cluster, net = Timed(client), network(sizes)
    backend = cluster.computing.backend
    of_fit, stepping = plan(net, backend, n), outer(n)
    n_rows = of_fit.options.batch_size
    made = delayed(partition, nout=2)
    x, y = zip(*(made(sizes, n_rows, i, None) for i in range(n)), strict=True)
    held = Partitions(cluster, list(x), list(y), classifies=False, sums=False, persist=True)
    a, trained_on = concluded(net, held)
    held.check(NetworkChecks(a, None, trained_on))
    state = started(net, of_fit.options.optimizer).state
    rounds = Rounds(cluster, held, None, of_fit, stepping)
    list(rounds.one(None, lambda n_rows: None))
    parameters, found = net.parameters.copy(), []
    for _ in range(n_rounds):
        cluster.seconds = {}
        with cluster.part("round"):
            rounds.train_epoch(a, parameters, state, None, None, None, None)
        known = {"share": 0.0, "last sums": 0.0} | cluster.seconds
        known["rest"] = 2 * known["round"] - sum(known.values())
        found.append(known)
    few = found[n_rounds // 5 :]  # the first ones warm up
    parts = {name: 1e3 * median(each[name] for each in few) for name in PARTS}
    rows = Rows(*partition(sizes, n_rows, 0, None), None)
    begun = State(net.parameters, state.slots, 0, 0, 0)
    result: list[Sum] = []
    took = []
    for _ in range(20):
        start = time.perf_counter()
        result = [train(rows, 0, begun, of_fit)]
        took.append(time.perf_counter() - start)
    assert result[0].weight == n_rows
    return Overhead(sizes, n, parts, 1e3 * n * median(took))


def overhead_line(found: Overhead) -> list[str]:
    """Return a line of the table."""
    return [
        "-".join(map(str, found.sizes)), str(found.n_partitions),
        *(f"{found.parts[name]:.1f}" for name in PARTS), f"{found.computing:.1f}",
    ]  # fmt: skip


# -- both -----------------------------------------------------------------------------------------


@contextmanager
def workers(n: int) -> Iterator[Any]:
    """Start a cluster of n processes with one thread each; yield its client."""
    with (
        LocalCluster(
            n_workers=n, threads_per_worker=1, memory_limit=0, dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(n)
        yield client


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", nargs="+", type=float, default=[0.5, 1.0],
                        help="of a pass over a partition (default %(default)s)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5, help="of each fit (default %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="fits a way (default %(default)s)")
    parser.add_argument("--partitions", nargs="+", type=int, default=[2, 8, 32], metavar="P",
                        help="of the overhead (default %(default)s)")  # fmt: skip
    parser.add_argument("--data-dir", default=os.environ.get("FASTNN_MNIST_DIR"), metavar="FOLDER")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--smoke", action="store_true", help="only check that it runs")
    options = parser.parse_args(argv)
    if options.smoke:
        options.seconds, options.rounds, options.repeat = [0.0], 3, 1
        options.partitions, options.data_dir = [2, 9], None
    n_rounds = 10 if options.smoke else 60
    before = machine.load_average()
    speed, costs = [SPEED_UP_HEAD], [OVERHEAD_HEAD]
    results: dict[str, Any] = {"speed_up": [], "overhead": []}
    with threads_limited(1), workers(1) as one, workers(2) as two:
        backend = Cluster(one).computing.backend
        for seconds in options.seconds:
            n_rows = rows_for(seconds, backend, options.data_dir) or SMOKE_ROWS
            took = speed_up([one, two], n_rows, options.rounds, options.repeat, options.data_dir)
            speed.append(speed_up_line(seconds, n_rows, took))
            results["speed_up"].append({"seconds": seconds, "rows": n_rows, "rounds": took})
        for sizes in (IMAGES, TINY):
            for n in options.partitions:
                found = overhead(two, sizes, n, n_rounds)
                costs.append(overhead_line(found))
                results["overhead"].append(vars(found))
    print("784-100-10, seconds of a round over two partitions; × of two workers over one; all have "
          "the same bits")  # fmt: skip
    print("\n".join(report.aligned(speed)) + "\n")
    print("Partitions of one minibatch, two workers; training: the time of all minibatches alone")
    print("\n".join(report.aligned(costs)) + "\n")
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    if options.json:
        found_all = json.dumps(results | {"machine": stamp}, indent=1)
        Path(options.json).write_text(found_all + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
