"""A short path gives what the general one does: the same bytes, or the same error and words."""

import warnings
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.handed_in import LABELS, N_IN, outcome, rows

import fastnn
from fastnn.backends import checked as door
from fastnn.rows import checked


def both_ways(call):
    """Assert that a call does the same where nothing passes a first look."""
    short = outcome(call)
    with (
        patch.object(checked, "are_sound_rows", lambda *_: False),
        patch.object(checked, "are_sound_labels", lambda *_: False),
        patch.object(door, "are_plain", lambda *_: False),
        patch.object(fastnn.network, "one_minibatch", lambda *_: None),
    ):
        general = outcome(call)
    assert short == general


def network(backend, trained, dtype):
    net = fastnn.Network((N_IN, 4, 3), seed=0, backend=backend, dtype=dtype)
    if trained != "not":
        x = np.random.default_rng(1).random((20, N_IN))
        x = {"bytes": (255 * x).astype(np.uint8), "numbers": 9 * x - 4, "fractions": x}[trained]
        net.fit(x, np.arange(20) % 3, epochs=1)
    return net


kinds = st.sampled_from(["not", "bytes", "numbers", "fractions"])
dtypes = st.sampled_from(["float32", "float64"])


@given(x=rows(), trained=kinds, dtype=dtypes)
def test_predictions(backend, x, trained, dtype):
    net = network(backend.name, trained, dtype)
    for method in (net.predict_proba, net.predict, net.hidden):
        both_ways(lambda method=method: (lambda p: (p.dtype, p.shape, p.tobytes()))(method(x)))


@given(
    x=rows(), y=st.sampled_from(sorted(LABELS)), trained=kinds, dtype=dtypes, one_hot=st.booleans()
)
def test_measurements_and_training(backend, x, y, trained, dtype, one_hot):
    labels = LABELS[y](np.arange(len(x)) % 3)
    if one_hot and isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        labels = np.eye(4)[labels.ravel()][:, :3]
    both_ways(lambda: network(backend.name, trained, dtype).evaluate(x, labels))

    def trained_further():
        net = network(backend.name, trained, dtype)
        history = net.partial_fit(x, labels)
        seen = [value for name, value in history.items() if name != "time"]
        return seen, net.parameters.tobytes(), net.trained_on, net.architecture

    both_ways(trained_further)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e300])
@pytest.mark.parametrize("at", [0, 4, 8191, 8192, 40_000, 99_999])
def test_one_bad_number_among_many_is_found(value, at):
    x = np.zeros((20_000, N_IN))
    x.flat[at] = value
    with pytest.raises(ValueError, match=rf"row {at // 5}|which does not fit in float32"):
        fastnn.Network((N_IN, 3), seed=0).predict_proba(x)


def test_finite_numbers_whose_squares_overflow_are_taken_without_a_warning():
    net = fastnn.Network((N_IN, 3), seed=0, dtype="float64")
    for dtype, large in ((np.float32, 3e38), (np.float64, 1e300)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            net.predict(np.full((2, N_IN), large, dtype))


def test_what_was_told_in_a_list_is_looked_at_again():
    net = fastnn.Network((N_IN, 4, 3), seed=0)
    x, y, rates = np.ones((6, N_IN)), np.arange(6) % 3, [0.5]
    net.partial_fit(x, y, dropout=rates)
    rates[0] = 2.0
    with pytest.raises(ValueError, match="dropout"):
        net.partial_fit(x, y, dropout=rates)


def test_what_equals_an_option_but_is_none_is_refused():
    net = fastnn.Network((N_IN, 4, 3), seed=0)
    x, y = np.ones((6, N_IN)), np.arange(6) % 3
    net.partial_fit(x, y, batch_size=1, l2=1.0)
    with pytest.raises(TypeError, match="batch_size"):
        net.partial_fit(x, y, batch_size=True, l2=1.0)
    with pytest.raises(TypeError, match="l2"):
        net.partial_fit(x, y, batch_size=1, l2=True)
