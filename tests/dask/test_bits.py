"""A fit on a cluster has the same bits, whatever workers do it and however many are lost."""

import warnings

import numpy as np
import pytest
from support import strategies as drawn
from support.clusters import killing, local_cluster, wait_for_workers
from support.ensembles import targets
from support.rounds import plain_rounds

import fastnn
from fastnn.architecture import ACTIVATIONS, LOSSES
from fastnn.rows.checked import checked_rows

da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")

import fastnn.dask  # noqa: E402


def cut(x, n_partitions):
    """The slices of a dask array's chunks."""
    size = -(-len(x) // n_partitions)
    return [slice(first, first + size) for first in range(0, len(x), size)]


def on_dask(array, n_partitions):
    size = -(-len(array) // n_partitions)
    return da.from_array(array, chunks=(size, *array.shape[1:]))


def fitted(client, network, x, y, n_partitions, weights=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = fastnn.dask.fit(
            network, on_dask(x, n_partitions), on_dask(y, n_partitions), client=client,
            sample_weight=None if weights is None else on_dask(weights, n_partitions),
            progress=False, **options,
        )  # fmt: skip
    return history


@pytest.mark.parametrize("seed", range(10))
def test_rounds_are_what_they_are_said_to_be(dask_client, seed):
    """Compared with rounds written in the plainest way, for options of all kinds.

    Drawn from a seed: hypothesis will not have Dask's threads use the module random meanwhile.
    """
    rng = np.random.default_rng(seed)

    def one_of(*values):
        return values[rng.integers(len(values))]

    output = one_of(*sorted(LOSSES))
    hidden = [one_of(1, 8, 33) for _ in range(rng.integers(3))]
    n_out = one_of(2, 3, 17) if output == "softmax" else one_of(1, 2)
    made = {
        "sizes": (one_of(1, 4, 19), *hidden, n_out),
        "activation": [one_of(*ACTIVATIONS) for _ in hidden],
        "output": output,
        "loss": one_of(*LOSSES[output]),
        "dtype": one_of("float32", "float64"),
        "input_scale": 1 / 255,
    }
    n_rows, n_partitions = one_of(40, 97), one_of(1, 2, 5, 11)
    x = drawn.values(rng, (n_rows, made["sizes"][0]), one_of("float32", "float64", "uint8"))
    y = targets(rng, output, n_rows, n_out)
    weights = one_of(None, rng.uniform(0.1, 2, n_rows))
    n_rounds, batch_size = one_of(1, 2, 3), one_of(3, 8, 100)
    optimizer = one_of(fastnn.Adam(0.01), fastnn.SGD(0.1, momentum=0.9), fastnn.RMSprop(0.01))
    rates = tuple(one_of(0.0, 0.3) for _ in hidden)
    outer = one_of(None, (0.7, 0.5))
    options = {
        "reduction": one_of("mean", "sum"),
        "l1": one_of(0.0, 0.01),
        "l2": one_of(0.0, 0.01),
    }
    one, other = (fastnn.Network(**made, seed=3) for _ in range(2))
    history = fitted(
        dask_client, one, x, y, n_partitions, weights, **options, epochs=2,
        batch_size=batch_size, optimizer=optimizer, dropout=rates if hidden else 0.0,
        rounds_per_epoch=n_rounds, rate_factor=1.0,
        outer=None if outer is None else fastnn.SGD(outer[0], momentum=outer[1], nesterov=True),
    )  # fmt: skip
    parts = [
        checked_rows(other.architecture, None, None, x[rows], y[rows],
                     None if weights is None else weights[rows])
        for rows in cut(x, n_partitions)
    ]  # fmt: skip
    losses = plain_rounds(
        other, parts, one.backend, epochs=2, n_rounds=n_rounds, batch_size=batch_size,
        optimizer=optimizer, options=options | {"dropout": rates if any(rates) else ()},
        rule=outer,
    )  # fmt: skip
    assert np.isfinite(losses).all()
    assert one.parameters.tobytes() == other.parameters.tobytes()
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)


def problem(n_rows=3000):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n_rows, 12)).astype(np.float32)
    return x, (x[:, :4] @ rng.normal(size=(4, 3))).argmax(axis=1)


