"""A trainer's gradients: against finite differences, and against what its updates do."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import assume, given
from hypothesis import strategies as st
from support.examples import same_bits
from support.trainer_calls import BACKENDS, OUTPUTS, networks, optimizers, options

import fastnn


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    network=networks(dtype="float64"), told=options, weighs=st.booleans(), seed=st.integers(0, 99)
)
def test_the_gradient_is_that_of_the_value(backend, network, told, weighs, seed):
    """Central differences along random directions: error O(h²) + eps/h, here below 1e-5."""
    (shape, described), x, y = network
    described["activation"] = "tanh"  # without kinks
    assume(described["output"] != "relu")
    assume(described.get("loss") not in ("absolute_error", "quantile"))
    told = {name: value for name, value in told.items() if name not in ("dropout", "l1")}
    net = fastnn.Network(shape, backend=backend, **described)
    trainer = net.trainer(**told)
    rng, before = np.random.default_rng(seed), net.parameters.copy()
    w = rng.random(96) if weighs else None
    value, gradient = trainer.value_and_gradient(x, y, w)
    direction = net.architecture.allocate()
    net.architecture.copy_parameters(rng.normal(size=direction.shape), direction)
    h = 1e-6
    up, _ = trainer.value_and_gradient(x, y, w, parameters=before + h * direction)
    down, _ = trainer.value_and_gradient(x, y, w, parameters=before - h * direction)
    slope = gradient @ direction
    assert (up - down) / (2 * h) == pytest.approx(slope, rel=1e-5, abs=1e-5 * max(1, abs(value)))
    assert same_bits(net.parameters, before)
    assert net.trained_on is None


@pytest.mark.parametrize("backend", BACKENDS)
@given(network=networks(), told=options)
def test_halves_make_the_whole(backend, network, told):
    """forward, the loss's own delta and backward do what a call does, up to rounding.

    The delta is computed here in float64 and rounded, the built-in one in the network's dtype.
    """
    (shape, described), x, y = network
    # only of canonical losses is the delta the prediction less the target
    assume(described["output"] not in ("tanh", "relu"))
    assume(not described.keys() & {"loss", "label_smoothing"})
    told.pop("reduction", None)
    one, other = (fastnn.Network(shape, backend=backend, **described) for _ in range(2))
    rows, n = slice(0, 40), 40
    whole, halves = (n.trainer(optimizer=fastnn.SGD(0.01), **told) for n in (one, other))
    p = halves.forward(x[rows]).astype(np.float64)
    target = np.eye(3)[y[rows]] if described["output"] == "softmax" else y[rows]
    halves.backward((p - target) / n)
    whole(x[rows], y[rows])
    bound = 1e-12 if described["dtype"] == "float64" else 2e-5
    scale = np.abs(one.parameters).max()
    assert np.allclose(one.parameters, other.parameters, rtol=0, atol=bound * scale)
    assert np.allclose(whole.gradient(), halves.gradient(), rtol=0, atol=bound * 20 * scale)
    assert other.optimizer_state.step == 1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("output", sorted(OUTPUTS))
@pytest.mark.parametrize("of", ["logits", "outputs"])
@pytest.mark.parametrize("logits", [False, True])
def test_backward_follows_the_chain_rule(backend, output, of, logits):
    """L = Σ c ∘ f(x) for random c, f the logits or the outputs, by central differences."""
    rng = np.random.default_rng(5)
    net = fastnn.Network((4, 6, 3), activation="tanh", output=output, dtype="float64", seed=2,
                         backend=backend)  # fmt: skip
    trainer, x, c = net.trainer(), rng.normal(size=(5, 4)), rng.normal(size=(5, 3))

    def value(x):
        returned = trainer.forward(x, logits=of == "logits")
        return float((c * returned).sum())

    trainer.forward(x, logits=logits)
    by_x = trainer.backward(c, of=of, update=False, input_gradient=True)
    gradient = trainer.gradient()
    h, i = 1e-6, (2, 1)
    step = np.zeros_like(x)
    step[i] = h
    assert by_x[i] == pytest.approx((value(x + step) - value(x - step)) / (2 * h), abs=1e-7)
    for weights, slopes in zip(net.weights, net.architecture.weights(gradient), strict=True):
        before = weights[1, 2]
        weights[1, 2] = before + h
        up = value(x)
        weights[1, 2] = before - h
        down = value(x)
        weights[1, 2] = before
        assert slopes[1, 2] == pytest.approx((up - down) / (2 * h), abs=1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
@given(network=networks(), told=options, optimizer=optimizers)
def test_apply_takes_the_gradient_of_a_value(backend, network, told, optimizer):
    """A call and ``apply`` of its gradient are one update, up to rounding."""
    (shape, described), x, y = network
    told.pop("dropout", None)
    one, other = (fastnn.Network(shape, backend=backend, **described) for _ in range(2))
    whole, parts = (n.trainer(optimizer=optimizer, **told) for n in (one, other))
    whole(x[:40], y[:40])
    if described["seed"] % 2:  # where a first update has been done already
        other.architecture, other.trained_on = one.architecture, one.trained_on
    _, gradient = parts.value_and_gradient(x[:40], y[:40])
    assume(other.architecture == one.architecture)  # else bytes, whose scale only training chooses
    parts.apply(gradient)
    rate = 0.05
    bound = (1e-9 if described["dtype"] == "float64" else 1e-3) * rate
    assert np.allclose(one.parameters, other.parameters, rtol=1e-5, atol=bound)
    assert np.allclose(gradient, whole.gradient(), rtol=1e-3, atol=1e-5) or "clip_norm" in told


def test_more_rows_than_max_rows_are_measured_in_parts(backend):
    """The mean over 1,000 rows is that of its ten parts, within their rounding."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(1000, 4)), rng.integers(0, 3, 1000)
    net = fastnn.Network((4, 6, 3), dtype="float64", seed=0, backend=backend.name)
    trainer = net.trainer(max_rows=100, l1=0.01)
    value, gradient = trainer.value_and_gradient(x, y)
    parts = [
        trainer.value_and_gradient(x[i : i + 100], y[i : i + 100]) for i in range(0, 1000, 100)
    ]
    assert value == pytest.approx(np.mean([v for v, _ in parts]), rel=1e-12)
    assert np.allclose(gradient, np.mean([g for _, g in parts], axis=0), rtol=0, atol=1e-14)


