"""The fit loop: what it records, when it stops, and what an interrupt leaves behind."""

import json
import math
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from support.examples import blobs, same_bits, small_network

import fastnn
from fastnn import SGD
from fastnn.architecture import Architecture
from fastnn.backends.reference import Reference
from fastnn.rows import calls
from fastnn.system import progress

X, Y = blobs()

# -- history --------------------------------------------------------------------------------------


def test_history_has_a_number_an_epoch_for_each_measurement():
    history = small_network().fit(X, Y, epochs=3, l2=0.1, validation_data=(X, Y))
    names = ["loss", "accuracy", "penalty", "val_loss", "val_accuracy", "time"]
    assert list(history) == names
    assert [len(history[name]) for name in names] == [3] * 6
    assert history.n_epochs == 3
    assert history.stopped is None
    assert all(isinstance(value, float) for values in history.values() for value in values)


def test_history_of_numbers_has_their_measures_only_in_validation():
    net = small_network((4, 1), output="identity")
    history = net.fit(X, X[:, 0], epochs=1, validation_data=(X, X[:, 0]))
    assert list(history) == ["loss", "val_loss", "val_r2", "val_rmse", "val_mae", "time"]


def test_an_epochs_loss_and_accuracy_are_measured_before_each_update(backend):
    net = small_network(backend=backend.name)
    before = net.evaluate(X, Y)
    history = net.fit(X, Y, epochs=1, batch_size=120)
    assert history["loss"][0] == pytest.approx(before["loss"], rel=1e-13)
    assert history["accuracy"][0] == before["accuracy"]


def test_the_loss_of_an_epoch_leaves_the_penalty_out(backend):
    net = small_network(backend=backend.name)
    before = net.evaluate(X, Y)["loss"]
    squares = sum(float((w**2).sum()) for w in net.weights)
    sizes = sum(float(np.abs(w).sum()) for w in net.weights)
    history = net.fit(X, Y, epochs=1, batch_size=120, l1=0.5, l2=0.25)
    assert history["loss"][0] == pytest.approx(before, rel=1e-13)
    assert history["penalty"][0] == pytest.approx(0.5 * sizes + 0.125 * squares, rel=1e-12)


def test_an_epoch_of_unequal_minibatches_weights_them_by_their_rows(backend):
    net = small_network(backend=backend.name)
    at_rest = net.evaluate(X, Y)["loss"]
    history = net.fit(X, Y, epochs=1, batch_size=70, optimizer=SGD(1e-300), shuffle=False)
    assert history["loss"][0] == pytest.approx(at_rest, rel=1e-13)


def test_validation_is_measured_after_each_epoch():
    net, w = small_network(), np.arange(120.0)
    seen = []
    history = net.fit(
        X[::2], Y[::2], epochs=2, validation_data=[X, Y, w],
        callbacks=lambda network, epoch, record: seen.append(network.evaluate(X, Y, w)),
    )  # fmt: skip
    assert history["val_loss"] == [measured["loss"] for measured in seen]
    assert history["val_accuracy"] == [measured["accuracy"] for measured in seen]


def test_validation_does_not_change_what_is_learned():
    a, b = small_network(), small_network()
    a.fit(X, Y, epochs=2)
    b.fit(X, Y, epochs=2, validation_data=(X, Y))
    assert same_bits(a.parameters, b.parameters)


def test_time_is_seconds_since_the_start(monkeypatch):
    now = [1000.0]

    def work(*_):
        now[0] += 2.5

    monkeypatch.setattr("fastnn.training.loop.time", SimpleNamespace(perf_counter=lambda: now[0]))
    history = small_network().fit(X, Y, epochs=3, callbacks=work)
    assert history["time"] == [0.0, 2.5, 5.0]


def test_no_epochs_change_nothing_and_are_an_empty_history():
    net = small_network()
    before = net.parameters.copy()
    history = net.fit(X, Y, epochs=0)
    assert (history.n_epochs, len(history), repr(history)) == (0, 0, "History(n_epochs=0)")
    assert same_bits(net.parameters, before)


def test_history_shows_its_last_epoch():
    history = fastnn.History()
    history.append({"loss": 0.5, "time": 1.0})
    history.append({"loss": 0.25, "time": 2.0})
    history.stopped = "callback"
    assert repr(history) == "History(n_epochs=2, loss=0.25, time=2, stopped='callback')"


# -- interrupts and divergence --------------------------------------------------------------------


