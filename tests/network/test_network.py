"""Network: what its constructor takes, what it shows of itself, what it predicts and measures."""

import copy
import pickle
import re

import numpy as np
import pytest
from support.examples import blobs, same_bits, small_network

import fastnn
from fastnn.architecture import ACTIVATIONS

# -- the constructor ------------------------------------------------------------------------------


def test_every_argument_arrives_in_the_architecture():
    net = fastnn.Network(
        (7, 5, 4, 2),
        activation=("relu", "gelu"),
        output="identity",
        loss="huber",
        huber_delta=0.5,
        bias=False,
        init=0.1,
        dtype="float64",
        input_scale=0.25,
        backend="numpy",
        seed=1,
    )
    assert net.architecture == fastnn.Architecture(
        sizes=(7, 5, 4, 2),
        activations=("relu", "gelu"),
        output="identity",
        loss="huber",
        huber_delta=0.5,
        bias=False,
        dtype="float64",
        input_scale=0.25,
    )
    assert net.backend == "numpy"


def test_the_defaults_are_those_of_the_docstring():
    a = fastnn.Network((3, 4, 2)).architecture
    assert a.activations == ("sigmoid",)
    assert (a.output, a.loss, a.huber_delta) == ("softmax", "cross_entropy", 1.0)
    assert (a.bias, a.dtype, a.input_scale) == (True, "float32", 1 / 255)


@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("softmax", "cross_entropy"),
        ("sigmoid", "binary_cross_entropy"),
        ("identity", "squared_error"),
        ("exp", "poisson"),
    ],
)
def test_an_output_without_a_loss_gets_its_own(output, loss):
    assert fastnn.Network((2, 2), output=output).architecture.loss == loss


