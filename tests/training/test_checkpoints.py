"""Checkpoints: a fit that goes on from one ends with the same bits; when one is written."""

import json
import pickle

import numpy as np
import pytest
from safetensors import safe_open
from support.checkpointed_fits import X, Y, fit, measurements, resumed
from support.examples import same_bits, small_network

import fastnn
from fastnn import SGD, Adam, Checkpoint, EarlyStopping
from fastnn.architecture import OUTPUTS
from fastnn.optimizers import RateFactors
from fastnn.training.fit_description import AnotherFitError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


# -- going on -------------------------------------------------------------------------------------

KINDS = {
    "adam with dropout": {},
    "sgd": {"optimizer": SGD(0.1)},
    "momentum, clipped": {"optimizer": SGD(0.1, momentum=0.9), "clip_norm": 1.0},
    "schedule": {"optimizer": Adam(fastnn.schedules.Cosine(0.02, n_steps=48))},
    "scaled features": {
        "optimizer": fastnn.AdamW(0.02, rate_factors=RateFactors("fan_in", 0.1, feature_scales=6.0))
    },
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


def half_squared_error(outputs, targets, sample_weight):
    wanted = np.eye(2)[targets] if targets.ndim == 1 and outputs.shape[1] == 2 else targets
    apart = outputs - np.reshape(wanted, outputs.shape)
    return 0.5 * (apart**2).sum(axis=1), apart


@pytest.mark.parametrize("penalty", [{}, {"l2": 0.1}])
@pytest.mark.parametrize("is_validated", [False, True])
@pytest.mark.parametrize("targets", ["built-in", "own", "own, one-hot"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_checkpoint_knows_what_the_epochs_of_its_fit_measure(
    tmp_path, output, targets, is_validated, penalty
):
    path, n_out = tmp_path / "run", 2 if output == "softmax" else 1
    y = Y % 2 if targets != "own, one-hot" or n_out == 1 else np.eye(2)[Y % 2]
    options = {**penalty, **({"validation_data": (X, y)} if is_validated else {})}
    if targets != "built-in":
        options["loss"] = half_squared_error

    def fit_for(epochs, *callbacks):
        network = small_network((4, 3, n_out), output=output)
        run = Checkpoint(path, resume=True)
        return fit(epochs, run, y=y, network=network, callbacks=callbacks, **options)[1]

    measured = list(fit_for(1))
    assert measured[0] == "loss"
    assert {len(values) for values in fit_for(2).values()} == {2}
    path.unlink()
    missing = {"loss", "accuracy", "val_accuracy", "val_loss", "val_r2"} - set(measured)
    for name in missing:
        with pytest.raises(ValueError, match=f"monitors '{name}'"):
            fit_for(1, EarlyStopping(name))
        assert not path.exists(), "this is known before the first epoch"
    for name in measured:
        fit_for(1, EarlyStopping(name))
        path.unlink()
