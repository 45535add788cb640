"""Dask clusters on this machine whose processes a benchmark may kill.

`local_cluster` is a `LocalCluster` of worker processes, which are replaced when they die.
`Programs` are a scheduler and workers started as programs, as on machines of their own.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import dask
import distributed

OPTIONS = {
    "distributed.scheduler.allowed-failures": 1000,  # workers are killed whatever they are doing
    "distributed.comm.timeouts.connect": "5s",  # how long a dead worker may be waited for
    # after which Dask gives up a worker for good that is not there, or not again
    "distributed.deploy.lost-worker-timeout": "24h",
    "distributed.admin.system-monitor.interval": "10s",
}
START = 60.0  # seconds until workers must be there, also in place of killed ones


@contextmanager
def local_cluster(n_workers: int, memory_limit: str | int = 0) -> Iterator[Any]:
    """Start worker processes of one thread; yield a client, which is not Dask's default."""
    with dask.config.set(OPTIONS), _quiet():
        cluster = distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=None,
            memory_limit=memory_limit, silence_logs=logging.CRITICAL,
        )  # fmt: skip
        client = distributed.Client(cluster, set_as_default=False)
        try:
            client.wait_for_workers(n_workers, timeout=START)
            yield client
        finally:
            client.close()
            cluster.close()


def wait_for_workers(client: Any, n_workers: int) -> None:
    """Wait until workers that were killed have been replaced."""
    client.wait_for_workers(n_workers, timeout=START)


def worker_pids(client: Any) -> list[int]:
    """Return the process ids of the workers that are there; those that start are none yet."""
    there = client.scheduler_info(-1)["workers"]
    nannies = client.cluster.workers.values()
    return [nanny.pid for nanny in nannies if nanny.pid and nanny.worker_address in there]


def kill(pids: Sequence[int]) -> None:
    """Kill processes at once, as when their machine is lost."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


class Programs:
    """A scheduler and workers of one thread, each started from the command line."""

    def __init__(self) -> None:
        self._written = tempfile.TemporaryDirectory()
        self._folder = Path(self._written.name)
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Programs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in reversed(self._running):  # workers before their scheduler
            process.terminate()
        for process in reversed(self._running):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._written.cleanup()

    def scheduler(self, host: str, prefix: Sequence[str] = ()) -> tuple[str, int]:
        """Start a scheduler; return its address and the id of its process.

        Parameters
        ----------
        host : str
            Address it listens at.
        prefix : sequence of str
            Words before the command, such as of ``ip netns exec``.
        """
        file = self._folder / f"scheduler-{len(self._running)}.json"
        options = ["--host", host, "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        pid = self._started([*prefix, *_command("scheduler"), *options])
        end = time.monotonic() + START
        while not file.exists() or not file.read_text().rstrip().endswith("}"):
            if time.monotonic() > end:
                raise TimeoutError(f"the scheduler has not started within {START:.0f} s")
            time.sleep(0.1)
        return str(json.loads(file.read_text())["address"]), pid

    def worker(self, scheduler: str, host: str, prefix: Sequence[str] = ()) -> int:
        """Start a worker of the scheduler with that address; return the id of its process."""
        options = ["--host", host, "--nthreads", "1", "--no-dashboard", "--no-nanny",
                   "--memory-limit", "0", "--local-directory", str(self._folder)]  # fmt: skip
        return self._started([*prefix, *_command("worker"), scheduler, *options])

    def _started(self, command: Sequence[str]) -> int:
        variables = {
            f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": str(value)
            for name, value in OPTIONS.items()
        }
        log = self._folder / f"program-{len(self._running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=os.environ | variables, stdout=output, stderr=output, cwd=self._folder
            )
        self._running.append(process)
        return process.pid


@contextmanager
def connected(scheduler: str, n_workers: int) -> Iterator[Any]:
    """Yield a client of a scheduler that has so many workers, which is not Dask's default."""
    with dask.config.set(OPTIONS), _quiet():
        client = distributed.Client(scheduler, set_as_default=False)
        try:
            client.wait_for_workers(n_workers, timeout=START)
            yield client
        finally:
            client.close(timeout=2)


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "dask", name]


@contextmanager
def _quiet() -> Iterator[None]:
    """Ignore what Dask logs and warns of when processes are killed."""
    for name in ("distributed", "distributed.client", "asyncio", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # for good: it is logged at any time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
