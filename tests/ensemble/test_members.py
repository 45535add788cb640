"""Networks of an ensemble, slices and copies: what they share, and what is their own."""

import copy
import gc
import pickle
import threading

import numpy as np
import pytest

import fastnn
from fastnn import ensemble as module
from fastnn.backends.reference import Reference

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


def bytes_or_flags(rng):
    """Rows of 0 and 1, which are not scaled, as images are."""
    return (rng.random((300, 4)) > 0.5).astype(np.uint8), rng.normal(size=300)


@pytest.mark.parametrize("first", ["a member", "a slice", "all", "some"])
def test_how_bytes_are_scaled_is_decided_once_for_all(first):
    x, y = bytes_or_flags(np.random.default_rng(0))
    ensemble = fastnn.Ensemble((4, 8, 1), 3, output="identity", seed=0)
    held, part = ensemble[0], ensemble[:2]
    match first:
        case "a member":
            held.fit(x, y, epochs=3, progress=False)
        case "a slice":
            part.fit(x, y, epochs=3, progress=False)
        case "all":
            ensemble.fit(x, y, epochs=3, progress=False)
        case "some":
            ensemble.fit(x, y, epochs=3, active=[0], progress=False)
    alone = fastnn.Network((4, 8, 1), output="identity", seed=int(ensemble.seeds[0]))
    alone.fit(x, y, epochs=3, progress=False)
    for each in (ensemble, part, held, ensemble[2]):
        assert each.architecture == alone.architecture
        assert each.trained_on == alone.trained_on
        assert not each.chooses_scale
    before = ensemble.predict(x, reduce=None)[0]
    np.testing.assert_array_equal(before, alone.predict(x))
    ensemble.fit(x, y, epochs=1, active=[1], progress=False)
    np.testing.assert_array_equal(ensemble.predict(x, reduce=None)[0], before)
    np.testing.assert_array_equal(held.predict(x), before)


def test_names_that_a_member_has_learned_are_known_to_all():
    pandas = pytest.importorskip("pandas")
    x, y = rows()
    frame = pandas.DataFrame(x, columns=list("abcd"))
    ensemble = ensemble_of()
    for network in ensemble:
        network.fit(frame, y, epochs=1, progress=False)
    for each in (ensemble, ensemble[0]):
        assert each.trained_on.feature_names == tuple("abcd")
    turned = frame[list("dcba")]
    np.testing.assert_array_equal(ensemble.predict_proba(turned), ensemble.predict_proba(frame))
    with pytest.raises(ValueError, match="columns"):
        ensemble.predict(frame.rename(columns={"a": "z"}))


def test_a_fit_that_fails_is_not_remembered():
    x, y = bytes_or_flags(np.random.default_rng(0))
    ensemble = fastnn.Ensemble((4, 8, 1), 3, output="identity", seed=0)
    held = ensemble[1]

    def broken(*_):
        raise RuntimeError("of a callback")

    with pytest.raises(RuntimeError, match="of a callback"):
        held.fit(x, y, epochs=1, loss=broken, progress=False)
    assert ensemble.trained_on is held.trained_on is None
    assert ensemble.chooses_scale
    assert held.chooses_scale


def test_labels_and_backends_are_those_of_all():
    ensemble = ensemble_of()
    held = ensemble[0]
    ensemble.class_labels = ("a", "b", "c")
    ensemble.backend = "numpy"
    assert (held.class_labels, held.backend) == (("a", "b", "c"), "numpy")
    assert (ensemble[1].class_labels, ensemble[1].backend) == (("a", "b", "c"), "numpy")
    held.class_labels = ("x", "y", "z")
    held.fit(rows()[0], np.array(held.class_labels)[rows()[1]], epochs=1, progress=False)
    assert ensemble.class_labels == ensemble[1].class_labels == ("x", "y", "z")


def test_overlapping_fits_are_refused(monkeypatch):
    x, y = rows(2000)
    ensemble = ensemble_of(40)
    held = ensemble[0]
    refused = []

    def others():
        for who in (ensemble, ensemble[:], ensemble[5:8], ensemble[3], held):
            try:
                who.fit(x[:10], y[:10], epochs=1, progress=False)
            except RuntimeError as error:
                refused.append(str(error))

    def meddle(*arguments):
        thread = threading.Thread(target=others)
        thread.start()
        thread.join()
        return original(*arguments)

    original = module.run
    monkeypatch.setattr(module, "run", meddle)
    ensemble.fit(x, y, epochs=1, progress=False)
    monkeypatch.undo()
    assert len(refused) == 5
    assert all("has not ended yet" in words for words in refused)
    for who in (ensemble, ensemble[:], ensemble[3], held):
        who.fit(x[:10], y[:10], epochs=1, progress=False)


