"""Checkpoints: a fit that goes on from one ends with the same bits; damaged and foreign files."""

import json
import pickle
import shutil

import numpy as np
import pytest
from examples import blobs, same_bits, small_network
from safetensors import safe_open
from safetensors.numpy import save_file

import fastnn
from fastnn import SGD, Adam, Checkpoint, EarlyStopping
from fastnn.checkpoints import checksum
from fastnn.fit_description import AnotherFitError

X, Y = blobs()
SETTINGS = {"batch_size": 16, "optimizer": Adam(0.01), "dropout": 0.3, "progress": False}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


def fit(epochs, checkpoint=None, *, x=X, y=Y, network=None, **settings):
    network = network or small_network()
    return network, network.fit(x, y, epochs=epochs, checkpoint=checkpoint, **SETTINGS | settings)


def measurements(history):
    return {name: values for name, values in history.items() if name != "time"}


def resumed(path, epochs, **settings):
    return fit(epochs, Checkpoint(path, resume=True), **settings)


# -- going on -------------------------------------------------------------------------------------

KINDS = {
    "adam with dropout": {},
    "sgd": {"optimizer": SGD(0.1)},
    "momentum, clipped": {"optimizer": SGD(0.1, momentum=0.9), "clip_norm": 1.0},
    "schedule": {"optimizer": Adam(fastnn.schedules.Cosine(0.02, n_steps=48))},
    "weights and penalties": {"sample_weight": np.linspace(0, 1, 120), "l1": 1e-3, "l2": 1e-3},
    "in order": {"shuffle": False},
    "validation": {"validation_data": (X[:30], Y[:30])},
}


@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_a_resumed_fit_ends_with_the_bits_of_one_never_stopped(path, backend, settings):
    def network():
        return fastnn.Network((4, 6, 3), seed=3, backend=backend.name)

    whole, history = fit(6, network=network(), **settings)
    fit(2, Checkpoint(path), network=network(), **settings)
    again, went_on = resumed(path, 6, network=network(), **settings)
    assert same_bits(again.parameters, whole.parameters)
    assert same_bits(again.optimizer_state.slots, whole.optimizer_state.slots)
    assert again.optimizer_state.step == whole.optimizer_state.step
    assert again.rng.bit_generator.state == whole.rng.bit_generator.state
    assert measurements(went_on) == measurements(history)


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_bit_generator_of_numpy_goes_on(path, name):
    def network():
        rng = np.random.Generator(getattr(np.random, name)(5))
        return small_network(seed=rng)

    whole, _ = fit(4, network=network())
    fit(2, Checkpoint(path), network=network())
    again, _ = resumed(path, 4, network=network())
    assert same_bits(again.parameters, whole.parameters)


def test_sparse_rows_go_on(path):
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.csr_array(np.where(X > 0, X, 0))
    whole, _ = fit(4, x=x)
    fit(2, Checkpoint(path), x=x)
    assert same_bits(resumed(path, 4, x=x)[0].parameters, whole.parameters)


def test_a_network_that_starts_elsewhere_ends_where_the_checkpoint_leads(path):
    whole, _ = fit(4)
    fit(2, Checkpoint(path))
    elsewhere = small_network()
    elsewhere.parameters += elsewhere.parameters
    elsewhere.rng.random(3)
    again, _ = resumed(path, 4, network=elsewhere)
    assert same_bits(again.parameters, whole.parameters)


def test_a_network_without_a_seed_goes_on_too(path):
    fit(2, Checkpoint(path), network=small_network(seed=None))
    _, history = resumed(path, 4, network=small_network(seed=None))
    assert history.n_epochs == 4


def test_partial_fit_goes_on_after_a_resumed_fit(path):
    networks = [fit(3)[0]]
    fit(2, Checkpoint(path))
    networks.append(resumed(path, 3)[0])
    for network in networks:
        network.partial_fit(X, Y, dropout=0.3)
    assert same_bits(networks[0].parameters, networks[1].parameters)


