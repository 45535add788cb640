"""A saved network that takes tables: predict, evaluate and show read files as training did."""

import csv
import io
import re
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import CommandLine
from support.odd_tables import NETWORKS, flats, passengers, without, write

import fastnn
from fastnn.cli.saved_table import _notations
from fastnn.tabular import learn_columns

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)

HEADER, ROWS = passengers()


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with a table and an ensemble that learned it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    write(tmp_path / "ship.csv", HEADER, ROWS)
    cli = CommandLine(tmp_path, capsys)
    cli.ok("train", "ship.csv", *NETWORKS, "--quiet")
    return cli


def read(text):
    return list(csv.reader(io.StringIO(text)))


# -- predict --------------------------------------------------------------------------------------


@one_folder
@given(order=st.permutations(HEADER), with_target=st.booleans())
def test_columns_in_any_order_with_or_without_the_target_give_the_same(cli, order, with_target):
    expected = cli.ok("predict", "ship.safetensors", "ship.csv")
    if not with_target:
        order = [name for name in order if name != "Survived"]
    rows = [[row[HEADER.index(name)] for name in order] for row in ROWS]
    write(cli.folder / "new.csv", order, rows, delimiter=";")
    assert cli.ok("predict", "ship.safetensors", "new.csv") == expected
    assert cli.err == ""


def test_one_row_is_read_as_many_are(cli):
    many = cli.ok("predict", "ship.safetensors", "ship.csv", "--proba").splitlines()[1:]
    for i in (0, 7):
        write(cli.folder / "one.csv", *without(HEADER, ROWS[i : i + 1], "Survived"))
        _, one = cli.ok("predict", "ship.safetensors", "one.csv", "--proba").splitlines()
        expected, found = (np.array(line.split(","), float) for line in (many[i], one))
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_columns_are_kept_as_they_are_written_beside_prediction_and_probabilities(cli):
    words = ("--keep", "PassengerId,Name", "--keep", "Age", "--proba", "--output", "out.csv")
    cli.ok("predict", "ship.safetensors", "ship.csv", *words)
    header, *rows = read((cli.folder / "out.csv").read_text(encoding="utf-8"))
    assert header == [
        *("PassengerId", "Name", "Age", "prediction", "probability of 0", "probability of 1")
    ]
    assert [row[:3] for row in rows] == [[row[0], row[3], row[5]] for row in ROWS]
    p = np.array([row[4:] for row in rows], float)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert [int(row[3]) for row in rows] == p.argmax(axis=1).tolist()


def test_a_kept_column_may_be_one_that_was_never_seen(cli):
    write(cli.folder / "t.csv", ["remark", *HEADER], [["007", *row] for row in ROWS])
    out = read(cli.ok("predict", "ship.safetensors", "t.csv", "--keep", "remark"))
    assert out[0] == ["remark", "prediction"]
    assert {row[0] for row in out[1:]} == {"007"}


def test_every_kept_cell_is_as_it_stands_in_the_file(cli):
    header = ["price", "sold", "share", "name", "bought"]
    names = ("NA", "n/a", "", "none", "x")
    rows = [
        [f"1,{100 + i}.50", f"{i % 28 + 1:02d}/12/2020", f"{i}%", names[i % 5], "ny"[i % 3 == 0]]
        for i in range(60)
    ]
    write(cli.folder / "t.csv", header, rows)
    cli.ok("train", "t.csv", "--target", "bought", *NETWORKS, "--day-first")
    out = read(cli.ok("predict", "t.safetensors", "t.csv", "--keep", ",".join(header)))
    assert [row[:5] for row in out[1:]] == rows


@one_folder
@given(
    day_first=st.booleans(),
    decimal=st.sampled_from(".,"),
    delimiter=st.sampled_from(";\t"),
    which=st.integers(0, 59),
)
def test_one_row_is_written_as_the_training_file_was(cli, day_first, decimal, delimiter, which):
    rows = []
    for i in range(60):
        day, month = i % 12 + (1 if i % 2 else 13), i % 12 + 1
        first, second = (day, month) if day_first else (month, day)
        price = f"{i % 9 + 1}.{i * 37 % 1000:03d}" if i else "1.5"
        rows.append([f"{first}/{second}/2020", price.replace(".", decimal), "ab"[i % 7 > 3]])
    write(cli.folder / "t.csv", ["sold", "price", "y"], rows, delimiter=delimiter)
    cli.ok("train", "t.csv", "--target", "y", *NETWORKS)
    many = cli.ok("predict", "t.safetensors", "t.csv", "--proba").splitlines()[1:]
    write(cli.folder / "one.csv", ["sold", "price"], [rows[which][:2]], delimiter=delimiter)
    _, one = cli.ok("predict", "t.safetensors", "one.csv", "--proba").splitlines()
    expected, found = (np.array(line.split(",")[1:], float) for line in (many[which], one))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    sold, price, _ = rows[which]
    first, second, year = sold.split("/")
    month, day = (second, first) if day_first else (first, second)
    iso = [f"{year}-{month:0>2}-{day:0>2}", price]
    write(cli.folder / "one.csv", ["sold", "price"], [iso], delimiter=delimiter)
    _, one = cli.ok("predict", "t.safetensors", "one.csv", "--proba").splitlines()
    np.testing.assert_allclose(np.array(one.split(",")[1:], float), expected, atol=1e-6)