def test_members_that_come_and_go_during_a_fit_leave_its_draws_alone(monkeypatch):
    x, y = rows()
    ensemble, undisturbed = ensemble_of(), ensemble_of()
    original = module.run

    def look(*arguments):
        asked = [ensemble[i] for i in range(5)]
        original(*arguments)
        assert [network.predict(x).shape for network in asked] == [(60,)] * 5

    monkeypatch.setattr(module, "run", look)
    for each in (ensemble, ensemble, ensemble):
        each.fit(x, y, epochs=1, progress=False)
    monkeypatch.undo()
    for _ in range(3):
        undisturbed.fit(x, y, epochs=1, progress=False)
    assert ensemble.parameters.tobytes() == undisturbed.parameters.tobytes()


def test_a_generator_that_a_member_was_given_stays():
    x, y = rows()
    ensemble = ensemble_of()
    ensemble[2].rng = np.random.default_rng(7)
    gc.collect()
    assert ensemble[2].rng.random() == np.random.default_rng(7).random()
    network = fastnn.Network((4, 6, 3), seed=int(ensemble.seeds[2]))
    network.rng = np.random.default_rng(7)
    network.rng.random()
    ensemble.fit(x, y, epochs=1, progress=False)
    network.fit(x, y, epochs=1, progress=False)
    assert network.parameters.tobytes() == ensemble.parameters[2].tobytes()


def test_groups_that_weigh_nothing_are_left_alone():
    x, y = rows()
    groups = np.arange(60) % 5
    weight = np.where(groups == 3, 0.0, 1e-30)
    ensemble = ensemble_of()
    before = ensemble.parameters[3].copy()
    history = ensemble.fit(x, y, groups=groups, sample_weight=weight, epochs=1, progress=False)
    assert history.stopped == [None, None, None, "no weight", None]
    assert ensemble.parameters[3].tobytes() == before.tobytes()
    found = ensemble.evaluate(x, y, weight, groups=groups, reduce=None)
    assert np.isnan(found["loss"]).tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("name", ["cython", "numpy"])
def test_early_stopping_ends_only_what_is_watched(name):
    x, y = rows()
    ensemble = ensemble_of(4, backend=name)
    with pytest.warns(UserWarning, match=r"2 of 4 models \(2, 3\) have no validation rows"):
        history = ensemble.fit(
            x, y, epochs=30, validation_data=(x, y), groups=np.arange(60) % 4,
            validation_groups=np.arange(60) % 2, optimizer=fastnn.SGD(1e-12),
            callbacks=fastnn.EarlyStopping(patience=2, min_delta=0.1), progress=False,
        )  # fmt: skip
    assert history.n_epochs.tolist() == [3, 3, 30, 30]


def test_models_that_diverged_have_no_vote():
    ensemble = ensemble_of(3)
    ensemble.parameters[1] = np.nan
    x, y = rows()
    good = ensemble[[0, 2]]
    for ask in (
        lambda e: e.predict(x, reduce="vote"),
        lambda e: e.predict_proba(x, reduce="vote"),
    ):
        with pytest.warns(RuntimeWarning, match=r"1 of 3 models \(1\) diverged"):
            found = ask(ensemble)
        np.testing.assert_array_equal(found, ask(good))
    for ask in (lambda: ensemble.predict(x), lambda: ensemble.evaluate(x, y)):
        with pytest.warns(RuntimeWarning, match="diverged and predict NaN"):
            ask()


def test_an_interrupted_model_keeps_its_best_epoch(monkeypatch):
    """The second one, interrupted in its fourth epoch, is that of its first, its best one."""
    x, y = rows()
    options = {"epochs": 9, "batch_size": 60, "progress": False}
    ensemble, expected = ensemble_of(3, backend="numpy"), ensemble_of(3, backend="numpy")
    started = expected.parameters.copy()
    expected.fit(x, y, **options | {"epochs": 1})
    train_epoch, n_calls = Reference.train_epoch, 0

    def interrupted(*arguments, **named):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 13:
            raise KeyboardInterrupt
        result = train_epoch(*arguments, **named)
        return result._replace(loss=float(n_calls))  # higher in each epoch

    monkeypatch.setattr(Reference, "train_epoch", interrupted)
    stopping = fastnn.EarlyStopping("loss", patience=10)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        history = ensemble.fit(x, y, callbacks=stopping, **options)
    assert history.stopped[1:] == ["interrupted"] * 2
    np.testing.assert_array_equal(ensemble.parameters[1], expected.parameters[1])
    np.testing.assert_array_equal(ensemble.parameters[2], started[2])


def test_an_interrupt_at_the_very_end_leaves_nothing_claimed(monkeypatch):
    x, y = rows()
    ensemble = ensemble_of()
    held = ensemble[1]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fastnn.Ensemble, "_release", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensemble.fit(x, y, epochs=1, progress=False)
    monkeypatch.undo()
    held.fit(x, y, epochs=1, progress=False)
    ensemble[2].fit(x, y, epochs=1, progress=False)
    ensemble[:3].fit(x, y, epochs=1, progress=False)
    ensemble.fit(x, y, epochs=1, progress=False)


def test_a_penalty_that_some_models_have_not_is_not_monitored():
    x, y = rows()
    with pytest.raises(ValueError, match="of some models"):
        ensemble_of(2).fit(x, y, l2=[0.1, 0.0], callbacks=fastnn.EarlyStopping("penalty"))
