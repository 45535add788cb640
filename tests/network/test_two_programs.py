"""The two NumPy programs that fastnn comes from, written out, and fastnn set up to be them.

Softmax regression, and one hidden layer of 100 sigmoids without biases, on MNIST: 1000 steps of 100
images scaled to [0, 1], one-hot labels, float64, gradients summed over the batch, W ← W − 0.001 dW.
Nothing in the programs uses fastnn. Where MNIST is not here they train on made-up images of the
same shapes: the weights must still agree, only the known accuracies are not checked.
"""

import gzip
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fastnn
from fastnn.architecture import Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD, OptimizerState

STEPS, BATCH_SIZE, LEARNING_RATE = 1000, 100, 0.001
TOLERANCE = {"numpy": 1e-10, "numba": 1e-8, "cython": 1e-8}
PROGRAMS = ("softmax regression", "one hidden layer")
ACCURACY = {"softmax regression": 0.909, "one hidden layer": 0.865}
SIZES = {"softmax regression": (784, 10), "one hidden layer": (784, 100, 10)}


# -- the programs ---------------------------------------------------------------------------------


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def softmax_regression(batches):
    np.random.seed(777)  # noqa: NPY002 (the program's own)
    W = np.random.uniform(-0.01, 0.01, (784, 10))  # noqa: N806, NPY002
    losses = []
    for x, y in batches:
        p = softmax(np.dot(x, W))
        losses.append(-np.log(p[y == 1]).mean())
        dW = np.dot(x.T, p - y)  # noqa: N806
        W -= 0.001 * dW  # noqa: N806
    return [W], losses


def one_hidden_layer(batches):
    np.random.seed(777)  # noqa: NPY002 (the program's own)
    W1 = np.random.uniform(-0.01, 0.01, (784, 100))  # noqa: N806, NPY002
    W2 = np.random.uniform(-0.01, 0.01, (100, 10))  # noqa: N806, NPY002
    losses = []
    for x, y in batches:
        h = sigmoid(np.dot(x, W1))
        p = softmax(np.dot(h, W2))
        losses.append(-np.log(p[y == 1]).mean())
        dW2 = np.dot(h.T, p - y)  # noqa: N806
        dh = np.dot(p - y, W2.T) * h * (1 - h)
        dW1 = np.dot(x.T, dh)  # noqa: N806
        W1 -= 0.001 * dW1  # noqa: N806
        W2 -= 0.001 * dW2  # noqa: N806
    return [W1, W2], losses


def predict(weights, x):
    for W in weights[:-1]:  # noqa: N806
        x = sigmoid(np.dot(x, W))
    return softmax(np.dot(x, weights[-1])).argmax(axis=1)


# -- the data, and what the programs make of them --------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread():
    """On a busy machine OpenBLAS loses more by waiting for its threads than it gains by them."""
    with threadpool_limits(1):
        yield


class Data(NamedTuple):
    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    order: np.ndarray
    is_mnist: bool


def read_idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


@pytest.fixture(scope="session")
def data(request):
    """55,000 training and 10,000 test images, and the rows of 1000 batches: shuffled passes."""
    try:
        folder = request.getfixturevalue("mnist_folder")
    except pytest.skip.Exception:
        is_mnist, rng = False, np.random.default_rng(0)
        strokes = rng.random((10, 784)) < 0.2
        arrays = []
        for n in (55_000, 10_000):
            labels = rng.integers(0, 10, n)
            arrays += [strokes[labels] * rng.integers(0, 256, (n, 784), np.uint8), labels]
    else:
        is_mnist = True
        arrays = [
            read_idx(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 784)[5000:],
            read_idx(folder / "train-labels-idx1-ubyte.gz", 8)[5000:].astype(np.int64),
            read_idx(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784),
            read_idx(folder / "t10k-labels-idx1-ubyte.gz", 8).astype(np.int64),
        ]
    rng = np.random.default_rng(1)
    order = np.concatenate([rng.permutation(55_000) for _ in range(2)])[: STEPS * BATCH_SIZE]
    return Data(*arrays, order, is_mnist)


class Outcome(NamedTuple):
    weights: list
    losses: list
    predicted: np.ndarray


@pytest.fixture(scope="session")
def outcomes(data):
    """Each program run to its end."""
    found = {}
    for name, program in zip(PROGRAMS, (softmax_regression, one_hidden_layer), strict=True):
        batches = (
            (data.images[rows] / 255.0, np.eye(10)[data.labels[rows]])
            for rows in data.order.reshape(STEPS, BATCH_SIZE)
        )
        weights, losses = program(batches)
        found[name] = Outcome(weights, losses, predict(weights, data.test_images / 255.0))
    return found


def initial_weights(name):
    rng, sizes = np.random.RandomState(777), SIZES[name]
    return [rng.uniform(-0.01, 0.01, shape) for shape in pairwise(sizes)]


def assert_same_outcome(weights, predicted, expected, tolerance):
    for mine, theirs in zip(weights, expected.weights, strict=True):
        assert np.abs(theirs).max() > 0.1  # it has learned: weights began below 0.01
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(predicted, expected.predicted)


# -- the tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_reach_the_accuracy_they_are_known_for(outcomes, data, name):
    if not data.is_mnist:
        pytest.skip("known on MNIST only")
    accuracy = (outcomes[name].predicted == data.test_labels).mean()
    assert accuracy == pytest.approx(ACCURACY[name], abs=0.01)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_backend_ends_with_the_programs_weights(backend, outcomes, data, name):
    hidden = ("sigmoid",) * (len(SIZES[name]) - 2)
    architecture = Architecture(SIZES[name], hidden, bias=False, dtype="float64")
    params = architecture.allocate()
    for weight, start in zip(architecture.weights(params), initial_weights(name), strict=True):
        weight[...] = start
    options = TrainingOptions(SGD(LEARNING_RATE), BATCH_SIZE, reduction="sum")
    state = OptimizerState(np.zeros((0, architecture.n_slots)))
    result = backend.train_epoch(
        architecture, params, state, data.images, data.labels, data.order, options
    )
    p = np.empty((10_000, 10))
    backend.predict(architecture, params, data.test_images, p)
    assert_same_outcome(
        architecture.weights(params), p.argmax(axis=1), outcomes[name], TOLERANCE[backend.name]
    )
    assert result.loss == pytest.approx(np.mean(outcomes[name].losses), rel=1e-9)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_network_ends_with_the_programs_weights(backend, outcomes, data, name):
    net = fastnn.Network(
        SIZES[name], activation="sigmoid", output="softmax", bias=False, dtype="float64",
        input_scale=1 / 255, backend=backend.name,
    )  # fmt: skip
    for weight, start in zip(net.weights, initial_weights(name), strict=True):
        weight[...] = start
    how = {
        "batch_size": BATCH_SIZE,
        "optimizer": SGD(LEARNING_RATE),
        "reduction": "sum",
        "shuffle": False,
    }
    first, rest = data.order[:55_000], data.order[55_000:]
    net.fit(data.images[first], data.labels[first], epochs=1, progress=False, **how)
    one_hot = np.eye(10)[data.labels[rest]]
    net.partial_fit(data.images[rest], one_hot, **how)
    predicted = net.predict(data.test_images)
    assert_same_outcome(net.weights, predicted, outcomes[name], TOLERANCE[backend.name])
    accuracy = (outcomes[name].predicted == data.test_labels).mean()
    assert net.evaluate(data.test_images, data.test_labels)["accuracy"] == pytest.approx(accuracy)
