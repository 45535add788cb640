"""What users do with a cluster that is not a plain fit."""

import gc
import time

import numpy as np
import pytest
from support.clusters import local_cluster

import fastnn

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
dask = pytest.importorskip("dask")
pd = pytest.importorskip("pandas")
distributed = pytest.importorskip("distributed")
pytest.importorskip("sklearn")

import fastnn.dask  # noqa: E402
from fastnn.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 5)).astype(np.float32)
Y = rng.integers(0, 2, 400)
FIT = {"epochs": 2, "progress": False}


def network():
    return fastnn.Network((5, 8, 2), seed=0)


def on_dask(*arrays, chunk=100):
    return [da.from_array(a, chunks=(chunk, *a.shape[1:])) for a in arrays]


@pytest.fixture(scope="module")
def limited():
    """A client of workers with a limit of memory, for which partitions may be recomputed.

    They are threads of this process, whose memory counts.
    """
    with local_cluster(2, processes=False, memory_limit="1TB") as client:
        yield client


def persisted_arrays(client):
    return client.persist(on_dask(X, Y))


def persisted_frame(client):
    frame = pd.DataFrame(X, columns=list("abcde")).assign(y=Y)
    frame = client.persist(dd.from_pandas(frame, npartitions=4))
    return frame[list("abcde")], frame["y"]


def futures(client):
    cut = range(0, 400, 100)
    return client.scatter([X[i : i + 100] for i in cut]), client.scatter(
        [Y[i : i + 100] for i in cut]
    )


def delayed_of_futures(client):
    return [[dask.delayed(part) for part in parts] for parts in futures(client)]


def parts_of_persisted(client):
    x, y = KEPT["persisted"] = client.persist(on_dask(X, Y))
    return [list(x.to_delayed().reshape(-1)), list(y.to_delayed().reshape(-1))]


KEPT = {}
"""What workers are to hold: parts of a collection do not keep it."""


def plain_arrays(client):
    return on_dask(X, Y)