class End(fastnn.Callback):
    seen = False

    def on_fit_end(self, network):
        self.seen = True


def interrupt_after(epoch):
    def interrupt(network, now, record):
        if now == epoch:
            raise KeyboardInterrupt

    return interrupt


def test_an_interrupt_ends_the_fit_says_so_and_leaves_a_usable_network(backend):
    net, end = small_network(backend=backend.name), End()
    with pytest.warns(RuntimeWarning, match="interrupted in epoch 3 of 9; the network is") as said:
        history = net.fit(X, Y, epochs=9, callbacks=[end, interrupt_after(2)])
    assert said[0].filename == __file__
    assert (history.stopped, history.n_epochs, end.seen) == ("interrupted", 2, True)
    twin = small_network(backend=backend.name)
    twin.fit(X, Y, epochs=2)
    assert same_bits(net.parameters, twin.parameters)
    net.partial_fit(X, Y)
    twin.partial_fit(X, Y)
    assert same_bits(net.parameters, twin.parameters)


def test_an_interrupt_of_the_last_epoch_names_that_epoch():
    with pytest.warns(RuntimeWarning, match="in epoch 2 of 2;"):
        small_network().fit(X, Y, epochs=2, callbacks=interrupt_after(2))


def test_an_interrupted_fit_goes_back_to_the_best_weights():
    net, stopping = small_network(), fastnn.EarlyStopping("loss", mode="max", patience=9)
    weights = []

    def keep(network, epoch, record):
        weights.append(network.parameters.copy())

    with pytest.warns(RuntimeWarning, match="interrupted"):
        net.fit(X, Y, epochs=9, callbacks=[keep, stopping, interrupt_after(3)])
    assert stopping.best_epoch == 1
    assert same_bits(net.parameters, weights[0])


LONG_FIT = """
import json, sys, warnings
import numpy as np, fastnn

rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (60_000, 784), np.uint8), rng.integers(0, 10, 60_000)
net = fastnn.Network((784, 100, 10), backend=sys.argv[1], seed=0)
net.fit(x[:200], y[:200], epochs=1)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    history = net.fit(x, y, epochs=10**6, progress=False,
                      callbacks=lambda *_: print("an epoch", flush=True))
print(json.dumps({
    "stopped": history.stopped,
    "said": [str(w.message) for w in said],
    "step": net.optimizer_state.step,
    "finite": bool(np.isfinite(net.parameters).all()),
    "goes on": net.partial_fit(x[:500], y[:500]).n_epochs,
    "measures": net.evaluate(x[:500], y[:500])["loss"],
}))
"""


