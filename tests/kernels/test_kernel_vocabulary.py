"""Compiled code and Python use the same words; a code that stands for none is an error."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from fastnn import vocabulary
from fastnn.architecture import (
    ACTIVATIONS,
    LEAKY_SLOPE,
    LOSS_ACTIVATIONS,
    LOSS_NAMES,
    LOSSES,
    LOSSES_OF_LOGITS,
    SELU_ALPHA,
    SELU_SCALE,
)
from fastnn.backends import reference
from fastnn.optimizers import Optimizer

EVERY_ACTIVATION = {*ACTIVATIONS, "exp", "softmax"}
EVERY_LOSS = set(LOSS_NAMES)


@pytest.fixture(scope="module")
def cython():
    return pytest.importorskip("fastnn.kernels.cython._kernels")


@pytest.fixture(scope="module")
def numba():
    pytest.importorskip("numba")
    from fastnn.kernels import numba as family
    from fastnn.kernels.numba import activations, losses, updates  # noqa: F401

    return family


def test_the_words_of_the_cython_kernels(cython):
    for words, expected in (
        (cython.ACTIVATIONS, EVERY_ACTIVATION),
        (cython.LOSSES, EVERY_LOSS),
        (cython.LOSS_ACTIVATIONS, LOSS_ACTIVATIONS),
        (cython.RULES, Optimizer.RULES),
        (cython.INPUT_TYPES, get_args(vocabulary.InputType)),
    ):
        assert sorted(words) == sorted(expected)
    assert cython.LEAKY_SLOPE == LEAKY_SLOPE
    assert (cython.SELU_ALPHA, cython.SELU_SCALE) == (SELU_ALPHA, SELU_SCALE)


def test_the_words_of_the_numba_kernels(numba):
    for codes, expected in (
        (numba.activations.CODES, EVERY_ACTIVATION),
        (numba.losses.CODES, EVERY_LOSS),
        (numba.updates.CODES, Optimizer.RULES),
    ):
        assert sorted(codes) == sorted(expected)
        assert list(codes.values()) == list(range(len(codes)))
    assert numba.activations.LEAKY_SLOPE == LEAKY_SLOPE
    found = numba.activations.SELU_ALPHA, numba.activations.SELU_SCALE
    assert found == (SELU_ALPHA, SELU_SCALE)


def test_the_words_of_the_reference():
    assert set(reference.FORWARD) == EVERY_ACTIVATION - {"softmax"}
    assert set(reference.DERIVATIVE) == set(ACTIVATIONS)
    assert set(reference.ELEMENTWISE_LOSS) == EVERY_LOSS - {"cross_entropy"}


def test_losses_compare_outputs_that_they_know():
    compared = [
        output for output, losses in LOSSES.items() if not LOSSES_OF_LOGITS.issuperset(losses)
    ]
    assert sorted(compared) == sorted(LOSS_ACTIVATIONS)
    assert set(LOSS_ACTIVATIONS) <= set(ACTIVATIONS)


def test_rules_remember_as_many_vectors_as_their_optimizers_say(cython):
    remembered = dict(zip(cython.RULES, cython.RULE_VECTORS, strict=True))
    for rule in Optimizer.RULES:
        optimizer = strategies.OPTIMIZERS[rule](0.1)
        assert (optimizer.rule, optimizer.n_state) == (rule, remembered[rule])


def not_in(words):
    """Codes that stand for none of the words."""
    return st.integers(-(2**31), -1) | st.integers(len(words), 2**31 - 1)


@given(data=st.data())
def test_an_unknown_code_is_an_error_of_the_cython_kernels(cython, data):
    kernels = cython.Kernels(None, False)
    one = np.ones((1, 1), "float32")

    def program(activation=0, loss=0, loss_activation=0):
        layers = [(1, 1, 16, 0, 16, activation, False)]
        constants = np.zeros(1, "float32")
        return cython.Program(
            kernels, layers, loss, loss_activation, constants, 0.0, 32, 16, 1.0, lambda: 1
        )

    def train(rule):
        program().train_epoch(
            np.zeros(32, "float32"), np.zeros((0, 32), "float32"), None, one, np.zeros(1, np.int64),
            np.zeros(1, np.int64), None, np.ones(1), rule, (0.0, 0.0, 0.0, 0.0), 1, True, 0.0, 0.0,
            0.0, 0.0, np.empty(0), np.empty(0, np.uint32), 0,
        )  # fmt: skip

    state = np.zeros((2, 1), "float32")
    calls = {
        "activation": [
            lambda code: kernels.dense_forward(one, one, None, code, one.copy(), None),
            lambda code: kernels.input_gradient(one, one, code, one, one.copy()),
            lambda code: program(activation=code),
            lambda code: program(loss_activation=code),
            lambda code: kernels.elementwise_loss(1, code, one, one, None, one[0], one.copy()),
        ],
        "loss": [
            lambda code: kernels.elementwise_loss(code, 0, one, one, None, one[0], one.copy()),
            lambda code: program(loss=code),
        ],
        "rule": [
            lambda code: kernels.update(code, (0.0,) * 4, 0.1, 1, one.copy(), one, state),
            train,
        ],
    }
    words = {"activation": cython.ACTIVATIONS, "loss": cython.LOSSES, "rule": cython.RULES}
    for what, those in calls.items():
        code = data.draw(not_in(words[what]), what)
        for call in those:
            with pytest.raises(ValueError, match=f"{what} must have a code in .*, got {code}$"):
                call(code)


@given(data=st.data())
def test_an_unknown_code_is_an_error_of_the_numba_kernels(numba, data):
    row, rows = np.ones(16, "float32"), np.ones((1, 16), "float32")
    words = numba.activations.CODES
    with pytest.raises(ValueError, match="no activation"):
        numba.activations.activate(data.draw(not_in(words)), row)
    with pytest.raises(ValueError, match="no activation"):
        numba.activations.multiply_by_derivative(data.draw(not_in(words)), row, row)
    code = data.draw(not_in(numba.losses.CODES))
    with pytest.raises(ValueError, match="no loss"):
        numba.losses.elementwise_loss(code, 0, rows, 1, rows, row[:0], row[:1], rows.copy())
    code = data.draw(not_in(numba.updates.CODES))
    with pytest.raises(ValueError, match="no rule"):
        numba.updates.update(code, (0.0,) * 4, 0.1, 1, row, row, row, row)