def test_a_gradient_is_that_of_the_last_update_only(backend):
    """Not of one before, once forward was called."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 4)), rng.integers(0, 3, 20)
    for told in ({}, {"l2": 0.1}, {"clip_norm": 0.1}):
        net = fastnn.Network((4, 6, 3), seed=0, backend=backend.name)
        trainer = net.trainer(optimizer=fastnn.SGD(0.1), **told)
        trainer(x, y)
        gradient = trainer.gradient()
        trainer.value_and_gradient(x, y)
        assert same_bits(trainer.gradient(), gradient)
        trainer.forward(x)
        with pytest.raises(RuntimeError, match="gradient"):
            trainer.gradient()


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix])
def test_the_derivative_by_bytes_is_by_each_byte(backend, form):
    x = np.random.default_rng(1).integers(0, 2, (6, 4)).astype(np.uint8) * 200
    net = fastnn.Network((4, 5, 3), seed=0, backend=backend.name, input_scale=1 / 255)
    trainer = net.trainer()
    found = []
    for rows in (form(x), (x / 255).astype(np.float32)):
        trainer.forward(rows)
        found.append(
            trainer.backward(np.ones((6, 3)), of="outputs", update=False, input_gradient=True)
        )
    assert np.allclose(found[0], found[1] / 255, rtol=1e-5)


def test_scipy_minimizes_a_network(backend):
    from scipy.optimize import minimize

    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 3))
    y = np.sin(x).sum(axis=1)
    net = fastnn.Network((3, 8, 1), activation="tanh", output="identity", dtype="float64", seed=0,
                         backend=backend.name)  # fmt: skip
    trainer = net.trainer(l2=1e-4)
    found = minimize(
        lambda p: trainer.value_and_gradient(x, y, parameters=p),
        net.parameters, jac=True, method="L-BFGS-B", options={"maxiter": 200},
    )  # fmt: skip
    before = net.evaluate(x, y)["loss"]
    net.parameters = found.x
    assert net.evaluate(x, y)["loss"] < 0.02 * before
