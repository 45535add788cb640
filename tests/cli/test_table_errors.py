"""Wrong calls on tables: one line that says what came, what was expected, and what to do."""

import pytest
from support.command_line import CommandLine
from support.odd_tables import flats, passengers, write


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with tables, good and bad."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    write(tmp_path / "ship.csv", *passengers())
    write(tmp_path / "flats.csv", *flats(), delimiter=";", encoding="cp1252")
    rows = [[str(i % 5), "yes"] for i in range(30)]
    write(tmp_path / "one class.csv", ["a", "label"], rows)
    write(tmp_path / "few.csv", ["a", "label"], [[str(i), str(i % 2)] for i in range(6)])
    write(tmp_path / "narrow.csv", ["a"], [[str(i)] for i in range(30)])
    write(tmp_path / "no target.csv", ["a", "label"], [[str(i), ""] for i in range(30)])
    write(tmp_path / "same.csv", ["a", "label"], [["1", str(i % 2)] for i in range(30)])
    write(tmp_path / "infinite.csv", ["a", "label"], [[str(i), "inf"] for i in range(30)])
    days = [[str(i), f"2020-01-{i + 1:02d}"] for i in range(30)]
    write(tmp_path / "times.csv", ["a", "label"], days)
    write(tmp_path / "ages.csv", ["a", "label"], [[f"{i}.5", str(20 + i % 30)] for i in range(90)])
    (tmp_path / "empty.csv").touch()
    (tmp_path / "good.toml").write_text("epochs = 1\n")
    (tmp_path / "key.toml").write_text("epoch = 1\n")
    (tmp_path / "value.toml").write_text('epochs = "many"\n')
    (tmp_path / "switch.toml").write_text("quiet = 3\n")
    (tmp_path / "nested.toml").write_text("drop = [[1]]\n")
    (tmp_path / "broken.toml").write_text("epochs =\n")
    return CommandLine(tmp_path, capsys)


ERRORS = {
    "target": ("ship.csv --target Survivd", "no column 'Survivd'", "did you mean 'Survived'?"),
    "target past the end": ("ship.csv --target 9", "count from 0 to 7"),
    "drop": ("ship.csv --drop Sexx", "--drop names a column 'Sexx'", "did you mean 'Sex'?"),
    "drop the target": ("ship.csv --drop Survived", "which is the target"),
    "drop all": ("few.csv --drop a --target label", "too few to learn from"),
    "kind": ("ship.csv --kind Pcalss=category", "--kind names", "did you mean 'Pclass'?"),
    "kind: unknown": ("ship.csv --kind Sex=categorie", "did you mean category?"),
    "kind: no name": ("ship.csv --kind category", "must be NAME=KIND such as"),
    "kind of the target": ("ship.csv --kind Survived=category", "--task says"),
    "kind that is not so": ("ship.csv --kind Sex=number", "got 'male', expected a number"),
    "class weight": ("ship.csv --class-weight 2", "must be balanced, or weights above 0"),
    "class weight: negative": ("ship.csv --class-weight 1=-2", "weights above 0"),
    "class weight: class": ("ship.csv --class-weight 3=2", "not one of the classes, '0', '1'"),
    "class weight: numbers": (
        "flats.csv --target Preis --class-weight balanced",
        "--class-weight is of a classification",
    ),
    "smoothing of numbers": (
        "flats.csv --target Preis --label-smoothing 0.2",
        "--label-smoothing is of a classification",
    ),
    "cv": ("ship.csv --cv 1", "whole number of at least 2"),
    "cv of few": ("ship.csv --cv 60", "needs at least 120 rows, and there are 90"),
    "l2": ("ship.csv --l2 -1", "a number of at least 0"),
    "time limit": ("ship.csv --time-limit 0", "a number above 0"),
    "task of text": ("ship.csv --target Sex --task regression", "labels are text"),
    "names": ("ship.csv --target Name", "probably names or identifiers"),
    "row numbers": ("ship.csv --target PassengerId", "row numbers"),
    "classes or amounts": ("ages.csv", "--task classification", "--task regression"),
    "delimiter": ("ship.csv --delimiter abc", "one character"),
    "encoding": ("ship.csv --encoding klingon", "'klingon'"),
    "day": ("ship.csv --no-day-frist", "did you mean", "--no-day-first"),
    "one class": ("one_class", "have one class, 'yes'"),
    "few rows": ("few.csv", "has 6 rows with a target, too few to learn from"),
    "one column": ("narrow.csv", "narrow.csv"),
    "no target": ("no_target", "all cells of the target 'label' are missing"),
    "nothing to learn": ("same.csv", "no column to learn from", "one value only"),
    "infinite": ("infinite.csv", "infinite"),
    "times": ("times.csv", "the target 'label' holds times"),
    "empty": ("empty.csv", "empty.csv"),
    "absent": ("absent.csv", "no file 'absent.csv'"),
    # ways
    "both ways": ("ship.csv --optimizer sgd --cv 3", "--cv is for tables", "--optimizer"),
    "table and optimizer": (
        "ship.csv --model table --optimizer sgd",
        "--optimizer is for a single network",
    ),
    "network and folds": ("ship.csv --model network --cv 3", "not for --model network"),
    "table of digits": ("digits --model table", "the data are digits"),
    "folds of digits": ("digits --cv 3", "--cv is for tables", "the data are digits"),
    # settings
    "config absent": ("ship.csv --config no.toml", "no.toml"),
    "config key": ("ship.csv --config key.toml", "no option 'epoch'; did you mean epochs?"),
    "config value": ("ship.csv --config value.toml", "value.toml: argument --epochs: must be"),
    "config switch": ("ship.csv --config switch.toml", "quiet must be true or false, got 3"),
    "config nested": ("ship.csv --config nested.toml", "drop must be text or a number, or a list"),
    "config broken": ("ship.csv --config broken.toml", "is not TOML"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_one_line_and_code_2(cli, name):
    line, *told = ERRORS[name]
    words = [{"one_class": "one class.csv", "no_target": "no target.csv"}.get(word, word)
             for word in line.split()]  # fmt: skip
    before = sorted(path.name for path in cli.folder.iterdir())
    assert cli("train", *words, "--quiet") == 2
    assert cli.out == ""
    assert cli.err.count("\n") == 1, cli.err
    assert cli.err.startswith("fastnn train: error: ")
    for text in told:
        assert text in cli.err
    assert sorted(path.name for path in cli.folder.iterdir()) == before


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_training_that_diverges_saves_nothing(cli):
    words = ("--learning-rate", "1e30", "--epochs", "8", "--estimators", "2", "--layers", "8")
    assert cli("train", "ship.csv", *words) == 2
    assert cli.err.splitlines()[-1].endswith("nothing is kept: try a smaller learning rate")
    assert not (cli.folder / "ship.safetensors").exists()


def test_what_is_not_a_table_has_no_columns(cli):
    assert cli("columns", "x.npz") == 2
    assert "x.npz is no table of columns: expected a CSV or Parquet file" in cli.err
