"""Checkpoints that a fit does not go on from: those of other fits, damaged and hostile ones."""

import json
import shutil

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from support.checkpointed_fits import X, Y, fit, resumed
from support.examples import same_bits, small_network

import fastnn
from fastnn import SGD, Adam, Checkpoint, EarlyStopping
from fastnn.system.checksums import checksum, file_checksum


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


OTHERS = {
    "optimizer.learning_rate": {"optimizer": Adam(0.02)},
    "optimizer.name": {"optimizer": SGD(0.01)},
    "batch_size": {"batch_size": 32},
    "dropout": {"dropout": 0.1},
    "shuffle": {"shuffle": False},
    "x": {"x": np.where(np.arange(X.size).reshape(X.shape) == 333, 0, X)},
    "y": {"y": (Y + 1) % 3},
    "sample_weight": {"sample_weight": np.ones(120)},
    "validation_data": {"validation_data": (X, Y)},
    "callbacks": {"callbacks": EarlyStopping("loss")},
    "seed": {"network": small_network(seed=99)},
    "architecture.sizes": {"network": small_network((4, 7, 3))},
    "class_labels": {"network": small_network(class_labels=[0, 1, 2])},
    "random generator": {"network": small_network(seed=np.random.Generator(np.random.SFC64(1)))},
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_fit_is_refused_by_what_differs(path, name):
    fit(2, Checkpoint(path))
    network = OTHERS[name].get("network") or small_network()
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=f"not a checkpoint of this fit: {name}.* was .* and is "):
        resumed(path, 4, **OTHERS[name] | {"network": network})
    assert same_bits(network.parameters, before)


def test_callbacks_told_something_else_are_refused(path):
    fit(2, Checkpoint(path), callbacks=EarlyStopping("loss", patience=3))
    with pytest.raises(ValueError, match=r"settings of callbacks was .*3.* and is .*9"):
        resumed(path, 4, callbacks=EarlyStopping("loss", patience=9))


def test_of_a_file_that_is_mapped_some_rows_are_compared(path, tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    whole, _ = fit(4)
    fit(2, Checkpoint(path), x=mapped)
    again, _ = resumed(path, 4, x=mapped)
    assert same_bits(again.parameters, whole.parameters)
    np.save(tmp_path / "other.npy", X + 1)
    with pytest.raises(ValueError, match="fit: x was"):
        resumed(path, 4, x=np.load(tmp_path / "other.npy", mmap_mode="r"))


def test_fewer_epochs_than_are_done_are_refused(path):
    fit(3, Checkpoint(path))
    with pytest.raises(ValueError, match="after epoch 3, past the 2 epochs"):
        resumed(path, 2)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"path": 3}, TypeError),
        ({"path": "a", "every": 0}, ValueError),
        ({"path": "a", "every": 1.5}, TypeError),
        ({"path": "a", "resume": "yes"}, TypeError),
    ],
)
def test_bad_arguments_are_refused(arguments, error):
    with pytest.raises(error):
        Checkpoint(**arguments)


def test_fit_wants_a_checkpoint_not_a_path(path):
    with pytest.raises(TypeError, match=r"checkpoint must be a fastnn.Checkpoint, such as"):
        fit(1, str(path))


def test_a_network_is_not_a_checkpoint_nor_the_other_way_round(path, tmp_path):
    network, _ = fit(1, Checkpoint(path))
    with pytest.raises(ValueError, match=r"'fastnn-checkpoint', expected 'fastnn'; resume it"):
        fastnn.load(path)
    network.save(tmp_path / "network.safetensors")
    with pytest.raises(ValueError, match="'fastnn', expected 'fastnn-checkpoint'"):
        resumed(tmp_path / "network.safetensors", 2)


def test_a_folder_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match=r"directory|denied"):
        resumed(tmp_path, 2)


