"""A pass in rounds on 8 to 1,000 workers, simulated from local times and a stated network.

    python bench/dask_simulation.py [--workers 8 32 128 512 1000] [--rows 1e7 1e9] [--nets NET ...]
                                    [--batch-size auto] [--latency-ms 0.5] [--gbit 10]
                                    [--task-ms 1] [--submit-ms 1] [--fixed-ms 20]
                                    [--json results.json] [--smoke]

Measured here, on one thread: a training step for each size of minibatch, the shuffle of a
partition, the addition of one result, pickling it and back, the outer step. Assumed: the figures of
the options, and

- every worker has one partition and one thread, all as fast as this machine; none is lost;
- a link carries one message at a time in each direction, at the full rate, with no other traffic;
- a worker fetches the round's parameters from whichever worker, of those that the scheduler knew to
  have them when it assigned the task, is free first;
- the scheduler handles one message at a time: half of `--task-ms` when it assigns a task, and half
  when it hears of its end; the client needs `--submit-ms` for each graph that it submits;
- a round takes `--fixed-ms` beyond all this, as a round of two partitions does on one machine
  (dask_rounds.py).

All is deterministic: one round is simulated event by event, and a pass is as many of them. What the
averaging costs in accuracy is not simulated: round_schemes.py measures it, up to 32 partitions.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from pickle import dumps, loads
from typing import Any, NamedTuple

import numpy as np

import fastnn
from fastnn.backends import get_backend
from fastnn.backends.threads import threads_limited
from fastnn.cluster.carried import Carried
from fastnn.dask.fitting import Outer
from fastnn.dask.network import BATCH_SIZE
from fastnn.dask.rounds import ARITY, Plan, State, add, averaged, train, tree
from fastnn.dask.scaling import Scaling
from fastnn.rows.checked import Rows
from fastnn.rows.order import row_order
from fastnn.training.options import checked_options
from harness import launch, machine, report

NETS = {"24-16-2": (24, 16, 2), "784-100-10": (784, 100, 10), "784-1024-10": (784, 1024, 10)}
N_STATE = 2  # Adam's
MEASURED_ROWS, SHUFFLED_ROWS = 4_000, 2_000_000


# -- measured -------------------------------------------------------------------------------------


def fastest(call: Callable[[], Any], times: int = 5) -> float:
    """Return the seconds of the fastest call."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


class Measured:
    """What a net costs on this machine, in seconds."""

    def __init__(self, sizes: tuple[int, ...], *, smoke: bool) -> None:
        self._n_rows = 200 if smoke else MEASURED_ROWS
        scale = 1 / 255 if sizes[0] == 784 else 1.0
        network = fastnn.Network(sizes, activation="relu", input_scale=scale, seed=0)
        self._a = network.architecture
        slots = np.zeros((N_STATE, self._a.n_slots), np.float32)
        self._state = State(network.parameters, slots, 0, 0, 0)
        self._rows = rows_of(sizes, self._n_rows)
        result = train(self._rows, 0, self._state, self._plan(BATCH_SIZE))
        self.n_bytes = result.vectors.nbytes
        self.add = fastest(lambda: add(*[result] * ARITY)) / ARITY
        self.copy = fastest(lambda: loads(dumps(Carried(result), 5)))
        stepping = Outer(fastnn.SGD(1.0, momentum=0.5, nesterov=True))
        mean = averaged(add(result, result))[0]
        self.outer = fastest(lambda: stepping.step(network.parameters, mean, 0))
        self.step = cache(self._step)

    def _plan(self, batch_size: int) -> Plan:
        options = checked_options(
            self._a, fastnn.Adam(), batch_size, "mean", 0.0, 0.0, None, None, 0.0
        )
        return Plan(self._a, options, get_backend("auto").name, True)

    def _step(self, batch_size: int) -> float:
        plan = self._plan(batch_size)
        seconds = fastest(lambda: train(self._rows, 0, self._state, plan))
        return seconds * batch_size / self._n_rows


def rows_of(sizes: tuple[int, ...], n_rows: int) -> Rows:
    """Return digits made by fastnn, or random numbers."""
    if sizes[0] == 784:
        images = fastnn.datasets.digits(n_rows, test=10, seed=1).train
        return Rows(images.x, images.y.astype(np.int64), None)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n_rows, sizes[0]), np.float32)
    return Rows(x, (x[:, 0] > x[:, 1]).astype(np.int64), None)


def shuffle_seconds(n_rows: int) -> float:
    """Return the seconds in which one row is shuffled, in a partition of many."""
    rng, x = np.random.default_rng(0), np.empty((n_rows, 0))
    return fastest(lambda: row_order(rng, x, n_rows, True), 3) / n_rows


# -- simulated ------------------------------------------------------------------------------------


