"""Callbacks: when they are called, how they end a fit; early stopping."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import blobs, same_bits, small_network

import fastnn
from fastnn import SGD
from fastnn.sklearn import MLPClassifier

X, Y = blobs()


class Log(fastnn.Callback):
    def __init__(self, stop_after=None):
        self.calls, self._stop_after = [], stop_after

    def on_fit_start(self, network):
        self.calls.append("start")

    def on_epoch_end(self, network, epoch, record):
        self.calls.append((epoch, record["loss"]))
        return epoch == self._stop_after

    def on_fit_end(self, network):
        self.calls.append("end")


def test_a_callback_sees_start_every_epoch_and_end():
    log = Log()
    history = small_network().fit(X, Y, epochs=2, callbacks=log)
    assert log.calls == ["start", *enumerate(history["loss"], 1), "end"]


def test_a_function_is_called_with_network_epoch_and_record():
    net, seen = small_network(), []
    history = net.fit(X, Y, epochs=2, callbacks=lambda *arguments: seen.append(arguments))
    assert [(n, epoch) for n, epoch, _ in seen] == [(net, 1), (net, 2)]
    assert [record["time"] for *_, record in seen] == history["time"]


def test_any_callable_that_takes_three_arguments_is_a_callback():
    class Counter:
        n_calls = 0

        def __call__(self, network, epoch, record, *, step=1):
            self.n_calls += step

    counter = Counter()
    records = {}  # dict.update is written in C and does not say what it takes
    small_network().fit(X, Y, epochs=2, callbacks=[counter, lambda *_, **__: None])
    assert counter.n_calls == 2
    with pytest.raises(TypeError, match="update"):
        small_network().fit(X, Y, epochs=1, callbacks=records.update)


def test_any_callback_may_stop_the_fit_and_all_are_called_first():
    logs = [Log(), Log(stop_after=2), Log()]
    history = small_network().fit(X, Y, epochs=5, callbacks=logs)
    assert (history.n_epochs, history.stopped) == (2, "callback")
    assert [len(log.calls) for log in logs] == [4, 4, 4]


def test_a_stop_after_the_last_epoch_is_no_stop():
    assert small_network().fit(X, Y, epochs=2, callbacks=Log(stop_after=2)).stopped is None


def test_an_exception_in_a_callback_leaves_a_usable_network(backend):
    net, weights = small_network(backend=backend.name), []

    def fail(network, epoch, record):
        weights.append(network.parameters.copy())
        if epoch == 2:
            raise RuntimeError("out of paper")

    with pytest.raises(RuntimeError, match="out of paper"):
        net.fit(X, Y, epochs=5, callbacks=fail)
    assert same_bits(net.parameters, weights[-1])
    assert net.partial_fit(X, Y)["loss"][0] < 2
    assert net.fit(X, Y, epochs=1).n_epochs == 1


# -- early stopping -------------------------------------------------------------------------------


class Plain:
    """As much of a network as early stopping needs."""

    architecture = None

    def __init__(self):
        self.parameters = np.zeros(1)


def epochs_until_stop(stopping, values, monitor="val_loss"):
    """Feed measurements; return the epoch of the stop and the weights, which count epochs."""
    network = Plain()
    stopping.on_fit_start(network)
    stopped = None
    for epoch, value in enumerate(values, 1):
        network.parameters[0] = epoch
        if stopping.on_epoch_end(network, epoch, {monitor: value}):
            stopped = epoch
            break
    stopping.on_fit_end(network)
    return stopped, network.parameters[0]


@pytest.mark.parametrize(
    ("options", "values", "stopped", "best"),
    [
        ({"patience": 2}, [3, 2, 2.5, 2.5, 1], 4, 2),
        ({"patience": 3}, [3, 2, 2.5, 2.5, 1], None, 5),
        ({"patience": 1}, [3, 3], 2, 1),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.6, 2.55, 0], 3, 1),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.4, 2, 2], 4, 2),
        ({"patience": 2, "mode": "max"}, [1, 3, 2, 2], 4, 2),
        ({"patience": 2, "monitor": "val_accuracy"}, [0.1, 0.3, 0.2, 0.2], 4, 2),
        ({"patience": 2, "monitor": "val_r2"}, [-1, -0.5, -0.7, -0.6], 4, 2),
        ({"patience": 1, "monitor": "accuracy", "mode": "min"}, [0.1, 0.3], 2, 1),
        ({"patience": 2}, [3, math.nan, 2, math.nan, math.nan], 5, 3),
        ({"patience": 2}, [math.nan, math.nan], 2, 2),
    ],
)
def test_early_stopping_waits_its_patience_and_goes_back_to_the_best(
    options, values, stopped, best
):
    stopping = fastnn.EarlyStopping(**options)
    assert epochs_until_stop(stopping, values, stopping.monitor) == (stopped, best)


def test_early_stopping_may_keep_the_last_weights():
    stopping = fastnn.EarlyStopping(patience=2, restore_best=False)
    assert epochs_until_stop(stopping, [3, 2, 2.5, 2.5]) == (4, 4)
    assert (stopping.best, stopping.best_epoch) == (2, 2)


def test_early_stopping_forgets_an_earlier_fit():
    stopping = fastnn.EarlyStopping(patience=1)
    assert epochs_until_stop(stopping, [1, 2]) == (2, 1)
    assert epochs_until_stop(stopping, [9, 8, 9]) == (3, 2)


def test_early_stopping_ends_a_fit_with_the_best_weights():
    net = small_network()
    stopping = fastnn.EarlyStopping(patience=3)
    history = net.fit(
        X, Y, epochs=500, optimizer=SGD(8.0), validation_data=(X, np.roll(Y, 7)),
        callbacks=[stopping],
    )  # fmt: skip
    assert history.stopped == "callback"
    assert history.n_epochs == stopping.best_epoch + 3
    assert stopping.best == min(history["val_loss"])
    assert net.evaluate(X, np.roll(Y, 7))["loss"] == stopping.best


NOT_MEASURED = r"EarlyStopping monitors '{}', but this fit records only 'loss', 'accuracy'"


def test_watching_what_is_not_measured_is_an_error_before_the_first_epoch():
    log, net = Log(), small_network()
    before = net.parameters.copy(), net.rng.bit_generator.state
    words = NOT_MEASURED.format("val_loss") + "; pass validation data"
    with pytest.raises(ValueError, match=words):
        net.fit(X, Y, callbacks=[fastnn.EarlyStopping(), log])
    assert not log.calls
    assert same_bits(net.parameters, before[0])
    assert net.rng.bit_generator.state == before[1]


def test_a_name_in_no_record_is_not_said_to_need_validation_data():
    with pytest.raises(ValueError, match=NOT_MEASURED.format("r2") + ", 'val_loss', 'val_acc"):
        small_network().fit(X, Y, validation_data=(X, Y), callbacks=fastnn.EarlyStopping("r2"))
    with pytest.raises(ValueError, match=r"'val_r2', .*'val_accuracy'$"):
        small_network().fit(X, Y, validation_data=(X, Y), callbacks=fastnn.EarlyStopping("val_r2"))


class Adding(fastnn.Callback):
    def on_epoch_end(self, network, epoch, record):
        record["norm"] = float(np.abs(network.parameters).sum())


@pytest.mark.parametrize("add", [Adding(), Adding().on_epoch_end])
def test_what_an_earlier_callback_adds_to_the_records_may_be_watched(add):
    stopping = fastnn.EarlyStopping("norm", patience=9)
    small_network().fit(X, Y, epochs=3, callbacks=[add, stopping])
    assert stopping.best > 0
    seen = []
    with pytest.raises(ValueError, match=NOT_MEASURED.format("nrom")):
        small_network().fit(X, Y, callbacks=[add, lambda *_: seen.append(1),
                                             fastnn.EarlyStopping("nrom")])  # fmt: skip
    assert seen == [1], "after the first epoch it is known"


@given(st.data())
def test_each_metric_that_a_fit_records_can_be_watched_and_no_other(data):
    output = data.draw(st.sampled_from(["softmax", "sigmoid", "identity", "exp"]))
    net = small_network((4, 3), output=output)
    y = Y if output == "softmax" else np.eye(3)[Y]
    options = {"l2": data.draw(st.sampled_from([0.0, 1e-3]))}
    if data.draw(st.booleans()):
        options["validation_data"] = (X, y)
    known = set(small_network((4, 3), output=output).fit(X, y, epochs=1, **options))
    every = {f"{prefix}{name}" for prefix in ("", "val_")
             for name in ("loss", "accuracy", "penalty", "r2", "rmse", "mae", "time")}  # fmt: skip
    name = data.draw(st.sampled_from(sorted(every)))
    log = Log()
    callbacks = [fastnn.EarlyStopping(name), log]
    if name in known:
        assert net.fit(X, y, epochs=1, callbacks=callbacks, **options).n_epochs == 1
        return
    with pytest.raises(ValueError, match=f"monitors '{name}'"):
        net.fit(X, y, epochs=1, callbacks=callbacks, **options)
    assert not log.calls


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"patience": 0}, ValueError, "patience must be at least 1, got 0"),
        ({"min_delta": -1}, ValueError, "min_delta must be in"),
        ({"mode": "up"}, ValueError, "mode must be one of 'auto', 'min', 'max', got 'up'"),
    ],
)
def test_early_stopping_checks_its_options(options, error, words):
    with pytest.raises(error, match=words):
        fastnn.EarlyStopping(**options)


def test_an_error_in_a_callback_still_restores_the_best_weights():
    net = fastnn.Network((4, 3, 2), seed=0, backend="numpy")
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    best = []

    def spoil(network, epoch, record):
        best.append(network.parameters.copy())
        if epoch == 2:
            network.parameters[...] = np.nan
            raise OSError("no more")

    stopping = fastnn.EarlyStopping("accuracy", min_delta=2.0)  # nothing beats the first epoch
    with pytest.raises(OSError, match="no more"):
        net.fit(x, y, epochs=5, callbacks=[stopping, spoil], progress=False)
    np.testing.assert_array_equal(net.parameters, best[0])


def test_a_callable_that_answers_to_every_name_is_a_function():
    from unittest.mock import Mock

    called = Mock(return_value=None)
    history = small_network().fit(*blobs(), epochs=3, callbacks=called, progress=False)
    assert (history.n_epochs, called.call_count) == (3, 3)


class Told(fastnn.Callback):
    """Counts what it is told, and raises at one of the calls."""

    def __init__(self, raises=None):
        self.raises, self.calls = raises, []

    def told(self, what):
        self.calls.append(what)
        if what == self.raises:
            raise ZeroDivisionError(what)

    def on_fit_start(self, network):
        self.told("start")

    def on_epoch_end(self, network, epoch, record):
        self.told("epoch")

    def on_fit_end(self, network):
        self.told("end")


def fit_of_network(callbacks):
    small_network().fit(X, Y, epochs=2, callbacks=callbacks)


def fit_of_estimator(callbacks):
    MLPClassifier((3,), max_iter=2, callbacks=callbacks).fit(X, Y)


@pytest.mark.parametrize("fit", [fit_of_network, fit_of_estimator])
@pytest.mark.parametrize("where", ["start", "epoch", "end"])
@pytest.mark.parametrize("which", range(3))
def test_who_was_told_of_the_start_is_told_of_the_end_whoever_raises(fit, where, which):
    callbacks = [Told(where if i == which else None) for i in range(3)]
    with pytest.raises(ZeroDivisionError):
        fit(callbacks)
    for i, callback in enumerate(callbacks):
        begun = where != "start" or i < which
        assert callback.calls.count("end") == begun