def network():
    return fastnn.Network((12, 16, 3), activation="relu", seed=7)


OPTIONS = {"epochs": 8, "dropout": 0.2, "l2": 1e-3}


@pytest.fixture(scope="module")
def expected(shared_cluster):
    """The bits that two workers give."""
    net = network()
    fitted(shared_cluster, net, *problem(), 11, **OPTIONS)
    return net.parameters.tobytes()


@pytest.mark.parametrize("n_workers", [1, 3, 4])
def test_any_number_of_workers(expected, n_workers):
    with local_cluster(n_workers, processes=False) as client:
        net = network()
        fitted(client, net, *problem(), 11, **OPTIONS)
        assert net.parameters.tobytes() == expected


def test_threads_of_a_worker(expected):
    with local_cluster(1, threads_per_worker=4, processes=False) as client:
        net = network()
        fitted(client, net, *problem(), 11, **OPTIONS)
        assert net.parameters.tobytes() == expected


@pytest.mark.parametrize("persist", [True, "auto"])
def test_held_or_not(dask_client, expected, persist):
    net = network()
    fitted(dask_client, net, *problem(), 11, **OPTIONS, persist=persist)
    assert net.parameters.tobytes() == expected


def test_partitions_recomputed_in_every_round(dask_client):
    x = da.random.default_rng(0).normal(size=(3000, 12), chunks=(500, 12)).astype("float32")
    y = (x[:, 0] > x[:, 1]).astype(int)
    bits = []
    for persist in (True, False):
        net = fastnn.Network((12, 8, 2), seed=0)
        history = fastnn.dask.fit(
            net, x, y, client=dask_client, epochs=2, persist=persist, progress=False
        )
        bits.append((net.parameters.tobytes(), history["loss"]))
    assert bits[0] == bits[1]


def test_placement_of_the_partitions(dask_client, expected):
    """Every partition on one worker, and all tasks on the other."""
    x, y = (on_dask(a, 11) for a in problem())
    first, second = dask_client.scheduler_info(-1)["workers"]
    x, y = dask_client.persist([x, y], workers=[first])
    net = network()
    fastnn.dask.fit(net, x, y, client=dask_client, progress=False, **OPTIONS)
    assert net.parameters.tobytes() == expected
    x, y = dask_client.persist([x, y], workers=[second])
    net = network()
    fastnn.dask.fit(net, x, y, client=dask_client, progress=False, **OPTIONS)
    assert net.parameters.tobytes() == expected


@pytest.mark.parametrize("n_killed", [1, 2])
@pytest.mark.parametrize("moment", [0.05, 0.15, 0.3])
def test_workers_killed_in_the_middle(dask_client, expected, n_killed, moment):
    net = network()
    with killing(dask_client, moment, n_killed):
        fitted(dask_client, net, *problem(), 11, **OPTIONS)
    assert net.parameters.tobytes() == expected
    wait_for_workers(dask_client)


def test_sparse_blocks(dask_client):
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 30)).astype(np.float32) * (rng.random((300, 30)) < 0.1)
    y = rng.integers(0, 2, 300)
    bits = []
    for sparsely in (False, True):
        rows = on_dask(x, 3)
        if sparsely:
            rows = rows.map_blocks(sparse.csr_matrix)
        net = fastnn.Network((30, 8, 2), seed=0)
        fastnn.dask.fit(net, rows, on_dask(y, 3), client=dask_client, epochs=2, progress=False)
        bits.append(net)
    dense, csr = bits
    assert csr.trained_on == dense.trained_on
    np.testing.assert_allclose(csr.parameters, dense.parameters, atol=1e-4)
