"""Columns that options name, whatever is in a name or a cell, and columns without names."""

import csv
import io
import json
import string
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import CommandLine
from support.odd_tables import NETWORKS, write

import fastnn
from fastnn.cli.column_options import quoted, resolved

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)

ODD_NAMES = st.lists(
    st.text(string.ascii_letters + ",\"' =", min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda name: name and name.strip(",\"' =")),
    min_size=3,
    max_size=5,
    unique_by=str.lower,
).filter(lambda names: not {"x", "y"} & {name.lower() for name in names})

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 60)).round(3).tolist()
ROWS = [[a, b, "yes" if a > 0 else "no"] for a, b in zip(A, B, strict=True)]


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    return CommandLine(tmp_path, capsys)


# -- names with commas and quotes -----------------------------------------------------------------


@given(names=ODD_NAMES, data=st.data())
def test_names_are_told_apart_whatever_they_contain(names, data):
    some = tuple(data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True)))
    assert resolved(some, names) == some  # one by one, as they are
    assert resolved([quoted(name) for name in some], []) == some
    assert resolved([",".join(map(quoted, some))], names) == some


@one_folder
@given(names=ODD_NAMES, data=st.data())
def test_any_column_is_dropped_by_its_name(cli, names, data):
    rows = [[i * 7 % 11 + k for k in range(len(names))] + [i % 2] for i in range(30)]
    write(cli.folder / "t.csv", [*names, "target"], rows)
    some = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    (cli.folder / "t.toml").write_text(f"drop = {json.dumps(some)}\n")  # a list of TOML, too
    for given_words in ([f"--drop={name}" for name in some], ["--config", "t.toml"]):
        command = "columns" if given_words[0] != "--config" else "train"
        extra = ("--json",) if command == "columns" else (*NETWORKS, "--json")
        assert cli(command, "t.csv", *given_words, *extra) == 0, cli.err
        found = json.loads(cli.out.splitlines()[0])["columns"]
        assert [c["name"] for c in found if c["note"] == "dropped"] == [
            name for name in names if name in some
        ]


def test_a_kept_column_may_have_a_comma_in_its_name(cli):
    write(cli.folder / "t.csv", ["size, m²", "b", "y"], ROWS)
    cli.ok("train", "t.csv", *NETWORKS)
    for word in ("size, m²", '"size, m²"'):
        out = cli.ok("predict", "t.safetensors", "t.csv", "--keep", word)
        assert next(csv.reader(io.StringIO(out))) == ["size, m²", "prediction"]


@one_folder
@given(
    names=st.permutations(
        ["prediction", "prediction (kept)", "probability of yes", "probability of yes (kept)"]
    )
)
def test_no_two_columns_are_written_under_one_name(cli, names):
    write(cli.folder / "t.csv", ["a", "b", *names[:3], "y"], [[*r[:2], *"123", r[2]] for r in ROWS])
    if not (cli.folder / "t.safetensors").exists():
        drop = [f"--drop={name}" for name in names[:3]]
        cli.ok("train", "t.csv", "--target", "y", *drop, *NETWORKS)
    keep = [f"--keep={name}" for name in names[:3]]
    out = cli.ok("predict", "t.safetensors", "t.csv", "--proba", *keep)
    header, first, *_ = csv.reader(io.StringIO(out))
    assert len(set(header)) == len(header) == 6
    assert header[3:] == ["prediction", "probability of no", "probability of yes"]
    assert first[:3] == [*"123"]
    for name, written in zip(names[:3], header[:3], strict=True):
        assert (name == written) or f"{name!r} of the file is written as {written!r}" in cli.err


# -- columns that are not looked at ---------------------------------------------------------------


