"""What an ensemble predicts: by mean, vote, deviation, each network, and by groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from support.ensembles import network_options, targets

import fastnn

N_ROWS = 30


def trained(options, n_models=4):
    """Return an ensemble with parameters that differ, and rows."""
    rng = np.random.default_rng(0)
    ensemble = fastnn.Ensemble(**options, n_models=n_models, seed=2)
    x = rng.normal(size=(N_ROWS, options["sizes"][0]))
    return ensemble, x, targets(rng, options["output"], N_ROWS, options["sizes"][-1])


@given(options=network_options())
def test_outputs(options):
    ensemble, x, _ = trained(options)
    classifies = ensemble.architecture.classifies
    outputs = np.stack([network._outputs(x, False) for network in ensemble])
    ask = ensemble.predict_proba if classifies else ensemble.predict
    shape = (N_ROWS, options["sizes"][-1])
    mean = outputs.mean(axis=0, dtype=np.float64).astype(outputs.dtype)
    np.testing.assert_array_equal(ask(x).reshape(shape), mean)
    deviation = outputs.std(axis=0, dtype=np.float64)
    np.testing.assert_allclose(ask(x, reduce="std").reshape(shape), deviation, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(ask(x, reduce=None).reshape(outputs.shape), outputs)
    each = np.stack([network.predict(x) for network in ensemble])
    np.testing.assert_array_equal(ensemble.predict(x, reduce=None), each)
    few = ensemble.predictor()
    np.testing.assert_allclose(few(x), mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(few(x[0].astype(outputs.dtype)), few(x[:1])[0])


@given(options=network_options(), data=st.data())
def test_by_groups(options, data):
    ensemble, x, _ = trained(options)
    if data.draw(st.booleans()):
        x = sparse.csr_matrix(x)
    groups = np.array(data.draw(st.lists(st.integers(0, 3), min_size=N_ROWS, max_size=N_ROWS)))
    found = ensemble.predict(x, groups=groups)
    for i, network in enumerate(ensemble):
        np.testing.assert_array_equal(found[groups == i], network.predict(x)[groups == i])


def test_votes_and_labels():
    ensemble = fastnn.Ensemble((1, 3), 3, class_labels=("a", "b", "c"), bias=True, seed=0)
    ensemble.parameters[...] = 0
    for i, winner in enumerate((1, 2, 2)):
        ensemble.biases[0][i, winner] = 5.0
    ensemble.biases[0][0, 1] = 100.0
    x = np.zeros((2, 1))
    assert ensemble.predict(x, reduce="vote").tolist() == ["c", "c"]
    np.testing.assert_allclose(ensemble.predict_proba(x, reduce="vote")[0], [0, 1 / 3, 2 / 3])
    yes = fastnn.Ensemble((1, 1), 3, output="sigmoid", class_labels=("no", "yes"), seed=0)
    yes.biases[0][:, 0] = [1.0, 1.0, -50.0]
    assert yes.predict(x, reduce="vote").tolist() == ["yes", "yes"]
    assert yes.predict(x).tolist() == ["no", "no"]


@given(options=network_options(), weighted=st.booleans())
def test_evaluate(options, weighted):
    ensemble, x, y = trained(options)
    weight = np.random.default_rng(1).uniform(0, 2, N_ROWS) if weighted else None
    each = ensemble.evaluate(x, y, weight, reduce=None)
    for i, network in enumerate(ensemble):
        assert {k: v[i] for k, v in each.items()} == network.evaluate(x, y, weight)
    found = ensemble.evaluate(x, y, weight)
    assert found.keys() == each.keys()
    one = fastnn.Ensemble.from_networks([ensemble[0]] * 3)
    alone, together = ensemble[0].evaluate(x, y, weight), one.evaluate(x, y, weight)
    for name, value in alone.items():
        assert together[name] == pytest.approx(value, rel=2e-4, abs=1e-5), name
    groups = np.arange(N_ROWS) % 3
    by_group = ensemble.evaluate(x, y, weight, groups=groups, reduce=None)
    assert np.isnan(by_group["loss"][3])
    own = groups == 1
    alone = ensemble[1].evaluate(x[own], y[own], None if weight is None else weight[own])
    assert by_group["loss"][1] == alone["loss"]
    if ensemble.architecture.classifies:
        total = np.ones(N_ROWS) if weight is None else weight
        shares = [total[groups == i].sum() / total.sum() for i in range(3)]
        accuracy = np.dot(by_group["accuracy"][:3], shares)
        assert ensemble.evaluate(x, y, weight, groups=groups)["accuracy"] == pytest.approx(accuracy)
