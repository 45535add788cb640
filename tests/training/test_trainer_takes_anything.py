"""Trainers that are handed anything: what `partial_fit` makes of it, to the bit, or its error.

`partial_fit` is asked in the long way, with all of its checks.
"""

import copy
import warnings
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.minibatches import (
    DTYPES,
    FORMS,
    HAS_FRAMES,
    MORE_LABELS,
    N_IN,
    N_OUT,
    ODD,
    TARGETS,
    WEIGHTS,
    rows_of,
)

import fastnn

BACKENDS = ["numpy", "numba", "cython"]
OPTIMIZER = fastnn.Adam(0.01)
pytestmark = pytest.mark.filterwarnings("ignore")


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


def outcome(call):
    """The type of the error that a call raises, or None."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return error
    return None


def partial_fit(net, x, y, w):
    with patch.object(fastnn.Network, "_one_minibatch", lambda *_: None):
        net.partial_fit(
            x, y, sample_weight=w, shuffle=False, batch_size=10_000, optimizer=OPTIMIZER
        )


networks = st.fixed_dictionaries(
    {
        "sizes": st.sampled_from([(N_IN, N_OUT), (N_IN, 5, N_OUT), (N_IN, 5, 1)]),
        "output": st.sampled_from(["softmax", "softmax", "sigmoid", "identity"]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "labels": st.booleans(),
        "begun": st.sampled_from([None, "numbers", "bytes", "flags", "named"]),
    }
)
handed = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 999),
        "n_rows": st.sampled_from([0, 1, 2, 7, 60, 300]),
        "dtype": st.sampled_from(DTYPES) | st.sampled_from(DTYPES[:3]),
        "form": st.sampled_from(sorted(FORMS)) | st.just("plain"),
        "odd": st.none() | st.integers(0, len(ODD) - 1),
        "labels": st.sampled_from(sorted(MORE_LABELS)) | st.just("int64"),
        "targets": st.sampled_from(sorted(TARGETS)) | st.just("C"),
        "weights": st.sampled_from(sorted(WEIGHTS)) | st.just("none"),
    }
)


def made(backend, sizes, output, dtype, labels, begun):
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


def minibatch(net, seed, n_rows, dtype, form, odd, labels, targets, weights):
    rng = np.random.default_rng(seed)
    x = rows_of(rng, n_rows, dtype, form, odd, net)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if net.architecture.output == "softmax":
            y = rng.integers(0, N_OUT, n_rows)
            if net.class_labels and seed % 5:
                y = np.array(net.class_labels)[y]
            else:
                y = MORE_LABELS[labels](y)
        else:
            y = (rng.random((n_rows, net.architecture.n_out)) < 0.5).astype(np.float32)
            y = TARGETS[targets](y[:, 0] if net.architecture.n_out == 1 and seed % 2 else y)
        w = WEIGHTS[weights](rng.random(n_rows) + 0.1)
    return x, y, w


def made_or_none(net, told):
    try:
        return minibatch(net, **told)
    except (IndexError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        return None  # not of this dtype, or not of so few rows


@pytest.mark.parametrize("backend", BACKENDS)
@given(network=networks, told=handed)
def test_a_call_does_what_partial_fit_does_or_raises_its_error(backend, network, told):
    net = made(backend, **network)
    other, before = copy.deepcopy(net), everything(net)
    mine, theirs = made_or_none(net, told), made_or_none(other, told)
    if mine is None:
        return
    trainer = net.trainer(optimizer=OPTIMIZER, max_rows=10_000)
    wrong = outcome(lambda: trainer(*mine))
    expected = outcome(lambda: partial_fit(other, *theirs))
    assert type(wrong) is type(expected), (wrong, expected)
    assert everything(net) == (everything(other) if wrong is None else before), (wrong, expected)
    assert str(wrong) or wrong is None


@pytest.mark.parametrize("backend", BACKENDS)
@given(network=networks, told=handed, at=st.sampled_from([None, "own", "float64", "list", "wrong"]))
def test_values_of_anything_leave_the_network_as_it_is(backend, network, told, at):
    net = made(backend, **network)
    other, before = copy.deepcopy(net), everything(net)
    mine, theirs = made_or_none(net, told), made_or_none(other, told)
    if mine is None:
        return
    p = net.parameters
    at = {
        None: None, "own": p, "float64": p.astype("f8"), "list": p.tolist(), "wrong": p[1:],
    }[at]  # fmt: skip
    trainer = net.trainer(optimizer=OPTIMIZER)
    out = np.full_like(p, np.nan)
    wrong = outcome(lambda: trainer.value_and_gradient(*mine, parameters=at, out=out))
    expected = outcome(lambda: partial_fit(other, *theirs))
    assert everything(net) == before
    if at is not p[1:] and not (at is not None and len(at) != len(p)):
        overlap = "share memory" in str(expected)
        assert type(wrong) is type(expected) or overlap, (wrong, expected)


@pytest.mark.parametrize("backend", BACKENDS)
@given(network=networks, told=handed, logits=st.booleans())
def test_forward_takes_the_rows_that_a_call_takes(backend, network, told, logits):
    net = made(backend, **network | {"labels": False})
    other, before = copy.deepcopy(net), everything(net)
    told = told | {"labels": "int64", "targets": "C", "weights": "none"}
    mine, theirs = made_or_none(net, told), made_or_none(other, told)
    if mine is None:
        return
    trainer = net.trainer(optimizer=OPTIMIZER, max_rows=10_000)
    wrong = outcome(lambda: trainer.forward(mine[0], logits=logits))
    expected = outcome(lambda: partial_fit(other, *theirs))
    if "share memory" in str(expected):  # forward only reads
        return
    if wrong is None and np.shape(mine[0])[0] != np.shape(mine[1])[0]:
        return  # of the labels, which forward does not see
    assert type(wrong) is type(expected), (wrong, expected)
    assert net.parameters.tobytes() == before[0]
    if wrong is not None:
        assert everything(net) == before
    else:
        assert (net.trained_on, net.architecture) == (other.trained_on, other.architecture)


ROWS = {
    "array": lambda x: x,
    "list": lambda x: x.tolist(),
    "tuple": lambda x: tuple(x.tolist()),
    "strided": lambda x: np.repeat(x, 2)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "unaligned": lambda x: np.frombuffer(b" " + x.tobytes(), x.dtype, len(x), 1),
    "swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "objects": lambda x: x.astype(object),
    "masked": lambda x: np.ma.masked_array(x, [True] + [False] * (len(x) - 1)),
    "short": lambda x: x[1:],
    "complex": lambda x: x.astype(complex),
    "empty": lambda x: x[:0],
}


class Index:
    """What only counts as an integer where one indexes."""

    def __index__(self):
        return 1


ONE_LABEL = {
    "int": lambda y: int(y), "int64": lambda y: y, "uint8": lambda y: np.uint8(y),
    "bool": lambda y: bool(y), "float": lambda y: float(y), "half": lambda y: y + 0.5,
    "array": lambda y: np.array(y), "list": lambda y: [int(y)],
    "array of one": lambda y: np.array([y]), "deep": lambda y: np.array([[y]]),
    "text": lambda y: str(y), "none": lambda y: None, "huge": lambda y: 2**70,
    "negative": lambda y: -1, "complex": lambda y: complex(y), "many": lambda y: np.arange(3),
    "an index": lambda y: Index(),
}  # fmt: skip
ONE_TARGET = {
    "array": lambda y: y, "list": lambda y: y.tolist(), "float64": lambda y: y.astype("f8"),
    "first": lambda y: float(y[0]), "int": lambda y: int(y[0]), "huge": lambda y: 10**400,
    "matrix": lambda y: y[None], "none": lambda y: None, "NaN": lambda y: float("nan"),
    "zero": lambda y: np.array(y[0]), "complex": lambda y: y.astype(complex),
    "strided": lambda y: np.repeat(y, 2)[::2], "swapped": lambda y: y.astype(">f4"),
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    network=networks,
    seed=st.integers(0, 99),
    dtype=st.sampled_from(["float32", "float64", "uint8", "int64", "float16", "bool"]),
    form=st.sampled_from(sorted(ROWS)) | st.just("array"),
    label=st.sampled_from(sorted(ONE_LABEL)),
    target=st.sampled_from(sorted(ONE_TARGET)),
)
def test_one_row_in_any_form_is_a_minibatch_of_one(
    backend, network, seed, dtype, form, label, target
):
    net = made(backend, **network)
    other, before, rng = copy.deepcopy(net), everything(net), np.random.default_rng(seed)
    x = ROWS[form]((rng.random(N_IN) * rng.choice([1, 200])).astype(dtype))
    if net.architecture.output == "softmax":
        y = ONE_LABEL[label](rng.integers(0, N_OUT))
        if net.class_labels and seed % 3:
            y = "b"
    else:
        y = ONE_TARGET[target]((rng.random(net.architecture.n_out) < 0.5).astype(np.float32))
    trainer = net.trainer(optimizer=OPTIMIZER)
    wrong = outcome(lambda: trainer(x, y))
    rows = x[None] if isinstance(x, np.ndarray) else [x]
    expected = outcome(lambda: partial_fit(other, rows, None if y is None else [y], None))
    assert type(wrong) is type(expected), (wrong, expected)
    assert everything(net) == (everything(other) if wrong is None else before), (wrong, expected)


VECTORS = {
    "right": lambda v: v, "float64": lambda v: v.astype("f8"), "list": lambda v: v.tolist(),
    "float16": lambda v: v.astype("f2"), "longdouble": lambda v: v.astype(np.longdouble),
    "swapped": lambda v: v.astype(">f8"), "objects": lambda v: v.astype(object),
    "strided": lambda v: np.repeat(v, 2, axis=-1)[..., ::2],
    "backwards": lambda v: v[..., ::-1].copy()[..., ::-1],
    "Fortran": np.asfortranarray,
    "unaligned": lambda v: np.frombuffer(b" " + v.tobytes(), v.dtype, v.size, 1).reshape(v.shape),
    "integers": lambda v: np.ones(v.shape, int),
}  # fmt: skip
WRONG_VECTORS = {
    "complex": lambda v: v.astype(complex), "text": lambda v: v.astype(str),
    "masked": lambda v: np.ma.masked_array(v, v == v.flat[0]), "short": lambda v: v[..., 1:],
    "deep": lambda v: v[None, None], "number": lambda v: 1.0, "none": lambda v: None,
    "NaN": lambda v: v * np.nan, "infinite": lambda v: v + np.inf, "huge": lambda v: v + 1e300,
    "dates": lambda v: np.zeros(v.shape, "M8[s]"), "records": lambda v: np.zeros(v.shape, "i4,i4"),
    "bool": lambda v: v > 0,
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n_rows", [None, 1, 5])
@pytest.mark.parametrize("what", ["delta", "gradient"])
@pytest.mark.parametrize("form", [*VECTORS, *WRONG_VECTORS])
def test_deltas_and_gradients_of_any_form_are_one_update_or_none(backend, form, what, n_rows):
    rng = np.random.default_rng(3)
    nets = [fastnn.Network((4, 5, 3), seed=1, backend=backend) for _ in range(2)]
    x = rng.random((n_rows, 4) if n_rows else 4).astype(np.float32)
    trainers = [net.trainer(optimizer=OPTIMIZER) for net in nets]
    outputs, _ = (trainer.forward(x) for trainer in trainers)
    shape = outputs.shape if what == "delta" else nets[0].parameters.shape
    vector = np.round(rng.normal(size=shape) * 16).astype(np.float32) / 16
    if form == "integers":
        vector = np.ones_like(vector)
    act = [t.backward if what == "delta" else t.apply for t in trainers]
    odd = (VECTORS | WRONG_VECTORS)[form](vector)
    before = everything(nets[1])
    act[0](vector)
    if form in WRONG_VECTORS:
        with pytest.raises((TypeError, ValueError), match=what):
            act[1](odd)
        assert everything(nets[1]) == before
        act[1](vector)
    else:
        act[1](odd)
    assert everything(nets[0]) == everything(nets[1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gradient_is_written_to_nothing_that_is_read_or_kept(backend):
    net = fastnn.Network((4, 3), bias=False, seed=1, dtype="float64", backend=backend)
    x, y = np.random.default_rng(0).random((6, 4)), np.arange(6) % 3
    trainer = net.trainer(optimizer=fastnn.SGD(0.1, momentum=0.9))
    trainer(x, y)
    out = net.architecture.allocate()
    rows = out[:24].reshape(6, 4)
    rows[...] = x
    before = everything(net)
    for arguments in (
        {"out": net.parameters},
        {"out": net.optimizer_state.slots[0]},
        {"out": out, "parameters": out},
        {"out": out, "x": rows},
    ):
        with pytest.raises(ValueError, match="out"):
            trainer.value_and_gradient(**{"x": x, "y": y} | arguments)
        assert everything(net) == before
