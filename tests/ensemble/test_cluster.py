"""A fit on a Dask cluster is the local one, bit for bit, and survives what happens to clusters."""

import _thread
import re
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies as drawn
from support.clusters import killing, local_cluster
from support.ensembles import fit_options, network_options, targets

import fastnn
from fastnn.schedules import Cosine, Schedule
from fastnn.training import spread_fits

distributed = pytest.importorskip("distributed")

ROWS = 20
ONE, FEW, ALL = 1.0, 3e5, 2e9  # models in a chunk


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """A chunk is what takes some milliseconds."""
    monkeypatch.setattr(spread_fits, "WORK_OF_CHUNK", FEW)


def fitted(make, x, y, **options):
    """Return the ensemble, its history, and what it warned of."""
    ensemble = make()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = ensemble.fit(x, y, progress=False, **options)
    return ensemble, history, sorted(str(warning.message) for warning in caught)


def assert_same_fit(ours, theirs):
    """Assert that two fits, as `fitted` returns them, are the same in every bit."""
    (one, history, said), (other, its_history, it_said) = ours, theirs
    assert one.parameters.tobytes() == other.parameters.tobytes()
    assert one._generators.states.tobytes() == other._generators.states.tobytes()
    assert (one.architecture, one.trained_on) == (other.architecture, other.trained_on)
    assert list(history) == list(its_history)
    for name in history:
        assert history[name].tobytes() == its_history[name].tobytes(), name
    assert history.n_epochs.tolist() == its_history.n_epochs.tolist()
    assert history.stopped == its_history.stopped
    for mine, its in zip(history.rows or (), its_history.rows or (), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert said == it_said


@settings(max_examples=20)
@given(data=st.data())
def test_the_bits_of_the_local_fit(shared_cluster, data):
    """In every option, however the models are cut into chunks."""
    options, n_models = data.draw(network_options()), data.draw(st.integers(2, 5))
    common, _ = data.draw(fit_options(n_models, len(options["activation"])))
    rng = np.random.default_rng(data.draw(drawn.seeds))
    whose = data.draw(st.sampled_from(["same", "groups", "own"]))
    n_rows, n_in = ROWS * (n_models if whose == "own" else 1), options["sizes"][0]
    kind = data.draw(st.sampled_from(["float32", "float64", "uint8"]))
    x = drawn.values(rng, (n_rows, n_in), kind, data.draw(drawn.densities))
    y = targets(rng, options["output"], n_rows, options["sizes"][-1])
    weight = rng.uniform(0, 2, n_rows) if data.draw(st.booleans()) else None
    watched = drawn.values(rng, (n_rows, n_in), kind, 1.0), y
    if whose == "own":
        x, y, weight, *watched = (
            None if a is None else a.reshape(n_models, ROWS, *a.shape[1:])
            for a in (x, y, weight, *watched)
        )
    else:
        x = drawn.lay_out(rng, x, data.draw(drawn.layouts))
    more = {"sample_weight": weight, "active": data.draw(st.sampled_from([None, [1, 0]]))}
    if whose == "groups":  # the first has no rows
        more["groups"] = rng.integers(1, n_models, n_rows)
    more["bootstrap"] = data.draw(st.sampled_from([False, True, 0.3]))
    if data.draw(st.booleans()):
        monitor = data.draw(st.sampled_from(["loss", "val_loss"]))
        more["validation_data"] = tuple(watched)
        more["validation_groups"] = None if whose != "groups" else rng.permutation(more["groups"])
        more["callbacks"] = fastnn.EarlyStopping(monitor, patience=1)
    backend = data.draw(st.sampled_from(["cython", "cython", "numpy"]))

    def make():
        return fastnn.Ensemble(**options, n_models=n_models, seed=3, backend=backend)

    spread_fits.WORK_OF_CHUNK = data.draw(st.sampled_from([ONE, FEW, ALL]))
    try:
        theirs = fitted(make, x, y, **common, **more)
    except ValueError as error:  # labels of one class only
        with pytest.raises(ValueError, match=re.escape(str(error))):
            fitted(make, x, y, client=shared_cluster, **common, **more)
        return
    assert_same_fit(fitted(make, x, y, client=shared_cluster, **common, **more), theirs)


def crowd(n_models=300, **options):
    return fastnn.Ensemble((4, 8, 1), n_models, output="identity", seed=0, **options)


def table(n_rows=400):
    x = np.random.default_rng(0).normal(size=(n_rows, 4)).astype(np.float32)
    return x, x[:, 0] * x[:, 1]


def test_a_worker_that_is_killed_changes_nothing(dask_client, monkeypatch):
    monkeypatch.setattr(spread_fits, "WORK_OF_CHUNK", 5e7)
    x, y = table()
    theirs = fitted(crowd, x, y, epochs=100)
    with killing(dask_client, 0.2):
        ours = fitted(crowd, x, y, epochs=100, client=dask_client)
    assert_same_fit(ours, theirs)


def after_first_chunk(monkeypatch, happens):
    """Have something happen when the first chunk has been stored."""
    store, stored = spread_fits.Begun._store, []

    def first(self, models, trained):
        store(self, models, trained)
        stored.append(models)
        if len(stored) == 1:
            happens()

    monkeypatch.setattr(spread_fits.Begun, "_store", first)


def test_ctrl_c_keeps_whole_chunks(dask_client, monkeypatch):
    monkeypatch.setattr(spread_fits, "WORK_OF_CHUNK", 2e8)
    x, y = table()
    ensemble, complete = crowd(), crowd()
    untrained = ensemble.parameters.copy()
    complete.fit(x, y, epochs=600, progress=False)
    after_first_chunk(monkeypatch, _thread.interrupt_main)
    with pytest.warns(RuntimeWarning, match="of 300 models .* interrupted"):
        history = ensemble.fit(x, y, epochs=600, progress=False, client=dask_client)
    monkeypatch.undo()
    done = np.array([stopped is None for stopped in history.stopped])
    assert not done.all()
    np.testing.assert_array_equal(ensemble.parameters[done], complete.parameters[done])
    np.testing.assert_array_equal(ensemble.parameters[~done], untrained[~done])
    assert (history.n_epochs == np.where(done, 600, 0)).all()
    ensemble.fit(x, y, epochs=1, progress=False, client=dask_client)


def test_a_lost_scheduler_keeps_whole_chunks(monkeypatch):
    monkeypatch.setattr(spread_fits, "WORK_OF_CHUNK", 2e8)
    x, y = table()
    ensemble, complete = crowd(), crowd()
    untrained = ensemble.parameters.copy()
    complete.fit(x, y, epochs=600, progress=False)
    with local_cluster() as client:
        after_first_chunk(monkeypatch, client.cluster.close)
        with pytest.raises(ConnectionError, match="lost"):
            ensemble.fit(x, y, epochs=600, progress=False, client=client)
        monkeypatch.undo()
    done = (ensemble.parameters == complete.parameters).all(axis=1)
    np.testing.assert_array_equal(ensemble.parameters[~done], untrained[~done])
    ensemble.fit(x, y, epochs=1, progress=False)


class Recorder:
    """What is sent to workers, and in graphs."""

    def __init__(self, monkeypatch, client):
        self.sent, self.graphs = [], []
        share, compute = fastnn.cluster.Cluster.share, client.compute

        def shared(cluster, value):
            made = share(cluster, value)
            self.sent.append(made._carried.__sizeof__())
            return made

        def computed(node, **options):
            self.graphs.append(len(distributed.protocol.pickle.dumps(dict(node.dask))))
            return compute(node, **options)

        monkeypatch.setattr(fastnn.cluster.Cluster, "share", shared)
        monkeypatch.setattr(client, "compute", computed)


def test_a_table_is_sent_once_and_in_no_graph(dask_client, monkeypatch):
    monkeypatch.setattr(spread_fits, "WORK_OF_CHUNK", ONE)
    x, y = table(20_000)
    recorder = Recorder(monkeypatch, dask_client)
    crowd(6).fit(x, y, epochs=1, progress=False, client=dask_client)
    assert len(recorder.graphs) == 6
    assert max(recorder.graphs) < 5_000
    large = [size for size in recorder.sent if size > 50_000]
    assert len(large) == 2  # x and y
    assert sum(recorder.sent) < 1.2 * (x.nbytes + y.nbytes)


def test_groups_are_sent_with_their_chunk(dask_client, monkeypatch):
    monkeypatch.setattr(spread_fits, "WORK_OF_CHUNK", ONE)
    x, y = table(20_000)
    recorder = Recorder(monkeypatch, dask_client)
    groups = np.repeat(np.arange(8), 2500)
    ensemble = crowd(8)
    ensemble.fit(x, y, groups=groups, active=range(6), epochs=1, progress=False, client=dask_client)
    rows = x.nbytes + y.nbytes + 8 * len(x)  # and their numbers
    assert len(recorder.sent) == len(recorder.graphs) == 6
    assert sum(recorder.sent) < 0.8 * rows


def test_progress_counts_models(shared_cluster, monkeypatch):
    said = []
    train = spread_fits.Spread.train_models
    monkeypatch.setattr(
        spread_fits.Spread, "train_models",
        lambda spread, fits, say: train(spread, fits, lambda n: (said.append(n), say(n))),
    )  # fmt: skip
    crowd(30).fit(*table(), epochs=2, progress=False, client=shared_cluster)
    assert said == sorted(said)
    assert said[-1] == 30
    assert len(said) > 3


def test_a_part_of_an_ensemble(shared_cluster):
    """Slices, and networks that are referenced, see what the workers did."""
    x, y = table()
    one, other = crowd(5), crowd(5)
    network = one[2]
    one[1:4].fit(x, y, epochs=2, progress=False, client=shared_cluster)
    other[1:4].fit(x, y, epochs=2, progress=False)
    assert one.parameters.tobytes() == other.parameters.tobytes()
    network.fit(x, y, epochs=1, progress=False)
    other[2].fit(x, y, epochs=1, progress=False)
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_a_schedule_of_ones_own(shared_cluster):
    @dataclass(frozen=True)
    class Halved(Schedule):
        def _check(self):
            pass

        def _decayed(self, steps):
            return 0.01 * 0.5 ** (steps // 10)

    x, y = table()
    options = {"epochs": 2, "optimizer": [fastnn.SGD(Halved()), fastnn.Adam(Halved())]}
    assert_same_fit(
        fitted(lambda: crowd(2), x, y, client=shared_cluster, **options),
        fitted(lambda: crowd(2), x, y, **options),
    )


class Unsendable(Cosine):
    def __reduce__(self):
        raise TypeError("it holds an open file")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"client": "tcp://127.0.0.1:8786"}, TypeError, "client must be a distributed.Client"),
        ({"callbacks": print}, TypeError, "Others are for Network.fit"),
        ({"optimizer": fastnn.SGD(Unsendable(0.1, 10))}, TypeError, "open file: use optimizers"),
        ({"optimizer": fastnn.SGD(0.1), "l2": -1}, ValueError, "l2"),
    ],
)
def test_fits_that_cannot_be(shared_cluster, options, error, words):
    ensemble = crowd(3)
    untrained = ensemble.parameters.copy()
    with pytest.raises(error, match=words):
        ensemble.fit(*table(), progress=False, **{"client": shared_cluster} | options)
    np.testing.assert_array_equal(ensemble.parameters, untrained)
    assert ensemble.trained_on is None
    ensemble.fit(*table(), epochs=1, progress=False, client=shared_cluster)


def test_models_that_diverge_are_named(shared_cluster):
    rates = [fastnn.SGD(0.01), fastnn.SGD(1e30), fastnn.SGD(0.01)]
    x, y = table()
    ours = fitted(lambda: crowd(3), x, y, optimizer=rates, client=shared_cluster)
    assert_same_fit(ours, fitted(lambda: crowd(3), x, y, optimizer=rates))
    assert any("1 of 3 models (1) diverged" in words for words in ours[2])
