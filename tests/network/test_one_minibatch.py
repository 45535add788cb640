"""`partial_fit` on rows that are one minibatch: its short path against the general one.

Byte for byte, whatever is handed in: the rows, labels and targets that compiled code takes as they
are, and those which it leaves to the checks. A trainer takes the same path.
"""

import warnings
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from support.trainer_calls import (
    BACKENDS,
    OUTPUTS,
    SETTINGS,
    everything,
    in_the_long_way,
    optimizers,
    options,
)

import fastnn
import fastnn.network

N_IN = 7
QUANTILES = {"loss": "quantile", "quantiles": (0.1, 0.5, 0.9)}
WORDS = {"softmax": ("a", "b", "c"), "sigmoid": ("no", "yes")}

PLAIN = {
    "numbers": lambda x: x.astype(np.float32),
    "float64": lambda x: x,
    "fractions": lambda x: np.exp(-np.abs(x)),
    "flags": lambda x: (x > 0).astype(np.float32),
    "bytes": lambda x: np.clip(x * 60 + 128, 0, 255).astype(np.uint8),
    "bytes of columns": lambda x: np.asfortranarray(np.clip(x * 60 + 128, 0, 255).astype(np.uint8)),
    "columns": np.asfortranarray,
    "every other": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "read-only": lambda x: np.broadcast_to(x, x.shape),
}
"""Rows that compiled code takes as they are, from a network that was trained on their kind."""
OTHER = {
    "not NumPy's own": lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),  # as of a file
    "CSR": lambda x: sparse.csr_array(np.where(x > 0.5, x, 0)),
    "list": lambda x: x.tolist(),
    "bool": lambda x: x > 0,
    "integers": lambda x: np.round(x * 3).astype(np.int32),
    "swapped": lambda x: x.astype(">f8"),
    "NaN": lambda x: np.where(x == x.max(), np.nan, x),
    "infinite": lambda x: np.where(x == x.max(), np.inf, x),
}
ROWS = {
    **PLAIN,
    **OTHER,
    "beyond float32": lambda x: np.where(x == x.max(), 1e300, x),
    "nearly flags": lambda x: (x > 0) * (1.0 + 1e-12),
    "flags but one": lambda x: np.where(x == x.max(), 0.5, x > 0),
    "bytes of 0 and 1": lambda x: (x > 0).astype(np.uint8),
}

RANGES = {"sigmoid": (0, 1), "tanh": (-1, 1), "exp": (0, np.inf)}
BEYOND = {
    "as they are": lambda y: y,
    "float32": lambda y: y.astype(np.float32),
    "at the ends": lambda y: y * 0 + np.tile([0.0, 1.0, 1.0], len(y))[: y.size].reshape(y.shape),
    "slightly above": lambda y: np.where(y == y.max(), np.nextafter(1.0, 2.0), y),
    "slightly below": lambda y: np.where(y == y.min(), -np.nextafter(0.0, 1.0), y),
    "far below": lambda y: y - 1.5,
    "infinite": lambda y: np.where(y == y.max(), np.inf, y),
    "NaN": lambda y: np.where(y == y.max(), np.nan, y),
    "beyond float32": lambda y: np.where(y == y.max(), 1e300, y),
}
"""Targets, in the range of an output or not."""
LABELS = {
    "int64": lambda y: y,
    "uint8": lambda y: y.astype(np.uint8),
    "every other": lambda y: np.repeat(y, 2)[::2],
    "floats": lambda y: y.astype(np.float64),
    "one above": lambda y: np.where(y == y.max(), 3, y),
    "one below": lambda y: np.where(y == y.min(), -1, y),
}