def test_a_file_that_is_written_otherwise_than_that_of_training_is_read_so_and_named(cli):
    write(cli.folder / "flats.csv", *flats(), delimiter=";")
    cli.ok("train", "flats.csv", "--target", "Preis", *NETWORKS)
    expected = cli.ok("predict", "flats.safetensors", "flats.csv")
    assert cli.err == ""
    header, rows = flats()
    for row in rows:
        day, month, year = row[3].split(".")
        row[2], row[3] = row[2].replace(",", "."), f"{month}/{day}/{year}"
    write(cli.folder / "new.csv", header, rows)
    assert cli.ok("predict", "flats.safetensors", "new.csv") == expected
    assert "'Fläche' is written with decimal points, but was with decimal commas" in cli.err
    assert "'Verkauft am' is written with the month first, but was with the day first" in cli.err


@pytest.mark.parametrize("words", [("--proba",), ("--json",), ()])
def test_numbers_have_no_more_digits_than_float32_needs(cli, words):
    write(cli.folder / "flats.csv", *flats(), delimiter=";")
    cli.ok("train", "flats.csv", "--target", "Preis", *NETWORKS)
    name = "flats" if not words else "ship"
    out = cli.ok("predict", f"{name}.safetensors", f"{name}.csv", *words)
    found = re.findall(r"\d+\.\d+(?:e-?\d+)?", out)
    assert len(found) >= 80
    assert all(number in (str(np.float32(number)), repr(float(number))) for number in found)
    assert max(len(number.split("e")[0].strip("0.").replace(".", "")) for number in found) <= 9


def test_what_training_had_not_is_told_once(cli):
    sex = HEADER.index("Sex")
    rows = [["7", *row[:sex], row[sex].title(), *row[sex + 1 :]] for row in ROWS]
    write(cli.folder / "t.csv", ["remark", *HEADER], rows)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        cli.ok("predict", "ship.safetensors", "t.csv", "--proba")
    assert cli.err.splitlines() == [
        "fastnn: warning: the table also has a column that the network was not trained on, "
        "'remark': ignored",
        "fastnn: warning: the table has values that training had not: Sex (90 of 90 rows, such as "
        f"{rows[0][sex + 1]!r}); they are read as no category",
    ]


def test_json_has_probabilities_and_kept_columns(cli):
    first, *_ = cli.json("predict", "ship.safetensors", "ship.csv", "--keep", "PassengerId")
    assert set(first) == {"prediction", "probabilities", "kept"}
    assert first["kept"] == {"PassengerId": "1"}


