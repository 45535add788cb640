"""``fastnn train`` on tables as people publish them: what is guessed, learned and printed."""

import io
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import CommandLine
from support.odd_tables import NETWORKS, flats, passengers, without, write

import fastnn
from fastnn.bagging.recipe import CLASSES, NUMBERS
from fastnn.bagging.tables import fit_table
from fastnn.cli.train_table import outputs as train_table_outputs

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with two odd tables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    write(tmp_path / "ship.csv", *passengers())
    write(tmp_path / "flats.csv", *flats(), delimiter=";", encoding="cp1252")
    return CommandLine(tmp_path, capsys)


def train(cli, *words):
    """Train quickly; return the events."""
    return cli.json("train", *words, *NETWORKS)


# -- what is said ---------------------------------------------------------------------------------


def test_what_was_guessed_is_said_before_training_and_scores_after_it(cli):
    out = cli.ok("train", "ship.csv", *NETWORKS)
    assert "ship: 8 columns, 72 training and 18 test rows" in cli.err
    assert "target 'Survived', column 2 of 8, by its name (--target selects another)" in cli.err
    assert "classification: 2 different whole numbers (--task regression if not)" in cli.err
    assert re.search(r"^Name +text +left out +0 ", cli.err, re.M)
    assert re.search(r"^Boarded +time ", cli.err, re.M)
    first, *lines = out.splitlines()
    assert [header.strip() for header in first.split("   ")[-3:]] == [
        "test rows",
        "simplest guess",
        "out of fold",
    ]
    names = [line.split("  ")[0] for line in lines]
    assert names[:6] == ["rows", "accuracy", "balanced accuracy", "F1 of 1", "AUC", "log-loss"]
    assert lines[-1].startswith("trained 2 networks in ")
    assert "saved ship.safetensors (" in lines[-1]
    assert max(map(len, out.splitlines()[:-1])) <= 80


def test_a_german_table_is_a_regression_by_decimal_commas(cli):
    data, result = train(cli, "flats.csv", "--target", "Preis")
    assert (data["task"], data["target"], data["target_reason"]) == ("regression", "Preis", None)
    assert any("Windows-1252" in note for note in data["notes"])
    read_as = {column["name"]: column["read_as"] for column in data["columns"]}
    assert read_as["Fläche"] == "number"
    assert read_as["Verkauft am"] == "time"
    assert read_as["Lage"] == "category"
    assert set(result["test"]) == {"rows", "rmse", "mae", "r2"}
    assert result["simplest_guess"]["r2"] <= 0


def test_json_has_the_data_and_the_result_and_quiet_only_the_result(cli):
    data, result = train(cli, "ship.csv")
    assert (data["event"], data["rows"]) == ("data", {"train": 72, "test": 18})
    assert data["classes"] == [0, 1]
    assert result["event"] == "result"
    assert set(result["test"]) == {"rows", "accuracy", "balanced_accuracy", "f1", "auc", "log_loss"}
    assert set(result["importances"]) >= {"Sex", "Age"}
    assert result["model"] == "ship.safetensors"
    (only,) = train(cli, "ship.csv", "--quiet")
    assert only["test"] == result["test"]
    assert cli.err == ""


def test_the_saved_ensemble_takes_the_table_and_knows_what_it_learned(cli):
    train(cli, "ship.csv")
    ensemble = fastnn.load("ship.safetensors")
    assert len(ensemble) == 2
    assert ensemble.trained_on.label_name == "Survived"
    assert ensemble.trained_on.n_rows == 72
    table = {"Pclass": [3], "Sex": ["male"], "Age": [None], "Fare": [7.5]}
    table["Boarded"] = [np.datetime64("1912-04-10")]
    assert ensemble.predict_proba(table).shape == (1, 2)


def test_the_same_seed_has_the_same_bytes(cli):
    for name in ("a", "b"):
        train(cli, "ship.csv", "--output", name, "--seed", "5")
    assert (cli.folder / "a").read_bytes() == (cli.folder / "b").read_bytes()


# -- the target -----------------------------------------------------------------------------------


@one_folder
@given(
    names=st.lists(
        st.sampled_from(["label", "Target", "outcome", "survived", "class", "species"]),
        min_size=1, max_size=3, unique=True,
    ),
    place=st.integers(0, 2),
)  # fmt: skip
def test_the_target_is_found_by_its_usual_names_in_their_order(cli, names, place):
    order = ["label", "Target", "outcome", "survived", "class", "species"]
    header = ["a", "b"]
    header[place:place] = names
    rows = [[f"{(i * 7 + j) % 5}.5" for j, _ in enumerate(header)] for i in range(30)]
    write(cli.folder / "t.csv", header, rows)
    (found,) = cli.json("columns", "t.csv")
    assert found["target"] == min(names, key=order.index)
    assert "by its name" in found["target_reason"]
    others = [name for name in names if name != found["target"]]
    assert all(name in found["target_reason"] for name in others)


