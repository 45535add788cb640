"""Losses of the caller's own in a fit: against the built-in ones, and what is refused."""

import numpy as np
import pytest
from support.examples import same_bits

import fastnn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 150)
NUMBERS = RNG.normal(size=(150, 3))


def cross_entropy(outputs, labels, sample_weight):
    """The built-in loss, by the outputs p: −log p, with the derivative −1/p at the label."""
    w = np.ones(len(labels)) if sample_weight is None else sample_weight
    rows, p = np.arange(len(labels)), outputs.astype(np.float64)
    slopes = np.zeros_like(p)
    slopes[rows, labels] = -w / p[rows, labels]
    return -w * np.log(p[rows, labels]), slopes


def squared_error(outputs, targets, sample_weight):
    w = np.ones(len(targets)) if sample_weight is None else sample_weight
    error = outputs - targets
    return 0.5 * w * np.square(error).sum(axis=1), w[:, None] * error


@pytest.mark.parametrize("weight", [None, RNG.random(150) + 0.1], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "told",
    [{}, {"reduction": "sum"}, {"l2": 0.01, "l1": 0.001}, {"clip_norm": 0.1}, {"dropout": 0.3}],
    ids=str,
)
@pytest.mark.parametrize(
    ("output", "loss", "y"),
    [("softmax", cross_entropy, CLASSES), ("identity", squared_error, NUMBERS)],
    ids=["softmax", "identity"],
)
def test_a_loss_of_ones_own_trains_as_the_built_in_one(backend, output, loss, y, told, weight):
    """The same updates, in float64, up to the rounding of another formula."""
    one, other = (
        fastnn.Network(
            (4, 8, 3), output=output, dtype="float64", seed=1, backend=backend.name
        )
        for _ in range(2)
    )  # fmt: skip
    common = {"epochs": 3, "batch_size": 40, "optimizer": fastnn.SGD(0.02), "sample_weight": weight}
    common["validation_data"] = (X[:50], y[:50])
    built_in = one.fit(X, y, **common, **told)
    own = other.fit(X, y, **common, **told, loss=loss)
    assert np.allclose(one.parameters, other.parameters, rtol=1e-9, atol=1e-11)
    for name in own.keys() - {"time"}:
        assert np.allclose(own[name], built_in[name], rtol=1e-9), name
    assert set(own.keys()) >= {"loss", "val_loss"}


def test_targets_may_be_any_numbers(backend):
    """Two outputs, a mean and a log deviation, of one target: the Gaussian likelihood."""

    def gaussian(outputs, target, sample_weight):
        mean, log_deviation = outputs.T
        residual = (mean - target) * np.exp(-log_deviation)
        slopes = np.stack([residual * np.exp(-log_deviation), 1 - np.square(residual)], axis=1)
        return log_deviation + 0.5 * np.square(residual), slopes

    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (600, 1))
    y = 2 * x[:, 0] + (0.1 + 0.4 * (x[:, 0] > 0)) * rng.normal(size=600)
    net = fastnn.Network((1, 16, 2), output="identity", dtype="float64", seed=0, activation="tanh",
                         backend=backend.name)  # fmt: skip
    net.fit(x, y, epochs=60, batch_size=50, optimizer=fastnn.Adam(0.01), loss=gaussian)
    left, right = net.predict([[-0.5], [0.5]])
    assert left[0] == pytest.approx(-1, abs=0.15)
    assert right[0] == pytest.approx(1, abs=0.3)
    assert 0.05 < np.exp(left[1]) < 0.2 < 0.3 < np.exp(right[1]) < 0.8


def test_partial_fit_takes_one_too(backend):
    one, other = (fastnn.Network((4, 3), seed=1, backend=backend.name) for _ in range(2))
    told = {"batch_size": 30, "optimizer": fastnn.SGD(0.02), "loss": cross_entropy}
    one.partial_fit(X, CLASSES, **told)
    other.fit(X, CLASSES, epochs=1, **told)
    assert same_bits(one.parameters, other.parameters)


def test_class_labels_reach_it_as_indices():
    net = fastnn.Network((4, 3), seed=1, class_labels=("a", "b", "c"), dtype="float64")
    other = fastnn.Network((4, 3), seed=1, dtype="float64")
    net.fit(X, np.array(["a", "b", "c"])[CLASSES], epochs=1, loss=cross_entropy)
    other.fit(X, CLASSES, epochs=1, loss=cross_entropy)
    assert same_bits(net.parameters, other.parameters)


@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        ("squared_error", TypeError, "argument of fastnn.Network"),
        (3, TypeError, "function"),
        (lambda *_: None, TypeError, "two arrays"),
        (lambda o, t, w: (o.sum(axis=1), o[:, :2]), ValueError, "shape"),
        (lambda o, t, w: (o.sum(), o), ValueError, "shape"),
    ],
)
def test_what_is_no_loss_is_refused(backend, loss, error, words):
    net = fastnn.Network((4, 3), seed=1, backend=backend.name)
    before = net.parameters.copy()
    with pytest.raises(error, match=words):
        net.fit(X, CLASSES, epochs=1, loss=loss)
    assert same_bits(net.parameters, before)
    assert net.trained_on is None


def test_a_loss_that_is_not_finite_ends_the_fit_without_an_update(backend):
    calls = []

    def breaks(outputs, targets, sample_weight):
        calls.append(net.parameters.copy())
        losses, slopes = cross_entropy(outputs, targets, sample_weight)
        return (losses, slopes) if len(calls) < 3 else (losses, slopes * np.nan)

    net = fastnn.Network((4, 3), seed=1, backend=backend.name)
    with pytest.warns(RuntimeWarning, match="nan"):
        history = net.fit(X, CLASSES, epochs=5, batch_size=30, loss=breaks)
    assert history.stopped == "diverged"
    assert same_bits(net.parameters, calls[-1])


def test_a_checkpoint_knows_its_loss_by_name(tmp_path):
    def fit(epochs, **told):
        net = fastnn.Network((4, 3), seed=1, backend="numpy")
        checkpoint = fastnn.Checkpoint(tmp_path / "fit.safetensors", resume=True)
        net.fit(X, CLASSES, epochs=epochs, checkpoint=checkpoint, **told)
        return net

    fit(2, loss=cross_entropy)
    resumed = fit(4, loss=cross_entropy)
    whole = fastnn.Network((4, 3), seed=1, backend="numpy")
    whole.fit(X, CLASSES, epochs=4, loss=cross_entropy)
    assert same_bits(resumed.parameters, whole.parameters)
    with pytest.raises(ValueError, match="loss"):
        fit(6)
