"""A network as a JavaScript module: Node computes what fastnn does, with and without vectors."""

import re
from base64 import b64decode

import numpy as np
import pytest
from support.c_programs import batches
from support.examples import small_network
from support.javascript_modules import assert_agrees, outputs, run, script
from support.random_networks import N_NETWORKS, THOROUGH, random_network

import fastnn
from fastnn.architecture import ACTIVATIONS, OUTPUTS
from fastnn.exchange.c.parameters import known_columns
from fastnn.exchange.javascript.module import module, packed, stored
from fastnn.rows.trained_on import TrainedOn

BATCH = 8 if not THOROUGH else 100
"""Networks in one process."""

SEEDS = range(N_NETWORKS if THOROUGH else 24)
ENGINES = ("wasm", "plain")
LARGEST_RUNTIME = 20_000
"""Bytes of a module, less its parameters in base64."""


# -- what it computes -----------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", list(batches(SEEDS, BATCH)), ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_random_networks_compute_in_node_what_they_compute_in_fastnn(
    tmp_path, seeds, engine, weights
):
    networks, rows = zip(*map(random_network, seeds), strict=True)
    found = run(tmp_path, networks, rows, engine, weights)
    for network, x, one in zip(networks, rows, found, strict=True):
        assert_agrees(network, x, one, weights)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_every_width_and_number_of_rows(tmp_path, engine, weights):
    """All widths of panels and all remainders of tiles of rows and of rows taken at a time."""
    widths = [*range(1, 71), 96, 100, 128, 129]
    networks = [fastnn.Network((3, n, 2), activation="tanh", seed=n) for n in widths]
    numbers = [1, 2, 3, 4, 5, 7, 63, 64, 65, 130]
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(numbers[n % len(numbers)], 3)).astype(np.float32) for n in widths]
    for network, x, one in zip(
        networks, rows, run(tmp_path, networks, rows, engine, weights), strict=True
    ):
        assert_agrees(network, x, one, weights)


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_of_any_density_and_size(tmp_path, engine):
    """Zeros from none to all, so that rows with lists and without are beside each other; numbers
    that are subnormal, and large."""
    rng = np.random.default_rng(0)
    networks, rows = [], []
    for i, n_in in enumerate([1, 2, 3, 4, 5, 7, 8, 31, 64, 103]):
        activation = ("relu", "tanh", "identity")[i % 3]
        network = fastnn.Network((n_in, 37, 26, 3), activation=activation, seed=i)
        for bias in network.biases:
            bias[...] = -0.0  # a sum that starts from it would show which inputs are left out
        x = rng.normal(size=(40, n_in)).astype(np.float32)
        x *= np.array([1e-42, 1e-30, 1, 50], np.float32)[np.arange(40) % 4, None]
        x[rng.random(x.shape) < np.linspace(0, 1, 40)[:, None]] = 0
        x[rng.random(x.shape) < 0.05] = -0.0
        networks.append(network)
        rows.append(x)
    for network, x, one in zip(networks, rows, run(tmp_path, networks, rows, engine), strict=True):
        assert_agrees(network, x, one)


FAR = np.array([[s * z] for z in (0, 1e-45, 1e-30, 0.3, 1, 9, 20, 88, 89, 104, 1e4, 1e30, 3e38)
                for s in (1, -1)], np.float32)  # fmt: skip
NEAR = np.linspace(-16, 16, 2049, dtype=np.float32)[:, None]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("x", [FAR, NEAR], ids=["far", "near"])
def test_every_function_is_right_however_far_its_argument(tmp_path, engine, x):
    """One unit of weight 1 passes x on to each hidden activation and each output."""
    networks = [
        fastnn.Network((1, 1, 1), activation=f, output="identity", bias=False, init=1.0, seed=0)
        for f in ACTIVATIONS
    ] + [
        fastnn.Network((1, 2 if f == "softmax" else 1), output=f, bias=False, seed=0)
        for f in OUTPUTS
    ]
    for network in networks:
        for weight in network.weights:
            weight[...] = 1
        if network.architecture.output == "softmax":
            network.weights[0][0, 1] = -1
    for network, (out, *_) in zip(
        networks, run(tmp_path, networks, [x] * len(networks), engine), strict=True
    ):
        with np.errstate(over="ignore", under="ignore"):
            expected = outputs(network, x)
            # of gelu e^(-z²/2) magnifies its argument's rounding by z² (see bounds.py), up to ±14
            factor = 8 + 2 * np.clip(x, -14, 14) ** 2 * ("gelu" in network.architecture.activations)
            if network.architecture.output == "softmax":
                factor = factor + 4 * np.minimum(np.abs(x), 104)
            smallest = np.finfo("f4").tiny * np.maximum(np.abs(x), 1)
            bound = factor * np.finfo("f4").eps * np.abs(expected) + smallest
        same = (out == expected) | (
            np.abs(out - np.where(np.isinf(expected), 0, expected)) <= bound
        )
        assert same.all(), (network, x[~same][:5], out[~same][:5], expected[~same][:5])


