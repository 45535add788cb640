"""What a trainer refuses, which changes nothing."""

import copy

import numpy as np
import pytest
from support.examples import same_bits
from support.trainer_calls import (
    BACKENDS,
    DELTA,
    UPDATES,
    X,
    Y,
    everything,
    network,
    state_of,
)

import fastnn


def wrong_calls():
    x, y = np.zeros((5, 4), np.float32), np.zeros(5, np.int64)
    yield "columns", (x[:, :3], y), ValueError
    yield "rows of y", (x, y[:4]), ValueError
    yield "labels above", (x, y + 3), ValueError
    yield "labels below", (x, y - 1), ValueError
    yield "huge labels", (x, np.full(5, 2**64 - 1, np.uint64)), ValueError
    yield "a huge label", (x[0], 2**70), (ValueError, TypeError)
    yield "text", (x.astype(str), y), TypeError
    yield "text labels", (x, y.astype(str)), TypeError
    yield "NaN", (np.full_like(x, np.nan), y), ValueError
    yield "infinity", (np.full((5, 4), 1e300), y), ValueError
    yield "no rows", (x[:0], y[:0]), ValueError
    yield "too many rows", (np.zeros((65, 4)), np.zeros(65, int)), ValueError
    yield "three dimensions", (x[None], y), ValueError
    yield "None", (None, y), (TypeError, ValueError)
    yield "negative weights", (x, y, -np.ones(5)), ValueError
    yield "no weight", (x, y, np.zeros(5)), ValueError
    yield "NaN weights", (x, y, np.full(5, np.nan)), ValueError
    yield "few weights", (x, y, np.ones(4)), ValueError
    yield "fractions of labels", (x, y + 0.5), ValueError


@pytest.mark.parametrize("has_begun", [False, True])
@pytest.mark.parametrize(
    ("arguments", "error"), [pytest.param(a, e, id=name) for name, a, e in wrong_calls()]
)
def test_what_is_wrong_changes_nothing(backend, arguments, error, has_begun):
    net = fastnn.Network((4, 5, 3), seed=1, backend=backend.name)
    trainer = net.trainer(max_rows=64)
    rng = np.random.default_rng(0)
    if has_begun:
        trainer(rng.normal(size=(8, 4)).astype(np.float32), rng.integers(0, 3, 8))
        gradient = trainer.gradient()
    before = copy.deepcopy(net)
    with pytest.raises(error):
        trainer(*arguments)
    assert same_bits(net.parameters, before.parameters)
    assert net.rng.bit_generator.state == before.rng.bit_generator.state
    assert net.trained_on == before.trained_on
    if has_begun:
        assert state_of(net) == state_of(before)
        assert same_bits(trainer.gradient(), gradient)


def test_backward_asks_for_its_forward(backend):
    net = fastnn.Network((4, 5, 3), seed=1, backend=backend.name)
    trainer, x = net.trainer(), np.ones((5, 4), np.float32)
    for delta in (np.zeros((5, 3)), np.zeros(3)):
        with pytest.raises(RuntimeError, match="forward"):
            trainer.backward(delta)
    with pytest.raises(RuntimeError, match="gradient"):
        trainer.gradient()
    trainer.forward(x)
    for delta in (np.zeros((4, 3)), np.zeros((5, 2)), np.zeros(3), np.full((5, 3), np.nan)):
        before = net.parameters.copy()
        with pytest.raises(ValueError, match="delta"):
            trainer.backward(delta)
        assert same_bits(net.parameters, before)
    trainer.backward(np.zeros((5, 3)))
    with pytest.raises(RuntimeError, match="forward"):
        trainer.backward(np.zeros((5, 3)))
    trainer.forward(x)
    net.fit(x, np.arange(5) % 3, epochs=1)
    with pytest.raises(RuntimeError, match="forward"):
        trainer.backward(np.zeros((5, 3)))


@pytest.mark.parametrize("step", [-1, -(2**62), 2**63 - 1, 2**63, 2**70, 1.5, "1", None])
@pytest.mark.parametrize("update", UPDATES)
def test_a_number_of_steps_that_is_none_is_refused(backend, update, step):
    net = network(backend.name)
    trainer = net.trainer()
    trainer(X, Y)
    trainer.forward(X)
    net.optimizer_state.step = step
    before = net.parameters.copy(), net.rng.bit_generator.state
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        UPDATES[update](trainer)
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        trainer.backward(DELTA)
    assert same_bits(net.parameters, before[0])
    assert net.rng.bit_generator.state == before[1]
    net.optimizer_state.step = 1
    UPDATES[update](trainer)
    assert net.optimizer_state.step == 2


def test_slots_that_lie_in_the_parameters_are_refused(backend):
    net = network(backend.name)
    trainer = net.trainer(optimizer=fastnn.SGD(0.1, momentum=0.9))
    trainer(X, Y)
    net.optimizer_state.slots = net.parameters[None]
    before = net.parameters.copy()
    for act in UPDATES.values():
        with pytest.raises(ValueError, match="share memory"):
            act(trainer)
    assert same_bits(net.parameters, before)


@pytest.mark.parametrize("call", ["train", "forward", "apply", "gradient", "value_and_gradient"])
def test_a_refused_call_leaves_the_optimizer_used_last(backend, call):
    net = network(backend.name)
    net.partial_fit(X, Y, optimizer=fastnn.SGD(0.1))
    trainer = net.trainer(optimizer=fastnn.SGD(0.7))
    wrong = X[:, :4]
    acts = {
        "train": lambda: trainer(wrong, Y), "forward": lambda: trainer.forward(wrong),
        "apply": lambda: trainer.apply(np.full(net.parameters.shape, np.nan)),
        "gradient": trainer.gradient,
        "value_and_gradient": lambda: trainer.value_and_gradient(wrong, Y),
    }  # fmt: skip
    with pytest.raises((RuntimeError, ValueError)):
        acts[call]()
    assert net._running.optimizer == fastnn.SGD(0.1)
    trainer(X, Y)
    assert net._running.optimizer == fastnn.SGD(0.7)


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


def test_a_training_in_training_is_refused(backend):
    """From a callback of a fit, and from another thread while a fit runs."""
    net = fastnn.Network((4, 5, 3), seed=1, backend=backend.name)
    x, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3
    trainer = net.trainer()

    def calls(*_):
        for call in (
            lambda: trainer(x, y),
            lambda: trainer.forward(x),
            lambda: trainer.apply(net.parameters),
            lambda: trainer.value_and_gradient(x, y),
        ):
            with pytest.raises(RuntimeError, match="one fit at a time"):
                call()

    net.fit(x, y, epochs=2, callbacks=calls)
    trainer(x, y)
