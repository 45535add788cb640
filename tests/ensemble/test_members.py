"""Networks of an ensemble, slices and copies: what they share, and what is their own."""

import copy
import gc
import pickle
import threading

import numpy as np
import pytest

import fastnn

OTHER = np.random.Generator(np.random.MT19937(0))
"""A generator that is not NumPy's default one."""


def rows(n_rows=60, n_in=4, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, n_in)).astype(np.float32), rng.integers(0, n_classes, n_rows)


def ensemble_of(n_models=5, **options):
    return fastnn.Ensemble((4, 6, 3), n_models, seed=1, **options)


def test_a_member_is_a_network_with_the_same_parameters():
    ensemble = ensemble_of()
    member = ensemble[2]
    assert type(member) is fastnn.Network
    member.weights[0][...] = 7
    assert (ensemble.weights[0][2] == 7).all()
    assert not (ensemble.weights[0][1] == 7).any()
    assert ensemble[-3] is member
    assert [network is ensemble[i] for i, network in enumerate(ensemble)] == [True] * 5


def test_seeds_make_the_same_networks():
    ensemble = ensemble_of()
    for i, seed in enumerate(ensemble.seeds):
        network = fastnn.Network((4, 6, 3), seed=int(seed))
        assert network.parameters.tobytes() == ensemble.parameters[i].tobytes()
        assert network.seed == ensemble[i].seed
    again = ensemble_of()
    assert again.parameters.tobytes() == ensemble.parameters.tobytes()
    assert len(set(ensemble.seeds.tolist())) == 5


@pytest.mark.parametrize("held", [True, False])
def test_fits_of_a_member_and_of_all_take_turns(held):
    """Each goes on where the other's draws ended, whether or not somebody keeps the member."""
    x, y = rows()
    ensemble = ensemble_of()
    network = fastnn.Network((4, 6, 3), seed=int(ensemble.seeds[3]))
    kept = ensemble[3] if held else None
    for turn in range(4):
        who = ensemble[3] if turn % 2 else ensemble
        who.fit(x, y, epochs=2, progress=False)
        del who
        gc.collect()
        network.fit(x, y, epochs=2, progress=False)
        assert network.parameters.tobytes() == ensemble.parameters[3].tobytes(), turn
    assert kept is None or kept is ensemble[3]


def test_slices_share_and_copies_do_not():
    x, y = rows()
    ensemble, other = ensemble_of(), ensemble_of()
    part = ensemble[1:4]
    assert (len(part), part[0].seed) == (3, ensemble[1].seed)
    assert part[0] is ensemble[1]
    part.fit(x, y, epochs=2, progress=False)
    other.fit(x, y, epochs=2, active=[1, 2, 3], progress=False)
    assert ensemble.parameters.tobytes() == other.parameters.tobytes()
    ensemble[1:][::2].fit(x, y, epochs=1, progress=False)  # a slice of a slice: 1 and 3
    other.fit(x, y, epochs=1, active=np.array([0, 1, 0, 1, 0], bool), progress=False)
    assert ensemble.parameters.tobytes() == other.parameters.tobytes()
    ensemble[3:0:-1].fit(x, y, epochs=1, progress=False)
    other.fit(x, y, epochs=1, active=[1, 2, 3], progress=False)
    assert ensemble.parameters.tobytes() == other.parameters.tobytes()
    before = ensemble.parameters.copy()
    for which in ([0, 4], np.array([True, False, False, False, True])):
        own = ensemble[which]
        own.fit(x, y, epochs=1, progress=False)
        assert ensemble.parameters.tobytes() == before.tobytes()
        assert len(own) == 2


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_go_on_alike(way):
    x, y = rows()
    ensemble = ensemble_of(backend="numpy")
    member = ensemble[0]
    ensemble.fit(x, y, epochs=1, progress=False)
    member.rng.random(7)  # somebody else draws from it
    twin = way(ensemble)
    assert (twin.seeds == ensemble.seeds).all()
    for each in (ensemble, twin):
        each.fit(x, y, epochs=2, progress=False)
    assert twin.parameters.tobytes() == ensemble.parameters.tobytes()
    assert twin.backend == "numpy"
    twin.parameters[...] = 0
    assert ensemble.parameters.any()


def test_from_networks():
    x, y = rows()
    networks = [fastnn.Network((4, 6, 3), seed=i) for i in range(3)]
    for network in networks:
        network.fit(x, y, epochs=1, progress=False)
    ensemble = fastnn.Ensemble.from_networks(networks)
    assert ensemble.trained_on == networks[0].trained_on
    ensemble.fit(x, y, epochs=1, progress=False)
    for i, network in enumerate(networks):
        network.fit(x, y, epochs=1, progress=False)
        assert network.parameters.tobytes() == ensemble.parameters[i].tobytes()


@pytest.mark.parametrize(
    ("networks", "error", "words"),
    [
        ([], ValueError, "at least one"),
        ([fastnn.Network((2, 1)), 3], TypeError, r"networks\[1\]"),
        ([fastnn.Network((2, 1)), fastnn.Network((3, 1))], ValueError, "architecture"),
        (
            [fastnn.Network((2, 2), class_labels=["a", "b"]), fastnn.Network((2, 2))],
            ValueError,
            "class_labels",
        ),
        ([fastnn.Network((2, 1), seed=OTHER)], TypeError, "PCG64"),
    ],
)
def test_networks_that_are_no_ensemble(networks, error, words):
    with pytest.raises(error, match=words):
        fastnn.Ensemble.from_networks(networks)


def test_one_fit_at_a_time():
    x, y = rows(20_000)
    ensemble = ensemble_of()
    member = ensemble[0]
    errors = []

    def second():
        for who in (ensemble, member):
            try:
                who.fit(x, y, epochs=1, progress=False)
            except RuntimeError as error:
                errors.append(str(error))

    class Stepping(fastnn.Callback):
        def on_epoch_end(self, network, epoch, record):
            thread = threading.Thread(target=second)
            thread.start()
            thread.join()

    member.fit(x[:40], y[:40], epochs=1, callbacks=Stepping(), progress=False)
    assert len(errors) == 2
    assert all("has not ended yet" in error for error in errors)
    ensemble.fit(x[:40], y[:40], epochs=1, progress=False)  # and nothing is left claimed
    member.fit(x[:40], y[:40], epochs=1, progress=False)


def test_what_is_known_of_the_rows_is_known_to_members():
    pandas = pytest.importorskip("pandas")
    x, y = rows()
    frame = pandas.DataFrame(x, columns=list("abcd"))
    ensemble = ensemble_of()
    member = ensemble[1]
    ensemble.fit(frame, y, epochs=1, progress=False)
    assert member.trained_on.feature_names == ensemble[0].trained_on.feature_names == tuple("abcd")
    shuffled = frame[list("dcba")]
    np.testing.assert_array_equal(ensemble.predict(shuffled), ensemble.predict(frame))


def test_many_and_small(tmp_path):
    ensemble = fastnn.Ensemble((10, 8, 1), 2000, output="identity", seed=0)
    assert ensemble.parameters.flags.c_contiguous
    assert ensemble.parameters.ctypes.data % 64 == 0
    assert [w.shape for w in ensemble.weights] == [(2000, 10, 8), (2000, 8, 1)]
    assert [b.shape for b in ensemble.biases] == [(2000, 8), (2000, 1)]