def test_standard_input_and_parquet_are_read(cli, monkeypatch):
    expected = cli.ok("predict", "ship.safetensors", "ship.csv")
    content = (cli.folder / "ship.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert cli.ok("predict", "ship.safetensors", "-") == expected
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.read_csv("ship.csv", parse_dates=["Boarded"]).to_parquet("ship.parquet")
    assert cli.ok("predict", "ship.safetensors", "ship.parquet") == expected


def test_kinds_are_those_of_training_whatever_the_new_cells_look_like(cli):
    rows = [[f"{i:03d}", f"{i % 3}", ("a", "b")[i % 2]] for i in range(60)]
    rows[5][0] = "x1"
    write(cli.folder / "t.csv", ["zip", "n", "label"], [[f"{i % 4}0", *r[1:]] for i, r in
                                                       enumerate(rows)])  # fmt: skip
    cli.ok("train", "t.csv", "--kind", "zip=category", *NETWORKS)
    write(cli.folder / "new.csv", ["zip", "n"], [["10", "1"], ["20", "2"]])
    assert len(cli.ok("predict", "t.safetensors", "new.csv").split()) == 2
    write(cli.folder / "new.csv", ["zip", "n"], [["10", "one"]])
    assert cli("predict", "t.safetensors", "new.csv") == 2
    assert "new.csv, line 2, column 2 (n): got 'one', expected a number" in cli.err


def test_a_table_without_names_is_matched_by_position(cli):
    header, rows = without(HEADER, ROWS, "Name", "Boarded", "PassengerId")
    write(cli.folder / "bare.csv", None, rows)
    words = ("--no-header", "--target", "0")
    cli.ok("train", "bare.csv", *words, *NETWORKS)
    expected = cli.ok("predict", "bare.safetensors", "bare.csv", "--no-header")
    write(cli.folder / "new.csv", None, [row[1:] for row in rows])
    assert cli.ok("predict", "bare.safetensors", "new.csv", "--no-header") == expected
    (found,) = cli.json("evaluate", "bare.safetensors", "bare.csv", "--no-header")
    assert found["n_rows"] == 18
    assert header[0] == "Survived"


def test_numbers_have_no_probabilities(cli):
    write(cli.folder / "flats.csv", *flats(), delimiter=";", encoding="cp1252")
    cli.ok("train", "flats.csv", "--target", "Preis", *NETWORKS)
    words = ("predict", "flats.safetensors", "flats.csv")
    out = read(cli.ok(*words, "--keep", "Fläche"))
    assert out[0] == ["Fläche", "prediction"]
    assert out[1][0] == flats()[1][0][2]
    assert cli(*words, "--proba") == 2
    assert "--proba is for classes" in cli.err


def test_networks_of_numbers_have_probabilities_but_keep_nothing(cli):
    rows = [[f"{i % 7}", f"{i % 5}.5", ("a", "b")[i % 2]] for i in range(60)]
    write(cli.folder / "t.csv", ["u", "v", "label"], rows)
    cli.ok("train", "t.csv", "--model", "network", "--epochs", "1")
    write(cli.folder / "new.csv", ["u", "v"], [row[:2] for row in rows])
    out = read(cli.ok("predict", "t.safetensors", "new.csv", "--proba"))
    assert out[0] == ["prediction", "probability of a", "probability of b"]
    assert len(out) == 61
    for words in (("--keep", "u"), ("--missing", "x"), ("--delimiter", ",")):
        assert cli("predict", "t.safetensors", "new.csv", *words) == 2
        assert "is for a network that takes tables" in cli.err


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_a_single_network_may_take_tables_too(cli, output):
    columns = fastnn.load("ship.safetensors").columns
    net = fastnn.Network((columns.n_out, 4, 2 if output == "softmax" else 1), output=output, seed=0)
    net.columns = columns
    net.save("one")
    write(cli.folder / "new.csv", *without(HEADER, ROWS, "Survived"))
    header, *rows = read(cli.ok("predict", "one", "new.csv", "--proba"))
    assert header == ["prediction", "probability of 0", "probability of 1"]
    assert all(float(row[1]) + float(row[2]) == pytest.approx(1, abs=1e-5) for row in rows)
    assert cli("evaluate", "one", "ship.csv") == 2
    assert "does not know the name of the column that it predicts: give it as --target" in cli.err
    (found,) = cli.json("evaluate", "one", "ship.csv", "--target", "Survived")
    share = np.mean([int(row[0]) == int(own[1]) for row, own in zip(rows, ROWS, strict=True)])
    assert found["all"]["accuracy"] == pytest.approx(share)


def test_an_ensemble_of_numbers_is_asked_as_a_network_is(cli):
    ensemble = fastnn.Ensemble((2, 3, 2), 3, seed=0)
    ensemble.save("bag")
    write(cli.folder / "new.csv", ["u", "v"], [["1.5", "2"], ["3", "4"], ["5", "6"]])
    expected = ensemble.predict(np.array([[1.5, 2], [3, 4], [5, 6]]))
    assert [int(word) for word in cli.ok("predict", "bag", "new.csv").split()] == expected.tolist()
    shops = fastnn.Ensemble((2, 3, 2), group_labels=("east", "west"), seed=0)
    shops.save("shops")
    assert cli("predict", "shops", "new.csv") == 2
    assert "a network for each group of rows" in cli.err


@pytest.mark.parametrize("at_a_time", [1, 7, 90])
def test_long_tables_are_written_in_pieces_row_by_row(cli, at_a_time, monkeypatch):
    words = ("predict", "ship.safetensors", "ship.csv", "--keep", "PassengerId,Name", "--proba")
    table, records = cli.ok(*words), cli.ok(*words, "--json")
    monkeypatch.setattr("fastnn.cli.predict.ROWS_AT_A_TIME", at_a_time)
    assert cli.ok(*words) == table
    assert cli.ok(*words, "--json") == records
    kept = [row[HEADER.index("PassengerId")] for row in ROWS]
    assert [row[0] for row in read(table)[1:]] == [str(cell) for cell in kept]


# -- evaluate -------------------------------------------------------------------------------------


def test_the_training_file_is_evaluated_on_its_test_rows_with_the_scores_of_training(cli):
    (result,) = cli.json("train", "ship.csv", *NETWORKS, "--quiet")
    (found,) = cli.json("evaluate", "ship.safetensors", "ship.csv")
    rows = result["test"].pop("rows")
    assert (found["n_rows"], found["test"]) == (rows, result["test"])
    out = cli.ok("evaluate", "ship.safetensors", "ship.csv")
    assert "on the 18 held-out test rows, not on the other 72" in cli.err
    assert "simplest guess" in out.splitlines()[0]


def test_another_file_is_evaluated_on_all_rows_by_the_name_of_the_target(cli):
    write(cli.folder / "t.csv", *passengers(40, seed=9))
    (found,) = cli.json("evaluate", "ship.safetensors", "t.csv")
    assert (found["n_rows"], found["target"], found["learned"]) == (40, "Survived", False)
    header, rows = passengers(40, seed=9)
    header[1] = "alive"
    write(cli.folder / "t.csv", header, rows)
    assert cli("evaluate", "ship.safetensors", "t.csv") == 2
    assert "t.csv has no column 'Survived', which the network predicts" in cli.err
    (again,) = cli.json("evaluate", "ship.safetensors", "t.csv", "--target", "alive")
    assert again["all"] == found["all"]


def test_unknown_classes_are_refused(cli):
    header, rows = passengers(30, seed=9)
    rows[4][1] = "2"
    write(cli.folder / "t.csv", header, rows)
    assert cli("evaluate", "ship.safetensors", "t.csv") == 2
    assert "the target 'Survived' holds 2, which is not one of the network's classes" in cli.err


# -- show -----------------------------------------------------------------------------------------


def test_show_says_what_an_ensemble_is_and_what_it_learned(cli):
    out = cli.ok("show", "ship.safetensors")
    assert out.startswith("ship.safetensors: an ensemble of 2 networks, ")
    assert "target      Survived" in out
    assert "trained on  72 rows" in out
    assert "calibrated  logits divided by " in out
    assert "\nSex " in out
    (found,) = cli.json("show", "ship.safetensors")
    assert (found["kind"], found["n_networks"], found["classes"]) == ("ensemble", 2, [0, 1])
    assert found["takes_tables"]
    assert {column["name"] for column in found["columns"]} == {*HEADER} - {"Survived"}
    assert found["bytes"] == (cli.folder / "ship.safetensors").stat().st_size


def test_show_says_what_a_network_is(cli):
    fastnn.Network((3, 5, 2), class_labels=("no", "yes")).save("net")
    out = cli.ok("show", "net")
    assert out.startswith("net: a network, ")
    assert "'no', 'yes'" in out
    (found,) = cli.json("show", "net")
    assert (found["kind"], found["sizes"], found["columns"]) == ("network", [3, 5, 2], None)
    assert cli("show", "ship.csv") == 2


# -- columns --------------------------------------------------------------------------------------


def test_columns_prints_what_would_be_done_and_trains_nothing(cli):
    (cli.folder / "ship.safetensors").unlink()
    out = cli.ok("columns", "ship.csv", "--drop", "Age")
    assert out.startswith("ship: 8 columns, 90 rows\ntarget 'Survived'")
    assert "dropped" in out
    assert not (cli.folder / "ship.safetensors").exists()
    (found,) = cli.json("columns", "ship.csv", "--target", "Fare")
    n_missing = sum(row[HEADER.index("Age")] == "" for row in ROWS)
    assert n_missing > 0
    assert (found["task"], found["rows"]) == ("regression", {"known": 90, "without_target": 0})
    (found,) = cli.json("columns", "ship.csv", "--target", "Age")
    assert found["rows"] == {"known": 90 - n_missing, "without_target": n_missing}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"a": ",", "b": None}, {"a": ",", "b": ","}),
        ({"a": None, "b": "."}, {"a": ".", "b": "."}),
        ({"a": ",", "b": "."}, {"a": ",", "b": "."}),
        ({"a": ",", "b": ".", "c": None}, {"a": ",", "b": "."}),
        ({"a": None, "b": None}, {}),
        ({"a": None, "day": "day first"}, {"day": "day first"}),
        ({"a": ",", "day": None}, {"a": ","}),
    ],
)
@pytest.mark.parametrize("has_names", [True, False])
def test_numbers_without_decimals_are_written_like_the_others_if_these_are_alike(
    written, expected, has_names
):
    days = np.arange(20).astype("M8[D]")
    columns = learn_columns(
        {name: days if name == "day" else np.arange(20.0) ** 0.5 for name in written}
    )
    table = [replace(column, notation=written[column.name]) for column in columns.table]
    names = list(written) if has_names else [f"column {i + 1}" for i in range(len(written))]
    found = _notations(table, names)
    assert found == {names[list(written).index(name)]: mark for name, mark in expected.items()}
