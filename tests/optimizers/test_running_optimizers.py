"""An optimizer and its state are one value: a state is only ever read by the rule that wrote it."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import optimizers

from fastnn import SGD, Adam, AdamW, Network, RMSprop

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype(np.float32)
Y = RNG.integers(0, 3, 40)
RULES = [SGD(0.1), SGD(0.1, momentum=0.9), RMSprop(), Adam(), AdamW()]


def small(backend, **options):
    return Network((5, 4, 3), backend=backend.name, seed=0, **options)


def train(network, optimizer):
    network.partial_fit(X, Y, batch_size=16, optimizer=optimizer, shuffle=False)


def with_parameters_of(network, backend):
    fresh = small(backend)
    fresh.parameters = network.parameters
    return fresh


COPIES = {
    "none": lambda network: network,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda network: pickle.loads(pickle.dumps(network)),
}


@given(
    sequence=st.lists(st.tuples(optimizers(), st.sampled_from(sorted(COPIES))), max_size=6),
    first=st.sampled_from(["fit", "partial_fit"]),
)
def test_a_state_is_taken_over_by_its_own_rule_only(backend, sequence, first):
    """As if a new network had been given the weights wherever the kind of optimizer changes."""
    network = small(backend)
    getattr(network, first)(
        X,
        Y,
        optimizer=Adam(),
        shuffle=False,
        **({"epochs": 1, "progress": False} if first == "fit" else {}),
    )
    last = Adam()
    expected = copy.deepcopy(network)
    for optimizer, how in sequence:
        network = COPIES[how](network)
        if type(optimizer) is not type(last) or optimizer.n_state != last.n_state:
            expected = with_parameters_of(expected, backend)
        for trained in (network, expected):
            train(trained, optimizer)
        last = optimizer
        assert np.array_equal(network.parameters, expected.parameters)
        assert np.array_equal(network.optimizer_state.slots, expected.optimizer_state.slots)
        assert network.optimizer_state.step == expected.optimizer_state.step


@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("optimizer", RULES, ids=repr)
def test_copies_share_no_state(backend, how, optimizer):
    network = small(backend)
    train(network, optimizer)
    twin = COPIES[how](network)
    train(network, None)
    train(twin, None)
    assert np.array_equal(network.parameters, twin.parameters)


@pytest.mark.parametrize("optimizer", RULES[1:], ids=repr)
def test_a_state_in_joblibs_memory_maps_is_gone_on_with(backend, optimizer, tmp_path):
    network = small(backend)
    train(network, optimizer)
    joblib.dump(network, tmp_path / "network.joblib")
    mapped = joblib.load(tmp_path / "network.joblib", mmap_mode="r")
    assert not mapped.optimizer_state.slots.flags.writeable
    train(network, None)
    train(mapped, None)
    assert np.array_equal(network.parameters, mapped.parameters)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: setattr(state, "slots", np.zeros((1, 3))), r"float32 \(2, .* \(1, 3\)"),
        (lambda state: setattr(state, "slots", state.slots.astype(float)), "got float64"),
        (lambda state: setattr(state, "slots", None), "got None"),
        (lambda state: setattr(state, "step", -1), "step must be at least 0"),
        (lambda state: setattr(state, "step", 2**63), r"step must be below 2\*\*63"),
        (lambda state: setattr(state, "dropout_seed", -1), "dropout_seed must be at least 0"),
    ],
)  # fmt: skip
def test_a_state_that_no_longer_fits_is_named(backend, change, words):
    network = small(backend)
    train(network, Adam())
    change(network.optimizer_state)
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=words):
        train(network, None)
    assert np.array_equal(network.parameters, before)
    train(network, SGD(0.1))


def test_slots_may_be_assigned_in_any_layout(backend):
    network, twin = small(backend), small(backend)
    for trained in (network, twin):
        train(trained, Adam())
    twin.optimizer_state.slots = np.repeat(network.optimizer_state.slots, 2, axis=1)[:, ::2]
    for trained in (network, twin):
        train(trained, None)
    assert np.array_equal(network.parameters, twin.parameters)


def test_a_pickle_without_an_optimizer_starts_a_new_one(backend):
    network = small(backend)
    train(network, Adam())
    state = network.__getstate__()
    del state["_running"]
    older = Network.__new__(Network)
    older.__setstate__(state)
    train(older, None)
    assert older.optimizer_state.step == 3
