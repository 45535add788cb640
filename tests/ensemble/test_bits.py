"""Each model of an ensemble has the bits of the same network, trained alone."""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from support import strategies as drawn
from support.backends import under_test
from support.ensembles import alone, assert_same, fit_options, network_options, targets

import fastnn
from fastnn.backends.threads import threads_limited

ROWS = 20


def quietly(fit, *arguments, **options):
    """Call a fit without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(*arguments, progress=False, **options)


@contextmanager
def many_threads():
    """Let any amount of work be enough for two threads."""
    kernels = pytest.importorskip("fastnn.kernels.cython._kernels")
    before = kernels.set_work_for_threads(1.0, 1e6)
    try:
        yield
    finally:
        kernels.set_work_for_threads(*before)


def table(data, options, *, stacked=None):
    """Draw rows of any kind for networks of these options, with their targets and weights."""
    rng = np.random.default_rng(data.draw(drawn.seeds))
    n_rows = ROWS if stacked is None else stacked * ROWS
    kind = data.draw(st.sampled_from(["float32", "float64", "uint8"]))
    x = drawn.values(rng, (n_rows, options["sizes"][0]), kind, data.draw(drawn.densities))
    y = targets(rng, options["output"], n_rows, options["sizes"][-1])
    weight = rng.uniform(0, 2, n_rows) if data.draw(st.booleans()) else None
    return rng, x, y, weight


@given(data=st.data())
def test_the_same_rows(cython, data):
    compare(cython, data)


@settings(max_examples=8)
@given(data=st.data())
def test_the_same_rows_by_epochs(data):
    compare(under_test("numpy"), data)


def compare(backend, data):
    """Compare an ensemble with its networks, in every option, and with early stopping."""
    options, n_models = data.draw(network_options()), data.draw(st.integers(2, 3))
    common, each = data.draw(fit_options(n_models, len(options["activation"])))
    rng, x, y, weight = table(data, options)
    x = drawn.lay_out(rng, x, data.draw(drawn.layouts))
    ensemble = fastnn.Ensemble(**options, n_models=n_models, seed=3, backend=backend.name)
    history = quietly(ensemble.fit, x, y, sample_weight=weight, **common)
    for i, fit in enumerate(each):
        network, its_history = alone(
            options | {"backend": backend.name}, ensemble.seeds[i], x, y, fit, sample_weight=weight
        )
        assert_same(ensemble, i, history, network, its_history)


@given(data=st.data())
def test_groups(cython, data):
    options, n_models = data.draw(network_options()), data.draw(st.integers(2, 3))
    common, each = data.draw(fit_options(n_models, len(options["activation"])))
    rng, x, y, weight = table(data, options)
    groups = rng.integers(0, n_models, ROWS)
    groups[groups == 0] = 1  # the first has no rows
    ensemble = fastnn.Ensemble(**options, n_models=n_models, seed=4, backend="cython")
    untrained = ensemble.parameters[0].copy()
    history = quietly(ensemble.fit, x, y, groups=groups, sample_weight=weight, **common)
    assert history.stopped[0] == "no rows"
    assert ensemble.parameters[0].tobytes() == untrained.tobytes()
    for i in np.unique(groups):
        own = groups == i
        network = fastnn.Network(**options, seed=int(ensemble.seeds[i]), backend="cython")
        if options["sizes"][-1] <= 2 and len(np.unique(y[own])) < 2:
            continue  # alone, it refuses rows of one class
        its_history = quietly(
            network.fit, x[own], y[own],
            sample_weight=None if weight is None else weight[own], **each[i],
        )  # fmt: skip
        assert_same(ensemble, i, history, network, its_history)


@given(data=st.data())
def test_rows_of_its_own(cython, data):
    options, n_models = data.draw(network_options()), data.draw(st.integers(2, 3))
    common, each = data.draw(fit_options(n_models, len(options["activation"])))
    _, x, y, weight = table(data, options, stacked=n_models)
    x, y = x.reshape(n_models, ROWS, -1), y.reshape(n_models, ROWS, *y.shape[1:])
    if options["output"] in ("softmax", "sigmoid"):
        y[:, :2] = y[:1, :2]  # two classes each
    weight = None if weight is None else weight.reshape(n_models, ROWS)
    ensemble = fastnn.Ensemble(**options, n_models=n_models, seed=5, backend="cython")
    history = quietly(ensemble.fit, x, y, sample_weight=weight, **common)
    for i, fit in enumerate(each):
        own = None if weight is None else weight[i]
        network, its_history = alone(
            options | {"backend": "cython"}, ensemble.seeds[i], x[i], y[i], fit,
            sample_weight=own,
        )  # fmt: skip
        assert_same(ensemble, i, history, network, its_history)


@given(data=st.data())
def test_bootstrap(cython, data):
    options, n_models = data.draw(network_options()), data.draw(st.integers(2, 3))
    common, each = data.draw(fit_options(n_models, len(options["activation"])))
    _, x, y, _ = table(data, options)
    bootstrap = data.draw(st.sampled_from([True, 30, 0.7]))
    size = {True: ROWS, 30: 30, 0.7: round(0.7 * ROWS)}[bootstrap]
    ensemble = fastnn.Ensemble(**options, n_models=n_models, seed=6, backend="cython")
    history = quietly(ensemble.fit, x, y, bootstrap=bootstrap, **common)
    for i, fit in enumerate(each):
        network = fastnn.Network(**options, seed=int(ensemble.seeds[i]), backend="cython")
        rows = network.rng.integers(ROWS, size=size)
        np.testing.assert_array_equal(rows, history.rows[i])
        its_history = quietly(network.fit, x[rows], y[rows], **fit)
        assert_same(ensemble, i, history, network, its_history)


@given(data=st.data())
def test_early_stopping_by_rows_of_its_own(cython, data):
    options, n_models = data.draw(network_options()), data.draw(st.integers(2, 3))
    common, each = data.draw(fit_options(n_models, len(options["activation"])))
    classifies = options["output"] in ("softmax", "sigmoid")
    names = ["loss", "val_loss", *(["accuracy", "val_accuracy"] if classifies else [])]
    stopping = {
        "monitor": data.draw(st.sampled_from(names)),
        "patience": data.draw(st.integers(1, 3)),
        "min_delta": data.draw(st.sampled_from([0.0, 0.1])),
        "restore_best": data.draw(st.booleans()),
    }
    rng, x, y, _ = table(data, options)
    its_x, its_y = x[::-1].copy(), y[::-1].copy()
    groups = rng.integers(0, n_models, ROWS)
    groups[:n_models] = np.arange(n_models)
    common["epochs"] = 6
    ensemble = fastnn.Ensemble(**options, n_models=n_models, seed=7, backend="cython")
    history = quietly(
        ensemble.fit, x, y, validation_data=(its_x, its_y),
        callbacks=fastnn.EarlyStopping(**stopping), **common,
    )  # fmt: skip
    for i, fit in enumerate(each):
        network, its_history = alone(
            options | {"backend": "cython"}, ensemble.seeds[i], x, y, fit | {"epochs": 6},
            validation_data=(its_x, its_y), callbacks=fastnn.EarlyStopping(**stopping),
        )  # fmt: skip
        assert_same(ensemble, i, history, network, its_history)


@given(data=st.data())
def test_side_by_side(cython, data):
    """Many narrow networks, which are trained one in each lane, as far as their rows let them."""
    options, n_models = data.draw(network_options()), data.draw(st.integers(8, 20))
    common, each = data.draw(fit_options(n_models, len(options["activation"]), narrow=True))
    common["epochs"] = 5
    rng = np.random.default_rng(data.draw(drawn.seeds))
    kind = data.draw(st.sampled_from(["float32", "float64", "uint8"]))
    x = drawn.values(rng, (200, options["sizes"][0]), kind)
    x[: data.draw(st.integers(0, 200))] = 0  # rows that are kept in another form
    y = targets(rng, options["output"], 200, options["sizes"][-1])
    weight = rng.uniform(0, 2, 200) if data.draw(st.booleans()) else None
    sizes = data.draw(st.lists(st.sampled_from([10, 10, 10, 17]), min_size=n_models,
                               max_size=n_models))  # fmt: skip
    groups = np.full(200, n_models)
    groups[rng.permutation(200)[: sum(sizes)]] = np.repeat(np.arange(n_models), sizes)[:200]
    stopping = {"monitor": "loss", "patience": data.draw(st.integers(1, 3)), "min_delta": 0.01}
    ensemble = fastnn.Ensemble(**options, n_models=n_models + 1, seed=10, backend="cython")
    common = {
        name: [*value, value[0]] if isinstance(value, list) else value
        for name, value in common.items()
    }
    common["dropout"] = 0.0
    n_threads = data.draw(st.sampled_from([1, 2]))
    with many_threads(), threads_limited(n_threads):
        history = quietly(
            ensemble.fit, x, y, groups=groups, sample_weight=weight, active=range(n_models),
            callbacks=fastnn.EarlyStopping(**stopping), **common,
        )  # fmt: skip
    for i, fit in enumerate(each):
        own = groups == i
        if not own.any() or (options["sizes"][-1] <= 2 and len(np.unique(y[own])) < 2):
            continue
        network = fastnn.Network(**options, seed=int(ensemble.seeds[i]), backend="cython")
        its_history = quietly(
            network.fit, x[own], y[own],
            sample_weight=None if weight is None else weight[own],
            callbacks=fastnn.EarlyStopping(**stopping), **fit | {"epochs": 5, "dropout": 0.0},
        )  # fmt: skip
        assert_same(ensemble, i, history, network, its_history)


@given(data=st.data())
def test_by_any_number_of_threads(data):
    options = data.draw(network_options())
    common, _ = data.draw(fit_options(7, len(options["activation"])))
    _, x, y, weight = table(data, options)
    found = []
    for n_threads in (1, 2):
        ensemble = fastnn.Ensemble(**options, n_models=7, seed=8, backend="cython")
        with many_threads(), threads_limited(n_threads):
            history = quietly(ensemble.fit, x, y, sample_weight=weight, **common)
        found.append((ensemble.parameters.tobytes(), history["loss"].tobytes()))
    assert found[0] == found[1]


def test_among_ten_thousand(cython):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    options = {"sizes": (3, 2, 1), "output": "identity", "backend": "cython"}
    ensemble = fastnn.Ensemble(**options, n_models=10_000, seed=9)
    history = ensemble.fit(x, y, epochs=2, progress=False)
    for i in (0, 5000, 9999):
        network, its_history = alone(options, ensemble.seeds[i], x, y, {"epochs": 2})
        assert_same(ensemble, i, history, network, its_history)


def test_fits_go_on_where_the_last_one_ended(backend):
    rng = np.random.default_rng(0)
    x, y = sparse.csr_matrix(rng.normal(size=(50, 5))), rng.integers(0, 3, 50)
    ensemble = fastnn.Ensemble((5, 4, 3), 3, seed=1, backend=backend.name)
    network = fastnn.Network((5, 4, 3), seed=int(ensemble.seeds[1]), backend=backend.name)
    for _ in range(3):
        ensemble.fit(x, y, epochs=2, progress=False)
        network.fit(x, y, epochs=2, progress=False)
    assert ensemble.parameters[1].tobytes() == network.parameters.tobytes()
