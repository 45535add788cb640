"""``fastnn train --report``: a page of whatever came of the training."""

import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from support.command_line import NAMES, CommandLine, table, write_csv
from support.report_pages import Page

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from fastnn import report


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with a table of classes and one of numbers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    x, y = table()
    write_csv(tmp_path / "pets.csv", x, NAMES[y])
    write_csv(tmp_path / "numbers.csv", x, 1000.0 + 50.0 * x[:, 0] + x[:, 2], "target")
    np.savez(tmp_path / "two.npz", x=x, y=x[:, :2] * [1.0, -100.0])
    return CommandLine(tmp_path, capsys)


@pytest.mark.parametrize("data", ["pets.csv", "numbers.csv", "two.npz"])
@pytest.mark.parametrize("layers", ["5", "none"])
def test_train_writes_a_report_of_tables(cli, data, layers):
    options = ("--layers", layers, "--epochs", "2", "--report", "report.html")
    *_, result = cli.json("train", "--model", "network", data, *options)
    assert result["report"] == "report.html"
    page = Page((cli.folder / "report.html").read_text(encoding="utf-8"))
    assert not page.open
    assert page.says("epochs 2")
    key = "accuracy" if data == "pets.csv" else "r2"
    shown = (
        f"{result['test'][key]:.2%}".replace("%", " %")
        if key == "accuracy"
        else (f"{result['test'][key]:.4f}")
    )
    assert page.says(f"{shown} test")


def test_train_says_where_the_report_is(cli):
    cli.ok("train", "--model", "network", "pets.csv", "--epochs", "1", "--report", "r.html")
    assert re.search(r"report r\.html \(\d+ kB\)", cli.err)


def test_train_tells_the_results_though_the_report_cannot_be_written(cli, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(report, "write", full)
    assert (
        cli("train", "--model", "network", "pets.csv", "--epochs", "1", "--report", "r.html") == 2
    )
    assert "trained in" in cli.out
    assert cli.err.endswith("fastnn train: error: no space left on device\n")
    assert (cli.folder / "pets.safetensors").exists()


def test_train_without_report_writes_none(cli):
    assert "report" not in cli.json("train", "--model", "network", "pets.csv", "--epochs", "1")[-1]
    assert not list(cli.folder.glob("*.html"))


def test_train_leaves_a_report_of_what_diverged(cli):
    options = ("--optimizer", "sgd", "--learning-rate", "1e6", "--report", "report.html")
    done = subprocess.run(  # in a process of its own, where NumPy may warn
        [sys.executable, "-m", "fastnn", "train", "--model", "network", "numbers.csv", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "diverged and nothing was saved" in done.stderr
    assert "Traceback" not in done.stderr
    page = Page((cli.folder / "report.html").read_text(encoding="utf-8"))
    assert page.says("Training diverged")


@pytest.mark.filterwarnings("ignore:the fit was interrupted")
def test_train_leaves_a_report_of_what_was_interrupted(cli, monkeypatch):
    def interrupt(*arguments):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("fastnn.cli.epochs.EpochLines.on_epoch_end", interrupt)
    assert cli("train", "--model", "network", "pets.csv", "--report", "report.html") == 130
    page = Page((cli.folder / "report.html").read_text(encoding="utf-8"))
    assert page.says("Training was interrupted")


@pytest.mark.parametrize(
    ("path", "message"),
    [("missing/r.html", "the folder missing does not exist"), (".", "is a folder; give a file")],
)
def test_train_refuses_a_report_where_none_can_be_before_it_trains(cli, path, message):
    assert cli("train", "--model", "network", "pets.csv", "--report", path) == 2
    assert message in cli.err
    assert "epoch" not in cli.out


def test_train_refuses_to_write_report_and_network_to_one_file(cli):
    assert cli("train", "--model", "network", "pets.csv", "--report", "x", "--output", "x") == 2
    assert "--report and the network are the same file, x" in cli.err
    assert not (cli.folder / "x").exists()


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_train_names_the_extra_that_a_report_needs_before_it_trains(cli, package):
    program = f"""
import sys
import warnings
sys.modules[{package!r}] = None
from fastnn.cli import main
sys.exit(main(["train", "pets.csv", "--report", "r.html"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'pip install "fastnn[plot]"' in done.stderr
    assert package in done.stderr
    assert not done.stdout