def test_the_last_column_is_the_target_unless_it_names_the_rows(cli):
    header, rows = without(*passengers(), "Survived", "Name")
    ids = [f"A{i:04d}" for i in range(len(rows))]
    write(cli.folder / "t.csv", [*header[:-1], "code"], [
        [*row[:-1], code] for row, code in zip(rows, ids, strict=True)
    ])  # fmt: skip
    (found,) = cli.json("columns", "t.csv")
    assert (found["target"], found["target_reason"]) == ("Fare", "the last column but 'code'")


@pytest.mark.parametrize(("given", "found"), [("Sex", "Sex"), ("4", "Sex"), ("-4", "Sex")])
def test_the_target_is_named_or_counted(cli, given, found):
    assert train(cli, "ship.csv", "--target", given)[0]["target"] == found
    assert train(cli, "ship.csv", "--label", given)[0]["target"] == found


def test_rows_without_a_target_are_left_out(cli):
    header, rows = passengers()
    for i in (3, 40):
        rows[i][1] = ""
    write(cli.folder / "t.csv", header, rows)
    data, _ = train(cli, "t.csv")
    assert data["rows"] == {"train": 70, "test": 18}
    assert "2 rows are left out, since the target is missing" in data["notes"]


def test_flags_keep_their_words(cli):
    header, rows = passengers()
    for row in rows:
        row[1] = ("no", "yes")[int(row[1])]
    write(cli.folder / "t.csv", header, rows)
    assert train(cli, "t.csv")[0]["classes"] == ["no", "yes"]
    assert fastnn.load("t.safetensors").class_labels == ("no", "yes")
    (found,) = cli.json("evaluate", "t.safetensors", "t.csv")
    assert found["n_rows"] == 18


@pytest.mark.parametrize("engine", ["pandas"])
def test_parquet_is_read_too(cli, engine):
    frames = pytest.importorskip(engine)
    pytest.importorskip("pyarrow")
    header, rows = passengers()
    frame = frames.DataFrame(rows, columns=header)
    frame["Survived"] = frame["Survived"] == "1"
    frame["Age"] = frames.to_numeric(frame["Age"])
    frame.to_parquet("t.parquet")
    assert train(cli, "t.parquet")[0]["classes"] == ["false", "true"]
    (found,) = cli.json("evaluate", "t.safetensors", "t.parquet")
    assert found["n_rows"] == 18