def test_time_goes_on_where_it_stopped(path):
    _, first = fit(2, Checkpoint(path))
    _, history = resumed(path, 4)
    assert history["time"][:2] == first["time"]
    assert history["time"] == sorted(history["time"])


def test_without_a_file_resume_starts_at_the_beginning(path):
    whole, _ = fit(3)
    again, _ = resumed(path, 3)
    assert same_bits(again.parameters, whole.parameters)
    assert path.exists()


def test_a_fit_that_was_over_is_over_at_once(path):
    whole, history = fit(3, Checkpoint(path))
    before = path.read_bytes()
    again, went_on = resumed(path, 3)
    assert same_bits(again.parameters, whole.parameters)
    assert dict(went_on) == dict(history)
    assert path.read_bytes() == before


def test_early_stopping_goes_on_with_its_patience_and_its_best_weights(path):
    def stopping():
        return {"callbacks": EarlyStopping("loss", patience=3, min_delta=0.02)}

    whole, history = fit(60, **stopping())
    assert history.stopped == "callback"
    fit(history.n_epochs - 2, Checkpoint(path), **stopping())
    again, went_on = resumed(path, 60, **stopping())
    assert measurements(went_on) == measurements(history)
    assert went_on.stopped == "callback"
    assert same_bits(again.parameters, whole.parameters)
    over, history = resumed(path, 60, **stopping())  # once more: it stays stopped
    assert history.stopped == "callback"
    assert same_bits(over.parameters, whole.parameters)


