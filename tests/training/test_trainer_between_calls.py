"""What is changed, replaced or copied between the calls of a trainer."""

import copy
import pickle
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import same_bits
from support.trainer_calls import BACKENDS, DELTA, UPDATES, X, Y, apply, call, network

import fastnn


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_copy_leaves_behind_what_forward_kept(backend, how):
    trainer = network(backend.name).trainer(optimizer=fastnn.SGD(0.1), dropout=0.5)
    trainer.forward(X)
    twin = how(trainer)
    with pytest.raises(RuntimeError, match="forward"):
        twin.backward(DELTA)
    trainer.backward(DELTA)
    assert trainer.network.optimizer_state.step == 1


@pytest.mark.parametrize("between", ["partial_fit", "trainer", "apply", "fit"])
@pytest.mark.parametrize("shares", [False, True], ids=["another optimizer", "the same"])
def test_backward_refuses_a_network_that_has_learned_since_forward(backend, between, shares):
    net, sgd = network(backend.name), fastnn.SGD(0.1)
    trainer = net.trainer(optimizer=sgd)
    call(trainer)
    trainer.forward(X)
    told = {"optimizer": sgd if shares else fastnn.SGD(0.2)}
    if between == "partial_fit":
        net.partial_fit(X, Y, batch_size=64, **told)
    elif between == "fit":
        net.fit(X, Y, epochs=1, **told)
    else:
        (call if between == "trainer" else apply)(net.trainer(**told))
    before = net.parameters.copy()
    with pytest.raises(RuntimeError, match="forward"):
        trainer.backward(DELTA)
    assert same_bits(net.parameters, before)


def test_parameters_that_were_assigned_are_trained(backend):
    one, other = (fastnn.Network((4, 5, 3), seed=s, backend=backend.name) for s in (1, 2))
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8) % 3
    trainers = [net.trainer(optimizer=fastnn.SGD(0.1)) for net in (one, other)]
    trainers[0](x, y)
    trainers[1](x, y)
    one.parameters = other.parameters
    assert trainers[0](x, y) == trainers[1](x, y)
    assert same_bits(one.parameters, other.parameters)


def with_slots(net, slots):
    net.optimizer_state.slots = slots


def saved(net, tmp):
    np.save(tmp / "slots.npy", net.optimizer_state.slots)
    with_slots(net, np.load(tmp / "slots.npy", mmap_mode="r"))


CHANGES = {
    "parameters": lambda net, tmp: setattr(net, "parameters", net.parameters * 0.5),
    "a weight": lambda net, tmp: net.weights[0].__setitem__((0, 0), 1.0),
    "own array": lambda net, tmp: setattr(net, "_parameters", net.parameters.copy()),
    "scale": lambda net, tmp: setattr(
        net, "architecture", replace(net.architecture, input_scale=0.5)
    ),
    "activation": lambda net, tmp: setattr(
        net,
        "architecture",
        replace(net.architecture, activations=("tanh",)),
    ),
    "wider": lambda net, tmp: setattr(
        net,
        "architecture",
        replace(net.architecture, sizes=(6, 64, 3)),
    ),
    "labels": lambda net, tmp: setattr(net, "class_labels", (0, 1, 2)),
    "forgets rows": lambda net, tmp: setattr(net, "trained_on", None),
    "slots": lambda net, tmp: with_slots(net, net.optimizer_state.slots * 2),
    "saved slots": saved,
    "short slots": lambda net, tmp: with_slots(net, net.optimizer_state.slots[:, :-1]),
    "fewer slots": lambda net, tmp: with_slots(net, net.optimizer_state.slots[:1]),
    "other slots": lambda net, tmp: with_slots(net, net.optimizer_state.slots.astype("f8")),
    "no slots": lambda net, tmp: with_slots(net, None),
    "slots over parameters": lambda net, tmp: with_slots(
        net, np.broadcast_to(net.parameters, net.optimizer_state.slots.shape)
    ),
    "values of slots": lambda net, tmp: net.optimizer_state.slots.__setitem__(..., 0.25),
    "step": lambda net, tmp: setattr(net.optimizer_state, "step", 7),
    "seed of dropout": lambda net, tmp: setattr(net.optimizer_state, "dropout_seed", 7),
    "wrong seed": lambda net, tmp: setattr(net.optimizer_state, "dropout_seed", -7),
    "fit": lambda net, tmp: net.fit(X, Y, epochs=1, optimizer=fastnn.Adam(0.3)),
    "fit of another kind": lambda net, tmp: net.fit(X, Y, epochs=1, optimizer=fastnn.SGD(0.3)),
    "partial_fit": lambda net, tmp: net.partial_fit(X, Y, optimizer=fastnn.Adam(0.3)),
    "generator": lambda net, tmp: setattr(net, "rng", np.random.default_rng(9)),
}


@pytest.mark.filterwarnings("ignore")  # of updates with odd state
@pytest.mark.parametrize("backend", BACKENDS)
@given(changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3), data=st.data())
def test_what_is_replaced_between_calls_counts(backend, changes, data, tmp_path_factory):
    """As it counts for `partial_fit`: the same bits, or the same error and no change."""
    tmp = tmp_path_factory.mktemp("slots")
    optimizer, told = fastnn.Adam(0.01), {"dropout": 0.25}
    one, other = network(backend), network(backend)
    trainer = one.trainer(optimizer=optimizer, **told)
    trainer(X, Y)
    other.partial_fit(X, Y, batch_size=64, shuffle=False, optimizer=optimizer, **told)
    if data.draw(st.booleans()):
        trainer.forward(X)
    for change in changes:
        for net in (one, other):
            with suppress(AttributeError, TypeError, ValueError):  # fit, of a net that is broken
                CHANGES[change](net, tmp)
        other._held = None
        errors = []
        before = one.parameters.copy()
        for act in (
            lambda: trainer(X, Y),
            lambda: other.partial_fit(
                X, Y, batch_size=64, shuffle=False, optimizer=optimizer, **told
            ),
        ):
            try:
                act()
                errors.append(None)
            except (TypeError, ValueError) as error:
                errors.append(type(error))
        assert errors[0] == errors[1], change
        if errors[0]:
            assert same_bits(one.parameters, before)
        assert same_bits(one.parameters, other.parameters), change
        assert one.rng.bit_generator.state == other.rng.bit_generator.state


@pytest.mark.parametrize(
    "change",
    [
        lambda slots: setattr(slots, "shape", (1, slots.size)),
        lambda slots: setattr(slots, "shape", (slots.shape[1], 2)),
        lambda slots: setattr(slots.flags, "writeable", False),
    ],
    ids=["shape", "transposed shape", "read-only"],
)
@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_slots_that_were_changed_in_place_are_refused_or_used_as_they_lie(backend, change):
    net = network(backend.name)
    trainer = net.trainer()
    call(trainer)
    trainer.forward(X)
    change(net.optimizer_state.slots)
    before = net.parameters.copy()
    for act in UPDATES.values():
        try:
            act(trainer)
        except (RuntimeError, ValueError):
            assert same_bits(net.parameters, before)
        before = net.parameters.copy()
    assert np.isfinite(net.parameters).all()
