"""`Network.hidden`: the outputs of a hidden layer, as the network's own formula has them."""

import numpy as np
import pytest
from support.examples import small_network

X = np.random.default_rng(0).normal(size=(600, 7))


def network(backend="numpy"):
    net = small_network((7, 6, 5, 3), activation=("tanh", "relu"))
    net.backend = backend
    return net


def by_hand(net, layer):
    h = X.astype(net.architecture.dtype)
    for weight, bias, activation in zip(
        net.weights[: layer + 1], net.biases, (np.tanh, lambda z: np.maximum(z, 0)), strict=False
    ):
        h = activation(h @ weight + bias)
    return h


@pytest.mark.parametrize(("layer", "counted"), [(0, 0), (1, 1), (-1, 1), (-2, 0)])
def test_layers_are_counted_as_in_a_list(backend, layer, counted):
    net = network(backend.name)
    eps = np.finfo(net.architecture.dtype).eps
    np.testing.assert_allclose(net.hidden(X, layer), by_hand(net, counted), rtol=0, atol=64 * eps)


def test_the_last_hidden_layer_is_the_default(backend):
    net = network(backend.name)
    np.testing.assert_array_equal(net.hidden(X), net.hidden(X, layer=-1))


def test_the_last_layer_of_all_makes_the_prediction_of_the_hidden_one(backend):
    net = network(backend.name)
    h, eps = net.hidden(X), np.finfo(net.architecture.dtype).eps
    z = h @ net.weights[-1] + net.biases[-1]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(net.predict_proba(X), p, rtol=64 * eps)


def test_outputs_are_new_arrays_of_the_networks_dtype(backend):
    net = network(backend.name)
    h = net.hidden(X.astype(np.float32))
    assert h.dtype == net.architecture.dtype
    assert h.flags.owndata
    assert h.flags.c_contiguous


@pytest.mark.parametrize("layer", [2, -3, 10**30])
def test_a_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(ValueError, match="one of the hidden layers, 0 to 1 or"):
        network().hidden(X, layer)


@pytest.mark.parametrize("layer", [True, 0.0, None, "last"])
def test_a_layer_is_an_integer(layer):
    with pytest.raises(TypeError, match="layer must be an integer"):
        network().hidden(X, layer)


def test_without_hidden_layers_there_are_none_to_return():
    with pytest.raises(ValueError, match="no hidden layers"):
        small_network((7, 3)).hidden(X)


def test_rows_are_checked_as_for_a_prediction():
    with pytest.raises(ValueError, match="x has 6 columns, but the network takes 7"):
        network().hidden(X[:, :6])


@pytest.mark.parametrize("n_layers", [0, 4, -1])
def test_the_program_refuses_layers_that_are_not_there(backend, n_layers):
    net = network()
    out = np.empty((len(X), 3), net.architecture.dtype)
    with pytest.raises(ValueError, match="n_layers must be at"):
        backend.predict(net.architecture, net.parameters, X, out, n_layers)


def test_the_program_refuses_an_output_of_another_layers_width(backend):
    net = network()
    out = np.empty((len(X), 3), net.architecture.dtype)
    with pytest.raises(ValueError, match="out must be"):
        backend.predict(net.architecture, net.parameters, X, out, 1)