@st.composite
def passes(draw):
    """Return what makes a network, and the minibatches of its passes with what each is called."""
    output = draw(st.sampled_from(sorted(OUTPUTS)))
    settings = [*SETTINGS.get(output, [{}]), *([QUANTILES] if output == "identity" else [])]
    words = WORDS.get(output) if draw(st.booleans()) else None
    described = {
        "sizes": (N_IN, *draw(st.sampled_from([(), (5,)])), 1 if words == WORDS["sigmoid"] else 3),
        "activation": draw(st.sampled_from(["tanh", "relu"])),
        "output": output,
        **draw(st.sampled_from(settings)),
        "class_labels": words,
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "seed": draw(st.integers(0, 9)),
    }
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    first, minibatches = draw(st.sampled_from(sorted(PLAIN))), []
    for n_rows in draw(st.lists(st.integers(1, 40), min_size=2, max_size=5)):
        kind = first
        if minibatches and draw(st.integers(0, 3)) == 0:
            kind = draw(st.sampled_from(sorted(ROWS)))
        x = ROWS[kind](rng.normal(size=(n_rows, N_IN)))
        how, y = targets(draw, rng, n_rows, output, described)
        minibatches.append((kind, how, x, y))
    return described, minibatches


def targets(draw, rng, n_rows, output, described):
    if words := described["class_labels"]:
        return "words", np.array(words)[rng.integers(0, len(words), n_rows)]
    y = OUTPUTS[output](rng, n_rows)
    if "quantiles" in described and described["quantiles"] != 0.3:
        y = y[:, 0]
    if output == "softmax":
        how = draw(st.sampled_from(["int64"] * 4 + sorted(LABELS)))
        return how, LABELS[how](y)
    how = draw(st.sampled_from(["as they are"] * 4 + sorted(BEYOND)))
    with np.errstate(over="ignore"):
        return how, BEYOND[how](y.astype(np.float64))


def is_taken(described, minibatch, kinds):
    """Whether compiled code takes a minibatch as it is; None where another test says.

    `kinds` are those of the minibatches before that were not refused.
    """
    kind, how, _, y = minibatch
    if not kinds or kind in OTHER or described.get("class_labels"):
        return False
    if kind == "beyond float32" and described["dtype"] == "float32":
        return False
    if described.get("quantiles") == QUANTILES["quantiles"]:
        return False
    if described.get("output", "softmax") == "softmax":
        if how == "floats" or y.min() < 0 or y.max() > 2:
            return False
    else:
        largest = np.finfo(described["dtype"]).max
        low, high = RANGES.get(described["output"], (-largest, largest))
        if not (np.isfinite(y).all() and y.min() >= low and y.max() <= min(high, largest)):
            return False
    return True if kinds == {kind} else None


def learned(history):
    """What a history says, as bytes."""
    return {name: np.array(history[name]).tobytes() for name in history.keys() - {"time"}}


def result_of(call):
    """What a call returns, or its error, with its warnings."""
    with warnings.catch_warnings(record=True) as heard, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            result = call()
        except (TypeError, ValueError) as error:
            result = type(error), str(error)
    return result, [str(warning.message) for warning in heard]


def check(described, minibatches, backend, told):
    """Have two networks learn minibatches in the short way and in the long way."""
    one, other = (fastnn.Network(**described, backend=backend) for _ in range(2))
    short, taken, kinds = fastnn.network.one_minibatch, [], set()

    def spy(*arguments):
        result = short(*arguments)
        taken.append(result is not None)
        return result

    for minibatch in minibatches:
        kind, how, x, y = minibatch
        taken.clear()
        with patch.object(fastnn.network, "one_minibatch", spy):
            found, heard = result_of(lambda x=x, y=y: learned(one.partial_fit(x, y, **told)))
        with in_the_long_way():
            expected = result_of(lambda x=x, y=y: learned(other.partial_fit(x, y, **told)))
        assert (found, heard) == expected, (kind, how)
        assert everything(one) == everything(other), (kind, how)
        wanted = is_taken(described, minibatch, kinds) if backend == "cython" else False
        assert wanted in (None, any(taken)), (kind, how, found)
        if isinstance(found, dict):
            kinds.add(kind)


@pytest.mark.parametrize("backend", BACKENDS)
@given(drawn=passes(), optimizer=optimizers, told=options, shuffle=st.booleans())
def test_the_short_path_does_what_the_general_one_does(backend, drawn, optimizer, told, shuffle):
    told = {"optimizer": optimizer, "batch_size": 40, "shuffle": shuffle, **told}
    check(*drawn, backend, told)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("first", PLAIN)
