"""``fastnn train`` for runs that take long: checkpoints, early stopping, logs, and Ctrl-C."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import NAMES, CommandLine, table, write_csv

import fastnn

X, Y = table()


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with a table of classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    write_csv(tmp_path / "pets.csv", X, NAMES[Y])
    return CommandLine(tmp_path, capsys)


def model(path="pets.safetensors"):
    return Path(path).read_bytes()


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_resumed_training_ends_with_the_file_of_one_never_stopped(cli, monkeypatch):
    words = (
        "train",
        "--model",
        "network",
        "pets.csv",
        "--epochs",
        "6",
        "--early-stopping",
        "--log",
        "log.csv",
    )
    cli.ok(*words)
    whole, log = model(), rows("log.csv")
    Path("pets.safetensors").unlink()

    def crash(self, network, epoch, record):
        if epoch == 4:
            raise OSError("the lights went out")

    with monkeypatch.context() as patch:
        patch.setattr(fastnn.EarlyStopping, "on_epoch_end", crash)
        assert cli(*words, "--checkpoint", "run.checkpoint", "--checkpoint-every", "2") == 2
    assert cli.err.endswith("error: the lights went out\n")
    assert not Path("pets.safetensors").exists()

    cli.ok(*words, "--checkpoint", "run.checkpoint", "--checkpoint-every", "2", "--resume")
    assert cli.err.startswith("resuming from run.checkpoint\n")
    assert [line.split()[1] for line in cli.out.splitlines()[1:5]] == ["3/6", "4/6", "5/6", "6/6"]
    assert model() == whole
    for line, expected in zip(rows("log.csv"), log, strict=True):
        assert line | {"time": ""} == expected | {"time": ""}


def test_resume_without_a_checkpoint_yet_starts_at_the_beginning(cli):
    cli.ok(
        "train",
        "--model",
        "network",
        "pets.csv",
        "--epochs",
        "2",
        "--checkpoint",
        "run.checkpoint",
        "--resume",
    )
    assert cli.err.startswith("no checkpoint yet, saving to run.checkpoint\n")
    assert Path("run.checkpoint").exists()


def test_early_stopping_takes_the_best_weights(cli):
    _, *epochs, result = cli.json(
        "train",
        "--model",
        "network",
        "pets.csv",
        "--epochs",
        "200",
        "--learning-rate",
        "0.5",
        "--early-stopping",
        "3",
    )
    losses = [record["val_loss"] for record in epochs]
    assert len(losses) == losses.index(min(losses)) + 4 < 200
    assert result["test"]["accuracy"] > 0.9


def test_early_stopping_is_off_without_its_option(cli):
    records = cli.json(
        "train", "--model", "network", "pets.csv", "--epochs", "40", "--learning-rate", "0.5"
    )
    assert [r["event"] for r in records].count("epoch") == 40


def test_a_log_in_json_lines_has_what_json_prints(cli):
    _, *epochs, _ = cli.json(
        "train", "--model", "network", "pets.csv", "--epochs", "3", "--log", "log.jsonl"
    )
    logged = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [{"event": "epoch", **record} for record in logged] == epochs


# -- refusals -------------------------------------------------------------------------------------

REFUSED = {
    "resume alone": (("--resume",), "--resume needs --checkpoint FILE"),
    "every alone": (("--checkpoint-every", "2"), "--checkpoint-every needs --checkpoint FILE"),
    "no patience": (("--early-stopping", "0"), "--early-stopping: must be a whole number"),
    "a log of text": (("--log", "a.txt"), "--log: path must end in .csv or .jsonl, got 'a.txt'"),
    "a log nowhere": (("--log", "no/a.csv"), "--log: the folder no does not exist"),
    "a folder": (("--checkpoint", "."), "--checkpoint: . is a folder; give a file in it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_that_cannot_be_met_are_refused(cli, name):
    words, message = REFUSED[name]
    assert cli("train", "--model", "network", "pets.csv", *words) == 2
    assert message in cli.err


def test_no_two_of_its_files_may_be_one(cli):
    words = ("--log", "a.csv", "--checkpoint", "sub/../a.csv")
    Path("sub").mkdir()
    assert cli("train", "--model", "network", "pets.csv", *words) == 2
    assert "--log and --checkpoint are the same file, a.csv" in cli.err
    assert not Path("a.csv").exists()


@pytest.mark.parametrize("option", ["--output", "--log", "--report", "--checkpoint"])
def test_the_data_are_not_written_over(cli, option):
    pytest.importorskip("jinja2")
    before = model("pets.csv")
    Path("link.csv").symlink_to("pets.csv")
    assert cli("train", "--model", "network", "pets.csv", option, "link.csv") == 2
    assert "the data" in cli.err
    assert model("pets.csv") == before


def test_a_file_of_another_name_is_the_same_file(cli):
    before = model("pets.csv")
    Path("hard.csv").hardlink_to("pets.csv")
    assert cli("train", "--model", "network", "pets.csv", "--log", "hard.csv") == 2
    assert "are the same file" in cli.err
    assert model("pets.csv") == before


def test_what_is_no_file_may_be_named_twice(cli, monkeypatch):
    monkeypatch.setattr("fastnn.cli.data.digits", fewer_digits)
    cli.ok("train", "--model", "network", "digits", "--epochs", "1", "--output", "digits")
    if sys.platform != "win32":
        cli.ok(
            "train",
            "--model",
            "network",
            "pets.csv",
            "--epochs",
            "1",
            "--output",
            "/dev/null",
            "--report",
            "/dev/null",
        )


def fewer_digits(**options):
    return fastnn.datasets.digits(500, test=100, validation=50)


@pytest.mark.skipif(sys.platform == "win32", reason="makes a link")
def test_a_link_to_itself_is_an_error_in_words(cli):
    Path("loop.csv").symlink_to("loop.csv")
    assert cli("train", "--model", "network", "loop.csv") == 2
    assert len(cli.err.splitlines()) == 1


def test_of_many_short_epochs_a_few_are_shown(cli, monkeypatch):
    monkeypatch.setattr("fastnn.cli.epochs.PAUSE", 1e9)
    lines = cli.ok("train", "--model", "network", "pets.csv", "--epochs", "40").splitlines()
    assert [line.split()[1] for line in lines if line.startswith("epoch")] == ["1/40", "40/40"]
    lines = cli.ok("train", "--model", "network", "pets.csv", "--epochs", "30").splitlines()
    assert sum(line.startswith("epoch") for line in lines) == 30


@pytest.mark.parametrize(("epochs", "patience"), [(40, 5), (400, 20)])
def test_early_stopping_waits_longer_in_longer_runs(cli, monkeypatch, epochs, patience):
    seen = []

    def stopping(**options):
        seen.append(options)
        return fastnn.EarlyStopping(**options)

    monkeypatch.setattr("fastnn.cli.long_runs.EarlyStopping", stopping)
    cli.ok("train", "--model", "network", "pets.csv", "--epochs", epochs, "--early-stopping")
    assert seen == [{"patience": patience}]


def test_the_last_epoch_of_a_fit_that_stops_early_is_shown(cli):
    lines = cli.ok("train", "--model", "network", "pets.csv", "--epochs", "400",
                   "--early-stopping", "3",
                   "--learning-rate", "0.5").splitlines()  # fmt: skip
    epochs = [int(line.split()[1].split("/")[0]) for line in lines if line.startswith("epoch")]
    assert epochs[0] == 1
    logged = cli.json("train", "--model", "network", "pets.csv", "--epochs", "400",
                   "--early-stopping", "3",
                      "--learning-rate", "0.5")  # fmt: skip
    assert epochs[-1] == [r["event"] for r in logged].count("epoch") > 3


def test_long_runs_of_short_epochs_wait_for_the_disk_a_hundred_times(cli, monkeypatch):
    from fastnn.training import checkpoints

    written, real = [], checkpoints.write
    monkeypatch.setattr(checkpoints, "write", lambda *a: (written.append(1), real(*a)))
    cli.ok(
        "train",
        "--model",
        "network",
        "pets.csv",
        "--epochs",
        "250",
        "--checkpoint",
        "run.checkpoint",
    )
    assert len(written) == 125


def test_files_whose_names_look_like_parameters_keep_them(cli):
    assert cli("train", "--model", "network", "label=3/nothing.csv") == 2
    assert "'label=3/nothing.csv'" in cli.err
    assert cli("train", "--model", "network", "pets.csv", "--label", "99") == 2
    assert "--target 99 is out of range" in cli.err


def test_predictions_are_not_written_over_the_model_or_the_rows(cli):
    cli.ok("train", "--model", "network", "pets.csv", "--epochs", "1")
    write_csv(Path("rows.csv"), X)
    for taken in ("pets.safetensors", "rows.csv"):
        before = model(taken)
        assert cli("predict", "pets.safetensors", "rows.csv", "--output", taken) == 2
        assert f"are the same file, {taken}" in cli.err
        assert model(taken) == before


def test_a_checkpoint_that_is_there_is_not_lost(cli):
    words = (
        "train",
        "--model",
        "network",
        "pets.csv",
        "--epochs",
        "2",
        "--checkpoint",
        "run.checkpoint",
    )
    cli.ok(*words)
    before = model("run.checkpoint")
    assert cli(*words) == 2
    assert "add --resume to resume from it, or remove it first" in cli.err
    assert model("run.checkpoint") == before


def test_another_training_is_refused_by_what_differs(cli):
    words = (
        "train",
        "--model",
        "network",
        "pets.csv",
        "--epochs",
        "2",
        "--checkpoint",
        "run.checkpoint",
    )
    cli.ok(*words)
    assert cli(*words, "--resume", "--batch-size", "50") == 2
    assert "batch_size was 10 when it was written and is 50 now" in cli.err
    assert cli.err.endswith("(--batch-size)\n")
    for words_now, option in (
        (("--seed", "7"), "--seed"),
        (("--epochs", "9"), "--epochs, over which the learning rate decays"),
        (("--early-stopping",), "--early-stopping or --log"),
        (("--optimizer", "sgd"), "--optimizer"),
        (("--layers", "7"), "--layers"),
    ):
        assert cli(*words, "--resume", *words_now) == 2
        assert cli.err.endswith(f"({option})\n")


def test_early_stopping_needs_validation_rows(cli):
    write_csv(Path("few.csv"), X[:4], Y[:4] % 2)
    assert cli("train", "--model", "network", "few.csv", "--early-stopping") == 2
    assert "--early-stopping needs validation rows, but few.csv has none" in cli.err


# -- real signals ---------------------------------------------------------------------------------


SLOWLY = """
import sys, time
from fastnn.cli import main
from fastnn.cli.epochs import EpochLines

said = EpochLines.on_epoch_end
EpochLines.on_epoch_end = lambda *arguments: time.sleep(0.1) or said(*arguments)
sys.exit(main(sys.argv[1:]))
"""


def started(folder, *words):
    """A training in a process of its own, once its third epoch is over; each takes a while."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, "train", "--model", "network", "pets.csv", "--json", *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if json.loads(line).get("epoch") == 3:
            return process
    raise AssertionError(process.stderr.read())


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
def test_ctrl_c_saves_the_network_and_the_checkpoint_goes_on(cli, tmp_path):
    words = ("--epochs", "300", "--checkpoint", "run.checkpoint", "--early-stopping", "400")
    cli.ok(
        "train",
        "--model",
        "network",
        "pets.csv",
        *words[:2],
        *words[4:],
        "--output",
        "whole.safetensors",
    )
    process = started(tmp_path, *words)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the fit was interrupted in epoch" in errors
    assert fastnn.load("pets.safetensors").class_labels == tuple(NAMES)

    cli.ok("train", "--model", "network", "pets.csv", *words, "--resume")
    assert model() == model("whole.safetensors")