@pytest.mark.parametrize("engine", ENGINES)
def test_infinity_inside_the_network_stays_visible(tmp_path, engine):
    """A sum that overflows is infinite, or not a number, as in fastnn; and has no class."""
    x = np.full((2, 3), [[3e38], [1]], np.float32)
    networks = [
        small_network((3, 5, 2), activation="relu", output=f, dtype="float32") for f in OUTPUTS
    ]
    for network in networks:
        network.weights[0][...] = 4
        network.weights[1][...] = [[1, -1]]
    for network in networks:
        network.to_javascript(tmp_path / "net.mjs")
        found = script(tmp_path, f"""\
if ("{engine}" === "plain") delete globalThis.WebAssembly;
const net = await import("./net.mjs");
const out = [...net.predict({x.ravel().tolist()})].map(String);
let caught = null;
try {{ net.predictClasses?.({x.ravel().tolist()}); }} catch (error) {{ caught = error.message; }}
console.log(JSON.stringify([out, caught]));
""")  # fmt: skip
        with np.errstate(all="ignore"):
            expected = outputs(network, x)
        assert np.array_equal(
            np.isfinite(expected.ravel()), np.isfinite([float(v) for v in found[0]])
        ), (network, expected, found)
        lost = network.architecture.n_classes and np.isnan(expected[0]).any()
        assert (found[1] is not None) == bool(lost), (network, found)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_columns_far_from_zero_are_centred(tmp_path, engine, weights):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) * [1, 10, 1e4] + [1e6, 1000, 0]
    network = fastnn.Network((3, 8, 2), dtype="float64", seed=0)
    network.weights[0][...] /= [[1], [10], [1e4]]
    network.biases[0][...] = -np.array([1e6, 1000, 0]) @ network.weights[0]
    network.trained_on = TrainedOn(mean=(1e6, 1000.0, 0.0), deviation=(1.0, 10.0, 1e4))
    (found,) = run(tmp_path, [network], [x], engine, weights)
    exact = network.predict_proba(x)
    tolerance = {"float32": 0.02, "float16": 0.03, "int8": 0.1}[weights]
    assert np.abs(found.out - exact).max() < tolerance


def test_ties_go_to_the_first_class_and_one_half_is_no(tmp_path):
    tie = fastnn.Network((1, 3), seed=0)
    half = fastnn.Network((1, 1), output="sigmoid", seed=0)
    for network in (tie, half):
        network.weights[0][...] = 0
    tie.biases[0][...] = [0, 1, 1]
    found = run(tmp_path, [tie, half], [np.ones((1, 1), np.float32)] * 2)
    assert [f.classes for f in found] == [[1], [0]]


# -- what it holds --------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_no_random_network_takes_much_more_than_its_parameters(weights):
    """Of all that is loaded, the labels of classes included."""
    for seed in range(N_NETWORKS):
        network, _ = random_network(seed)
        parameters = stored(network, weights, known_columns(network))
        n_bytes = len(module(network, weights=weights, parameters=parameters))
        n_weight_bytes = len(packed(parameters, weights))
        assert n_bytes <= 1.4 * n_weight_bytes + LARGEST_RUNTIME, network


@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_the_module_is_small_beside_its_parameters(tmp_path, weights):
    every = fastnn.Network(
        [20] * (len(ACTIVATIONS) + 2), activation=list(ACTIVATIONS), init="lecun", seed=0
    )
    for network in (every, fastnn.Network((784, 100, 10), seed=0)):
        done = network.to_javascript(tmp_path / "net.mjs", weights=weights)
        data = re.search('const DATA = "(.*)"', (tmp_path / "net.mjs").read_text()).group(1)
        assert len(b64decode(data)) == done.n_weight_bytes
        assert (tmp_path / "net.mjs").stat().st_size == done.n_bytes
        assert done.n_bytes - len(data) <= LARGEST_RUNTIME
        assert done.n_bytes <= 1.4 * done.n_weight_bytes + LARGEST_RUNTIME