class Network(NamedTuple):
    """What is assumed, in seconds and bytes a second."""

    latency: float
    rate: float
    task: float
    submit: float
    fixed: float


class Round(NamedTuple):
    """The seconds of a round, and for how many of them the scheduler is busy."""

    seconds: float
    scheduler: float


@dataclass
class Cluster:
    """A round on workers of one partition each, event by event.

    Attributes
    ----------
    n_workers : int
    net : Network
    training : float
        Seconds that a worker trains.
    n_bytes : int
        Of parameters and state in float32; sums have twice as many.
    add, copy : float
        Seconds to add one result, and to pickle and unpickle it.
    """

    n_workers: int
    net: Network
    training: float
    n_bytes: int
    add: float
    copy: float = 0.0
    events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)

    def round(self) -> Round:
        """Return what a round takes until the client has its sum."""
        n, net = self.n_workers, self.net
        self._numbers = count()
        self._up, self._down = np.zeros(n), np.zeros(n)
        self._free, self._busy, self._end = 0.0, 0.0, 0.0
        self._levels = tree(n)
        self._missing = [[len(nodes) for nodes in level] for level in self._levels]
        self._where = [list(range(n)), *([0] * len(level) for level in self._levels)]
        shared = self._sent(self.n_bytes)
        self._holders = [0]
        for g, leaves in enumerate(self._levels[0]):
            self._tell(shared + (g + 1) * net.submit, len(leaves) + 1, partial(self._assign, g))
        while self.events:
            now, _, what = heappop(self.events)
            what(now)
        return Round(self._end, self._busy)

    def _sent(self, n_bytes: int) -> float:
        return self.net.latency + n_bytes / self.net.rate + self._copied(n_bytes)

    def _copied(self, n_bytes: int) -> float:
        return self.copy * n_bytes / self.n_bytes

    def _at(self, when: float, what: Callable[[float], None]) -> None:
        heappush(self.events, (when, next(self._numbers), what))

    def _tell(self, when: float, n_halves: int, then: Callable[[float], None]) -> None:
        """Send the scheduler a message about so many tasks, which it handles in turn."""

        def handled(now: float) -> None:
            took = n_halves * self.net.task / 2
            self._free = max(self._free, now) + took
            self._busy += took
            self._at(self._free, then)

        self._at(when + self.net.latency, handled)

    def _assign(self, group: int, now: float) -> None:
        for leaf in self._levels[0][group]:
            self._at(now + self.net.latency, partial(self._begin, leaf, tuple(self._holders)))

    def _begin(self, worker: int, holders: Sequence[int], now: float) -> None:
        """A worker fetches the parameters, and trains."""
        if worker:
            source = min(holders, key=lambda holder: self._up[holder])
            now = self._fetched(now, source, worker, self.n_bytes)
            self._at(now + self.net.latency, lambda then: self._holders.append(worker))
        self._tell(now + self.training, 1, partial(self._ended, 0, worker))

    def _fetched(self, now: float, source: int, target: int, n_bytes: int) -> float:
        start = max(now, self._up[source], self._down[target])
        self._up[source] = self._down[target] = start + n_bytes / self.net.rate
        return float(self._up[source]) + self.net.latency + self._copied(n_bytes)

    def _ended(self, level: int, number: int, now: float) -> None:
        """The scheduler hears of a leaf or sum, and assigns the sum that waited for it."""
        if level == len(self._levels):
            sums = 2 * self.n_bytes
            self._end = now + 2 * self.net.latency + self._sent(sums)
            return
        node = number // ARITY
        self._missing[level][node] -= 1
        if not self._missing[level][node]:
            # graphs of the lowest sums were counted when their leaves were assigned
            self._tell(now - self.net.latency, min(level, 1), partial(self._sum, level, node))

    def _sum(self, level: int, node: int, now: float) -> None:
        nodes = self._levels[level][node]
        where = [self._where[level][i] for i in nodes]
        n_bytes, now = self.n_bytes * (1 if level == 0 else 2), now + self.net.latency
        for source in where[1:]:
            now = max(now, self._fetched(now, source, where[0], n_bytes))
        self._where[level + 1][node] = where[0]
        self._tell(now + len(nodes) * self.add, 1, partial(self._ended, level + 1, node))


class Pass(NamedTuple):
    """A pass over all rows.

    Attributes
    ----------
    n_rounds, batch_size : int
    seconds : float
    shuffle, overhead, scheduler : float
        Fractions of the time: of the shuffle on the workers, which is drawn anew in each round; of
        all that is neither it nor training; and in which the scheduler is busy.
    speed_up : float
        Over one thread with minibatches of 100 rows.
    """

    n_rounds: int
    batch_size: int
    seconds: float
    shuffle: float
    overhead: float
    scheduler: float
    speed_up: float


