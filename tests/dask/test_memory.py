"""Workers keep nothing of partitions that are recomputed whenever they are used."""

import pytest

import fastnn

da = pytest.importorskip("dask.array")
plugins = pytest.importorskip("distributed.diagnostics.plugin")

import fastnn.dask  # noqa: E402

N_PARTITIONS, N_ROWS, N_IN = 6, 3000, 50


class Largest(plugins.SchedulerPlugin):
    """Notes the most bytes of a result, of the tasks of fastnn."""

    name = "largest"

    def __init__(self, scheduler):
        self.scheduler, self.n_bytes = scheduler, 0

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "memory" and str(key).startswith("fastnn-"):
            self.n_bytes = max(self.n_bytes, self.scheduler.tasks[key].nbytes)


@pytest.mark.parametrize("persist", [True, False])
def test_no_result_is_as_large_as_a_partition_unless_they_are_held(dask_client, persist):
    x = da.random.default_rng(0).normal(size=(N_ROWS, N_IN), chunks=(N_ROWS // N_PARTITIONS, N_IN))
    y = (x[:, 0] > 0).astype(int)
    scheduler = dask_client.cluster.scheduler
    largest = Largest(scheduler)
    dask_client.sync(_add, scheduler, largest)
    try:
        fastnn.dask.fit(
            fastnn.Network((N_IN, 2), dtype="float64", seed=0), x, y, client=dask_client,
            epochs=1, persist=persist, progress=False,
        )  # fmt: skip
    finally:
        dask_client.sync(_remove, scheduler, largest.name)
    n_bytes = x.nbytes // N_PARTITIONS
    assert (largest.n_bytes >= n_bytes) == persist
    assert largest.n_bytes > 0


async def _add(scheduler, plugin):
    scheduler.add_plugin(plugin)


async def _remove(scheduler, name):
    scheduler.remove_plugin(name)
