"""What is said of the target: the simplest guess, its scores, and cells that are no targets."""

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import CommandLine
from support.odd_tables import NETWORKS, flats, passengers, write

import fastnn
from fastnn.cli.score_table import shown

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    return CommandLine(tmp_path, capsys)


# -- scores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "target"),
    [(passengers(), "Survived"), (flats(), "Preis")],
    ids=["classes", "numbers"],
)
def test_the_simplest_guess_is_that_of_training(cli, table, target):
    delimiter = ";" if target == "Preis" else ","
    write(cli.folder / "t.csv", *table, delimiter=delimiter)
    words = ("--target", target, *NETWORKS, "--quiet")
    (trained,) = cli.json("train", "t.csv", *words)
    (found,) = cli.json("evaluate", "t.safetensors", "t.csv")
    assert found["simplest_guess_knows"] == "training rows"
    expected = {k: v for k, v in trained["simplest_guess"].items() if k != "rows"}
    assert found["simplest_guess"] == pytest.approx(expected, nan_ok=True)


def test_a_network_that_does_not_hold_the_guess_is_compared_with_that_of_the_rows(cli):
    write(cli.folder / "t.csv", *passengers())
    cli.ok("train", "t.csv", *NETWORKS)
    bag = fastnn.load("t.safetensors")
    assert sum(bag.trained_on.simplest_guess) == pytest.approx(1)
    bag.trained_on = replace(bag.trained_on, simplest_guess=None)
    bag.save("old")
    cli.ok("evaluate", "old", "t.csv")
    assert "old does not hold the frequencies of classes in training" in cli.err
    (found,) = cli.json("evaluate", "old", "t.csv")
    assert found["simplest_guess_knows"] == "these rows"


@given(mantissa=st.floats(1, 9.99), exponent=st.integers(-300, 300))
def test_errors_of_any_size_have_digits(mantissa, exponent):
    value = mantissa * 10.0**exponent
    for name in ("rmse", "mae"):
        text = shown(name, value)
        assert float(text.replace(",", "")) == pytest.approx(value, rel=6e-3)
        assert len(text) <= 10


@pytest.mark.parametrize("model", ["table", "network"])
def test_small_targets_have_scores_with_digits(cli, model):
    rng = np.random.default_rng(0)
    rows = [[f"{x:.3f}", f"{x * 1e-5:.9f}"] for x in rng.normal(size=60)]
    write(cli.folder / "t.csv", ["a", "y"], rows)
    few = NETWORKS if model == "table" else ("--epochs", "1")
    out = cli.ok("train", "t.csv", "--model", model, *few)
    assert "e-06" in out or "e-05" in out


# -- cells ----------------------------------------------------------------------------------------


@one_folder
@given(
    row=st.integers(0, 39),
    blank=st.integers(0, 39),
    value=st.sampled_from(["1e200", "-3.5e150", "1e101"]),
)
def test_a_target_that_is_too_large_is_named_by_its_line_before_anything_else(
    cli, row, blank, value
):
    rows = [[str(i * 7 % 11), f"{i}.5"] for i in range(40)]
    rows[blank][1] = ""
    rows[row][1] = value
    write(cli.folder / "t.csv", ["a", "y"], rows)
    assert cli("train", "t.csv") == 2
    assert cli.err.startswith(f"fastnn train: error: t.csv, line {row + 2}: the target 'y' is ")
    assert "must be within ±1e+100" in cli.err


@one_folder
@given(infinite=st.sets(st.integers(0, 29), min_size=1, max_size=20))
def test_infinite_targets_are_counted(cli, infinite):
    rows = [[str(i * 7 % 11), "inf" if i in infinite else f"{i}.5"] for i in range(30)]
    write(cli.folder / "t.csv", ["a", "y"], rows)
    n, line = len(infinite), min(infinite) + 2
    expected = f"{n} of 30 cells are infinite or too large, the first 'inf' in line {line}"
    assert f"note: target 'y': {expected}" in cli.ok("columns", "t.csv")
    write(cli.folder / "t.csv", ["a", "y"], [[row[0], "inf"] for row in rows])
    assert cli("columns", "t.csv") == 2
    assert "all cells of the target 'y' are missing (30 of 30 cells are infinite" in cli.err


def test_infinite_targets_of_parquet_are_named_by_their_row(cli):
    polars = pytest.importorskip("polars")
    y = np.arange(30) + 0.5
    y[[4, 9]] = np.inf
    polars.DataFrame({"a": np.arange(30) % 7, "y": y}).write_parquet(cli.folder / "t.parquet")
    assert cli("train", "t.parquet") == 2
    assert "holds infinite numbers, 2 of 30, the first in row 4" in cli.err


def test_a_guessed_target_is_named_where_its_task_is_unclear(cli):
    write(cli.folder / "t.csv", ["a", "day"], [[f"{i}.5", str(i % 31 + 1)] for i in range(90)])
    for command in ("columns", "train"):
        assert cli(command, "t.csv") == 2
        assert "t.csv, target 'day', the last column (--target selects another): 31 " in cli.err
        assert "--task classification or --task regression" in cli.err


def test_a_table_without_columns_to_learn_from_is_named_and_told_what_to_do(cli):
    rows = [["1", f"{i % 3}", "no" if i % 2 else "yes"] for i in range(30)]
    write(cli.folder / "t.csv", ["same", "b", "y"], rows)
    for command in ("columns", "train"):
        assert cli(command, "t.csv", "--drop", "b") == 2
        assert "t.csv has no column to learn from" in cli.err
        assert "'same' (one value only), 'b' (dropped); add a column" in cli.err
    assert cli("train", "t.csv", "--drop", "b,same") == 2
    assert "'same' (dropped), 'b' (dropped); drop fewer" in cli.err


def test_standard_input_is_called_so(cli, monkeypatch):
    write(cli.folder / "t.csv", *passengers())
    cli.ok("train", "t.csv", *NETWORKS)
    content = (cli.folder / "t.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    cli.ok("evaluate", "t.safetensors", "-")
    assert "standard input is the file that the network was trained on" in cli.err
