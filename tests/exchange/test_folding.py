"""Chains of steps and the dense layers that they are folded into compute the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.exchange.assembly import Dense
from fastnn.exchange.folding import (
    Activation,
    Kink,
    Scaling,
    batch_normalization,
    fold,
    largest,
    leaky,
    smallest,
    then,
)

FUNCTIONS = {
    "identity": lambda z: z,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "softplus": lambda z: np.logaddexp(z, 0),
}
X = np.random.default_rng(0).normal(size=(7, 3)) * 3


def computed(steps, h):
    for step in steps:
        if isinstance(step, Dense):
            h = h @ step.weight + (0 if step.bias is None else step.bias)
        elif isinstance(step, Scaling):
            h = step.factor * h + step.shift
        elif isinstance(step, Kink):
            above = h > step.at
            h = step.value + np.where(above, step.above, step.below) * (h - step.at)
        else:
            h = FUNCTIONS[step.kind](h)
    return h


def computed_by_layers(layers, activations, h):
    for layer, activation in zip(layers, [*activations, "identity"], strict=True):
        h = computed([layer, Activation("", activation)], h)
    return h


@st.composite
def chains(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, steps = 3, []

    def array():
        values = rng.normal(size=n) if rng.random() < 0.5 else rng.normal()
        return values * rng.choice([0.0, 1.0], p=[0.2, 0.8])

    for kind in draw(st.lists(st.sampled_from("DDSKA"), min_size=1, max_size=9)):
        if kind == "D":
            n_out = int(rng.integers(1, 5))
            bias = rng.normal(size=n_out) if rng.random() < 0.7 else None
            steps.append(Dense("dense", rng.normal(size=(n, n_out)), bias))
            n = n_out
        elif kind == "S":
            steps.append(Scaling("scaling", array(), array()))
        elif kind == "K":
            choices = (
                leaky("leaky", array()),
                largest("max", array()),
                smallest("min", array()),
                Kink("kink", array(), array(), array(), array()),
                Kink("leaky", 0.02, 2.0, array(), array()),
            )
            steps.append(choices[rng.integers(len(choices))])
        else:
            steps.append(Activation("activation", str(rng.choice(list(FUNCTIONS)))))
    return steps


@given(chains())
def test_folded_layers_compute_what_the_chain_does(steps):
    if not any(isinstance(step, Dense) for step in steps):
        steps = [*steps, Dense("last", np.eye(3), None)]
    layers, activations = fold(steps, n_in=3)
    assert len(activations) == len(layers) - 1
    expected = computed(steps, X)
    bound = 1e-12 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(
        computed_by_layers(layers, activations, X), expected, rtol=1e-9, atol=bound
    )


def test_what_is_not_folded_is_the_very_array():
    w, b = np.ones((3, 2), np.float32), np.ones(2, np.float32)
    layers, activations = fold([Dense("a", w, b), Activation("t", "tanh"), Dense("b", w.T, None)])
    assert activations == ["tanh"]
    assert layers[0].weight is w
    assert layers[0].bias is b


def test_a_leaky_layer_is_twice_as_wide_and_one_of_slope_001_is_not():
    w = np.ones((3, 4))
    for slope, width, activation in ((0.2, 8, "relu"), (0.01, 4, "leaky_relu"), (0, 4, "relu")):
        steps = [Dense("a", w, None), leaky("leaky", slope), Dense("b", w.T, None)]
        layers, activations = fold(steps)
        assert (layers[0].weight.shape[1], activations) == (width, [activation])


def test_an_end_in_an_activation_has_a_diagonal_layer_behind():
    layers, activations = fold([Dense("a", np.ones((3, 2)), None), Activation("t", "tanh")])
    assert activations == ["tanh"]
    assert np.array_equal(layers[1].weight, np.eye(2))


def test_batch_normalization_is_a_scaling():
    gamma, beta, mean, variance = np.random.default_rng(1).uniform(0.5, 2, size=(4, 3))
    scaling = batch_normalization("norm", gamma, beta, mean, variance, 1e-5)
    expected = gamma * (X - mean) / np.sqrt(variance + 1e-5) + beta
    np.testing.assert_allclose(computed([scaling], X), expected)
    both = then(scaling, Scaling("more", 2.0, gamma))
    np.testing.assert_allclose(computed([both], X), 2 * expected + gamma)


def test_memory_is_asked_for_before_it_is_taken():
    def refuse(n_bytes):
        if n_bytes > 10_000:
            raise ValueError("too much")

    steps = [Dense("a", np.ones((1, 10_000), np.float16), None), Activation("t", "tanh")]
    for step in (Scaling("s", 2.0), leaky("leaky", 0.3), Activation("t", "tanh")):
        with pytest.raises(ValueError, match="too much"):
            fold([*steps, step, Activation("t", "tanh")], take=refuse)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "no dense layer"),
        ([Activation("the tanh", "tanh")], "the tanh stands before the first dense layer"),
        ([Scaling("s", np.ones(2)), Dense("d", np.ones((3, 1)), None)], "d takes 3 numbers"),
        ([Dense("d", np.ones((3, 1)), None), Scaling("s", np.ones(2))], r"s has .* \(2,\)"),
        ([Dense("d", np.ones((3, 1)), None), Dense("e", np.ones((3, 1)), None)], "gives 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(steps, words):
    with pytest.raises(ValueError, match=words):
        fold(steps)
