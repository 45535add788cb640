"""Collections that cannot be trained on are refused in words, and the network is left as it was."""

import numpy as np
import pytest

import fastnn

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
dask = pytest.importorskip("dask")
pd = pytest.importorskip("pandas")
pytest.importorskip("distributed")

import fastnn.dask  # noqa: E402

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4)).astype(np.float32)
Y = rng.integers(0, 3, 120)


def on_dask(array, chunk=40):
    return da.from_array(array, chunks=(chunk, *array.shape[1:]))


def lying(array):
    """The same blocks, of sizes that nobody knows."""
    return array[da.from_array(np.ones(120, bool), chunks=40)]


def half_nan():
    x = X.copy()
    x[100, 2] = np.nan
    return on_dask(x)


def ints_then_text():
    blocks = [dask.delayed(Y[:40]), dask.delayed(Y[40:80].astype(str)), dask.delayed(Y[80:])]
    return blocks


CASES = {
    "numpy": (lambda: (X, Y), TypeError, "must be a Dask array"),
    "one dimension": (lambda: (on_dask(Y), on_dask(Y)), ValueError, "two dimensions"),
    "cut along columns": (
        lambda: (da.from_array(X, chunks=(40, 2)), on_dask(Y)), ValueError, r"rechunk\(\{1: -1\}\)",
    ),
    "another number of rows": (
        lambda: (on_dask(X), on_dask(Y[:80])), ValueError, "x has 120 rows, but y 80",
    ),
    "unknown chunks": (
        lambda: (lying(on_dask(X)), on_dask(Y, 30)), ValueError, "compute_chunk_sizes",
    ),
    "no rows": (lambda: (on_dask(X)[:0], on_dask(Y)[:0]), ValueError, "no rows"),
    "NaN in a partition": (lambda: (half_nan(), on_dask(Y)), ValueError, "partition 2.*NaN|nan"),
    "unknown label": (
        lambda: (on_dask(X), on_dask(np.where(np.arange(120) == 90, 7, Y))), ValueError,
        "partition 2.*class indices",
    ),
    "one class": (lambda: (on_dask(X), on_dask(np.zeros(120, int))), ValueError, "same label"),
    "another width": (lambda: (on_dask(X[:, :3]), on_dask(Y)), ValueError, "3 columns"),
    "text and numbers as labels": (
        lambda: ([dask.delayed(X[i : i + 40]) for i in (0, 40, 80)], ints_then_text()), ValueError,
        "partition 1 has labels that are text",
    ),
    "bytes and floats": (
        lambda: (
            [dask.delayed(X[:60]), dask.delayed(np.full((60, 4), 200, np.uint8))],
            [dask.delayed(Y[:60]), dask.delayed(Y[60:])],
        ),
        ValueError, "partition 1 holds bytes",
    ),
    "rows of a partition differ": (
        lambda: ([dask.delayed(X[:50]), dask.delayed(X[50:])],
                 [dask.delayed(Y[:60]), dask.delayed(Y[60:])]),
        ValueError, r"partition (0: x has 50|1: x has 70) rows, but y 60",
    ),
    "another number of partitions": (
        lambda: ([dask.delayed(X)], [dask.delayed(Y[:60]), dask.delayed(Y[60:])]), ValueError,
        "y has 2 partitions, x has 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refused_in_words(dask_client, name):
    make, kind, words = CASES[name]
    network = fastnn.Network((4, 5, 3), seed=0)
    before = network.parameters.copy()
    x, y = make()
    with pytest.raises(kind, match=words):
        fastnn.dask.fit(network, x, y, client=dask_client, epochs=1, progress=False)
    np.testing.assert_array_equal(network.parameters, before)
    assert network.trained_on is None
    network.fit(X, Y, epochs=1, progress=False)  # it is not claimed by the fit that failed


def test_columns_of_frames_that_differ(dask_client):
    parts = [pd.DataFrame(X[:60], columns=list("abcd")), pd.DataFrame(X[60:], columns=list("abce"))]
    network = fastnn.Network((4, 5, 3), seed=0)
    with pytest.raises(ValueError, match=r"partition 1 is .* columns a, b, c, e"):
        fastnn.dask.fit(
            network, [dask.delayed(p) for p in parts],
            [dask.delayed(Y[:60]), dask.delayed(Y[60:])], client=dask_client, progress=False,
        )  # fmt: skip


def test_partitions_without_some_classes_are_said(dask_client):
    order = np.argsort(Y, kind="stable")
    network = fastnn.Network((4, 5, 3), seed=0)
    with pytest.warns(UserWarning, match="lack some of the 3 classes") as caught:
        fastnn.dask.fit(
            network, on_dask(X[order]), on_dask(Y[order]), client=dask_client, epochs=1,
            progress=False,
        )  # fmt: skip
    assert {warning.filename for warning in caught} == {__file__}


def test_empty_partitions_do_not_count(dask_client):
    """Their numbers stay, so that those of the others do."""
    parts = [X[:40], X[:0], X[40:]]
    labels = [Y[:40], Y[:0], Y[40:]]
    network = fastnn.Network((4, 5, 3), seed=0)
    history = fastnn.dask.fit(
        network, [dask.delayed(p) for p in parts], [dask.delayed(p) for p in labels],
        client=dask_client, epochs=2, progress=False,
    )  # fmt: skip
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    "options",
    [
        {"rounds_per_epoch": 0},
        {"batch_size": "many"},
        {"rate_factor": -1.0},
        {"outer": fastnn.Adam()},
        {"persist": "sometimes"},
        {"epochs": -1},
        {"validation_data": 3},
        {"client": "tcp://nowhere:8786"},
    ],
    ids=str,
)
def test_options_are_checked(dask_client, options):
    network = fastnn.Network((4, 5, 3), seed=0)
    with pytest.raises((TypeError, ValueError)):
        fastnn.dask.fit(
            network, on_dask(X), on_dask(Y), **{"client": dask_client, "progress": False, **options}
        )


def test_what_makes_data_in_memory_cannot_be_repeated(dask_client):
    (x, y) = dask_client.persist([on_dask(X), on_dask(Y)])
    network = fastnn.Network((4, 5, 3), seed=0)
    with pytest.raises(ValueError, match="persist=False"):
        fastnn.dask.fit(network, x, y, client=dask_client, persist=False, progress=False)


def test_there_must_be_a_client():
    network = fastnn.Network((4, 5, 3), seed=0)
    with pytest.raises(RuntimeError, match="there is no Dask client"):
        fastnn.dask.fit(network, on_dask(X), on_dask(Y), progress=False)