def test_a_dropped_column_may_hold_anything(cli):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(ROWS, schema=["a", "b", "y"], orient="row")
    odd = frame.with_columns(l=polars.Series([[i] for i in range(len(ROWS))]))
    odd.write_parquet(cli.folder / "t.parquet")
    assert cli("train", "t.parquet", "--target", "y", *NETWORKS) == 2
    assert "t.parquet must hold text, numbers, flags or times, but its column 'l'" in cli.err
    assert "leave the column out with --drop l" in cli.err
    for words in (("--drop", "l"), ("--kind", "l=drop")):
        cli.ok("train", "t.parquet", "--target", "y", *words, *NETWORKS)
        assert fastnn.load("t.safetensors").columns.left_out == {"l": "dropped"}
    expected = cli.ok("predict", "t.safetensors", "t.parquet")
    assert cli.err == ""
    odd.rename({"l": "m"}).write_parquet(cli.folder / "new.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.ok("predict", "t.safetensors", "new.parquet") == expected
    assert "was not trained on, 'm': ignored" in cli.err


def test_the_target_is_not_dropped(cli):
    write(cli.folder / "t.csv", ["a", "b", "y"], ROWS)
    for words in (("--drop", "y"), ("--kind", "y=drop"), ("--drop", "b", "--target", "b")):
        assert cli("train", "t.csv", *words) == 2
        assert "which is the target: --target selects another" in cli.err


# -- columns without names ------------------------------------------------------------------------


def test_a_file_without_names_is_matched_by_position_as_a_note_says(cli):
    write(cli.folder / "t.csv", ["a", "b", "y"], ROWS)
    cli.ok("train", "t.csv", *NETWORKS)
    expected = cli.ok("predict", "t.safetensors", "t.csv")
    assert cli.err == ""
    write(cli.folder / "bare.csv", None, [row[:2] for row in ROWS])
    assert cli.ok("predict", "t.safetensors", "bare.csv") == expected
    assert cli.err == (
        "note: columns are matched by position, as 'a', 'b', since bare.csv has no header (--header"
        " if its first line holds names)\n"
    )


def test_a_network_without_names_takes_columns_by_position_as_a_note_says(cli):
    write(cli.folder / "bare.csv", None, ROWS)
    cli.ok("train", "bare.csv", *NETWORKS)
    write(cli.folder / "new.csv", None, [row[:2] for row in ROWS])
    expected = cli.ok("predict", "bare.safetensors", "new.csv")
    write(cli.folder / "new.csv", ["a", "b"], [row[:2] for row in ROWS])
    assert cli.ok("predict", "bare.safetensors", "new.csv") == expected
    assert "by position, as 'column 1', 'column 2', since the network knows no names" in cli.err


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_target_without_a_name_is_selected_by_its_index(cli, place):
    write(cli.folder / "t.csv", ["a", "b", "y"], ROWS)
    cli.ok("train", "t.csv", *NETWORKS)
    (expected,) = cli.json("evaluate", "t.safetensors", "t.csv")
    moved = [[*row[:place], row[2], *row[place:2]] for row in ROWS]
    write(cli.folder / "bare.csv", None, moved)
    assert cli("predict", "t.safetensors", "bare.csv") == 2
    assert "expected the 2 columns of the training table in its order, 'a', 'b', got 3" in cli.err
    assert "leave it out, or write the names of all into a first line" in cli.err
    assert cli("evaluate", "t.safetensors", "bare.csv") == 2
    assert "if one is the target, select it, as --target -1 the last one" in cli.err
    (found,) = cli.json("evaluate", "t.safetensors", "bare.csv", "--target", place)
    assert (found["test"], found["n_rows"]) == (expected["test"], expected["n_rows"])


def test_kinds_are_those_of_training_by_position_too(cli):
    rows = [[f"{i % 4}0", b, y] for i, (_, b, y) in enumerate(ROWS)]
    write(cli.folder / "t.csv", ["zip", "b", "y"], rows)
    cli.ok("train", "t.csv", "--kind", "zip=category", *NETWORKS)
    write(cli.folder / "bare.csv", None, [["10", "1.5"], ["20", "x"]])
    assert cli("predict", "t.safetensors", "bare.csv", "--no-header") == 2
    assert "bare.csv, line 2, column 2 (column 2): got 'x', expected a number" in cli.err