KEPT = {
    "a NumPy number": np.int64(3),
    "a NumPy flag": np.bool_(True),
    "arrays in a list": [np.arange(3)],
    "arrays in a dictionary": {"a": np.arange(3)},
    "another order of bytes": np.arange(3, dtype=">f8"),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_callback_may_keep(path, name):
    class Keeps(fastnn.Callback):
        def state_dict(self):
            return {"kept": KEPT[name]}

        def load_state_dict(self, state):
            self.found = state["kept"]

    fit(1, Checkpoint(path), callbacks=Keeps())
    again = Keeps()
    resumed(path, 2, callbacks=again)
    np.testing.assert_equal(again.found, getattr(KEPT[name], "tolist", lambda: KEPT[name])())


def test_what_a_callback_cannot_keep_is_named(path):
    class Keeps(fastnn.Callback):
        def state_dict(self):
            return {"kept": {1, 2}}

    with pytest.raises(TypeError, match=r"a checkpoint can hold .*, not \{1, 2\}"):
        fit(1, Checkpoint(path), callbacks=Keeps())


def test_a_callback_that_starts_sees_the_network_where_it_goes_on(path):
    seen = []

    class Looks(fastnn.Callback):
        def on_fit_start(self, network):
            seen.append((network.parameters.copy(), network.optimizer_state.step))

    network, _ = fit(2, Checkpoint(path), callbacks=Looks())
    resumed(path, 3, callbacks=Looks())
    assert same_bits(seen[1][0], network.parameters)
    assert seen[1][1] == network.optimizer_state.step


def test_early_stopping_with_a_start_of_its_own_goes_on(path):
    class Own(EarlyStopping):
        def on_fit_start(self, network):
            pass

    fit(2, Checkpoint(path), callbacks=Own("loss"))
    assert resumed(path, 4, callbacks=Own("loss"))[1].n_epochs == 4


def test_a_network_pickled_before_it_had_a_seed_goes_on(path):
    network = small_network()
    del network.__dict__["seed"]
    assert fit(1, Checkpoint(path), network=network)[1].n_epochs == 1


def test_the_error_of_another_fit_passes_between_processes():
    error = pickle.loads(pickle.dumps(AnotherFitError("seed", "seed was 1")))
    assert (str(error), error.name) == ("seed was 1", "seed")


def test_a_callback_gets_back_what_it_gave(path):
    class Sums(fastnn.Callback):
        def __init__(self):
            self.total, self.epochs = np.zeros(2), []

        def on_fit_start(self, network):
            self.total, self.epochs = np.zeros(2), []

        def on_epoch_end(self, network, epoch, record):
            self.total = self.total + np.array([record["loss"], 1.0])
            self.epochs.append(epoch)

        def state_dict(self):
            return {"total": self.total, "epochs": self.epochs}

        def load_state_dict(self, state):
            self.total, self.epochs = state["total"], state["epochs"]

    whole, first, again = Sums(), Sums(), Sums()
    fit(4, callbacks=whole)
    fit(2, Checkpoint(path), callbacks=first)
    resumed(path, 4, callbacks=again)
    assert again.epochs == [1, 2, 3, 4]
    assert same_bits(again.total, whole.total)


# -- writing --------------------------------------------------------------------------------------


def epoch_of(path):
    with safe_open(path, framework="numpy") as file:
        return len(json.loads(file.metadata()["state"])["history"]["loss"])


def test_it_is_written_every_few_epochs_and_at_the_end(path):
    seen = []

    def look(network, epoch, record):
        seen.append(epoch_of(path) if path.exists() else 0)

    fit(5, Checkpoint(path, every=2), callbacks=look)
    assert seen == [0, 0, 2, 2, 4]  # before the epoch's own is written
    assert epoch_of(path) == 5


def test_an_interrupted_epoch_is_done_again(path):
    def interrupt(network, epoch, record):
        if epoch == 3 and not interrupted:
            interrupted.append(epoch)
            raise KeyboardInterrupt

    interrupted = []
    with pytest.warns(RuntimeWarning, match="interrupted"):
        fit(5, Checkpoint(path), callbacks=interrupt)
    assert epoch_of(path) == 2
    again, history = resumed(path, 5, callbacks=interrupt)
    assert history.n_epochs == 5
    assert same_bits(again.parameters, fit(5)[0].parameters)


def test_a_fit_that_diverges_keeps_the_last_good_epoch(path):
    def spoil(network, epoch, record):
        if epoch == 2:
            network.weights[0][...] = np.inf

    with pytest.warns(RuntimeWarning, match="became"), np.errstate(all="ignore"):
        fit(5, Checkpoint(path), callbacks=spoil, dropout=0.0)
    assert epoch_of(path) == 1
    with safe_open(path, framework="numpy") as file:
        assert np.isfinite(file.get_tensor("parameters")).all()


def test_a_fit_that_was_asked_to_stop_in_its_last_epoch_does_not_go_on(path):
    def stop_after_3(network, epoch, record):
        return epoch == 3

    whole, _ = fit(6, callbacks=stop_after_3)
    fit(3, Checkpoint(path), callbacks=stop_after_3)
    again, history = resumed(path, 6, callbacks=stop_after_3)
    assert history.n_epochs == 3
    assert history.stopped == "callback"
    assert same_bits(again.parameters, whole.parameters)


def test_a_file_that_is_there_is_not_lost(path):
    fit(2, Checkpoint(path))
    before, network = path.read_bytes(), small_network()
    start = network.parameters.copy()
    with pytest.raises(FileExistsError, match="resume=True"):
        fit(2, Checkpoint(path), network=network)
    assert path.read_bytes() == before
    assert same_bits(network.parameters, start)


def test_a_folder_that_is_not_there_is_told_before_the_first_epoch(tmp_path):
    seen = []
    with pytest.raises(FileNotFoundError, match=r"cannot write .*nowhere.* does not exist"):
        fit(1, Checkpoint(tmp_path / "nowhere" / "run"), callbacks=lambda *_: seen.append(1))
    assert not seen


# -- refusing -------------------------------------------------------------------------------------

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
    metadata["checksum"] = checksum(metadata, held)
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
    with pytest.raises(ValueError, match="a state that EarlyStopping cannot take back"):
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
