"""What an ensemble refuses, in words, and without having changed."""

import _thread
import threading
import warnings

import numpy as np
import pytest
from scipy import sparse

import fastnn

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
Y = np.arange(12) % 3


def ensemble_of(n_models=3, **options):
    return fastnn.Ensemble((4, 6, 3), n_models, seed=1, **options)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, TypeError, "n_models must be given"),
        ({"n_models": 0}, ValueError, "n_models"),
        ({"n_models": 2.5}, TypeError, "n_models"),
        ({"group_labels": "abc"}, TypeError, "group_labels"),
        ({"group_labels": ["a", "a"]}, ValueError, "'a' twice"),
        ({"group_labels": ["a", 1]}, TypeError, "all text or all whole numbers"),
        ({"group_labels": [1.5]}, TypeError, "group_labels"),
        ({"group_labels": {"a", "b"}}, TypeError, "group_labels"),
        ({"group_labels": ["a"], "n_models": 2}, ValueError, "as many as n_models"),
    ],
)
def test_ensembles_that_cannot_be(options, error, words):
    with pytest.raises(error, match=words):
        fastnn.Ensemble((4, 3), **options)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"groups": np.zeros(11, int)}, ValueError, "groups has 11"),
        ({"groups": np.full(12, 3)}, ValueError, "0 to 2, got 3"),
        ({"groups": np.full(12, -1)}, ValueError, "0 to 2, got -1"),
        ({"groups": np.full(12, "a")}, TypeError, "group_labels="),
        ({"groups": np.full(12, 0.5)}, TypeError, "group_labels="),
        ({"groups": np.zeros((12, 1), int)}, ValueError, "n_rows"),
        ({"groups": [0] * 3 + [None] + [1] * 8}, ValueError, "row 3 of groups is missing"),
        ({"groups": [0.0, np.nan] + [1.0] * 10}, ValueError, "row 1 of groups is missing"),
        ({"epochs": 10**12}, ValueError, "half of this machine's memory"),
        ({"callbacks": fastnn.EarlyStopping("penalty")}, ValueError, "l1 and l2 are 0"),
        ({"active": [-9]}, IndexError, "got -9"),
        ({"bootstrap": 0.0}, ValueError, "bootstrap"),
        ({"bootstrap": 1.5}, ValueError, "bootstrap"),
        ({"bootstrap": "yes"}, TypeError, "bootstrap"),
        ({"batch_size": [1, 2]}, ValueError, "batch_size must be a single value or one for each"),
        ({"optimizer": [fastnn.SGD()] * 2}, ValueError, "optimizer"),
        ({"optimizer": [fastnn.SGD(), fastnn.SGD(), "adam"]}, TypeError, "optimizer"),
        ({"l2": [0.1, 0.1, -1]}, ValueError, r"l2\[2\]"),
        ({"dropout": [[0.1], [0.1]]}, ValueError, "dropout"),
        ({"dropout": 1.0}, ValueError, "dropout"),
        ({"active": [True, False]}, ValueError, "active"),
        ({"active": [3]}, IndexError, "active"),
        ({"active": ["a"]}, TypeError, "active"),
        ({"callbacks": lambda *_: None}, TypeError, "EarlyStopping"),
        ({"callbacks": [fastnn.EarlyStopping("loss")] * 2}, TypeError, "EarlyStopping"),
        ({"callbacks": fastnn.EarlyStopping()}, ValueError, "validation_data"),
        ({"callbacks": fastnn.EarlyStopping("val_r2")}, ValueError, "monitor"),
        ({"validation_data": (X, Y, np.ones(12))}, ValueError, "sample_weight"),
        ({"validation_data": (X, Y), "groups": Y}, ValueError, "validation_groups"),
        ({"validation_groups": Y}, ValueError, "validation_data"),
        ({"validation_data": (X[:, :3], Y)}, ValueError, "validation_data: "),
        ({"shuffle": "blocks"}, TypeError, "shuffle"),
        ({"epochs": -1}, ValueError, "epochs"),
        ({"sample_weight": np.ones(3)}, ValueError, "sample_weight"),
    ],
)
def test_fits_that_cannot_be(options, error, words):
    ensemble = ensemble_of()
    before = ensemble.parameters.copy(), ensemble[1].rng.bit_generator.state
    with pytest.raises(error, match=words):
        ensemble.fit(X, Y, progress=False, **options)
    assert ensemble.parameters.tobytes() == before[0].tobytes()
    assert ensemble[1].rng.bit_generator.state == before[1]
    assert ensemble.trained_on is None
    ensemble.fit(X, Y, epochs=1, progress=False)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((2, 5, 4)), np.zeros((2, 5)), "x must have shape"),
        (np.zeros((3, 5, 2)), np.zeros((3, 5)), "x must have shape"),
        (np.zeros((3, 5, 4)), np.zeros((3, 6)), "y must have an entry for each row"),
        (np.zeros((3, 5, 4)), np.zeros(15), "y must have an entry for each row"),
    ],
)
def test_three_dimensions(x, y, words):
    with pytest.raises(ValueError, match=words):
        ensemble_of().fit(x, y, progress=False)


def test_three_dimensions_have_no_groups():
    with pytest.raises(ValueError, match="groups= is for rows"):
        ensemble_of().fit(np.zeros((3, 5, 4)), np.zeros((3, 5)), groups=[0] * 5)


