"""Names of files, columns and labels that would forge lines or move a terminal's cursor."""

import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command_line import CommandLine, table

import fastnn
from fastnn.system.printable import named, printable

X, Y = table(60)
LABELS = ["plain", "two\nlines", "tab\tbed", "\x1b[31mred", "a,b", 'a "quote"', "\u202egnp", ""]
NASTY = ["two\nlines", "tab\tbed", "\x1b[2J\x1b[31m", "\x07\r\x7f", "\u202egnp.exe", "\x9b31m"]


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line in a folder of its own, on the NumPy backend."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    return CommandLine(tmp_path, capsys)


def write(path, name, label="label", labels=("ant", "bee", "cat")):
    """Write a table with a column of that name, and labels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([name, "b", "c", label])
        writer.writerows([*row, labels[y]] for row, y in zip(X.tolist(), Y, strict=True))


def is_safe(text):
    return all(line.isprintable() for line in text.split("\n"))


@given(st.text(st.characters()) | st.sampled_from(NASTY))
def test_printable_text_is_seen_and_told_from_others(text):
    assert printable(text).isprintable()
    assert named(text).isprintable()
    assert (printable(text) == text) == text.isprintable()


@pytest.mark.parametrize("name", NASTY)
def test_columns_and_labels_are_printed_escaped(cli, name):
    write(cli.folder / "t.csv", name, labels=[name, "bee", "cat"])
    out = cli.ok("train", "--model", "network", "t.csv", "--epochs", "1")
    assert is_safe(out + cli.err)
    for words in (
        ("evaluate", "t.safetensors", "t.csv"),
        ("export", "t.safetensors", "--format", "c"),
        ("info",),
    ):
        assert is_safe(cli.ok(*words) + cli.err)
    write(cli.folder / "other.csv", "a")
    assert cli("predict", "t.safetensors", "other.csv") == 2  # names the column that is missing
    assert is_safe(cli.err)
    assert repr(name) in cli.err
    write(cli.folder / "text.csv", name, labels=["dog", "bee", "cat"])
    assert cli("evaluate", "t.safetensors", "text.csv") == 2
    assert is_safe(cli.err)
    lines = (cli.folder / "t.csv").read_text(encoding="utf-8").replace("b,c", "b,c", 1)
    (cli.folder / "bad.csv").write_text(lines + "x,1,2,bee\n", encoding="utf-8")
    assert cli("train", "--model", "network", "bad.csv") == 2
    assert is_safe(cli.err)
    assert cli.err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not allow")
@pytest.mark.parametrize("name", NASTY)
def test_files_are_printed_escaped(cli, name):
    write(cli.folder / f"{name}.csv", "a")
    assert is_safe(
        cli.ok("train", "--model", "network", f"{name}.csv", "--epochs", "1", "--checkpoint", name)
        + cli.err
    )
    model = f"{name}.safetensors"
    assert is_safe(cli.ok("evaluate", model, f"{name}.csv") + cli.err)
    assert is_safe(cli.ok("predict", model, f"{name}.csv", "--output", f"{name}.out") + cli.err)
    assert is_safe(cli.ok("export", model, "--format", "onnx", "--output", f"{name}.onnx"))
    for words in (
        ("train", "--model", "network", f"{name}.csv", "--checkpoint", name),
        ("train", "--model", "network", name),
        ("evaluate", name, f"{name}.csv"),
        ("evaluate", f"{name}.csv", f"{name}.csv"),
        ("predict", model, name),
        ("predict", model, f"{name}/absent"),
        ("train", "--model", "network", f"{name}.csv", "--output", f"{name}/x"),
        ("train", "--model", "network", f"{name}.csv", f"--{name}"),
        (name,),
    ):
        assert cli(*words) == 2
        assert is_safe(cli.err)
        assert cli.err.count("\n") == 1


def save_labels(folder, labels):
    """Save a network that tells as many labels as there are, and a row for each of them."""
    n = len(labels)
    net = fastnn.Network((n, n), bias=False, class_labels=labels, backend="numpy")
    net.weights[0][...] = 9 * np.eye(n)
    net.save(folder / "net")
    np.save(folder / "x.npy", np.eye(n, dtype=np.float32))


def test_predictions_for_programs_are_csv_and_json(cli):
    save_labels(cli.folder, LABELS)
    out = cli.ok("predict", "net", "x.npy")
    assert [row for (row,) in csv.reader(io.StringIO(out, newline=""))] == LABELS
    cli.ok("predict", "net", "x.npy", "--output", "p.csv")
    with open("p.csv", newline="", encoding="utf-8") as file:
        assert [row for (row,) in csv.reader(file)] == LABELS
    assert cli.ok("predict", "net", "x.npy", "--output", "-") == out
    assert [line["prediction"] for line in cli.json("predict", "net", "x.npy")] == LABELS
    assert is_safe(cli.out)


def test_a_label_that_no_text_can_hold_is_refused_but_in_json(cli):
    save_labels(cli.folder, ["half \ud800", "whole"])
    assert cli("predict", "net", "x.npy", "--output", "p.csv") == 2
    assert "holds '\\ud800', which cannot be encoded as utf-8: print JSON, with --json" in cli.err
    assert not (cli.folder / "p.csv").exists()
    found = [line["prediction"] for line in cli.json("predict", "net", "x.npy")]
    assert found == ["half \ud800", "whole"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_on_a_terminal_nothing_moves_the_cursor_and_lines_fit(cli):
    import pty

    save_labels(cli.folder, LABELS)
    names = [f"a column with a long name {i}" for i in range(9)]
    rows = [[1, *row, "xy"[i % 2]] for i, row in enumerate(np.tile(X, 3).tolist())]
    with open("wide.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["the\x1b[31msame", *names, "label"], *rows])
    for words in (
        ["predict", "net", "x.npy"],
        ["train", "--model", "network", "wide.csv", "--epochs", "2", "--output", "wide"],
        ["evaluate", "wide", "wide.csv"],
        ["export", "wide", "--format", "c", "--output", "wide.h"],
        ["info"],
        ["train", "--help"],
    ):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "fastnn", *words], stdout=theirs, stderr=theirs,
            env=os.environ | {"NO_COLOR": "1", "COLUMNS": "80"},
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # what Linux says at the end
            pass
        os.close(ours)
        assert process.wait() == 0, shown
        text = shown.decode().replace("\r\n", "\n")
        assert is_safe(text), text
        long = [line for line in text.split("\n") if len(line) > 80 and " " in line.strip()]
        assert not [line for line in long if "installed" not in line], long
        if words[0] == "predict":
            assert text.split("\n")[:4] == ["plain", r"two\nlines", r"tab\tbed", r"\x1b[31mred"]


def test_an_object_of_json_is_ascii_without_control_characters(cli):
    save_labels(cli.folder, NASTY)
    out = cli.ok("predict", "net", "x.npy", "--json")
    assert out.isascii()
    assert is_safe(out)
    assert [json.loads(line)["prediction"] for line in out.splitlines()] == NASTY