def test_ctrl_c_in_the_middle_of_a_fit_leaves_a_usable_network(backend):
    process = subprocess.Popen(
        [sys.executable, "-c", LONG_FIT, backend.name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "an epoch\n", process.communicate()[1]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    seen = json.loads(out.splitlines()[-1])
    assert seen["stopped"] == "interrupted"
    assert len(seen["said"]) == 1
    assert "interrupted in epoch" in seen["said"][0]
    assert "the network is usable" in seen["said"][0]
    assert seen["finite"]
    assert seen["goes on"] == 1
    assert 0 < seen["measures"] < 10


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_a_fit_that_diverges_stops_and_says_what_to_try(backend):
    net = small_network((4, 1), output="identity", backend=backend.name)
    with pytest.warns(RuntimeWarning, match="loss became .*smaller learning rate") as said:
        history = net.fit(X, X[:, 0], epochs=500, batch_size=10, optimizer=SGD(1e6))
    assert history.stopped == "diverged"
    assert history.n_epochs < 100
    assert not math.isfinite(history["loss"][-1])
    assert np.isfinite(history["loss"][:-1]).all()
    assert [w.filename for w in said if "learning rate" in str(w.message)] == [__file__]


# -- the bar --------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """The bars' clock: seconds pass when it is called with them, and not otherwise."""
    now = [time.time() - 1000]  # behind that of tqdm, which counts from its beginning on
    monkeypatch.setattr(progress, "time", SimpleNamespace(time=lambda: now[0]))

    def pass_by(seconds):
        now[0] += seconds

    return pass_by


def fit_with_bar(capsys, clock, seconds, **options):
    small_network().fit(X, Y, epochs=2, callbacks=lambda *_: clock(seconds), **options)
    return capsys.readouterr()


def test_a_fit_of_under_a_second_shows_no_bar(capsys, clock):
    assert fit_with_bar(capsys, clock, 0.9) == ("", "")


def test_a_fit_of_over_a_second_shows_a_bar_on_standard_error(capsys, clock):
    out, err = fit_with_bar(capsys, clock, 1.1)
    assert out == ""
    assert "240/240" in err
    assert "loss=" in err


def test_without_progress_no_fit_shows_a_bar(capsys, clock):
    assert fit_with_bar(capsys, clock, 1.1, progress=False) == ("", "")


@pytest.mark.parametrize(("seconds", "settings"), [(0.4, {}), (1.1, {"progress": False})])
def test_a_fit_that_shows_nothing_does_not_wait_for_tqdm(
    monkeypatch, capsys, clock, seconds, settings
):
    """Whose lock is one of all processes forked from one another, and may never come free."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert fit_with_bar(capsys, clock, seconds, **settings) == ("", "")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_bar_fits_the_screen_whatever_was_measured(monkeypatch, capsys, clock, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    y = X[:, :2]
    net = small_network((4, 2), output="identity", loss="absolute_error")
    net.fit(X, 1e5 * y, epochs=3, validation_data=(X, y), l1=1e-4, callbacks=lambda *_: clock(4000))
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert max(map(len, lines)) < columns
    assert ("loss=" in lines[-1]) == (columns >= 80)
    assert ("val_mae=" in lines[-1]) == (columns == 200)


def test_a_bar_counts_the_rate_of_what_is_done_now(monkeypatch, capsys):
    monkeypatch.setattr(progress, "DELAY", 0.0)
    with progress.progress_bar(1000, True, 700) as bar:
        bar.update(100)
        shown = bar._bar
        assert (shown.initial, shown.n, shown.total) == (700, 800, 1000)
        bar.update(200)
    assert "1.00k/1.00k" in capsys.readouterr().err


def test_predict_and_evaluate_of_over_a_second_show_a_bar(capsys, monkeypatch, clock):
    monkeypatch.setattr(calls, "WORK_PER_CALL", 1.0)
    monkeypatch.setattr("fastnn.model.prediction.PREDICT_ROWS", 30)
    monkeypatch.setattr("fastnn.model.evaluation.ROWS_AT_A_TIME", 30)
    net = small_network()
    expected, measured = net.predict(X), net.evaluate(X, Y)
    assert capsys.readouterr() == ("", "")

    class Slow(Reference):
        def predict(self, *arguments):
            clock(0.4)
            super().predict(*arguments)

    monkeypatch.setattr("fastnn.network.get_backend", lambda name: Slow())
    np.testing.assert_array_equal(net.predict(X), expected)
    assert "120/120" in capsys.readouterr().err
    assert net.evaluate(X, Y) == measured
    assert "120/120" in capsys.readouterr().err
    np.testing.assert_array_equal(net.predict(X, progress=False), expected)
    net.fit(X, Y, epochs=1, validation_data=(X, Y), progress=False)
    assert capsys.readouterr() == ("", "")


# -- calls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [1, 99, 100, 101, 12345])
@pytest.mark.parametrize("work", [1.0, 1e6, 1e7, 1e30])
def test_calls_cover_an_epoch_in_whole_minibatches(monkeypatch, n_rows, work):
    monkeypatch.setattr(calls, "WORK_PER_CALL", work)
    parts = calls.calls(Architecture((20, 10)), n_rows, 100)
    rows = np.concatenate([np.arange(n_rows)[part] for part in parts])
    np.testing.assert_array_equal(rows, np.arange(n_rows))
    assert all(part.start % 100 == 0 for part in parts)
    assert len(parts) <= -(-n_rows // 100)


def test_cutting_an_epoch_into_calls_changes_no_bit_of_the_weights(backend, monkeypatch):
    def trained():
        net = small_network(backend=backend.name)
        history = net.fit(X, Y, epochs=2, batch_size=7, dropout=0.3, sample_weight=np.arange(120.0))
        return net.parameters, history

    whole, seen_whole = trained()
    monkeypatch.setattr(calls, "WORK_PER_CALL", 1.0)
    assert len(calls.calls(small_network().architecture, 120, 7)) == 18
    cut, seen_cut = trained()
    assert same_bits(whole, cut)
    for name in ("loss", "accuracy"):
        assert seen_cut[name] == pytest.approx(seen_whole[name], rel=1e-13)
