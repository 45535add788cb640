"""Rows and labels in NPY and IDX files, which stay on the disk if they are large."""

import numpy as np
import pytest
from support.command_line import CommandLine

import fastnn
from fastnn.datasets import arrays, tables, write_idx
from fastnn.datasets.readers import conversion, npy
from fastnn.rows import order as row_order
from fastnn.system import memory_maps
from fastnn.system.memory_maps import file_map

WINDOW = 1 << 14


def rows_of_bytes(n_rows=5000, n_in=16, seed=0):
    """Rows (n_rows, n_in) uint8 sorted by their 3 classes, and these."""
    rng = np.random.default_rng(seed)
    y = np.sort(rng.integers(0, 3, n_rows))
    centres = rng.integers(0, 200, (3, n_in))
    return (centres[y] + rng.integers(0, 50, (n_rows, n_in))).astype(np.uint8), y


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line in a folder with arrays in files, larger than a window."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    for module in (memory_maps, row_order, conversion, npy):
        monkeypatch.setattr(module, "WINDOW_BYTES", WINDOW)
    monkeypatch.setattr(row_order, "BLOCK_BYTES", WINDOW // 32)
    monkeypatch.setattr(tables, "MAX_HELD_OUT", 400)
    x, y = rows_of_bytes()
    np.save("x.npy", x.reshape(-1, 4, 4))
    np.save("floats.npy", (x / 255).astype(np.float32))
    np.save("small.npy", x[::10])
    np.save("y.npy", y)
    np.save("small-y.npy", y[::10])
    np.save("amounts.npy", x[:, :2] * 1.5)
    np.save("fortran.npy", np.asfortranarray(x))
    np.save("objects.npy", np.array([{}] * 5), allow_pickle=True)
    np.save("one.npy", np.float64(3))
    np.save("line.npy", np.arange(99999, dtype=np.uint8))
    np.save("nothing.npy", np.zeros((0, 16), np.uint8))
    write_idx("x-idx3-ubyte", x.reshape(-1, 4, 4))
    write_idx("x-idx3-ubyte.gz", x.reshape(-1, 4, 4))
    write_idx("y-idx1-ubyte", y.astype(np.uint8))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    (tmp_path / "text.npy").write_text("a,b\n1,2\n")
    return CommandLine(tmp_path, capsys)


FILES = [
    ("x.npy", "y.npy"),
    ("x-idx3-ubyte", "y-idx1-ubyte"),
    ("x-idx3-ubyte.gz", "y.npy"),
    ("floats.npy", "y-idx1-ubyte"),
    ("small.npy", "small-y.npy"),
]


@pytest.mark.parametrize(("data", "targets"), FILES)
def test_the_command_line_trains_measures_and_predicts_from_arrays(cli, data, targets):
    words = ("--targets", targets)
    result = cli.json(
        "train",
        "--model",
        "network",
        data,
        *words,
        "--output",
        "net",
        "--layers",
        8,
        "--epochs",
        40,
    )[-1]
    assert result["test"]["accuracy"] > 0.95
    assert result["train"]["accuracy"] > 0.95
    measured = cli.json("evaluate", "net", data, *words)[0]  # on the rows that were held out
    n_rows = 500 if data == "small.npy" else 5000
    held_out = {"small.npy": 100, "x-idx3-ubyte.gz": 1000}  # a fifth, but of what is mapped fewer
    assert measured["n_rows"] == held_out.get(data, 400)
    assert measured["test"]["accuracy"] == result["test"]["accuracy"]
    cli.ok("predict", "net", data, "--output", "predictions")
    predicted = np.loadtxt("predictions", int)
    y = rows_of_bytes()[1]
    assert (predicted == (y if n_rows == 5000 else y[::10])).mean() > 0.95


def test_numbers_are_learned_from_a_map(cli):
    words = ("--targets", "amounts.npy", "--layers", 8, "--epochs", 30)
    result = cli.json("train", "x.npy", *words, "--output", "net")[-1]
    assert result["test"]["r2"] > 0.7
    assert cli.json("evaluate", "net", "x.npy", "--targets", "amounts.npy")[0]["test"]["r2"] > 0.7


def test_what_is_held_out_is_said_and_columns_as_they_are_too(cli):
    cli.ok("train", "floats.npy", "--targets", "y.npy", "--epochs", 1)
    assert "4,200 training, 400 validation and 400 test rows" in cli.err
    assert "columns are not standardized" in cli.err
    assert (cli.folder / "floats.safetensors").exists()


def test_large_rows_are_mapped_and_small_ones_read(cli):
    assert file_map(arrays.read_array("x.npy")) is not None
    assert file_map(arrays.read_array("x-idx3-ubyte")) is not None
    for small in ("small.npy", "y-idx1-ubyte", "x-idx3-ubyte.gz"):
        assert file_map(arrays.read_array(small)) is None


def test_rows_held_out_are_absent_from_the_training(cli):
    table = arrays.read_arrays("x.npy", "y.npy")
    data = table.hold_out()
    assert data.feature_names == table.feature_names == tuple(f"column {i + 1}" for i in range(16))
    assert file_map(data.train.x) is not None
    assert np.count_nonzero(data.train_weight == 0) == len(data.test) + len(data.validation) == 800
    held_out = data.train.x[data.train_weight == 0]
    both = np.concatenate((data.validation.x, data.test.x))
    np.testing.assert_array_equal(np.sort(held_out, axis=0), np.sort(both, axis=0))
    assert np.bincount(data.test.y).min() > 80  # of a file that is sorted by class
    np.testing.assert_array_equal(data.test.x, table.hold_out().test.x)


ERRORS = {
    "no targets": ("train x.npy", "x.npy holds rows without labels; give the file"),
    "no targets to measure": ("evaluate net x.npy", "rows without labels; give the file"),
    "targets of a table": ("train t.csv --targets y.npy", "--targets is for NPY and IDX files"),
    "targets of digits": ("train digits --targets y.npy", "--targets is for NPY and IDX files"),
    "targets in a table": ("train x.npy --targets t.csv", "must be an NPY or IDX file, got t.csv"),
    "label": ("train x.npy --targets y.npy --label 3", "--label is for CSV and Parquet files"),
    "missing": ("train x.npy --targets none.npy", "there is no file 'none.npy'"),
    "rows differ": ("train x.npy --targets small-y.npy", "5000 rows, but small-y.npy has 500"),
    "objects": ("train objects.npy --targets y.npy", "holds Python objects"),
    "objects as labels": ("train x.npy --targets objects.npy", "holds Python objects"),
    "Fortran order": ("train fortran.npy --targets y.npy", "fortran.npy is in Fortran order"),
    "cut": ("train cut.npy --targets y.npy", "this one is 80127; it is truncated"),
    "text": ("train text.npy --targets y.npy", "text.npy is not a plain NPY array"),
    "one number": ("train one.npy --targets y.npy", "one.npy: x has shape ()"),
    "one dimension": ("train line.npy --targets y.npy", r"line.npy has shape (99999,)"),
    "no rows": ("train nothing.npy --targets y.npy", "at least one row"),
    "one number as labels": ("train x.npy --targets one.npy", "one.npy: y has shape ()"),
    "widths differ": ("predict net line.npy", "has 1 input columns, but the network takes 16"),
    "one number to predict": ("predict net one.npy", "one.npy holds a scalar"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_array_files(cli, name):
    (cli.folder / "t.csv").write_text("a,label\n1,x\n2,y\n")
    fastnn.Network((16, 3), backend="numpy").save("net")
    words, message = ERRORS[name]
    assert cli(*words.split()) == 2
    assert message in cli.err
    assert "Traceback" not in cli.err


def test_predictions_of_many_rows_are_written_in_pieces(cli, monkeypatch):
    net = fastnn.Network((16, 3), backend="numpy", seed=0)
    net.save("net")
    x = rows_of_bytes()[0]
    monkeypatch.setattr("fastnn.cli.predict.ROWS_AT_A_TIME", 700)
    cli.ok("predict", "net", "x.npy", "--output", "predictions")
    np.testing.assert_array_equal(np.loadtxt("predictions", int), net.predict(x))
    records = cli.json("predict", "net", "x.npy")
    probabilities = [record["probabilities"] for record in records]
    np.testing.assert_array_equal(np.float32(probabilities), net.predict_proba(x))
