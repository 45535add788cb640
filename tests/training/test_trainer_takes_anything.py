"""Trainers that are handed anything: what `partial_fit` makes of it, to the bit, or its error.

`partial_fit` is asked in the long way, with all of its checks.
"""

import copy
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.minibatches import DTYPES, FORMS, MORE_LABELS, N_OUT, ODD, TARGETS, WEIGHTS, rows_of
from support.trainer_calls import (
    BACKENDS,
    OPTIMIZER,
    begun_network,
    begun_networks,
    checked_partial_fit,
    error_of,
    everything,
)

pytestmark = pytest.mark.filterwarnings("ignore")

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
@given(network=begun_networks, told=handed)
def test_a_call_does_what_partial_fit_does_or_raises_its_error(backend, network, told):
    net = begun_network(backend, **network)
    other, before = copy.deepcopy(net), everything(net)
    mine, theirs = made_or_none(net, told), made_or_none(other, told)
    if mine is None:
        return
    trainer = net.trainer(optimizer=OPTIMIZER, max_rows=10_000)
    wrong = error_of(lambda: trainer(*mine))
    expected = error_of(lambda: checked_partial_fit(other, *theirs))
    assert type(wrong) is type(expected), (wrong, expected)
    assert everything(net) == (everything(other) if wrong is None else before), (wrong, expected)
    assert str(wrong) or wrong is None


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    network=begun_networks,
    told=handed,
    at=st.sampled_from([None, "own", "float64", "list", "wrong"]),
)
def test_values_of_anything_leave_the_network_as_it_is(backend, network, told, at):
    net = begun_network(backend, **network)
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
    wrong = error_of(lambda: trainer.value_and_gradient(*mine, parameters=at, out=out))
    expected = error_of(lambda: checked_partial_fit(other, *theirs))
    assert everything(net) == before
    if at is not p[1:] and not (at is not None and len(at) != len(p)):
        overlap = "share memory" in str(expected)
        assert type(wrong) is type(expected) or overlap, (wrong, expected)


@pytest.mark.parametrize("backend", BACKENDS)
@given(network=begun_networks, told=handed, logits=st.booleans())
def test_forward_takes_the_rows_that_a_call_takes(backend, network, told, logits):
    net = begun_network(backend, **network | {"labels": False})
    other, before = copy.deepcopy(net), everything(net)
    told = told | {"labels": "int64", "targets": "C", "weights": "none"}
    mine, theirs = made_or_none(net, told), made_or_none(other, told)
    if mine is None:
        return
    trainer = net.trainer(optimizer=OPTIMIZER, max_rows=10_000)
    wrong = error_of(lambda: trainer.forward(mine[0], logits=logits))
    expected = error_of(lambda: checked_partial_fit(other, *theirs))
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