def simulate(
    n_rows: float,
    n: int,
    measured: Measured,
    shuffle: float,
    net: Network,
    scaling: Scaling,
) -> Pass:
    """Return what a pass takes on n workers."""
    of_partition = int(n_rows // n)
    batch_size = scaling.rows(BATCH_SIZE, n)
    n_rounds = scaling.rounds(n, of_partition, batch_size)
    steps = of_partition / batch_size / n_rounds
    shuffling = of_partition * shuffle
    working = shuffling + steps * measured.step(batch_size)
    found = Cluster(n, net, working, measured.n_bytes, measured.add, measured.copy).round()
    of_round = found.seconds + measured.outer + net.fixed
    alone = n_rows * (measured.step(BATCH_SIZE) / BATCH_SIZE + shuffle)
    return Pass(
        n_rounds, batch_size, n_rounds * of_round, shuffling / of_round, 1 - working / of_round,
        found.scheduler / of_round, alone / (n_rounds * of_round),
    )  # fmt: skip


HEAD = ["workers", "rounds", "batch", "s per pass", "shuffle", "overhead", "scheduler",
        "× one thread"]  # fmt: skip


def _rows_or_auto(text: str) -> Any:
    return text if text == "auto" else int(text)


def line(n: int, found: Pass) -> list[str]:
    """Return a line of a table."""
    return [
        f"{n:,}", f"{found.n_rounds}", f"{found.batch_size}", f"{found.seconds:.4g}",
        f"{100 * found.shuffle:.0f} %", f"{100 * found.overhead:.0f} %",
        f"{100 * found.scheduler:.0f} %",
        f"{found.speed_up:.3g}",
    ]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, simulate, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workers", nargs="+", type=int, default=[8, 32, 128, 512, 1000])
    parser.add_argument("--rows", nargs="+", type=float, default=[1e7, 1e9])
    parser.add_argument("--batch-size", type=_rows_or_auto, default="auto", metavar="ROWS",
                        help="of a worker (default %(default)s: 100 / P, at least 8)")  # fmt: skip
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--smoke", action="store_true", help="only check that it runs")
    for name, default, what in (
        ("latency-ms", 0.5, "a message between two processes"),
        ("gbit", 10.0, "of each link and direction, Gbit/s"),
        ("task-ms", 1.0, "of the scheduler, per task"),
        ("submit-ms", 1.0, "of the client, per graph of eight partitions"),
        ("fixed-ms", 20.0, "of a round, beyond what is simulated"),
    ):
        parser.add_argument(f"--{name}", type=float, default=default,
                            help=f"{what} (default %(default)s)")  # fmt: skip
    options = parser.parse_args(argv)
    if options.smoke:
        options.rows, options.workers = [1e6], [8, 100]
    before = machine.load_average()
    net = Network(
        options.latency_ms / 1e3, options.gbit / 8 * 1e9, options.task_ms / 1e3,
        options.submit_ms / 1e3, options.fixed_ms / 1e3,
    )  # fmt: skip
    print(
        f"assumed: {options.latency_ms:g} ms latency, {options.gbit:g} Gbit/s, a task "
        f"{options.task_ms:g} ms of the scheduler, a graph {options.submit_ms:g} ms of the client, "
        f"a round {options.fixed_ms:g} ms more"
    )
    results = []
    with threads_limited(1):
        shuffle = shuffle_seconds(10_000 if options.smoke else SHUFFLED_ROWS)
        print(f"measured: a row is shuffled in {1e9 * shuffle:.1f} ns")
        for name in options.nets:
            measured = Measured(NETS[name], smoke=options.smoke)
            steps = {b: measured.step(b) for b in (100, 50, 12, 8)}
            print(f"measured: {name}, Adam, {measured.n_bytes / 1e6:.3g} MB; µs a step of "
                  + ", ".join(f"{b} rows {1e6 * s:.3g}" for b, s in steps.items())
                  + f"; µs to add a result {1e6 * measured.add:.3g}, to pickle it and back "
                  f"{1e6 * measured.copy:.3g}")  # fmt: skip
            for n_rows in options.rows:
                for rounds in ("auto", 1):
                    table, scaling = [HEAD], Scaling(rounds, options.batch_size, "auto", "auto")
                    for n in options.workers:
                        found = simulate(n_rows, n, measured, shuffle, net, scaling)
                        table.append(line(n, found))
                        results.append({"net": name, "rows": n_rows, "workers": n,
                                        "rounds_per_epoch": rounds} | found._asdict())  # fmt: skip
                    print(f"\n{name}, {n_rows:,.0f} rows, rounds_per_epoch={rounds!r}")
                    print("\n".join(report.aligned(table)), flush=True)
            print()
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    if options.json:
        written = json.dumps({"passes": results, "machine": stamp}, indent=1)
        Path(options.json).write_text(written + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
