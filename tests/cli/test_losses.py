"""The losses that ``fastnn train`` is told of, and what it says of those that do not fit."""

import re

import numpy as np
import pytest
from support.command_line import NAMES, CommandLine, table, write_csv

import fastnn

X, Y = table()
NUMBERS = 1000.0 + 50.0 * X[:, 0] + X[:, 2]


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with a table of classes and one of numbers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    write_csv(tmp_path / "pets.csv", X, NAMES[Y])
    write_csv(tmp_path / "numbers.csv", X, NUMBERS, "target")
    return CommandLine(tmp_path, capsys)


def trained(cli, *words):
    """The network that a training saves, and its last record."""
    records = cli.json("train", "--model", "network", *words)
    return fastnn.load(records[-1]["model"]), records


def test_quantiles_are_predicted_in_the_targets_own_units(cli):
    options = ("--quantiles", "0.1,0.5,0.9", "--epochs", "40")
    network, records = trained(cli, "numbers.csv", *options)
    assert (network.architecture.loss, network.architecture.quantiles) == (
        "quantile", (0.1, 0.5, 0.9),
    )  # fmt: skip
    predicted = network.predict(X)
    assert predicted.shape == (len(X), 3)
    np.testing.assert_allclose(predicted[:, 1], NUMBERS, atol=0.2 * NUMBERS.std())
    assert set(records[-1]["train"]) == {"loss", "mae"}
    assert {"val_loss", "val_mae"} <= set(records[1])
    assert len(cli.ok("predict", "numbers.safetensors", "--output", "-", write_features(cli))) > 0
    measured = cli.ok("evaluate", "numbers.safetensors", "numbers.csv")
    assert "mae" in measured


def write_features(cli):
    return write_csv(cli.folder / "features.csv", X)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile"])
def test_a_regression_takes_a_loss(cli, loss):
    network, _ = trained(cli, "numbers.csv", "--loss", loss, "--epochs", "2")
    assert (network.architecture.loss, network.architecture.n_out) == (loss, 1)


def test_labels_are_smoothed(cli):
    network, records = trained(cli, "pets.csv", "--label-smoothing", "0.1", "--epochs", "20")
    assert network.architecture.label_smoothing == 0.1
    assert records[-1]["train"]["accuracy"] > 0.95
    assert records[-1]["train"]["loss"] > 0.3  # that of the smoothed labels, 0.395 at least


REFUSED = {
    "a loss of classes": (
        ("pets.csv", "--loss", "quantile"), "--loss is of a regression, and these labels are",
    ),
    "quantiles of classes": (("pets.csv", "--quantiles", "0.5"), "--quantiles is of a regression"),
    "smoothed numbers": (
        ("numbers.csv", "--label-smoothing", "0.1"), "--label-smoothing is of a classification",
    ),
    "quantiles of another loss": (
        ("numbers.csv", "--loss", "absolute_error", "--quantiles", "0.5"),
        "--quantiles are of --loss quantile, got --loss absolute_error",
    ),
    "a quantile of 1": (("numbers.csv", "--quantiles", "0.5,1"), "must be numbers between 0 and 1"),
    "no quantile": (("numbers.csv", "--quantiles", "half"), "between 0 and 1.*got 'half'"),
    "a share of 1": (("pets.csv", "--label-smoothing", "1"), "a number from 0 to below 1"),
    "a loss of no output": (("numbers.csv", "--loss", "huber"), "invalid choice"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_words(cli, case):
    options, words = REFUSED[case]
    assert cli("train", "--model", "network", *options) == 2
    assert cli.err.count("\n") == 1
    assert re.search(words, cli.err)


def test_a_report_shows_each_quantile(cli):
    pytest.importorskip("matplotlib")
    options = ("--quantiles", "0.1,0.9", "--epochs", "3", "--report", "page.html")
    cli.ok("train", "--model", "network", "numbers.csv", *options)
    page = (cli.folder / "page.html").read_text()
    assert "quantile 0.1, 0.9" in page
