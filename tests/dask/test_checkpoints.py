"""A fit on a cluster is resumed on another one, with the bits of a fit that was never stopped."""

import numpy as np
import pytest
from support.clusters import local_cluster

import fastnn

da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")

import fastnn.dask  # noqa: E402

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 6)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(int)
OPTIONS = {"epochs": 4, "batch_size": 8, "dropout": 0.2, "progress": False}
OUTER = fastnn.SGD(1.0, momentum=0.5, nesterov=True)
OPTIONS["outer"] = OUTER


def collections(chunk=50):
    return da.from_array(X, chunks=(chunk, 6)), da.from_array(Y, chunks=chunk)


def network():
    return fastnn.Network((6, 8, 2), activation="relu", seed=1)


class StoppedError(Exception):
    pass


def stop_after(n_rounds):
    def stop(network, epoch, record):
        if epoch == n_rounds:
            raise StoppedError

    return stop


@pytest.mark.parametrize("optimizer", [fastnn.Adam(), fastnn.SGD(0.1)], ids=["adam", "sgd"])
@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("stopped_after", [1, 7, 15])
def test_resumed_on_another_cluster(dask_client, tmp_path, stopped_after, validated, optimizer):
    more = {"optimizer": optimizer}
    plain = network()
    fastnn.dask.fit(
        plain, *collections(), client=dask_client, callbacks=stop_after(0), **OPTIONS, **more
    )
    if validated:
        more["validation_data"] = collections()
    whole = network()
    history = fastnn.dask.fit(
        whole, *collections(), client=dask_client, callbacks=stop_after(0), **OPTIONS, **more
    )
    assert whole.parameters.tobytes() == plain.parameters.tobytes()  # measuring changes nothing
    assert history.n_epochs == 16  # rounds: 8 partitions make 4 of an epoch
    path = tmp_path / "run.checkpoint"
    with pytest.raises(StoppedError):
        fastnn.dask.fit(
            network(), *collections(), client=dask_client, callbacks=stop_after(stopped_after),
            checkpoint=fastnn.Checkpoint(path), **OPTIONS, **more,
        )  # fmt: skip
    again = network()
    with local_cluster(3, processes=False) as other:
        resumed = fastnn.dask.fit(
            again, *collections(), client=other, callbacks=stop_after(0),
            checkpoint=fastnn.Checkpoint(path, resume=True, exact=True), **OPTIONS, **more,
        )  # fmt: skip
    assert again.parameters.tobytes() == whole.parameters.tobytes()
    assert resumed["loss"] == history["loss"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"chunk": 40}, "partitions"), ({"rounds_per_epoch": 2}, "rounds_per_epoch"),
     ({"outer": None}, "outer")],
    ids=str,
)  # fmt: skip
def test_another_fit_is_refused(dask_client, tmp_path, changed, words):
    path, net = tmp_path / "run.checkpoint", network()
    fastnn.dask.fit(
        net, *collections(), client=dask_client, checkpoint=fastnn.Checkpoint(path), **OPTIONS
    )
    options = OPTIONS | {name: value for name, value in changed.items() if name != "chunk"}
    with pytest.raises(ValueError, match=words):
        fastnn.dask.fit(
            network(), *collections(changed.get("chunk", 50)), client=dask_client,
            checkpoint=fastnn.Checkpoint(path, resume=True), **options,
        )  # fmt: skip


def test_other_rows_are_refused(dask_client, tmp_path):
    path = tmp_path / "run.checkpoint"
    x, y = collections()
    fastnn.dask.fit(
        network(), x, y, client=dask_client, checkpoint=fastnn.Checkpoint(path), **OPTIONS
    )
    changed = X.copy()
    changed[399, 5] += 1
    with pytest.raises(ValueError, match="partitions"):
        fastnn.dask.fit(
            network(), da.from_array(changed, chunks=(50, 6)), y, client=dask_client,
            checkpoint=fastnn.Checkpoint(path, resume=True), **OPTIONS,
        )  # fmt: skip


def test_a_lost_scheduler_ends_the_fit_in_words(dask_client, tmp_path):
    whole = network()
    fastnn.dask.fit(whole, *collections(), client=dask_client, callbacks=stop_after(0), **OPTIONS)
    path, net = tmp_path / "run.checkpoint", network()
    seen = []
    with local_cluster(2, processes=False) as client:

        def lose(network, epoch, record):
            seen.append(network.parameters.copy())
            if epoch == 5:
                client.cluster.close()

        with pytest.raises(fastnn.dask.LostError, match="in round 6; the network keeps what 5"):
            fastnn.dask.fit(
                net, *collections(), client=client, callbacks=lose,
                checkpoint=fastnn.Checkpoint(path), **OPTIONS,
            )  # fmt: skip
    np.testing.assert_array_equal(net.parameters, seen[-1])
    again = network()

    def lose(network, epoch, record):
        pass

    fastnn.dask.fit(
        again, *collections(), client=dask_client, callbacks=lose,
        checkpoint=fastnn.Checkpoint(path, resume=True), **OPTIONS,
    )  # fmt: skip
    assert again.parameters.tobytes() == whole.parameters.tobytes()