WRONG = {
    "sizes: no sequence": ({"sizes": 5}, TypeError, r"sizes .* such as \(784, 100, 10\), got 5"),
    "sizes: text": ({"sizes": "84"}, TypeError, "sizes must be a sequence .* got '84'"),
    "sizes: one": ({"sizes": (4,)}, ValueError, r"at least the widths .* got \(4,\)"),
    "sizes: zero": ({"sizes": (4, 0)}, ValueError, r"sizes\[1\] must be at least 1, got 0"),
    "sizes: fraction": ({"sizes": (4, 1.5)}, TypeError, r"sizes\[1\] .* integer, got 1.5"),
    "sizes: bool": ({"sizes": (4, True)}, TypeError, r"sizes\[1\] must be an integer, got True"),
    "sizes: huge": ({"sizes": (10**18, 9)}, ValueError, "more parameters than fit in memory"),
    "activation: unknown": ({"activation": "rleu"}, ValueError, "one of .*'relu'.* got 'rleu'"),
    "activation: number": ({"activation": 3}, TypeError, "activation must be one of .* got 3"),
    "activation: too many": ({"activation": ["relu"] * 3}, ValueError, "1 hidden .* got 3 values"),
    "output: unknown": ({"output": "sofmax"}, ValueError, "output .*'softmax'.* got 'sofmax'"),
    "output: None": ({"output": None}, TypeError, "output must be one of .* got None"),
    "loss: unknown": ({"loss": "mse"}, ValueError, "loss must be one of .* got 'mse'"),
    "loss: another's": (
        {"loss": "huber"},
        ValueError,
        "'softmax', loss must be .* got 'huber'",
    ),
    "huber_delta: zero": ({"huber_delta": 0}, ValueError, "huber_delta must be above 0"),
    "huber_delta: text": ({"huber_delta": "1"}, TypeError, "huber_delta must be a number"),
    "bias: number": ({"bias": 1}, TypeError, "bias must be True or False, got 1"),
    "init: unknown": ({"init": "xavier"}, ValueError, "init .*'he', 'lecun', got 'xavier'"),
    "init: negative": ({"init": -0.1}, ValueError, "init must be above 0 and finite, got -0.1"),
    "init: None": ({"init": None}, TypeError, "init must be a number, got None"),
    "init: wrong shape": (
        {"init": lambda rng, shape: np.zeros(3)},
        ValueError,
        r"init must return weights of shape \(4, 6\), got \(3,\)",
    ),
    "init: not finite": (
        {"init": lambda rng, shape: np.full(shape, np.nan)},
        ValueError,
        "init must return finite real weights",
    ),
    "dtype: half": ({"dtype": "float16"}, ValueError, "float32 or float64, got 'float16'"),
    "dtype: no dtype": ({"dtype": "f4,("}, ValueError, "float32 or float64, got 'f4,"),
    "dtype: None": ({"dtype": None}, ValueError, "float32 or float64, got None"),
    "input_scale: zero": ({"input_scale": 0.0}, ValueError, "input_scale must be above 0"),
    "input_scale: NaN": ({"input_scale": np.nan}, ValueError, "input_scale .* finite, got nan"),
    "input_scale: huge": ({"input_scale": 10**400}, ValueError, "input_scale .* fits in a float"),
    "backend: unknown": ({"backend": "torch"}, ValueError, "backend=.*'numpy'.* got 'torch'"),
    "backend: None": ({"backend": None}, TypeError, "backend= must be one of .* got None"),
    "seed: text": ({"seed": "x"}, TypeError, "seed must be a whole number .* got 'x'"),
    "seed: negative": ({"seed": -1}, ValueError, "seed must be a whole number .* got -1"),
    "seed: fraction": ({"seed": 1.5}, TypeError, "seed must be a whole number .* got 1.5"),
    "labels: too few": ({"class_labels": "ab"}, TypeError, "must be a sequence .* got 'ab'"),
    "labels: no sequence": ({"class_labels": 3}, TypeError, "must be a sequence .* got 3"),
    "labels: count": ({"class_labels": ["a", "b"]}, ValueError, "must hold 3 labels, got 2"),
    "labels: twice": ({"class_labels": ["a", "b", "a"]}, ValueError, "must be distinct"),
    "labels: mixed": ({"class_labels": ["a", 1, 2]}, TypeError, "all strings or all numbers"),
    "labels: NaN": ({"class_labels": [0, 1, np.nan]}, ValueError, "labels must be finite"),
    "labels: regression": (
        {"output": "identity", "class_labels": [0, 1, 2]},
        ValueError,
        "class_labels requires a softmax output.* 'identity' of width 3",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named_with_what_was_expected(case):
    arguments, error, words = WRONG[case]
    with pytest.raises(error, match=words):
        fastnn.Network(**{"sizes": (4, 6, 3)} | arguments)


def test_activations_may_be_one_for_each_layer_and_all_names_work():
    sizes = (2, *([3] * len(ACTIVATIONS)), 2)
    net = fastnn.Network(sizes, activation=ACTIVATIONS, backend="numpy")
    assert net.architecture.activations == ACTIVATIONS
    assert np.isfinite(net.predict_proba(np.ones((5, 2)))).all()


def test_the_network_says_what_it_is():
    text = repr(small_network(activation="tanh"))
    assert text.startswith("Network((4, 6, 3), activation=('tanh',), output='softmax'")
    assert "dtype='float64', backend='numpy'" in text


# -- parameters -----------------------------------------------------------------------------------


def test_assigning_into_weights_and_biases_changes_what_is_predicted():
    net = small_network((2, 2), output="identity")
    net.weights[0][...] = [[1, 2], [3, 4]]
    net.biases[0][...] = [10, 20]
    np.testing.assert_array_equal(net.predict([[1.0, 1.0]]), [[14, 26]])


def test_weights_and_biases_are_views_of_one_buffer():
    net = small_network((5, 3, 2))
    views = [*net.weights, *net.biases]
    assert [v.shape for v in views] == [(5, 3), (3, 2), (3,), (2,)]
    assert all(np.shares_memory(view, net.parameters) for view in views)
    assert net.parameters.shape == (net.architecture.n_slots,)
    assert net.parameters.ctypes.data % 64 == 0


def test_without_bias_biases_are_none():
    assert small_network((5, 3, 2), bias=False).biases == [None, None]


def test_from_architecture_starts_from_zeros():
    net = fastnn.Network.from_architecture(fastnn.Network((3, 2)).architecture)
    assert not net.parameters.any()


# -- seeds and initial weights --------------------------------------------------------------------


def test_one_seed_gives_the_same_initial_weights_on_every_backend(backend):
    net = fastnn.Network((9, 5, 3), backend=backend.name, seed=11)
    assert same_bits(net.parameters, fastnn.Network((9, 5, 3), backend="numpy", seed=11).parameters)


def test_float32_and_float64_start_alike_up_to_rounding():
    single = fastnn.Network((9, 5, 3), dtype="float32", seed=11)
    double = fastnn.Network((9, 5, 3), dtype="float64", seed=11)
    for a, b in zip(single.weights, double.weights, strict=True):
        np.testing.assert_array_equal(a, b.astype(np.float32))


def test_one_seed_repeats_a_fit_bit_for_bit(backend):
    x, y = blobs()

    def trained():
        net = fastnn.Network((4, 6, 3), backend=backend.name, seed=5)
        history = net.fit(x, y, epochs=2, batch_size=7, dropout=0.3)
        return net.parameters, history["loss"]

    (first, first_losses), (second, second_losses) = trained(), trained()
    assert same_bits(first, second)
    assert first_losses == second_losses


def test_other_seeds_and_no_seed_differ():
    nets = [fastnn.Network((9, 5, 3), seed=seed) for seed in (1, 2, None, None)]
    assert len({net.parameters.tobytes() for net in nets}) == 4


def test_shuffles_are_the_same_on_every_backend(backend):
    seen = []

    class Spy(type(backend)):
        def train_epoch(self, architecture, params, state, x, y, order, *rest):
            seen.append(order.copy())
            return super().train_epoch(architecture, params, state, x, y, order, *rest)

    x, y = blobs(50)
    net = fastnn.Network((4, 3), backend=backend.name, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastnn.network.get_backend", lambda name: Spy(backend._inside))
        net.fit(x, y, epochs=2)
    rng = np.random.default_rng(5)
    rng.uniform(size=(4, 3))  # the initial weights
    rng.integers(2**63)  # the seed of dropout
    np.testing.assert_array_equal(seen, [rng.permutation(50), rng.permutation(50)])


def test_a_generator_may_be_the_seed_and_is_drawn_from():
    rng = np.random.default_rng(4)
    net = fastnn.Network((3, 2), seed=rng)
    assert same_bits(net.parameters, fastnn.Network((3, 2), seed=4).parameters)
    assert net.rng is rng


@pytest.mark.parametrize(
    ("init", "radius"),
    [
        ("glorot", np.sqrt(6 / 300)),
        ("he", np.sqrt(6 / 200)),
        ("lecun", np.sqrt(3 / 200)),
        (0.03, 0.03),
    ],
)
def test_initial_weights_are_uniform_within_the_radius(init, radius):
    net = small_network((200, 100), init=init)
    (weight,) = net.weights
    assert 0.999 * radius < np.abs(weight).max() <= radius
    assert abs(weight.var() / (radius**2 / 3) - 1) < 0.05  # of 20,000 draws; 5 % is 8 deviations
    assert not net.biases[0].any()


def test_a_callable_makes_each_layers_weights_from_the_networks_generator():
    drawn = np.random.default_rng(8)
    net = small_network((4, 3, 2), init=lambda rng, shape: rng.normal(size=shape), seed=8)
    for weight, shape in zip(net.weights, [(4, 3), (3, 2)], strict=True):
        np.testing.assert_array_equal(weight, drawn.normal(size=shape))


# -- the backend of a network ---------------------------------------------------------------------


def test_a_network_takes_the_backend_it_was_given(backend):
    with fastnn.use_backend("numpy"):
        assert fastnn.Network((2, 2), backend=backend.name).backend == backend.name


def test_auto_follows_the_switch_at_each_call(backend):
    net = fastnn.Network((2, 2))
    with fastnn.use_backend(backend.name):
        assert net.backend == backend.name


def test_auto_does_not_freeze_the_choice_of_its_construction(backend):
    with fastnn.use_backend(backend.name):
        net = fastnn.Network((2, 2))
    with fastnn.use_backend("numpy"):
        assert net.backend == "numpy"


def test_the_backend_may_be_changed_and_the_parameters_stay(backend):
    net = fastnn.Network((2, 2), backend="numpy")
    before = net.parameters
    net.backend = backend.name
    assert net.backend == backend.name
    assert net.parameters is before


def test_a_wrong_backend_leaves_the_old_one():
    net = fastnn.Network((2, 2), backend="numpy")
    with pytest.raises(ValueError, match="'torch'"):
        net.backend = "torch"
    assert net.backend == "numpy"


# -- pickle and copy ------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_goes_on_bit_for_bit_as_the_network_would(backend, again):
    x, y = blobs()
    names = np.array(["a", "b", "c"])[y]
    net = fastnn.Network((4, 6, 3), backend=backend.name, seed=5, class_labels=["a", "b", "c"])
    net.fit(x, names, epochs=1, batch_size=7, dropout=0.3)
    twin = again(net)
    for one in (net, twin):
        one.partial_fit(x, names, batch_size=7, dropout=0.3)
        one.fit(x, names, epochs=1, batch_size=7, dropout=0.3)
    assert same_bits(net.parameters, twin.parameters)
    assert same_bits(net.predict(x), twin.predict(x))


def test_a_copy_shares_nothing():
    x, y = blobs()
    net = small_network()
    net.fit(x, y, epochs=1)
    twin = copy.deepcopy(net)
    before = net.parameters.copy(), net.optimizer_state.slots.copy(), net.rng.bit_generator.state
    twin.fit(x, y, epochs=1)
    twin.partial_fit(x, y)
    assert same_bits(net.parameters, before[0])
    assert same_bits(net.optimizer_state.slots, before[1])
    assert net.rng.bit_generator.state == before[2]


def test_a_copy_keeps_the_backend_by_name_and_auto_as_auto():
    assert copy.deepcopy(fastnn.Network((2, 2), backend="numpy")).backend == "numpy"
    twin = copy.deepcopy(fastnn.Network((2, 2)))
    with fastnn.use_backend("numpy"):
        assert twin.backend == "numpy"


def test_the_optimizer_state_of_an_untrained_network_is_an_error():
    with pytest.raises(AttributeError, match="not trained yet"):
        _ = small_network().optimizer_state


def test_assigning_parameters_copies_and_refuses_what_does_not_fit():
    net = fastnn.Network((3, 2), seed=0, backend="numpy")
    buffer = net.parameters
    net.parameters = np.arange(len(buffer))
    assert net.parameters is buffer
    np.testing.assert_array_equal(buffer, np.arange(len(buffer)))
    with pytest.raises(ValueError, match="parameters must be numbers of shape"):
        net.parameters = np.zeros(3, np.float32)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e39])
def test_parameters_that_are_not_finite_are_refused_and_nothing_changes(value):
    net = fastnn.Network((3, 2), seed=0, backend="numpy")
    before = net.parameters.copy()
    values = before.astype(np.float64)
    values[2:4] = value
    words = re.escape(f"finite float32 numbers, got {value} at index 2 (2 such values)")
    with pytest.raises(ValueError, match=words):
        net.parameters = values
    np.testing.assert_array_equal(net.parameters, before)


def test_an_architecture_is_checked_before_it_becomes_a_network():
    assert fastnn.Architecture((5, 1), output="identity").loss == "squared_error"
    with pytest.raises(ValueError, match="activation"):
        fastnn.Network.from_architecture(fastnn.Architecture((5, 4, 1), ("foo",)))
    with pytest.raises(ValueError, match="at least 1"):
        fastnn.Network.from_architecture(fastnn.Architecture((5, 0)))


def test_numbers_beyond_float32_are_refused_by_a_float32_network():
    net = fastnn.Network((2, 1), output="identity", seed=0, backend="numpy")
    with pytest.raises(ValueError, match="x holds 1e\\+300, which does not fit"):
        net.predict(np.full((3, 2), 1e300))
    with pytest.raises(ValueError, match="y holds -1e\\+300, which does not fit"):
        net.fit(np.ones((3, 2)), [0, 1, -1e300])
    wide = fastnn.Network((2, 1), output="identity", dtype="float64", seed=0, backend="numpy")
    assert np.isfinite(wide.predict(np.full((3, 2), 1e300))).all()


@pytest.mark.parametrize("make", ["Network", "from_architecture"])
def test_networks_that_are_given_one_generator_share_it(make):
    rng, a = np.random.default_rng(3), fastnn.Architecture((4, 3))
    if make == "Network":
        networks = [fastnn.Network((4, 3), seed=rng) for _ in range(2)]
    else:
        networks = [fastnn.Network.from_architecture(a, seed=rng) for _ in range(2)]
    assert all(network.rng is rng for network in networks)


def test_a_network_from_a_model_shares_nothing_with_it():
    network = fastnn.Network((4, 3), seed=0)
    network.fit(np.eye(4, dtype=np.float32), np.arange(4) % 3, epochs=1)
    twin = fastnn.Network.from_model(network)
    assert np.array_equal(twin.parameters, network.parameters)
    for _ in range(2):
        twin.partial_fit(np.eye(4, dtype=np.float32), np.arange(4) % 3)
    assert not np.array_equal(twin.parameters, network.parameters)
    assert network.optimizer_state.step == 1


@pytest.mark.parametrize(
    "read",
    [
        lambda: fastnn.load("not there", backend="nope"),
        lambda: fastnn.from_onnx("not there", backend="nope"),
        lambda: fastnn.from_torch(3, backend="nope"),
        lambda: fastnn.from_sklearn(3, backend="nope"),
    ],
)
def test_a_wrong_backend_is_said_before_anything_is_read(read):
    with pytest.raises(ValueError, match=r"backend=.*'nope'"):
        read()


@pytest.mark.parametrize("model", [3, None, "digits.safetensors", fastnn.Network, object()])
def test_what_is_no_model_makes_no_network(model):
    with pytest.raises(TypeError, match="model must be a model"):
        fastnn.Network.from_model(model)
