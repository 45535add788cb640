"""The trainer against `partial_fit`, byte for byte; its gradients against finite differences."""

import copy
import pickle
import threading

import numpy as np
import pytest
import scipy.sparse
from hypothesis import assume, given
from hypothesis import strategies as st
from support.examples import same_bits

import fastnn

BACKENDS = ["numpy", "numba", "cython"]
OUTPUTS = {
    "softmax": lambda rng, n: rng.integers(0, 3, n),
    "sigmoid": lambda rng, n: (rng.random((n, 3)) < 0.5).astype(np.float32),
    "identity": lambda rng, n: rng.normal(size=(n, 3)),
    "exp": lambda rng, n: rng.poisson(2.0, (n, 3)).astype(np.float64),
    "tanh": lambda rng, n: rng.uniform(-1, 1, (n, 3)),
    "relu": lambda rng, n: rng.normal(size=(n, 3)),
}

SETTINGS = {
    "softmax": [{}, {"label_smoothing": 0.1}],
    "sigmoid": [{}, {"loss": "squared_error"}],
    "identity": [
        {},
        {"loss": "huber"},
        {"loss": "absolute_error"},
        {"loss": "quantile", "quantiles": 0.3},
    ],
}
"""Losses of each output besides its own."""

optimizers = st.sampled_from(
    [
        fastnn.SGD(0.05),
        fastnn.SGD(0.05, momentum=0.9),
        fastnn.SGD(0.05, momentum=0.9, nesterov=True),
        fastnn.RMSprop(0.01),
        fastnn.Adam(0.01),
        fastnn.AdamW(fastnn.schedules.Cosine(0.01, 60)),
    ]
)
options = st.fixed_dictionaries(
    {},
    optional={
        "reduction": st.sampled_from(["mean", "sum"]),
        "l1": st.just(1e-3),
        "l2": st.just(1e-2),
        "max_norm": st.just(1.0),
        "clip_norm": st.just(0.5),
        "dropout": st.just(0.3),
    },
)


@st.composite
def networks(draw, dtype=None):
    """Return what makes a small network, and rows and targets for it, of several kinds."""
    output = draw(st.sampled_from(sorted(OUTPUTS)))
    hidden = draw(st.sampled_from([(), (5,), (20, 6)]))
    activation = draw(st.sampled_from(["sigmoid", "tanh", "relu", "gelu", "leaky_relu"]))
    described = {
        "activation": activation,
        "output": output,
        **draw(st.sampled_from(SETTINGS.get(output, [{}]))),
        "bias": draw(st.booleans()),
        "dtype": dtype or draw(st.sampled_from(["float32", "float64"])),
        "seed": draw(st.integers(0, 9)),
    }
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    kind = draw(st.sampled_from(["float32", "float64", "uint8", "flags", "csr", "mostly zeros"]))
    x = rng.normal(size=(96, 7))
    if kind == "uint8":
        x = rng.integers(0, 256, x.shape).astype(np.uint8)
    elif kind == "flags":
        x = (x > 0).astype(np.float32)
    elif kind == "mostly zeros":
        x = np.where(x > 1.5, x, 0).astype(np.float32)
    elif kind == "csr":
        x = scipy.sparse.csr_matrix(np.where(x > 0.5, x, 0))
    else:
        x = x.astype(kind)
    return ((7, *hidden, 3), described), x, OUTPUTS[output](rng, 96)


def pieces(draw_rows, n):
    """Return the slices of minibatches of these sizes, as far as they fit."""
    start = 0
    for n_rows in draw_rows:
        if start + n_rows <= n:
            yield slice(start, start + n_rows)
            start += n_rows


def state_of(net):
    return (
        net.optimizer_state.step,
        net.optimizer_state.slots.tobytes(),
        net.rng.bit_generator.state,
    )


def twin(trainer, how):
    return copy.deepcopy(trainer) if how == "copy" else pickle.loads(pickle.dumps(trainer))


def assert_same(one, other):
    assert same_bits(one.parameters, other.parameters)
    assert state_of(one) == state_of(other)
    assert one.trained_on == other.trained_on
    assert one.architecture == other.architecture


