"""Tasks are done again when what they need was lost, and otherwise their errors are raised."""

import operator

import numpy as np
import pytest
from support.clusters import kill_workers, local_cluster, wait_for_workers

distributed = pytest.importorskip("distributed")

from fastnn.cluster import Cluster, LostError  # noqa: E402

# What workers call must be known to them, and modules of tests are not.
plus, fails = operator.add, operator.truediv


def test_a_shared_value_that_was_lost_is_sent_again(dask_client):
    cluster = Cluster(dask_client)
    shared = cluster.share(np.arange(10))
    kill_workers(dask_client, 2)  # with every copy
    wait_for_workers(dask_client)
    tasks = [cluster.submit(lambda i=i: cluster.call(plus, shared, i), [shared]) for i in range(3)]
    for i, found in enumerate(cluster.results(tasks)):
        np.testing.assert_array_equal(found, np.arange(10) + i)


def test_released_tasks_are_computed_again(dask_client):
    cluster = Cluster(dask_client)
    shared = cluster.share(np.arange(3))
    first = cluster.submit(lambda: cluster.call(plus, shared, 1), [shared])
    second = cluster.submit(lambda: cluster.call(plus, first, 1), [first])
    assert cluster.results([second])[0].tolist() == [2, 3, 4]
    first.release()
    second.release()
    second.restore()
    assert cluster.results([second])[0].tolist() == [2, 3, 4]


def test_errors_of_tasks_are_raised_as_they_are(dask_client):
    cluster = Cluster(dask_client)
    shared = cluster.share(0)
    task = cluster.submit(lambda: cluster.call(fails, 1, shared), [shared])
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        cluster.results([task])


def test_a_lost_scheduler_is_an_error_of_its_own():
    with local_cluster(1, processes=False) as client:
        cluster = Cluster(client)
        shared = cluster.share(np.arange(3))
        client.cluster.close()
        with pytest.raises(LostError, match="scheduler"):
            cluster.results([cluster.submit(lambda: cluster.call(plus, shared, 1), [shared])])


def test_clients_are_checked(dask_client):
    with pytest.raises(TypeError, match=r"distributed\.Client"):
        Cluster("tcp://127.0.0.1:8786")
    with local_cluster(1, processes=False) as client:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        Cluster(client)
