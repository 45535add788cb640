"""Networks, minibatches and calls that the tests of trainers share."""

import warnings
from unittest.mock import patch

import numpy as np
import scipy.sparse
from hypothesis import strategies as st

import fastnn
from fastnn.optimizers import RateFactors
from support.examples import same_bits
from support.minibatches import HAS_FRAMES, N_IN, N_OUT

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
        fastnn.SGD(0.05, rate_factors=RateFactors("fan_in", 0.1)),
        fastnn.SGD(0.05, momentum=0.9, rate_factors=RateFactors(feature_scales=2.0)),
        fastnn.Adam(0.01, rate_factors=RateFactors("fan_in", 0.1, feature_scales=6.0)),
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
    activation = draw(
        st.sampled_from(["sigmoid", "tanh", "relu", "gelu", "leaky_relu", "selu", "mish"])
    )
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


RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 64)
DELTA = RNG.normal(size=(64, 3)) * 0.01


def network(backend, sizes=(6, 32, 3)):
    return fastnn.Network(sizes, seed=1, backend=backend)


def call(trainer):
    trainer(X, Y)


def checked(trainer):
    trainer(X.tolist(), Y.tolist())


def halves(trainer):
    trainer.forward(X)
    trainer.backward(DELTA)


def apply(trainer):
    trainer.apply(np.full(trainer.network.parameters.shape, 1e-3))


def value(trainer):
    trainer.value_and_gradient(X, Y)


UPDATES = {"call": call, "checked": checked, "halves": halves, "apply": apply}


def state_of(net):
    return (
        net.optimizer_state.step,
        net.optimizer_state.slots.tobytes(),
        net.rng.bit_generator.state,
    )


def everything(net):
    """All that a call may change, as bytes and values."""
    running = net._running
    state = None if running is None else (running.state.step, running.state.slots.tobytes())
    return (
        net.parameters.tobytes(),
        net.rng.bit_generator.state["state"],
        state,
        None if running is None else (running.optimizer, running.state.dropout_seed),
        net.trained_on,
        net.architecture,
        net.chooses_scale,
        "_current_fit" in net.__dict__,
    )


def assert_same(one, other):
    assert same_bits(one.parameters, other.parameters)
    assert state_of(one) == state_of(other)
    assert one.trained_on == other.trained_on
    assert one.architecture == other.architecture


def error_of(call):
    """The error that a call raises, or None."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return error
    return None


def in_the_long_way():
    """Have `partial_fit` take the general path, with all of its checks."""
    return patch.object(fastnn.Network, "_one_minibatch", lambda *_: None)


def checked_partial_fit(net, x, y, w):
    """One update in the long way."""
    with in_the_long_way():
        net.partial_fit(
            x, y, sample_weight=w, shuffle=False, batch_size=10_000, optimizer=OPTIMIZER
        )


OPTIMIZER = fastnn.Adam(0.01)
begun_networks = st.fixed_dictionaries(
    {
        "sizes": st.sampled_from([(N_IN, N_OUT), (N_IN, 5, N_OUT), (N_IN, 5, 1)]),
        "output": st.sampled_from(["softmax", "softmax", "sigmoid", "identity"]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "labels": st.booleans(),
        "begun": st.sampled_from([None, "numbers", "bytes", "flags", "named"]),
    }
)


def begun_network(backend, sizes, output, dtype, labels, begun):
    """A network of `begun_networks`, and rows of one kind learned, if any."""
    if output == "softmax" and sizes[-1] == 1:
        sizes = (*sizes[:-1], N_OUT)
    names = ("a", "b", "c") if labels and output == "softmax" else None
    net = fastnn.Network(
        sizes, output=output, dtype=dtype, class_labels=names, seed=1, backend=backend
    )
    if begun:
        rng = np.random.default_rng(0)
        x = rng.random((20, N_IN)).astype(np.float32) * 3
        if begun == "bytes":
            x = rng.integers(0, 256, (20, N_IN)).astype(np.uint8)
        elif begun == "flags":
            x = (x > 1).astype(np.float32)
        elif begun == "named" and HAS_FRAMES:
            import pandas as pd

            x = pd.DataFrame(x, columns=list("abcd"))
        y = rng.integers(0, 3, 20)
        if output != "softmax":
            y = (rng.random((20, sizes[-1])) < 0.5).astype(np.float32)
        elif names:
            y = np.array(names)[y]
        net.partial_fit(x, y, optimizer=OPTIMIZER)
    return net