KINDS = [
    persisted_arrays, persisted_frame, futures, delayed_of_futures, parts_of_persisted,
    plain_arrays,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("share", [0.4, 1e-12], ids=["fits", "does not fit"])
def test_rows_wherever_they_are(limited, kind, share, monkeypatch, caplog):
    monkeypatch.setattr("fastnn.dask.held.SHARE_OF_MEMORY", share)
    bits = set()
    for make in (plain_arrays, kind):
        net = network()
        given = make(limited)
        fastnn.dask.fit(net, *given, client=limited, **FIT)
        bits.add(net.parameters.tobytes())
    assert len(bits) == 1


def test_workers_forget_the_rows_after_a_fit(limited):
    wide = np.zeros((400, 5000), np.float32)
    wide[0], wide[1] = 1, -1
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            x, y = on_dask(wide, Y)
            net = fastnn.Network((5000, 2), seed=0)
            fastnn.dask.fit(net, x, y, client=limited, epochs=1, progress=False)
            with pytest.raises(ValueError, match="no such"):
                fastnn.dask.fit(net, x, y, client=limited, callbacks=_fails, epochs=1)
            del x, y
        deadline = time.monotonic() + 10
        while limited.cluster.scheduler.tasks and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not [key for key in limited.cluster.scheduler.tasks if "fastnn" in str(key)]
    finally:
        gc.enable()


def _fails(network, epoch, record):
    raise ValueError("no such")


def test_predictions_are_of_the_network_as_it_was(dask_client):
    net = network()
    net.fit(X, Y, **FIT)
    (x,) = on_dask(X)
    expected = net.predict(X)
    lazy = fastnn.dask.predict(net, x)
    net.parameters[...] = 0
    np.testing.assert_array_equal(lazy.compute(scheduler="sync"), expected)


def test_predictions_are_refused_before_they_are_computed():
    net = network()
    for x, words in (
        (on_dask(X[:, :4])[0], "4 columns"),
        ([[1, 2, 3, 4, 5]], "must be a Dask array"),
        ([], "must be a Dask array"),
        (X, "must be a Dask array"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            fastnn.dask.predict(net, x)


def test_evaluation_is_that_of_one_machine(dask_client):
    net = network()
    net.fit(X, Y, **FIT)
    weights = (np.arange(400) >= 200) * 1.5  # two partitions weigh nothing
    far = fastnn.dask.evaluate(net, *on_dask(X, Y, weights), client=dask_client)
    assert far == pytest.approx(net.evaluate(X, Y, weights), rel=1e-6)
    with pytest.raises(ValueError, match="zero for every row"):
        fastnn.dask.evaluate(net, *on_dask(X, Y, weights * 0), client=dask_client)


def test_partitions_that_weigh_nothing(dask_client):
    weights = (np.arange(400) >= 200) * 1.0
    net = network()
    x, y, w = on_dask(X, Y, weights)
    history = fastnn.dask.fit(net, x, y, client=dask_client, sample_weight=w, **FIT)
    assert np.isfinite(history["loss"]).all()
    with pytest.raises(ValueError, match="zero for every row"):
        fastnn.dask.fit(net, x, y, client=dask_client, sample_weight=w * 0, **FIT)


def scores():
    text = np.where(Y, "a", "b")
    yield "classes", MLPClassifier, "DaskMLPClassifier", Y, Y, None
    yield "unknown classes", MLPClassifier, "DaskMLPClassifier", Y, Y + 1, None
    yield "text for numbers", MLPClassifier, "DaskMLPClassifier", Y, text, None
    yield "NaN", MLPClassifier, "DaskMLPClassifier", Y, np.where(Y, np.nan, 1.0), None
    yield "constant", MLPRegressor, "DaskMLPRegressor", X[:, 0], np.full(400, 0.1), None
    yield "numbers", MLPRegressor, "DaskMLPRegressor", X[:, 0], X[:, 0], None
    yield "NaN numbers", MLPRegressor, "DaskMLPRegressor", X[:, 0], X[:, 0] * np.nan, None
    for name, weight in (("weights", np.abs(X[:, 1])), ("NaN weights", X[:, 1] * np.nan),
                         ("negative weights", -np.abs(X[:, 1]) - 1)):  # fmt: skip
        yield name, MLPRegressor, "DaskMLPRegressor", X[:, 0], X[:, 0], weight.astype(float)
        yield name, MLPClassifier, "DaskMLPClassifier", Y, Y, weight.astype(float)


@pytest.mark.parametrize(
    ("kind", "name", "learned", "y", "weight"), [pytest.param(*c[1:], id=c[0]) for c in scores()]
)
@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_one_machine(dask_client, kind, name, learned, y, weight):
    far = getattr(fastnn.dask, name)(max_iter=2, random_state=0, client=dask_client)
    far.fit(*on_dask(X, learned))
    local = far.to_local()
    given = [y] if weight is None else [y, weight]
    try:
        expected = local.score(X, *given)
    except ValueError:
        expected = None
    if expected is None or (weight is not None and not (weight >= 0).all()):
        with pytest.raises((TypeError, ValueError)):
            far.score(*on_dask(X, *given))
    else:
        assert far.score(*on_dask(X, *given)) == pytest.approx(expected, rel=1e-5)


def in_a_task(x, y):
    net = network()
    fastnn.dask.fit(net, x, y, **FIT)
    return net.parameters.tobytes()


def test_fits_within_tasks_that_fill_the_cluster(limited):
    x, y = on_dask(X, Y)
    here = network()
    fastnn.dask.fit(here, x, y, client=limited, **FIT)
    tasks = [limited.submit(in_a_task, x, y, pure=False) for _ in range(2)]
    assert limited.gather(tasks) == [here.parameters.tobytes()] * 2


def missing_labels():
    text = np.where(Y, "a", "b").astype(object)
    text[150] = None
    yield "None", text, r"partition 1: y must have a label for each row, got none in row 50"
    yield "NaN", np.where(np.arange(400) == 250, np.nan, Y), r"partition 2: y must be finite"
    mixed = np.where(Y, "a", "b").astype(object)
    mixed[10] = 3
    yield "two kinds", mixed, r"partition 0: y must hold labels of one kind, got int and str"


@pytest.mark.parametrize(("y", "words"), [pytest.param(*c[1:], id=c[0]) for c in missing_labels()])
def test_missing_and_mixed_labels(dask_client, y, words):
    x, labels = on_dask(X, y)
    with pytest.raises((TypeError, ValueError), match=words):
        fastnn.dask.fit(network(), x, labels, client=dask_client, **FIT)
    with pytest.raises((TypeError, ValueError), match=words):
        fastnn.dask.DaskMLPClassifier(client=dask_client).fit(x, labels)


def test_errors_say_where_among_all_rows(dask_client):
    y = Y.copy()
    y[218] = -1
    with pytest.raises(ValueError, match=r"partition 2: .*row 18"):
        fastnn.dask.fit(network(), *on_dask(X, y), client=dask_client, **FIT)
    y = Y.copy()
    y[200 + X[200:300].max(axis=1).argmax()] = -1  # of a row that shows what x is like
    with pytest.raises(ValueError, match=f"partition 2: .*row {np.flatnonzero(y < 0)[0] - 200} "):
        fastnn.dask.fit(network(), *on_dask(X, y), client=dask_client, **FIT)
    with pytest.raises(ValueError, match=r"validation_data: .*4 columns"):
        fastnn.dask.fit(
            network(), *on_dask(X, Y), client=dask_client,
            validation_data=on_dask(X[:, :4], Y), **FIT,
        )  # fmt: skip


def test_an_estimator_that_is_not_fitted_says_so():
    from sklearn.exceptions import NotFittedError

    (x,) = on_dask(X)
    for name in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(NotFittedError):
            getattr(fastnn.dask.DaskMLPClassifier(), name)(x)


def test_a_sparse_value_that_is_not_finite_is_said_where_it_is(dask_client):
    sparse = pytest.importorskip("scipy.sparse")
    x = X * (np.abs(X) > 1)
    x[337, 3] = np.nan
    rows = on_dask(x)[0].map_blocks(sparse.csr_matrix)
    with pytest.raises(
        ValueError, match=r"partition 3: x must be finite, got nan in row 37, col.* 3"
    ):
        fastnn.dask.fit(network(), rows, on_dask(Y)[0], client=dask_client, **FIT)


def test_rounds_in_which_no_row_counts(dask_client):
    """The first ones are such, with any shuffle, where a single row has a weight."""
    weights = np.zeros(400)
    weights[399] = 2.0
    x, y, w = on_dask(X, Y, weights)
    net = network()
    history = fastnn.dask.fit(
        net, x, y, client=dask_client, sample_weight=w, shuffle=False, batch_size=10,
        rounds_per_epoch=10, l2=0.01, epochs=2, progress=False,
    )  # fmt: skip
    assert history.stopped is None
    assert history.n_epochs == 20
    begun = network().evaluate(X, Y, weights)
    assert history["loss"][:9] == pytest.approx([begun["loss"]] * 9, rel=1e-5)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize("n_partitions", [1, 4, 13, 32])
def test_the_rate_goes_with_rows_that_were_not_asked_for(n_partitions):
    from fastnn.dask.scaling import Scaling

    rows = max(8, 100 // n_partitions)
    factor = max(1.0, n_partitions * rows / 100) ** 0.5
    assert Scaling().factor(100, n_partitions) == pytest.approx(factor)
    assert Scaling(batch_size=rows).factor(100, n_partitions) == 1.0
    assert Scaling(rate_factor=3.0).factor(100, n_partitions) == 3.0