def test_standard_input_is_read(cli, monkeypatch):
    content = (cli.folder / "ship.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    _, piped = train(cli, "-")
    _, result = train(cli, "ship.csv")
    assert piped["test"] == result["test"]
    assert piped["model"] == "stdin.safetensors"


# -- options --------------------------------------------------------------------------------------


def test_columns_are_dropped_and_read_otherwise(cli):
    words = ("--drop", "Age, Fare", "--drop", "Name", "--kind", "Pclass=category")
    data, _ = train(cli, "ship.csv", *words, "--kind", "Boarded=drop")
    found = {column["name"]: column for column in data["columns"]}
    assert [found[name]["encoded_as"] for name in ("Age", "Fare", "Name", "Boarded")] == [None] * 4
    assert found["Pclass"]["read_as"] == "category"
    data, _ = train(cli, "ship.csv", "--kind", "Pclass=3<2<1")
    assert {c["name"]: c["read_as"] for c in data["columns"]}["Pclass"] == "ordered"


def test_words_for_missing_cells(cli):
    header, rows = passengers()
    for row in rows[::5]:
        row[5] = "nobody knows"
    write(cli.folder / "t.csv", header, rows)
    data, _ = train(cli, "t.csv", "--missing", "nobody knows")
    assert {c["name"]: c["read_as"] for c in data["columns"]}["Age"] == "number"


def test_how_text_is_read_can_be_said(cli):
    write(cli.folder / "t.csv", *flats(), delimiter="|", encoding="utf-16")
    words = ("--delimiter", "|", "--decimal", ",", "--encoding", "utf-16", "--header")
    data, _ = train(cli, "t.csv", "--target", "Preis", *words, "--day-first")
    assert data["task"] == "regression"
    write(cli.folder / "bare.csv", None, flats()[1], delimiter=";")
    data, _ = train(cli, "bare.csv", "--no-header", "--target", "1")
    assert data["target"] == "column 2"


@pytest.mark.parametrize("words", [("ship.csv",), ("flats.csv", "--target", "Preis")])
def test_no_fold_learns_the_rows_that_it_is_asked_about(cli, words, monkeypatch):
    learned, asked = [], []

    def fit(frame, *args, **options):
        learned.append({*map(str, zip(*(column.values for column in frame.columns), strict=True))})
        return fit_table(frame, *args, **options)

    def outputs(model, of):
        asked.append({*map(str, zip(*(column.values for column in of.frame.columns), strict=True))})
        return train_table_outputs(model, of)

    monkeypatch.setattr("fastnn.cli.train_table.fit_table", fit)
    monkeypatch.setattr("fastnn.cli.train_table.outputs", outputs)
    train(cli, *words, "--cv", "3")
    assert len(learned) == 4  # the last one of all rows
    for rows, others in zip(learned[:3], asked[:3], strict=True):
        assert not rows & others
        assert rows | others == learned[3]


@pytest.mark.parametrize(
    ("words", "recipe"), [(("ship.csv",), CLASSES), (("flats.csv", "--target", "Preis"), NUMBERS)]
)
def test_defaults_are_those_of_the_task(cli, words, recipe):
    train(cli, *words)
    name = words[0].replace(".csv", ".safetensors")
    assert fastnn.load(name).architecture.activations[0] == recipe.activation


def test_cross_validation_learns_all_rows_afterwards(cli):
    data, *folds, result = train(cli, "ship.csv", "--cv", "3")
    assert data["rows"] == {"train": 90}
    assert [fold["fold"] for fold in folds] == [1, 2, 3]
    assert "test" not in result
    found = result["cross_validation"]["networks"]["auc"]
    values = [fold["auc"] for fold in folds]
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert fastnn.load("ship.safetensors").trained_on.n_rows == 90
    (found,) = cli.json("evaluate", "ship.safetensors", "ship.csv")
    assert found["learned"]
    out = cli.ok("train", "ship.csv", "--cv", "3", *NETWORKS)
    assert "3 folds" in out.splitlines()[0]
    assert "±" in out


def test_weights_of_classes_move_predictions(cli):
    def share(*words):
        cli.ok("train", "ship.csv", *NETWORKS, "--layers", "64", "--epochs", "40", *words)
        cli.ok("predict", "ship.safetensors", "ship.csv")
        return cli.out.split().count("1")

    assert share("--class-weight", "1=4,0=1") > share("--class-weight", "0=4")
    train(cli, "ship.csv", "--class-weight", "balanced")


def test_settings_reach_the_networks(cli):
    words = ("--activation", "tanh", "--dropout", "0.2", "--l2", "0.01", "--label-smoothing", "0")
    words += ("--batch-size", "16", "--learning-rate", "0.01", "--task", "classification")
    cli.ok("train", "ship.csv", "--layers", "7,5", "--estimators", "3", "--epochs", "2", *words)
    ensemble = fastnn.load("ship.safetensors")
    assert ensemble.architecture.sizes[1:] == (7, 5, 2)
    assert ensemble.architecture.activations == ("tanh", "tanh")
    assert ensemble.architecture.label_smoothing == 0
    assert len(ensemble) == 3
    cli.ok("train", "ship.csv", "--layers", "none", "--epochs", "2", "--time-limit", "0.2")
    assert len(fastnn.load("ship.safetensors").architecture.sizes) == 2


def test_options_come_from_a_file_and_the_command_line_precedes_them(cli):
    (cli.folder / "s.toml").write_text(
        'target = "Sex"\nlayers = [6, 4]\nestimators = 3\nepochs = 1\nquiet = true\n'
        'drop = ["Name"]\nclass_weight = { female = 2 }\nkind = { Pclass = "category" }\n'
    )
    (result,) = cli.json("train", "ship.csv", "--config", "s.toml", "--estimators", "2")
    ensemble = fastnn.load("ship.safetensors")
    assert ensemble.trained_on.label_name == "Sex"
    assert ensemble.architecture.sizes[1:] == (6, 4, 2)
    assert result["n_estimators"] == 2


# -- which way ------------------------------------------------------------------------------------


def test_options_of_one_network_choose_it_and_say_so(cli):
    rows = [[f"{i % 7}", f"{i % 5}.5", ("a", "b")[i % 2]] for i in range(60)]
    write(cli.folder / "t.csv", ["u", "v", "label"], rows)
    cli.ok("train", "t.csv", "--epochs", "1", "--optimizer", "sgd")
    assert "one network on columns of numbers, since --optimizer is for that" in cli.err
    assert isinstance(fastnn.load("t.safetensors"), fastnn.Network)
    cli.ok("train", "t.csv", *NETWORKS)
    assert isinstance(fastnn.load("t.safetensors"), fastnn.Ensemble)
    cli.ok("train", "t.csv", "--epochs", "1", "--model", "network")
    assert isinstance(fastnn.load("t.safetensors"), fastnn.Network)


def test_pixels_are_learned_by_one_network(cli):
    rng = np.random.default_rng(0)
    rows = [[str(i % 3), *map(str, rng.integers(0, 256, 121))] for i in range(40)]
    header = ["label", *(f"pixel{i}" for i in range(121))]
    write(cli.folder / "t.csv", header, rows)
    cli.ok("train", "t.csv", "--epochs", "1")
    assert "since the columns look like pixels" in cli.err
    assert isinstance(fastnn.load("t.safetensors"), fastnn.Network)
    cli.ok("train", "t.csv", "--model", "table", *NETWORKS)
    assert isinstance(fastnn.load("t.safetensors"), fastnn.Ensemble)


# -- the report -----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("ship.csv",), ("flats.csv", "--target", "Preis", "--cv", "2")])
def test_a_report_has_all_this(cli, words):
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    from support.report_pages import Page

    result = train(cli, *words, "--report", "r.html")[-1]
    assert result["report"] == "r.html"
    page = Page((cli.folder / "r.html").read_text(encoding="utf-8"))
    assert not page.open
    for title in ("Scores", "Importances of columns", "Columns", "Curves", "Training", "Machine"):
        assert title in page.text
    if words[0] == "ship.csv":
        assert page.says("Confusion")
        assert page.says("Calibration")
        shown = f"{result['test']['accuracy']:.2%}".replace("%", " %")
        assert page.says(f"{shown} test accuracy")
    else:
        assert page.says("Predictions")
        assert page.says("2 folds")


WITHOUT = """
import sys
for name in ("sklearn", "scipy", "pandas", "polars", "matplotlib", "numba"):
    sys.modules[name] = None
from fastnn.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("words", [("train", "ship.csv", *NETWORKS), ("columns", "ship.csv")])
def test_numpy_is_enough(cli, words):
    done = subprocess.run([sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- the end --------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT")
def test_ctrl_c_saves_the_best_and_has_code_130(cli):
    running = subprocess.Popen(
        [sys.executable, "-m", "fastnn", "train", "ship.csv", "--epochs", "1000000",
         "--estimators", "2", "--layers", "8", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert json.loads(running.stdout.readline())["event"] == "data"
        time.sleep(2.0)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130, err
    assert json.loads(out.splitlines()[-1])["event"] == "result"
    assert "Traceback" not in err
    assert fastnn.load("ship.safetensors").columns is not None


def test_f1_is_of_the_rarer_class_whatever_it_is_called(cli):
    rows = [[f"{i % 7}", f"{i % 5}.5", ("churned", "stays")[i % 4 > 0]] for i in range(80)]
    write(cli.folder / "t.csv", ["u", "v", "y"], rows)
    assert "F1 of churned " in cli.ok("train", "t.csv", *NETWORKS)
    assert "F1 of churned " in cli.ok("train", "t.csv", *NETWORKS, "--cv", "2")
    assert "F1 of churned " in cli.ok("evaluate", "t.safetensors", "t.csv")
    rows = [[u, v, {"churned": "z", "stays": "a"}[y]] for u, v, y in rows]
    found = train(cli, "t.csv")[1]["test"]
    write(cli.folder / "t.csv", ["u", "v", "y"], rows)
    again = train(cli, "t.csv")[1]["test"]
    assert found["f1"] == pytest.approx(again["f1"], abs=0.5)
    assert found["auc"] >= 0


def test_notes_name_the_options_of_the_command_line(cli):
    rows = [[f"{i % 20:03d}", "ab"[i % 3 == 0]] for i in range(100)]
    write(cli.folder / "t.csv", ["my zip", "y"], rows)
    cli.ok("train", "t.csv", *NETWORKS)
    said = " ".join(cli.err.split())
    assert "--kind 'my zip=number' reads them as numbers" in said
    assert "kinds" not in said
    assert cli("train", "t.csv", *NETWORKS, "--kind", "my zip=000<001") == 2
    assert "--kind 'my zip' must have all values of the column" in cli.err
    write(cli.folder / "t.csv", ["x", "y"], [[str(i % 3), f"name {i}"] for i in range(60)])
    assert cli("train", "t.csv") == 2
    assert "--target" in cli.err
    assert "--label" not in cli.err


def test_help_has_the_layers_of_the_recipe(cli):
    cli("train", "--help")
    assert "(default: 128,128,128 for a table" in " ".join(cli.out.split())