@pytest.mark.filterwarnings("ignore:x is uint8", "ignore:the loss became")
@pytest.mark.parametrize("backend", BACKENDS)
@given(
    network=networks(),
    optimizer=optimizers,
    told=options,
    sizes=st.lists(st.integers(1, 33), min_size=3, max_size=8),
    weighs=st.booleans(),
    turns=st.lists(st.sampled_from(["trainer", "partial_fit", "copy", "pickle"]), min_size=8),
)
def test_a_trainer_does_what_partial_fit_does(
    backend, network, optimizer, told, sizes, weighs, turns
):
    """Bit for bit, with every option, each kind of rows, in turns, and copied in the middle."""
    (shape, described), x, y = network
    one, other = (fastnn.Network(shape, backend=backend, **described) for _ in range(2))
    trainer = one.trainer(optimizer=optimizer, **told)
    weights = np.random.default_rng(0).random(96) + 0.1 if weighs else None
    for rows, turn in zip(pieces(sizes, 96), turns, strict=False):
        w = None if weights is None else weights[rows]
        alike = {"optimizer": optimizer, "batch_size": 99, "shuffle": False, "sample_weight": w}
        history = other.partial_fit(x[rows], y[rows], **alike, **told)
        if turn == "partial_fit":
            one.partial_fit(x[rows], y[rows], **alike, **told)
            continue
        if turn != "trainer":
            trainer = twin(trainer, turn)
            one = trainer.network
        loss = trainer(x[rows], y[rows], w)
        assert loss == pytest.approx(history["loss"][0], rel=1e-15)  # a mean of one pass
        assert_same(one, other)


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


def test_one_row_may_be_one_dimensional(backend):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)).astype(np.float32), rng.integers(0, 3, 20)
    nets = [fastnn.Network((4, 5, 3), seed=1, backend=backend.name) for _ in range(3)]
    trainers = [net.trainer(optimizer=fastnn.SGD(0.1)) for net in nets]
    for i in range(20):
        losses = {
            trainers[0](x[i : i + 1], y[i : i + 1]),
            trainers[1](x[i], y[i]),
            trainers[2](list(map(float, x[i])), int(y[i])),
        }
        assert len(losses) == 1
    assert same_bits(nets[0].parameters, nets[1].parameters)
    assert trainers[1].forward(x[0]).shape == (3,)
    assert trainers[1].backward(np.zeros(3), input_gradient=True).shape == (4,)


def wrong_calls():
    x, y = np.zeros((5, 4), np.float32), np.zeros(5, np.int64)
    yield "columns", (x[:, :3], y), ValueError
    yield "rows of y", (x, y[:4]), ValueError
    yield "labels above", (x, y + 3), ValueError
    yield "labels below", (x, y - 1), ValueError
    yield "huge labels", (x, np.full(5, 2**64 - 1, np.uint64)), ValueError
    yield "a huge label", (x[0], 2**70), (ValueError, TypeError)
    yield "text", (x.astype(str), y), TypeError
    yield "text labels", (x, y.astype(str)), TypeError
    yield "NaN", (np.full_like(x, np.nan), y), ValueError
    yield "infinity", (np.full((5, 4), 1e300), y), ValueError
    yield "no rows", (x[:0], y[:0]), ValueError
    yield "too many rows", (np.zeros((65, 4)), np.zeros(65, int)), ValueError
    yield "three dimensions", (x[None], y), ValueError
    yield "None", (None, y), (TypeError, ValueError)
    yield "negative weights", (x, y, -np.ones(5)), ValueError
    yield "no weight", (x, y, np.zeros(5)), ValueError
    yield "NaN weights", (x, y, np.full(5, np.nan)), ValueError
    yield "few weights", (x, y, np.ones(4)), ValueError
    yield "fractions of labels", (x, y + 0.5), ValueError


