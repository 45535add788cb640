"""Rows from files for a saved network: columns by name, bytes as bytes, unseen rows for a test."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import NAMES, CommandLine, table, write_csv

import fastnn
from fastnn.rows.trained_on import TrainedOn

X, Y = table(90)
COLUMNS = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "kind": NAMES[Y]}

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with a network of the named columns a, b, c and kind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    cli = CommandLine(tmp_path, capsys)
    write(cli, "pets.csv", ["a", "kind", "b", "c"])
    cli.ok(
        "train", "--model", "network", "pets.csv", "--label", "kind", "--epochs", "20", "--quiet"
    )
    return cli


def write(cli, name, columns, *, header=True, values=COLUMNS):
    """Write the columns of those names, made up where the table has none."""
    cells = [values.get(column, np.full(len(X), 7.5)).tolist() for column in columns]
    rows = ([columns] if header else []) + list(zip(*cells, strict=True))
    (cli.folder / name).write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return name


def test_the_network_remembers_the_names_of_the_columns_and_of_the_label(cli):
    known = fastnn.load("pets.safetensors").trained_on
    assert (known.feature_names, known.label_name) == (("a", "b", "c"), "kind")


@one_folder
@given(columns=st.permutations(["a", "b", "c", "kind"]))
def test_columns_in_any_order_give_the_same_answers_and_the_label_is_found_by_name(cli, columns):
    net = fastnn.load("pets.safetensors")
    write(cli, "t.csv", columns)
    assert cli.ok("predict", "pets.safetensors", "t.csv").split() == net.predict(X).tolist()
    (found,) = cli.json("evaluate", "pets.safetensors", "t.csv")
    write(cli, "t.csv", ["a", "b", "c", "kind"])
    assert cli.json("evaluate", "pets.safetensors", "t.csv") == [found]
    columns.remove("kind")
    write(cli, "t.csv", columns)
    assert cli.ok("predict", "pets.safetensors", "t.csv").split() == net.predict(X).tolist()
    assert cli.err == ""


@one_folder
@given(
    kept=st.sets(st.sampled_from(["a", "b", "c"]), min_size=1),
    others=st.lists(st.sampled_from(["d", "text", "2024"]), unique=True),
    command=st.sampled_from(["predict", "evaluate"]),
)
def test_missing_and_unknown_columns_are_named(cli, kept, others, command):
    missing = sorted({"a", "b", "c"} - kept)
    if not missing and not others:
        return
    values = COLUMNS | {"text": np.full(len(X), "some text")}
    write(cli, "t.csv", [*others, *sorted(kept), "kind"], values=values)
    assert cli(command, "pets.safetensors", "t.csv") == 2
    found = re.search(r"it (?:lacks (?P<lacks>.*?))?(?: and )?(?:also has (?P<has>.*))?$", cli.err)
    assert [*re.findall(r"'(\w+)'", found["lacks"] or "")] == missing
    assert [*re.findall(r"'(\w+)'", found["has"] or "")] == others


def test_a_file_without_the_label_s_column_asks_for_it(cli):
    write(cli, "t.csv", ["a", "b", "c", "sort"], values=COLUMNS | {"sort": NAMES[Y]})
    assert cli("evaluate", "pets.safetensors", "t.csv") == 2
    assert "t.csv has no column 'kind'" in cli.err
    assert "--target COLUMN" in cli.err
    cli.ok("evaluate", "pets.safetensors", "t.csv", "--label", "sort")


def test_an_index_column_without_a_name_is_called_what_it_is(cli):
    write(cli, "t.csv", ["", "a", "b", "c"])
    assert cli("predict", "pets.safetensors", "t.csv") == 2
    assert "also has 'column 1'" in cli.err
    assert "index=False" in cli.err


def test_a_column_that_is_there_twice_is_named(cli):
    write(cli, "t.csv", ["a", "b", "c", "b"])
    assert cli("predict", "pets.safetensors", "t.csv") == 2
    assert "several columns called 'b'" in cli.err


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_a_file_without_names_is_taken_by_position_and_that_is_said(cli, kind):
    net = fastnn.load("pets.safetensors")
    write(cli, "t.csv", ["a", "b", "c"], header=False)
    np.savez("t.npz", x=X)
    lines = cli.ok("predict", "pets.safetensors", f"t.{kind}").split()
    assert lines == net.predict(X).tolist()
    assert "matched by position, as a, b, c" in cli.err
    for option in ("--quiet", "--json"):
        cli.ok("predict", "pets.safetensors", f"t.{kind}", option)
        assert cli.err == ""


def test_a_network_without_names_takes_columns_by_position(cli):
    fastnn.Network((3, 2), dtype="float64", seed=0).save("plain.safetensors")
    net = fastnn.load("plain.safetensors")
    write(cli, "t.csv", ["c", "a", "b"])
    lines = cli.ok("predict", "plain.safetensors", "t.csv").split()
    assert [int(line) for line in lines] == net.predict(X[:, [2, 0, 1]]).tolist()
    assert cli.err == ("the network has no column names: those of t.csv are matched by position\n")
    np.savetxt("unnamed.csv", X, delimiter=",")
    cli.ok("predict", "plain.safetensors", "unnamed.csv")
    assert cli.err == ""  # neither has names
    (cli.folder / "wrong.csv").write_text("c,a,b\n1,2,x\n")
    assert cli("predict", "plain.safetensors", "wrong.csv") == 2
    assert cli.err.count("\n") == 1


def test_names_that_are_numbers_are_a_header_for_the_network_that_knows_them(cli):
    values = {"1990": X[:, 0], "2000": X[:, 1], "2010": X[:, 2], "kind": NAMES[Y]}
    write(cli, "years.csv", ["2010", "1990", "2000"], values=values)
    net = fastnn.Network((3, 3), dtype="float64", seed=0)
    names = ("1990", "2000", "2010")
    net.trained_on = TrainedOn(feature_names=names, label_name="kind")
    net.save("years.safetensors")
    lines = cli.ok("predict", "years.safetensors", "years.csv").split()
    assert [int(line) for line in lines] == net.predict(X).tolist()


def test_the_label_s_place_is_remembered_where_columns_have_no_names(cli):
    write(cli, "bare.csv", ["kind", "a", "b", "c"], header=False)
    cli.ok("train", "--model", "network", "bare.csv", "--label", "0", "--epochs", "20", "--quiet")
    write(cli, "more.csv", ["kind", "a", "b", "c"], header=False,
          values={name: column[::-1] for name, column in COLUMNS.items()})  # fmt: skip
    (found,) = cli.json("evaluate", "bare.safetensors", "more.csv")
    assert found["all"]["accuracy"] > 0.9


# -- the file that the network was trained on -----------------------------------------------------


@pytest.mark.parametrize("task", ["classes", "numbers"])
@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_of_the_training_file_only_rows_held_out_are_measured(cli, task, kind):
    y = NAMES[Y] if task == "classes" else X[:, 0] + X[:, 2]
    write_csv(cli.folder / "t.csv", X, y)
    np.savez("t.npz", x=X, y=y)
    *_, trained = cli.json("train", "--model", "network", f"t.{kind}", "--epochs", "3")
    (found,) = cli.json("evaluate", "t.safetensors", f"t.{kind}")
    assert found["n_rows"] == 18
    assert found["test"] == trained["test"]
    text = cli.ok("evaluate", "t.safetensors", f"t.{kind}")
    assert text.startswith("18 test rows  loss ")
    assert "is the file that the network was trained on" in cli.err
    assert "not on the other 72" in cli.err


@pytest.mark.parametrize("change", ["a number", "a label", "a row", "the order"])
def test_a_file_of_other_rows_is_measured_whole(cli, change):
    x, y = X.copy(), NAMES[Y].copy()
    if change == "a number":
        x[40, 1] += 1
    elif change == "a label":
        y[40] = "ant" if y[40] != "ant" else "bee"
    elif change == "a row":
        x, y = x[:-1], y[:-1]
    else:
        x, y = x[::-1], y[::-1]
    write(cli, "t.csv", [*COLUMNS], values=dict(zip(COLUMNS, [*x.T, y], strict=True)))
    if len(x) < len(X):
        lines = (cli.folder / "t.csv").read_text().splitlines()
        (cli.folder / "t.csv").write_text("\n".join(lines[: len(x) + 1]) + "\n")
    (found,) = cli.json("evaluate", "pets.safetensors", "t.csv")
    assert found["n_rows"] == len(x)
    assert "all" in found


# -- bytes ----------------------------------------------------------------------------------------


@pytest.fixture
def images(cli):
    """The same, with a network of bytes; returns some rows of these and their classes."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.integers(0, 100, (60, 6)).astype(np.uint8) + (y[:, None] * 150).astype(np.uint8)
    np.savez("images.npz", x=x, y=y)
    cli.ok("train", "--model", "network", "images.npz", "--epochs", "20", "--quiet")
    return x, y


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_whole_numbers_of_a_text_file_are_bytes_to_a_network_of_bytes(cli, images, header, dtype):
    x, y = images
    expected = fastnn.load("images.safetensors").evaluate(x, y)
    names = [f"p{i}" for i in range(6)] + ["label"]
    columns = dict(zip(names, [*x.astype(dtype).T, y], strict=True))
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines = [names, *rows] if header else [*rows]
    (cli.folder / "t.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in lines))
    (found,) = cli.json("evaluate", "images.safetensors", "t.csv")
    (measured,) = (v for v in found.values() if isinstance(v, dict))
    assert measured | expected == measured
    assert cli.err == ""


def test_integers_of_an_npz_are_bytes_to_a_network_of_bytes(cli, images):
    x, _ = images
    expected = fastnn.load("images.safetensors").predict(x)
    np.savez("t.npz", x=x.astype(np.int64))
    lines = cli.ok("predict", "images.safetensors", "t.npz").split()
    assert [int(line) for line in lines] == expected.tolist()


def test_numbers_of_0_and_1_alone_are_taken_as_bytes_with_a_word(cli, images):
    (cli.folder / "t.csv").write_text("0,1,0,1,0,1\n1,1,1,1,1,1\n")
    net = fastnn.load("images.safetensors")
    expected = net.predict(np.array([[0, 1, 0, 1, 0, 1], [1] * 6], np.uint8))
    lines = cli.ok("predict", "images.safetensors", "t.csv").split()
    assert [int(line) for line in lines] == expected.tolist()
    assert "read as bytes" in cli.err


def test_fractions_of_the_range_of_bytes_are_refused(cli, images):
    (cli.folder / "t.csv").write_text("0.5,100,200,1,0,1\n1,1,1,1,1,1\n")
    assert cli("predict", "images.safetensors", "t.csv") == 2
    assert "trained on bytes" in cli.err


@pytest.mark.parametrize("name", ["", "rownames", "Unnamed: 0"])
def test_a_first_column_that_was_learned_from_is_found_again(cli, name):
    rng = np.random.default_rng(0)
    rows = "".join(
        f"{i % 5},{a:.3f},{'yes' if a > 0 else 'no'}\n" for i, a in enumerate(rng.normal(size=90))
    )
    (cli.folder / "rn.csv").write_text(f"{name},a,label\n{rows}")
    cli.ok("train", "--model", "network", "rn.csv", "--output", "rn")
    cli.ok("evaluate", "rn", "rn.csv")
    (cli.folder / "new.csv").write_text(f"a,{name}\n0.5,1\n0.5,7\n")  # of other values, elsewhere
    if name:
        assert len(cli.ok("predict", "rn", "new.csv").split()) == 2
