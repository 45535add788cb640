"""What fastnn train says about a table first: the label, what it means, what was guessed."""

import io
import sys

import numpy as np
import pandas as pd
import pytest
from support.command_line import NAMES, CommandLine, table, write_csv

import fastnn

X, Y = table(90)
ONE_EPOCH = ("--epochs", "1")


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    return CommandLine(tmp_path, capsys)


def said(cli, *words):
    """The lines between the number of rows and the network."""
    cli.ok("train", "--model", "network", *words, *ONE_EPOCH)
    return cli.err.splitlines()[1:-1]


CHOICES = {
    "text": (NAMES[Y], "classification: text, 3 different"),
    "few numbers": (Y, "classification: 3 different whole numbers (--task regression if not)"),
    "fractions": (X[:, 0], "regression: 90 different numbers"),
    "amounts": (
        100 + np.arange(90)[::-1],
        "regression: 90 different whole numbers (--task classification if not)",
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_label_and_what_it_means_are_said(cli, name):
    y, meaning = CHOICES[name]
    write_csv(cli.folder / "t.csv", X, y, "quality")
    assert said(cli, "t.csv") == [
        "label 'quality', the last column (--target selects another)",
        meaning,
    ]
    task = meaning.split(":")[0]
    network = fastnn.load("t.safetensors")
    assert (network.architecture.output == "softmax") == (task == "classification")


def test_what_was_named_is_not_called_a_guess(cli):
    write_csv(cli.folder / "t.csv", X, Y, "quality")
    words = ("t.csv", "--label", "quality", "--task", "regression")
    assert said(cli, *words) == ["label 'quality'", "regression: 3 different whole numbers"]


def test_a_column_left_out_is_said(cli):
    frame = pd.DataFrame(X, columns=list("abc")).assign(kind=NAMES[Y])
    frame.to_csv("t.csv")
    assert said(cli, "t.csv")[-1] == (
        "note: column 1 has no name and holds row numbers or names, and was left out"
    )
    assert fastnn.load("t.safetensors").architecture.n_in == 3


def test_json_has_the_choice_as_fields_and_quiet_has_none(cli):
    write_csv(cli.folder / "t.csv", X, Y + 7)
    first = cli.json("train", "--model", "network", "t.csv", *ONE_EPOCH)[0]
    assert first == {
        "event": "data",
        "name": "t",
        "rows": {"train": 63, "validation": 9, "test": 18},
        "label": "label",
        "label_reason": "column 4 of 4, by its name",
        "task": "classification",
        "task_reason": "3 different whole numbers",
        "n_classes": 3,
        "notes": [],
    }
    assert [
        r["event"] for r in cli.json("train", "--model", "network", "t.csv", *ONE_EPOCH, "--quiet")
    ] == ["result"]
    assert [r["event"] for r in cli.json("train", "--model", "network", "digits", *ONE_EPOCH)] == [
        "epoch",
        "result",
    ]


REFUSED = {
    "row numbers": (np.arange(90), "--target, or use --task regression"),
    "identifiers": ([f"n{i}" for i in range(90)], "--target, or use --task classification"),
    "in between": (np.arange(90) % 13 + 70, "--task classification or --task regression"),
    "one class": (
        ["ant"] * 90,
        "The label is 'quality', the last column (--target selects another)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_options(cli, name):
    y, words = REFUSED[name]
    write_csv(cli.folder / "t.csv", X, y, "quality")
    assert cli("train", "--model", "network", "t.csv", *ONE_EPOCH) == 2
    assert words in cli.err
    assert "='" not in cli.err
    assert "label=" not in cli.err


def test_a_header_that_may_be_a_row_is_asked_about_and_can_be_told(cli):
    rows = "".join(f"{i % 5},{i % 7},{i % 3},{i % 2}\n" for i in range(60))
    (cli.folder / "t.csv").write_text("0,1,2,3\n" + rows)
    assert cli("train", "--model", "network", "t.csv", *ONE_EPOCH) == 2
    assert "--header or --no-header" in cli.err
    cli.ok("train", "--model", "network", "t.csv", *ONE_EPOCH, "--header")
    assert cli.err.startswith("t: 42 training")
    cli.ok(
        "train",
        "--model",
        "network",
        "t.csv",
        *ONE_EPOCH,
        "--no-header",
        "--task",
        "classification",
    )
    assert cli.err.startswith("t: 43 training")


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_a_dash_is_standard_input(cli, monkeypatch, command):
    write_csv(cli.folder / "t.csv", X, NAMES[Y])
    write_csv(cli.folder / "new.csv", X)
    cli.ok("train", "--model", "network", "t.csv", *ONE_EPOCH, "--output", "net")
    data = "new.csv" if command == "predict" else "t.csv"
    words = {"train": ONE_EPOCH}.get(command, ("net",))
    content = io.BytesIO((cli.folder / data).read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    cli.ok(command, *words, "-")
    assert (cli.folder / "stdin.safetensors").exists() == (command == "train")


def test_packed_tables_lend_the_network_their_name(cli):
    pd.DataFrame(X).assign(label=NAMES[Y]).to_csv("t.csv.gz", index=False)
    cli.ok("train", "--model", "network", "t.csv.gz", *ONE_EPOCH)
    assert (cli.folder / "t.safetensors").exists()


def test_an_address_is_no_file(cli):
    assert cli("train", "--model", "network", "https://example.com/iris.csv") == 2
    assert "is a URL: download it" in cli.err
