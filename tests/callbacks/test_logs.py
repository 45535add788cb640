"""Logs of a fit in CSV, JSON lines and TensorBoard's files."""

import csv
import json
import os
import random

import numpy as np
import pytest
from support.examples import blobs, small_network

import fastnn
from fastnn import Checkpoint, MetricsLog
from fastnn.training import checkpoints

X, Y = blobs()


def fit(log, epochs=3, checkpoint=None, **settings):
    return small_network().fit(
        X, Y, epochs=epochs, callbacks=log, checkpoint=checkpoint, **settings
    )


def read(path):
    text = path.read_text()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    rows = csv.DictReader(text.splitlines())
    return [{name: float(value) for name, value in row.items()} for row in rows]


def expected(history):
    return [
        {"epoch": i + 1, **{name: values[i] for name, values in history.items()}}
        for i in range(history.n_epochs)
    ]


@pytest.fixture(params=["csv", "jsonl"])
def path(request, tmp_path):
    return tmp_path / f"log.{request.param}"


def test_there_is_a_line_an_epoch_with_every_digit(path):
    history = fit(MetricsLog(path), validation_data=(X, Y), l2=1e-3)
    assert read(path) == expected(history)


def test_a_line_can_be_read_as_soon_as_its_epoch_is_over(path):
    seen = []
    fit([MetricsLog(path), lambda *_: seen.append(len(read(path)))])
    assert seen == [1, 2, 3]


def test_a_second_fit_begins_the_file_anew(path):
    log = MetricsLog(path)
    fit(log, epochs=5)
    history = fit(log, epochs=2)
    assert read(path) == expected(history)


def test_a_resumed_fit_goes_on_behind_its_checkpoint(path, tmp_path):
    class CrashError(Exception):
        pass

    def crash(network, epoch, record):
        if epoch == 4 and not crashed:
            crashed.append(epoch)
            raise CrashError

    crashed, file = [], tmp_path / "run.checkpoint"
    with pytest.raises(CrashError):
        fit([MetricsLog(path), crash], 6, Checkpoint(file, every=2))
    with path.open("a") as log:
        log.write("5,0.1")  # half a line, as a kill may leave
    history = fit([MetricsLog(path), crash], 6, Checkpoint(file, every=2, resume=True))
    assert read(path) == expected(history)
    assert history.n_epochs == 6


def test_a_log_that_was_removed_goes_on_without_its_beginning(path, tmp_path):
    file = tmp_path / "run.checkpoint"
    fit(MetricsLog(path), 2, Checkpoint(file))
    path.unlink()
    history = fit(MetricsLog(path), 4, Checkpoint(file, resume=True))
    assert read(path) == expected(history)[2:]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_line_is_on_the_disk_before_a_checkpoint_counts_it(path, tmp_path, monkeypatch, every):
    synced, kept, real_sync, real_write = [0], [], os.fsync, checkpoints.write

    def fsync(descriptor):
        real_sync(descriptor)
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            synced.append(path.stat().st_size)

    def write(file, description, snapshot):
        (state,) = snapshot.callbacks
        kept.append(state["n_bytes"])
        assert synced[-1] == state["n_bytes"] == path.stat().st_size
        real_write(file, description, snapshot)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr(checkpoints, "write", write)
    fit(MetricsLog(path), 5, Checkpoint(tmp_path / "run.checkpoint", every=every))
    assert len(kept) == 5 // every + (5 % every > 0)
    assert synced[-1] == path.stat().st_size
    assert len(synced) == 1 + len(kept) + 1  # and once at the end: a line alone waits for no disk


@pytest.mark.parametrize("seed", range(8))
def test_a_log_that_was_cut_anywhere_goes_on_in_a_line_of_its_own(path, tmp_path, seed):
    file = tmp_path / "run.checkpoint"
    fit(MetricsLog(path), 4, Checkpoint(file))
    whole = path.read_bytes()
    n = random.Random(seed).randrange(len(whole))
    path.write_bytes(whole[:n])
    history = fit(MetricsLog(path), 6, Checkpoint(file, resume=True))
    found, header = read(path), path.suffix == ".csv"
    n_left = max(0, whole[:n].count(b"\n") - header)
    assert found == expected(history)[:n_left] + expected(history)[4:]


def test_json_has_no_nan(tmp_path):
    path = tmp_path / "log.jsonl"
    log = MetricsLog(path)
    log.on_epoch_end(small_network(), 1, {"val_loss": float("nan"), "loss": 1.0})
    log.on_fit_end(small_network())
    assert read(path) == [{"epoch": 1, "val_loss": None, "loss": 1.0}]


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in .csv or .jsonl, got '.*log.txt'"):
        MetricsLog(tmp_path / "log.txt")
    with pytest.raises(TypeError, match="path must be the path of a file, got 3"):
        MetricsLog(3)


def test_a_folder_that_is_not_there_is_told_before_the_first_epoch(tmp_path):
    seen = []
    with pytest.raises(FileNotFoundError, match="does not exist"):
        fit([MetricsLog(tmp_path / "nowhere" / "log.csv"), lambda *_: seen.append(1)])
    assert not seen


def test_what_a_callback_adds_to_a_record_is_a_number_in_its_own_column(path):
    def add(network, epoch, record):
        record["norm"] = np.float64(epoch)
        if epoch == 2:
            record["late"] = 1.0

    fit([add, MetricsLog(path)])
    assert [row["norm"] for row in read(path)] == [1.0, 2.0, 3.0]
    assert "late" not in read(path)[0]


# -- TensorBoard ----------------------------------------------------------------------------------


def scalars(folder):
    """What the event files hold: ``{tag: {epoch: value}}``, later files over earlier ones."""
    from tensorboardX.proto.event_pb2 import Event

    found, restarts = {}, []
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):  # length, its checksum, the event, its checksum
            length = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            if event.session_log.status == 1:  # a restart: what came from this step on is void
                restarts.append(event.step)
                for values in found.values():
                    for step in [step for step in values if step >= event.step]:
                        del values[step]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found, restarts


def test_tensorboard_finds_every_epoch(tmp_path):
    pytest.importorskip("tensorboardX")
    history = fit(fastnn.TensorBoard(tmp_path / "run"), validation_data=(X, Y))
    found, _ = scalars(tmp_path / "run")
    assert set(found) == {
        "loss/train", "accuracy/train", "loss/validation", "accuracy/validation", "time/train",
    }  # fmt: skip
    assert found["loss/train"] == pytest.approx(dict(enumerate(history["loss"], 1)))
    assert found["accuracy/validation"] == pytest.approx(
        dict(enumerate(history["val_accuracy"], 1))
    )


def test_tensorboard_is_told_what_a_resumed_fit_does_again(tmp_path):
    pytest.importorskip("tensorboardX")
    file, folder = tmp_path / "run.checkpoint", tmp_path / "run"
    fit(fastnn.TensorBoard(folder), 3, Checkpoint(file, every=3))
    history = fit(fastnn.TensorBoard(folder), 5, Checkpoint(file, resume=True))
    found, restarts = scalars(folder)
    assert restarts[-1] == 4  # what a killed run wrote of the fourth epoch and later is void
    assert found["loss/train"] == pytest.approx(dict(enumerate(history["loss"], 1)))


def test_without_its_package_tensorboard_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"fastnn\[tensorboard\]"):
        fastnn.TensorBoard("runs")
