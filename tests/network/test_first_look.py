"""A short path gives what the general one does: the same bytes, or the same error and words."""

import warnings
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastnn
from fastnn.backends import checked as door
from fastnn.rows import checked

N_IN = 5


class Subclass(np.ndarray):
    """An array that is not a plain one."""


def _read_only(x):
    x.flags.writeable = False
    return x


def _unaligned(x):
    raw = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype) if x.size else x.ravel()
    raw = raw.reshape(x.shape)
    raw[...] = x
    return raw


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1, ::-1],
    "one row, again and again": lambda x: np.broadcast_to(x[:1], x.shape),
    "read-only": lambda x: _read_only(x.copy()),
    "unaligned": _unaligned,
    "subclass": lambda x: x.view(Subclass),
    "matrix": lambda x: x.view(np.matrix),
    "masked": lambda x: np.ma.masked_array(x, np.zeros(x.shape, bool)),
    "partly masked": lambda x: np.ma.masked_array(x, np.arange(x.size).reshape(x.shape) == 1),
    "swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "list": lambda x: x.tolist(),
    "rows in a list": list,
    "objects": lambda x: x.astype(object),
    "flat": lambda x: x.ravel(),
    "deep": lambda x: x[None],
    "of a buffer": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
}
DTYPES = ("float32", "float64", "uint8", "float16", "int64", "int8", "bool", "complex64", "U4")
ODD = (np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, 1e39, -1e200, 1e308, 255.0, 2.0, -1.0, 1e-310)


@st.composite
def rows(draw):
    """Rows of every kind that people hand in, some of which are none."""
    n_rows = draw(st.sampled_from([0, 1, 2, 7, 130, 2000]))
    n_in = draw(st.sampled_from([N_IN] * 6 + [N_IN - 1, N_IN + 1, 0]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.random((n_rows, n_in)) * draw(st.sampled_from([1, 1, 1, 200]))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for value in draw(st.lists(st.sampled_from(ODD), max_size=2)):
            if x.size:
                x.flat[draw(st.integers(0, x.size - 1))] = value
        x = x.astype(draw(st.sampled_from(DTYPES)))
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](x)


LABELS = {
    "int64": lambda y: y,
    "every other": lambda y: np.repeat(y, 2)[::2],
    "backwards": lambda y: y[::-1],
    "int32": lambda y: y.astype(np.int32),
    "floats": lambda y: y.astype(np.float32),
    "list": lambda y: y.tolist(),
    "text": lambda y: y.astype(str),
    "column": lambda y: y[:, None],
    "short": lambda y: y[1:],
    "one below": lambda y: np.where(np.arange(len(y)) == len(y) - 1, -1, y),
    "one above": lambda y: np.where(np.arange(len(y)) == len(y) // 2, 3, y),
    "subclass": lambda y: y.view(Subclass),
    "swapped": lambda y: y.astype(y.dtype.newbyteorder()),
    "read-only": lambda y: _read_only(y.copy()),
}


def outcome(call):
    """Return what a call gives, as bytes, or its error; and its warnings."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            result = call()
        except Exception as error:
            result = type(error), str(error)
    return result, [str(warning.message) for warning in heard]


def both_ways(call):
    """Assert that a call does the same where nothing passes a first look."""
    short = outcome(call)
    with (
        patch.object(checked, "are_sound_rows", lambda *_: False),
        patch.object(checked, "are_sound_labels", lambda *_: False),
        patch.object(door, "are_plain", lambda *_: False),
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
    with pytest.raises(ValueError, match=rf"row {at // 5}|beyond what a float32"):
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