def damaged(path, *, tensors=None, **state):
    """The checkpoint with some of its state or tensors replaced, or removed where None."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    held |= tensors or {}
    values = json.loads(metadata["state"]) | state
    metadata["state"] = json.dumps({name: v for name, v in values.items() if v is not ...})
    held = {name: v for name, v in held.items() if v is not None}
    metadata["checksum"] = file_checksum(metadata, held)
    save_file(held, path, metadata)


DAMAGES = {
    "no step": {"step": ...},
    "a negative step": {"step": -1},
    "no generator": {"rng": ...},
    "a generator of another kind": {"rng": {"bit_generator": "SFC64", "state": {}}},
    "a generator of no state": {"rng": {"bit_generator": "PCG64", "state": {"state": -1}}},
    "a list for a generator": {"rng": [1, 2]},
    "columns of two lengths": {"history": {"loss": [1.0], "time": [1.0, 2.0]}},
    "no losses": {"history": {}},
    "a measurement of another fit": {"history": {"loss": [1, 2], "time": [1, 2], "r2": [0, 0]}},
    "no accuracies": {"history": {"loss": [1.0, 1.0], "time": [1.0, 2.0]}},
    "a history of text": {"history": {"loss": ["a", "b"], "time": [1.0, 2.0]}},
    "an end that is no flag": {"stop_asked": "boredom"},
    "no callbacks": {"callbacks": 3},
    "too few callbacks": {"callbacks": []},
    "a step past counting": {"step": 2**70},
    "no parameters": {"tensors": {"parameters": None}},
    "parameters of another shape": {"tensors": {"parameters": np.zeros(3)}},
    "an optimizer in float32": {"tensors": {"optimizer": np.zeros((2, 96), np.float32)}},
    "a tensor of no callback": {"tensors": {"callbacks.7.a": np.zeros(1)}},
    "a tensor of no name": {"tensors": {"surprise": np.zeros(1)}},
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_state_is_refused_and_changes_nothing(path, name):
    fit(2, Checkpoint(path))
    damaged(path, **DAMAGES[name])
    network = small_network()
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=r"not a checkpoint of this fit|is damaged"):
        resumed(path, 4, network=network, callbacks=lambda *_: None)
    assert same_bits(network.parameters, before)


HOSTILE_GENERATORS = {
    "MT19937": {"state": {"key": [0] * 624, "pos": 2**30}},
    "MT19937 of few numbers": {"state": {"key": [0] * 10, "pos": 0}},
    "Philox": {"buffer_pos": -(2**30)},
    "PCG64": {"uinteger": 2**40},
    "SFC64": {"state": {"state": [2**70, 0, 0, 0]}},
}


@pytest.mark.parametrize("name", HOSTILE_GENERATORS)
def test_a_generator_is_not_put_where_no_generator_can_be(path, name):
    def network():
        return small_network(seed=np.random.Generator(getattr(np.random, name.split()[0])(5)))

    fit(2, Checkpoint(path), network=network())
    with safe_open(path, framework="numpy") as file:
        rng = json.loads(file.metadata()["state"])["rng"]
    damaged(path, rng=rng | HOSTILE_GENERATORS[name])
    with pytest.raises(ValueError, match="its generator's"):
        resumed(path, 4, network=network())


HOSTILE_STATES = {
    "no best": {"best_epoch": 1},
    "a best that is no number": {"best": "abc", "best_epoch": 1},
    "an epoch before the first": {"best": 1.0, "best_epoch": -1},
    "other weights": {"best": 1.0, "best_epoch": 1, "best_parameters": 3},
}


@pytest.mark.parametrize("name", HOSTILE_STATES)
def test_a_state_that_a_callback_cannot_take_back_changes_no_weights(path, name):
    def stopping():
        return {"callbacks": EarlyStopping("loss")}

    fit(2, Checkpoint(path), **stopping())
    with safe_open(path, framework="numpy") as file:
        best = file.get_tensor("callbacks.0.best_parameters")
    state = dict(HOSTILE_STATES[name])
    n = state.pop("best_parameters", None)
    tensors = {"callbacks.0.best_parameters": best if n is None else np.ones(n)}
    damaged(path, tensors=tensors, callbacks=[state])
    network = small_network()
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=f"{path} holds a state that EarlyStopping cannot"):
        resumed(path, 4, network=network, **stopping())
    assert same_bits(network.parameters, before)


def test_a_flipped_bit_is_seen(path, tmp_path):
    network, _ = fit(1, Checkpoint(path))
    whole = path.read_bytes()
    for n in np.linspace(len(whole) - network.parameters.nbytes, len(whole) - 1, 20).astype(int):
        flipped = tmp_path / "flipped"
        flipped.write_bytes(whole[:n] + bytes([whole[n] ^ 4]) + whole[n + 1 :])
        with pytest.raises(ValueError, match="the file is damaged"):
            resumed(flipped, 2)


def test_a_file_cut_anywhere_is_refused(path, tmp_path):
    fit(1, Checkpoint(path))
    whole = path.read_bytes()
    for n in np.linspace(0, len(whole) - 1, 25).astype(int):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:n])
        with pytest.raises(ValueError, match="cut is not a checkpoint"):
            resumed(cut, 2)


def test_padding_stays_zero_whatever_a_file_holds(path):
    network, _ = fit(2, Checkpoint(path))
    expected = resumed(shutil.copy(path, f"{path}.copy"), 3)[0].parameters
    is_padding = network.architecture.allocate() == 0
    for _, weight, bias in network.architecture.views(is_padding):
        weight[...], bias[...] = False, False
    parameters = network.parameters.copy()
    parameters[is_padding] = 7.0
    assert is_padding.any()
    damaged(path, tensors={"parameters": parameters})
    assert same_bits(resumed(path, 3)[0].parameters, expected)


def test_padding_of_the_best_weights_is_left_behind_too(path):
    stopping = EarlyStopping("loss", min_delta=10.0)
    network, _ = fit(2, Checkpoint(path), callbacks=stopping)
    with safe_open(path, framework="numpy") as file:
        best = file.get_tensor("callbacks.0.best_parameters")
    damaged(path, tensors={"callbacks.0.best_parameters": np.where(best == 0, 7.0, best)})
    again, _ = resumed(path, 2, callbacks=EarlyStopping("loss", min_delta=10.0))
    assert (best == 0).any()
    clean = network.architecture.allocate()
    network.architecture.copy_parameters(again.parameters, clean)
    assert same_bits(again.parameters, clean)


def test_a_checkpoint_of_the_first_version_is_gone_on_from(path, tmp_path):
    fit(2, Checkpoint(path))
    expected = resumed(path, 4)[0].parameters.tobytes()
    fit(2, Checkpoint(tmp_path / "old"))
    with safe_open(tmp_path / "old", framework="numpy") as file:
        metadata = file.metadata() | {"format_version": "1"}
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    arrays = (held[name] for name in sorted(held))
    metadata["checksum"] = checksum(*arrays, text=metadata["fit"] + metadata["state"])
    save_file(held, tmp_path / "old", metadata)
    assert resumed(tmp_path / "old", 4)[0].parameters.tobytes() == expected