def test_dropout_that_may_mean_two_things():
    two = fastnn.Ensemble((4, 5, 6, 3), 2, seed=0)
    with pytest.raises(ValueError, match="one per model or one per hidden layer"):
        two.fit(X, Y, dropout=[0.1, 0.2], progress=False)


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda e: e.predict(X, reduce="median"), ValueError, "reduce"),
        (lambda e: e.evaluate(X, Y, reduce="vote"), ValueError, "reduce"),
        (lambda e: e[3], IndexError, "3 models"),
        (lambda e: e[-4], IndexError, "3 models"),
        (lambda e: e["a"], TypeError, "see ensemble.group"),
        (lambda e: e[1.5], TypeError, "the number of a model"),
        (lambda e: e[0, 1], TypeError, "one axis"),
        (lambda e: e[[[0, 1]]], TypeError, "one axis"),
        (lambda e: e[[]], ValueError, "at least one model"),
        (lambda e: e.predict(np.zeros((3, 5, 4))), ValueError, "are for fit"),
        (lambda e: e[1:1], ValueError, "at least one model"),
        (lambda e: e.group("a"), KeyError, "no group 'a'"),
        (lambda e: setattr(e, "parameters", np.zeros((3, 2))), ValueError, "parameters"),
        (lambda e: setattr(e, "backend", "fortran"), ValueError, "backend"),
    ],
)
def test_questions_that_have_no_answer(ask, error, words):
    with pytest.raises(error, match=words):
        ask(ensemble_of())


def test_votes_need_classes():
    numbers = fastnn.Ensemble((4, 1), 2, output="identity", seed=0)
    with pytest.raises(ValueError, match="classifiers"):
        numbers.predict(X, reduce="vote")
    with pytest.raises(ValueError, match="use predict"):
        numbers.predict_proba(X)
    with pytest.raises(ValueError, match="monitor the loss"):
        numbers.fit(X, Y * 1.0, callbacks=fastnn.EarlyStopping("accuracy"), progress=False)


def test_models_that_diverge_are_named():
    numbers = fastnn.Ensemble((4, 8, 1), 3, activation="relu", output="identity", seed=0)
    rates = [fastnn.SGD(0.01), fastnn.SGD(1e30), fastnn.SGD(0.01)]
    with pytest.warns(RuntimeWarning, match=r"1 of 3 models \(1\) diverged"):
        history = numbers.fit(X, Y * 1.0, optimizer=rates, progress=False)
    assert history.stopped == [None, "diverged", None]
    assert history.n_epochs[1] < 10


@pytest.mark.parametrize(("name", "epochs"), [("cython", 1500), ("numpy", 60)])
def test_ctrl_c_keeps_what_is_done(name, epochs):
    """In fits that would take some ten times as long."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2000, 4)).astype(np.float32), rng.integers(0, 3, 2000)
    ensemble = fastnn.Ensemble((4, 6, 3), 400, seed=1, backend=name)
    untrained = ensemble.parameters.copy()
    alone = fastnn.Network((4, 6, 3), seed=int(ensemble.seeds[0]), backend=name)
    alone.fit(x, y, epochs=epochs, progress=False)
    interrupter = threading.Timer(0.7, _thread.interrupt_main)
    interrupter.start()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = ensemble.fit(x, y, epochs=epochs, progress=False)
    interrupter.join()
    assert any("interrupted" in str(w.message) for w in caught)
    done = np.array([stopped is None for stopped in history.stopped])
    assert not done.all()
    assert (history.n_epochs[done] == epochs).all()
    assert ensemble.parameters[0].tobytes() == alone.parameters.tobytes() or not done[0]
    same = (ensemble.parameters == untrained).all(axis=1)
    n_begun = (history.n_epochs > 0).sum()
    assert same.sum() >= 400 - n_begun - 32  # all but those in their first epoch, in lanes
    assert np.isfinite(ensemble.parameters).all()
    ensemble.fit(x[:50], y[:50], epochs=1, progress=False)


def test_a_named_group_is_in_an_ensemble_once():
    named = fastnn.Ensemble((4, 3), group_labels=("a", "b"), seed=0)
    with pytest.raises(ValueError, match="twice"):
        named[[1, 1]]


def test_values_of_each_model_may_be_a_column_of_a_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"l2": [0.1, 0.2, 0.3], "batch": [2, 3, 4]}, index=[7, 8, 9])
    one, other = ensemble_of(), ensemble_of()
    one.fit(X, Y, epochs=1, l2=frame["l2"], batch_size=frame["batch"], progress=False)
    other.fit(X, Y, epochs=1, l2=[0.1, 0.2, 0.3], batch_size=(2, 3, 4), progress=False)
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_one_full_row_of_a_sparse_matrix_takes_no_memory_for_all():
    resource = pytest.importorskip("resource")
    x = sparse.csr_matrix((2000, 50_000), dtype=np.float32)
    x = sparse.vstack([x, np.ones((1, 50_000), np.float32)], format="csr")
    wide = fastnn.Ensemble((50_000, 1), 2, output="identity", seed=0, backend="cython")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wide.fit(x, np.arange(2001.0), batch_size=2001, epochs=1, progress=False)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