@pytest.mark.parametrize("has_begun", [False, True])
@pytest.mark.parametrize(
    ("arguments", "error"), [pytest.param(a, e, id=name) for name, a, e in wrong_calls()]
)
def test_what_is_wrong_changes_nothing(backend, arguments, error, has_begun):
    net = fastnn.Network((4, 5, 3), seed=1, backend=backend.name)
    trainer = net.trainer(max_rows=64)
    rng = np.random.default_rng(0)
    if has_begun:
        trainer(rng.normal(size=(8, 4)).astype(np.float32), rng.integers(0, 3, 8))
        gradient = trainer.gradient()
    before = copy.deepcopy(net)
    with pytest.raises(error):
        trainer(*arguments)
    assert same_bits(net.parameters, before.parameters)
    assert net.rng.bit_generator.state == before.rng.bit_generator.state
    assert net.trained_on == before.trained_on
    if has_begun:
        assert state_of(net) == state_of(before)
        assert same_bits(trainer.gradient(), gradient)


def test_backward_asks_for_its_forward(backend):
    net = fastnn.Network((4, 5, 3), seed=1, backend=backend.name)
    trainer, x = net.trainer(), np.ones((5, 4), np.float32)
    for delta in (np.zeros((5, 3)), np.zeros(3)):
        with pytest.raises(RuntimeError, match="forward"):
            trainer.backward(delta)
    with pytest.raises(RuntimeError, match="gradient"):
        trainer.gradient()
    trainer.forward(x)
    for delta in (np.zeros((4, 3)), np.zeros((5, 2)), np.zeros(3), np.full((5, 3), np.nan)):
        before = net.parameters.copy()
        with pytest.raises(ValueError, match="delta"):
            trainer.backward(delta)
        assert same_bits(net.parameters, before)
    trainer.backward(np.zeros((5, 3)))
    with pytest.raises(RuntimeError, match="forward"):
        trainer.backward(np.zeros((5, 3)))
    trainer.forward(x)
    net.fit(x, np.arange(5) % 3, epochs=1)
    with pytest.raises(RuntimeError, match="forward"):
        trainer.backward(np.zeros((5, 3)))


def test_parameters_that_were_assigned_are_trained(backend):
    one, other = (fastnn.Network((4, 5, 3), seed=s, backend=backend.name) for s in (1, 2))
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8) % 3
    trainers = [net.trainer(optimizer=fastnn.SGD(0.1)) for net in (one, other)]
    trainers[0](x, y)
    trainers[1](x, y)
    one.parameters = other.parameters
    assert trainers[0](x, y) == trainers[1](x, y)
    assert same_bits(one.parameters, other.parameters)


def test_a_training_in_training_is_refused(backend):
    """From a callback of a fit, and from another thread while a fit runs."""
    net = fastnn.Network((4, 5, 3), seed=1, backend=backend.name)
    x, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3
    trainer = net.trainer()

    def calls(*_):
        for call in (
            lambda: trainer(x, y),
            lambda: trainer.forward(x),
            lambda: trainer.apply(net.parameters),
            lambda: trainer.value_and_gradient(x, y),
        ):
            with pytest.raises(RuntimeError, match="one fit at a time"):
                call()

    net.fit(x, y, epochs=2, callbacks=calls)
    trainer(x, y)


def test_threads_train_one_after_the_other_or_are_refused():
    """Every call that returns has done its step, whole."""
    net = fastnn.Network((64, 512, 10), seed=1, backend="cython")
    x, y = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32), np.arange(64) % 10
    trainers, done = [net.trainer(), net.trainer()], []
    trainers[0](x, y)

    def train(trainer):
        for _ in range(100):
            try:
                trainer(x, y)
                done.append(1)
            except RuntimeError:
                pass

    threads = [threading.Thread(target=train, args=(t,)) for t in (*trainers, trainers[0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert net.optimizer_state.step == 1 + len(done)
    assert np.isfinite(net.parameters).all()


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


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_quantiles_share_one_target(backend):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 4)), rng.normal(size=40)
    nets = [
        fastnn.Network((4, 6, 3), output="identity", loss="quantile", quantiles=(0.1, 0.5, 0.9),
                       seed=0, backend=backend)
        for _ in range(2)
    ]  # fmt: skip
    trainer = nets[0].trainer(optimizer=fastnn.SGD(0.1))
    for _ in range(3):
        trainer(x, y)
        nets[1].partial_fit(x, y, batch_size=40, optimizer=fastnn.SGD(0.1), shuffle=False)
    assert_same(*nets)
    with pytest.raises(ValueError, match="y must have shape"):
        trainer(x, rng.normal(size=(40, 3)))


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
