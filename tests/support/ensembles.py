"""Ensembles beside the networks that they are, each trained alone."""

import warnings

import numpy as np
from hypothesis import strategies as st

import fastnn
from fastnn.architecture import ACTIVATIONS, LOSSES
from support import strategies as drawn

METRICS = ("loss", "accuracy", "penalty", "val_loss", "val_accuracy")


def targets(rng, output, n_rows, n_out):
    """Return labels or targets that suit an output."""
    if output == "softmax":
        labels = rng.integers(0, n_out, n_rows)
        labels[:2] = 0, min(1, n_out - 1)
        return labels
    if output == "sigmoid":
        y = rng.integers(0, 2, (n_rows, n_out)).astype(np.float64)
        y[:2, :] = [[0], [1]]
        return y
    if output == "tanh":
        return rng.uniform(-1, 1, (n_rows, n_out))
    if output == "exp":
        return rng.poisson(2, (n_rows, n_out)).astype(np.float64)
    return rng.normal(size=(n_rows, n_out))


@st.composite
def network_options(draw):
    """Draw what a network is made of."""
    output = draw(st.sampled_from(sorted(LOSSES)))
    n_out = draw(st.sampled_from([2, 3, 17] if output == "softmax" else [1, 2, 5]))
    hidden = draw(st.lists(st.sampled_from([1, 3, 8, 16, 33]), max_size=2))
    return {
        "sizes": (draw(st.sampled_from([1, 4, 19])), *hidden, n_out),
        "activation": [draw(st.sampled_from(ACTIVATIONS)) for _ in hidden],
        "output": output,
        "loss": draw(st.sampled_from(LOSSES[output])),
        "bias": draw(st.booleans()),
        "dtype": draw(drawn.dtypes),
        "input_scale": 1 / 255,
    }


@st.composite
def fit_options(draw, n_models, n_hidden, *, narrow=False):
    """Draw the options of a fit: of the ensemble, and a list of each network's own.

    If the networks are narrow, mostly those that let them be trained side by side.
    """
    common, each = {}, [{} for _ in range(n_models)]

    def option(name, values, *, vary=True):
        if vary and draw(st.booleans()):
            kept = draw(st.integers(1, 3)) if narrow else n_models  # different ones, in turn
            some = [draw(values) for _ in range(kept)]
            own = [some[i % kept] for i in range(n_models)]
            common[name] = own
        else:
            common[name] = draw(values)
            own = [common[name]] * n_models
        for options, value in zip(each, own, strict=True):
            options[name] = value

    option("optimizer", drawn.optimizers())
    option("batch_size", st.sampled_from([3, 7, 1000]))
    for name in ("l1", "l2"):
        option(name, st.sampled_from([0.0, 0.01]))
    for name in ("max_norm", "clip_norm"):
        option(name, st.sampled_from([None] * (9 if narrow else 1) + [0.5]))
    option("reduction", st.sampled_from(["mean", "sum"]), vary=False)
    option("shuffle", st.booleans(), vary=False)
    option("epochs", st.integers(0, 3), vary=False)
    rates = [(0.0,) * n_hidden] * n_models
    if not narrow:
        rates = [
            tuple(draw(st.sampled_from([0.0, 0.3])) for _ in range(n_hidden))
            for _ in range(n_models)
        ]
    common["dropout"] = np.reshape(rates, (n_models, n_hidden)) if n_hidden else 0.0
    for options, own in zip(each, rates, strict=True):
        options["dropout"] = own if n_hidden else 0.0
    return common, each


def alone(options, seed, x, y, fit, **more):
    """Return the network of that seed, trained by itself, and its history."""
    network = fastnn.Network(**options, seed=int(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = network.fit(x, y, progress=False, **fit, **more)
    return network, history


def assert_same(ensemble, i, history, network, its_history):
    """Assert that model i has the bits of the network, and its history the same numbers."""
    assert ensemble.parameters[i].tobytes() == network.parameters.tobytes(), f"model {i}"
    mine = history.of(i)
    assert mine.stopped == its_history.stopped
    for name in METRICS:
        assert (name in mine) == (name in its_history) or not mine.n_epochs, name
        if name in its_history:
            np.testing.assert_array_equal(mine[name], its_history[name], err_msg=name)
    drawn_next = ensemble[i].rng.bit_generator.state, network.rng.bit_generator.state
    assert drawn_next[0] == drawn_next[1]
