"""Learning rates of groups of parameters, and scaled features, beside PyTorch's."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastnn
from fastnn import SGD, Adam, AdamW, RMSprop
from fastnn.architecture import Architecture
from fastnn.backends.groups import scaling_of
from fastnn.backends.threads import threads_limited
from fastnn.optimizers import Optimizer, RateFactors

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(90, 7)), RNG.integers(0, 3, 90)
SIZES = (7, 20, 12, 3)
RULES = {
    "sgd": SGD(0.03),
    "momentum": SGD(0.03, momentum=0.9),
    "nesterov": SGD(0.03, momentum=0.9, nesterov=True),
    "rmsprop": RMSprop(0.01),
    "adam": Adam(0.03, beta_2=0.95),
    "adamw": AdamW(0.03, beta_2=0.95, weight_decay=0.1),
}


def network(backend="numpy", dtype="float64", sizes=SIZES):
    return fastnn.Network(sizes, activation="tanh", dtype=dtype, seed=1, backend=backend)


def fit(net, optimizer, epochs=3, **options):
    options = {"batch_size": 32, "shuffle": False, "progress": False} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return net.fit(X, Y, epochs=epochs, optimizer=optimizer, **options)


def scales_of(net):
    state, optimizer = net.optimizer_state, net._running.optimizer
    return scaling_of(optimizer, net.architecture, net.parameters, state.slots)


# -- the value ------------------------------------------------------------------------------------


def test_factors_of_each_group():
    architecture = Architecture((16, 4, 9), ("relu",))
    plain = RateFactors().of(architecture)
    np.testing.assert_array_equal(plain, [[1, 1]] * 4 + [[0, 1]])
    some = RateFactors("fan_in", 0.1, 6.0, decays_biases=False).of(architecture)
    np.testing.assert_array_equal(some, [[0.25, 1], [0.1, 0], [0.5, 1], [0.1, 0], [6, 1]])
    each = RateFactors([2, 0.5]).of(architecture)
    np.testing.assert_array_equal(each[:, 0], [2, 1, 0.5, 1, 0])


def test_optimizers_know_their_rate_factors():
    factors = RateFactors("fan_in", 0.1, feature_scales=6.0)
    for optimizer in RULES.values():
        other = replace(optimizer, rate_factors=factors)
        assert other != optimizer
        assert other == replace(optimizer, rate_factors=RateFactors("fan_in", 0.1, 6.0))
        assert pickle.loads(pickle.dumps(other)) == other
        assert "fan_in" in repr(other)
        assert other.n_state == optimizer.n_state + 2
    assert RateFactors([1, 2]) == RateFactors((1.0, 2.0))


def test_an_optimizer_pickled_before_there_were_rate_factors_has_none():
    old = Adam()
    del vars(old)["rate_factors"]
    assert old.rate_factors is None
    assert old == Adam()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: RateFactors("fan_out"), ValueError, "\"fan_in\", got 'fan_out'"),
        (lambda: RateFactors(-1.0), ValueError, r"weights must be in \[0, inf\)"),
        (lambda: RateFactors((1.0, "2")), TypeError, r"weights\[1\] must be a number"),
        (lambda: RateFactors(biases=np.nan), ValueError, "biases must be in"),
        (lambda: RateFactors(feature_scales=-0.1), ValueError, "feature_scales must be in"),
        (lambda: RateFactors(decays_biases=0.5), TypeError, "decays_biases must be"),
        (lambda: Adam(rate_factors=0.1), TypeError, "rate_factors must be"),
        (lambda: fit(network(), SGD(rate_factors=RateFactors((1, 2)))), ValueError, "of 2 layers"),
    ],
)
def test_impossible_factors_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_refused_fit_changes_nothing():
    net = network()
    before, rng = net.parameters.copy(), net.rng.bit_generator.state
    with pytest.raises(ValueError, match="of 1 layers"):
        fit(net, Adam(rate_factors=RateFactors((1.0,))))
    ensemble = fastnn.Ensemble(SIZES, n_models=2, seed=0)
    with pytest.raises(ValueError, match="of 1 layers"):
        ensemble.fit(X, Y, optimizer=Adam(rate_factors=RateFactors((1.0,))), progress=False)
    assert np.array_equal(net.parameters, before)
    assert net.rng.bit_generator.state == rng


# -- beside PyTorch -------------------------------------------------------------------------------


def by_torch(net, optimizer, epochs=3, batch_size=32, l2=0.0):
    """Train the same network by a module with a scaling layer and parameter groups."""
    torch = pytest.importorskip("torch")
    real = getattr(torch, net.architecture.dtype)

    def tensor(values):
        return torch.tensor(np.array(values), dtype=real, requires_grad=True)

    weights, biases = [tensor(w) for w in net.weights], [tensor(b) for b in net.biases]
    scales = tensor(np.ones(7))
    factors, rate = optimizer.rate_factors.of(net.architecture), optimizer.learning_rate
    groups = [
        {"params": [p], "lr": rate * factor, "weight_decay": decay * optimizer.coefficients[3]}
        for p, (factor, decay) in zip(
            [p for pair in zip(weights, biases, strict=True) for p in pair] + [scales],
            factors.tolist(), strict=True,
        )
    ]  # fmt: skip
    first, second, epsilon, _ = optimizer.coefficients
    descent = {
        "sgd": lambda: torch.optim.SGD(groups, rate),
        "momentum": lambda: torch.optim.SGD(groups, rate, momentum=first),
        "nesterov": lambda: torch.optim.SGD(groups, rate, momentum=first, nesterov=True),
        "rmsprop": lambda: torch.optim.RMSprop(groups, rate, alpha=second, eps=epsilon),
        "adam": lambda: torch.optim.Adam(groups, rate, (first, second), epsilon),
        "adamw": lambda: torch.optim.AdamW(groups, rate, (first, second), epsilon),
    }[optimizer.rule]()
    x, y = torch.tensor(X, dtype=real), torch.tensor(Y)
    for _ in range(epochs):
        for rows in torch.arange(len(X)).split(batch_size):
            matrices = [scales[:, None] * weights[0], *weights[1:]]
            h = x[rows]
            for i, (weight, bias) in enumerate(zip(matrices, biases, strict=True)):
                h = h @ weight + bias
                h = torch.tanh(h) if i < len(matrices) - 1 else h
            loss = torch.nn.functional.cross_entropy(h, y[rows])
            loss = loss + l2 / 2 * sum((weight**2).sum() for weight in matrices)
            descent.zero_grad()
            loss.backward()
            descent.step()
    weights[0] = scales[:, None] * weights[0]
    return [p.detach().numpy() for p in (*weights, *biases, scales)]


FACTORS = {
    "groups": RateFactors("fan_in", 0.1, decays_biases=False),
    "layers": RateFactors((0.5, 0.0, 2.0), 3.0),
    "scales": RateFactors("fan_in", 0.1, feature_scales=6.0, decays_biases=False),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("factors", FACTORS)
def test_fits_end_with_the_parameters_of_pytorch(backend, rule, factors):
    optimizer = replace(RULES[rule], rate_factors=FACTORS[factors])
    net = network(backend.name)
    *expected, scales = by_torch(net, optimizer)
    fit(net, optimizer)
    for got, wanted in zip((*net.weights, *net.biases), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)
    if factors == "scales":
        np.testing.assert_allclose(scales_of(net).scales[0], scales, rtol=0, atol=1e-12)
        assert np.abs(scales - 1).max() > 0.05
    else:
        np.testing.assert_array_equal(scales, 1)


def test_float32_and_a_penalty_too(backend):
    optimizer = replace(RULES["adam"], epsilon=1e-4, rate_factors=FACTORS["scales"])
    net = network(backend.name, "float32")
    *expected, _ = by_torch(net, optimizer, l2=0.1)
    fit(net, optimizer, l2=0.1)
    for got, wanted in zip((*net.weights, *net.biases), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)


def test_every_rule_is_compared():
    assert sorted(RULES) == sorted(Optimizer.RULES)


# -- what they mean -------------------------------------------------------------------------------


def test_factors_of_one_change_no_bit(backend):
    for optimizer in RULES.values():
        one, other = network(backend.name), network(backend.name)
        fit(one, optimizer)
        fit(other, replace(optimizer, rate_factors=RateFactors()))
        if backend.name != "numba":  # whose loops over parts of a vector may be fused differently
            assert one.parameters.tobytes() == other.parameters.tobytes()
        np.testing.assert_allclose(one.parameters, other.parameters, rtol=0, atol=1e-14)


def test_a_factor_of_zero_keeps_a_group(backend):
    net = network(backend.name)
    weights, biases = [w.copy() for w in net.weights], [b.copy() for b in net.biases]
    fit(net, AdamW(0.1, weight_decay=1.0, rate_factors=RateFactors((0.0, 1.0, 0.0), 0.0)))
    for i, (before, after) in enumerate(zip(weights, net.weights, strict=True)):
        assert np.array_equal(before, after) == (i != 1)
    for before, after in zip(biases, net.biases, strict=True):
        assert np.array_equal(before, after)


def test_the_network_holds_the_product_of_scales_and_weights(backend):
    """With each limit too: `max_norm` is one of what the network computes with."""
    for options in ({}, {"max_norm": 0.6}, {"clip_norm": 0.01}, {"l2": 0.1, "l1": 0.1}):
        net = network(backend.name, "float32")
        fit(net, replace(RULES["adam"], rate_factors=FACTORS["scales"]), **options)
        seen, raw, scales = scales_of(net)
        np.testing.assert_allclose(seen, scales[0][:, None] * raw, rtol=1e-6)
        assert np.ptp(scales[0]) > 1e-4
        if "max_norm" in options:
            norms = np.linalg.norm(net.weights[0].astype(float), axis=0)
            assert norms.max() == pytest.approx(0.6, rel=1e-5)


def test_clip_norm_is_of_the_gradient_by_the_product(backend):
    """One step of SGD from s = 1: both ∂W and ∂s follow from the gradient that was cut."""
    optimizer, limit = SGD(0.1, rate_factors=RateFactors(feature_scales=2.0)), 1e-3
    net = network(backend.name)
    before = net.weights[0].copy()
    trainer = net.trainer(optimizer=optimizer, clip_norm=limit)
    trainer(X, Y)
    gradient = trainer.gradient()
    assert np.linalg.norm(gradient) == pytest.approx(limit)
    by_product = net.architecture.weights(gradient)[0]
    raw = before - 0.1 * by_product
    scales = 1 - 0.2 * (before * by_product).sum(axis=1)
    np.testing.assert_allclose(net.weights[0], scales[:, None] * raw, rtol=1e-12)


def test_training_goes_on_from_weights_that_were_assigned(backend):
    """Rows that were not assigned keep their scale."""
    net = network(backend.name)
    optimizer = replace(RULES["momentum"], rate_factors=FACTORS["scales"])
    fit(net, optimizer)
    scales = scales_of(net).scales[0].copy()
    net.weights[0][2:4] = 0.5
    trainer = net.trainer(optimizer=replace(optimizer, learning_rate=1e-9))
    trainer(X, Y)
    np.testing.assert_allclose(net.weights[0][2:4], 0.5, rtol=1e-6)
    scales[2:4] = 1
    np.testing.assert_allclose(scales_of(net).scales[0], scales, rtol=1e-6)


def test_each_fit_begins_with_scales_of_one(backend):
    optimizer = replace(RULES["adam"], rate_factors=FACTORS["scales"])
    one = network(backend.name)
    fit(one, optimizer)
    other = network(backend.name)
    other.parameters[...] = one.parameters
    for net in (one, other):
        fit(net, optimizer)
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_weights_of_zero_learn_their_scale_at_one(backend):
    """∂s = 0 where W = 0, and W learns as without scales."""
    one, other = (network(backend.name, sizes=(7, 3)) for _ in range(2))
    for net, scales in ((one, 6.0), (other, 0.0)):
        net.weights[0][...] = 0
        fit(net, SGD(0.1, rate_factors=RateFactors(feature_scales=scales)), 1, batch_size=90)
    np.testing.assert_allclose(one.weights[0], other.weights[0], rtol=1e-13)
    assert np.abs(one.weights[0]).max() > 0


def test_a_file_knows_nothing_of_scales(backend, tmp_path):
    net = network(backend.name, "float32")
    fit(net, replace(RULES["adam"], rate_factors=FACTORS["scales"]))
    net.save(tmp_path / "net.safetensors")
    loaded = fastnn.load(tmp_path / "net.safetensors")
    assert loaded.parameters.tobytes() == net.parameters.tobytes()


# -- the same bits --------------------------------------------------------------------------------


@given(
    rule=st.sampled_from(sorted(RULES)),
    factors=st.sampled_from(sorted(FACTORS)),
    sizes=st.sampled_from([(7, 3), (7, 80, 3), (7, 33, 70, 3)]),
    options=st.sampled_from([{}, {"clip_norm": 0.1}, {"max_norm": 0.5, "l2": 0.1}]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_any_number_of_threads(cython, rule, factors, sizes, options, dtype):
    from fastnn.kernels.cython import _kernels

    given_ = FACTORS[factors]
    if len(sizes) != 4 and factors == "layers":
        given_ = replace(given_, weights=0.5)
    optimizer = replace(RULES[rule], rate_factors=given_)
    before, found = _kernels.set_work_for_threads(1.0, 1.0), []
    patience = _kernels.set_patience(1e9, 1e9)
    try:
        for n_threads in (1, 2, 3):
            with threads_limited(n_threads):
                net = network("cython", dtype, sizes)
                fit(net, optimizer, **options)
                slots = net.optimizer_state.slots
                found.append((net.parameters.tobytes(), slots.tobytes()))
    finally:
        _kernels.set_work_for_threads(*before)
        _kernels.set_patience(*patience)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("rule", RULES)
def test_alone_and_in_an_ensemble(backend, rule):
    """Beside models without factors, which may be trained side by side."""
    optimizers = [
        replace(RULES[rule], rate_factors=each) for each in (None, *FACTORS.values(), None)
    ] * 5
    stopping = fastnn.EarlyStopping("val_loss", patience=1)
    told = {"batch_size": 32, "progress": False, "validation_data": (X[:30], Y[:30])}
    ensemble = fastnn.Ensemble(
        SIZES, activation="tanh", n_models=25, seed=3, backend=backend.name, dtype="float32"
    )
    ensemble.fit(X, Y, epochs=4, optimizer=optimizers, callbacks=stopping, **told)
    for i in range(5, 10):
        net = fastnn.Network(
            SIZES, activation="tanh", seed=int(ensemble.seeds[i]), backend=backend.name
        )
        stopping = fastnn.EarlyStopping("val_loss", patience=1)
        net.fit(X, Y, epochs=4, optimizer=optimizers[i], callbacks=stopping, **told)
        assert net.parameters.tobytes() == ensemble.parameters[i].tobytes()
