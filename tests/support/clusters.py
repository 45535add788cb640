"""A Dask cluster on this machine: worker processes of one thread, which tests may kill."""

import logging
import os
import signal
import threading
import warnings
from contextlib import contextmanager

import pytest

N_WORKERS = 2

OPTIONS = {
    # a loss of before must not end a worker that takes the place of the lost one
    "distributed.deploy.lost-worker-timeout": "24h",
    "distributed.scheduler.allowed-failures": 100,  # tests kill workers, whatever they are doing
    "distributed.comm.timeouts.connect": "5s",  # how long a dead worker may be waited for
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.profile.enabled": False,
}


@contextmanager
def local_cluster(n_workers=N_WORKERS, threads_per_worker=1, **options):
    """Start worker processes, and yield a client of their scheduler, which is not the default."""
    distributed = pytest.importorskip("distributed")
    import dask

    with dask.config.set(OPTIONS):
        with quiet():
            cluster = distributed.LocalCluster(
                n_workers=n_workers, threads_per_worker=threads_per_worker,
                dashboard_address=None, silence_logs=logging.CRITICAL,
                **{"processes": True, "memory_limit": 0, **options},
            )  # fmt: skip
            client = distributed.Client(cluster, set_as_default=False)
        try:
            client.wait_for_workers(n_workers, timeout=60)
            yield client
        finally:
            with quiet():
                client.close()
                cluster.close()


@contextmanager
def quiet():
    """Ignore what distributed warns of and logs when it starts and ends."""
    # For good: what is killed is reported at any time later, by other threads.
    for name in ("distributed", "asyncio", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session")
def shared_cluster():
    """A client of two workers, for all tests of this process; see `dask_client`."""
    with local_cluster() as client:
        yield client


@pytest.fixture
def dask_client(shared_cluster):
    """A client of two workers, which are both there."""
    wait_for_workers(shared_cluster)
    return shared_cluster


def wait_for_workers(client, n_workers=N_WORKERS):
    """Wait until workers that were killed have been replaced."""
    try:
        client.wait_for_workers(n_workers, timeout=15)
    except TimeoutError:  # Dask gives up a worker that dies while it starts
        client.cluster.scale(0)
        client.cluster.scale(n_workers)
        client.wait_for_workers(n_workers, timeout=60)


def worker_processes(client):
    """Return the process id of each worker; one that is killed while it starts is not replaced."""
    there = client.scheduler_info(-1)["workers"]
    nannies = client.cluster.workers.values()
    return [nanny.pid for nanny in nannies if nanny.pid and nanny.worker_address in there]


def kill_workers(client, n_workers=1):
    """Kill workers at once, as when their machine is lost; the cluster starts others."""
    for pid in worker_processes(client)[:n_workers]:
        os.kill(pid, signal.SIGKILL)


@contextmanager
def killing(client, after, n_workers=1):
    """Kill workers so many seconds after the block has begun, which must take longer than that."""
    timer = threading.Timer(after, kill_workers, (client, n_workers))
    timer.start()
    try:
        yield
        assert timer.finished.is_set(), f"the block took less than {after} s: nothing was killed"
    finally:
        timer.join()