def test_rows_of_any_kind_follow_rows_of_another(backend, first, dtype):
    """Each after the first by itself: what a network remembers of its rows changes, or not."""
    rng, told = np.random.default_rng(0), {"optimizer": fastnn.SGD(0.1), "batch_size": 40}
    described = {"sizes": (N_IN, 3), "dtype": dtype, "seed": 0}
    x, y = rng.normal(size=(8, N_IN)), np.arange(8) % 3
    begun = (first, "int64", PLAIN[first](x), y)
    for kind, rows in ROWS.items():
        check(described, [begun, (kind, "int64", rows(x[::-1]), y), begun], backend, told)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_labels_and_targets_in_range_or_not(backend, output, dtype):
    rng, told = np.random.default_rng(0), {"optimizer": fastnn.SGD(0.1), "batch_size": 40}
    described = {"sizes": (N_IN, 3), "output": output, "class_labels": None, "dtype": dtype}
    x, y = rng.normal(size=(8, N_IN)), OUTPUTS[output](rng, 8)
    forms = LABELS if output == "softmax" else BEYOND
    for how, form in forms.items():
        odd = form(y if output == "softmax" else y.astype(np.float64))
        minibatches = [("numbers", name, x, t) for name, t in (("", y), (how, odd), ("", y))]
        check(described | {"seed": 0}, minibatches, backend, told)


def among_others(values, dtype, steps, turned, by_columns):
    """The same numbers, with NaN between them in memory."""
    n_rows, n_columns = (n * abs(step) for n, step in zip(values.shape, steps, strict=True))
    memory = np.full((n_rows, n_columns), np.nan, dtype, order="F" if by_columns else "C")
    view = memory[:: steps[0], :: steps[1]]
    view = view[::-1] if turned else view
    view[...] = values
    return view


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("which", ["x", "y"])
@given(
    dtype=st.sampled_from(["float32", "float64"]),
    steps=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    turned=st.booleans(),
    by_columns=st.booleans(),
    bad=st.none() | st.tuples(st.integers(0, 5), st.integers(0, 2)),
    number=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_a_number_out_of_range_is_seen_wherever_it_lies(
    backend, which, dtype, steps, turned, by_columns, bad, number
):
    """And what lies between the numbers is not seen."""
    rng, told = np.random.default_rng(0), {"optimizer": fastnn.SGD(0.1), "batch_size": 40}
    described = {"sizes": (3, 3), "output": "identity", "dtype": "float32", "seed": 0}
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    begun = ("numbers", "", x.copy(), y.copy())
    odd = x if which == "x" else y
    if bad is not None:
        odd[bad] = number
    odd = among_others(odd, dtype, steps, turned, by_columns)
    kind = "NaN" if which == "x" and bad is not None else "numbers"
    second = (kind, "", odd, y) if which == "x" else (kind, "", x, odd)
    check(described, [begun, second], backend, told)


@pytest.mark.parametrize("backend", BACKENDS)
@given(drawn=passes(), optimizer=optimizers, told=options)
def test_a_trainer_does_what_the_general_path_does(backend, drawn, optimizer, told):
    described, minibatches = drawn
    one, other = (fastnn.Network(**described, backend=backend) for _ in range(2))
    trainer = one.trainer(optimizer=optimizer, **told)
    for _, _, x, y in minibatches:
        found, _ = result_of(lambda x=x, y=y: trainer(x, y))
        with in_the_long_way():
            expected, _ = result_of(
                lambda x=x, y=y: other.partial_fit(
                    x, y, optimizer=optimizer, batch_size=40, shuffle=False, **told
                )["loss"][0]
            )
        if not isinstance(expected, tuple):
            expected = pytest.approx(expected, rel=1e-15, nan_ok=True)  # a mean of one pass
        assert found == expected
        assert everything(one) == everything(other)


def test_more_rows_than_a_minibatch_go_the_general_way():
    """Two minibatches are two updates, with the short path's steps still held."""
    net = fastnn.Network((N_IN, 3), seed=0, backend="cython")
    x, y = np.random.default_rng(0).random((30, N_IN)), np.arange(30) % 3
    for n_rows, n_steps in ((20, 1), (20, 2), (30, 4), (20, 5)):
        net.partial_fit(x[:n_rows], y[:n_rows], batch_size=20, optimizer=fastnn.SGD(0.1))
        assert net.optimizer_state.step == n_steps
