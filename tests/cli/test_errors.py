"""The command line's errors: one line on standard error, exit code 2, never a traceback."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from support.command_line import NAMES, CommandLine, table, write_csv

import fastnn
from fastnn import backends
from fastnn.cli.options import measures

X, Y = table(60)


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line in a folder with a table, features, a network, and files that are not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    write_csv(tmp_path / "pets.csv", X, NAMES[Y])
    write_csv(tmp_path / "features.csv", X)
    write_csv(tmp_path / "one class.csv", X, ["ant"] * 60)
    np.savetxt(tmp_path / "wide.csv", np.c_[X, X][:, :5], delimiter=",")
    write_csv(tmp_path / "strangers.csv", X, ["yak"] * 60)
    write_csv(tmp_path / "amounts.csv", X, np.arange(60))
    write_csv(tmp_path / "fractions.csv", X, X[:, 0])
    (tmp_path / "nan.csv").write_text("a,b,label\n1,2,x\n1,nan,y\n")
    (tmp_path / "text.csv").write_text("a,b,label\n1,2,x\n1,two,y\n")
    (tmp_path / "ragged.csv").write_text("a,b,label\n1,2,x\n1,2,3,y\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04" + bytes(99))
    np.savez(tmp_path / "strange.npz", a=X)
    np.savez(tmp_path / "objects.npz", x=np.array([{}], object), y=np.array([1]))
    np.savez(tmp_path / "good.npz", x=X, y=NAMES[Y])
    (tmp_path / "cut-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\x09")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "elsewhere").mkdir()
    write_csv(tmp_path / "folder.csv", X, NAMES[Y])
    fastnn.Network((3, 3), class_labels=NAMES, backend="numpy").save(tmp_path / "net")
    (tmp_path / "cut").write_bytes((tmp_path / "net").read_bytes()[:-1])
    return CommandLine(tmp_path, capsys)


ERRORS = {
    "unknown command": ("trian", "invalid choice: 'trian'"),
    "unknown command that resembles one": ("Trian", "did you mean train?"),
    "unknown option": ("train pets.csv --frobnicate 3", "unrecognized arguments: --frobnicate 3 ("),
    "unknown option that resembles one": ("train pets.csv --lernrate 3", "mean --learning-rate?"),
    "unknown option with its value": ("train pets.csv --bach-size=3", "did you mean --batch-size?"),
    "unknown choice that resembles one": ("train pets.csv --activation rleu", "you mean relu?"),
    "unknown option without a command": ("--json", "unrecognized arguments: --json"),
    "no model": ("evaluate", "the following arguments are required: model"),
    "no data": ("predict net", "the following arguments are required: data"),
    # options
    "epochs": ("train pets.csv --epochs 0", "a whole number of at least 1, got '0'"),
    "epochs: text": ("train pets.csv --epochs ten", "a whole number of at least 1, got 'ten'"),
    "batch size": ("train pets.csv --batch-size -1", "a whole number of at least 1, got '-1'"),
    "seed": ("train pets.csv --seed 1.5", "a whole number of at least 0, got '1.5'"),
    "rate": ("train pets.csv --learning-rate 0", "a number above 0, got '0'"),
    "rate: NaN": ("train pets.csv --learning-rate nan", "a number above 0, got 'nan'"),
    "layers": ("train pets.csv --layers 10,x", "widths such as 100 or 128,64, or none, got '10,x'"),
    "layers: zero": ("train pets.csv --layers 0", "widths such as 100 or 128,64, or none, got '0'"),
    "layers: huge": ("train pets.csv --layers 10000000000000", "Unable to allocate"),
    "layers: past C": ("train pets.csv --layers 1000000000000000000", "than fit in memory"),
    "activation": ("train pets.csv --activation rleu", "invalid choice: 'rleu'"),
    "optimizer": ("train pets.csv --optimizer lbfgs", "invalid choice: 'lbfgs'"),
    "task": ("train pets.csv --task ranking", "invalid choice: 'ranking'"),
    "threads": ("train pets.csv --threads 0", "a whole number of at least 1, got '0'"),
    "backend": ("train pets.csv --backend torch", "invalid choice: 'torch'"),
    # data
    "file missing": (
        "train absent.csv",
        "no file 'absent.csv', and no such data set: the data sets are mnist",
    ),
    "file is a folder": ("train elsewhere", "elsewhere is a folder; give a file in it"),
    "file empty": ("train empty.csv", "empty.csv"),
    "file of bytes": ("train bytes.csv", "bytes.csv"),
    "file of NaN": ("train nan.csv", "nan.csv, line 3, column 2 (b): got nan"),
    "file of text": ("train text.csv", "text.csv, line 3, column 2 (b): got 'two'"),
    "file ragged": ("train ragged.csv", "ragged.csv, line 3"),
    "zip broken": ("train broken.npz", "broken.npz"),
    "npz without x": ("train strange.npz", "strange.npz"),
    "npz of objects": ("train objects.npz", "objects.npz"),
    "label missing": ("train pets.csv --label species", "'species'"),
    "label past the end": ("train pets.csv --label 9", "9"),
    "label in NPZ": ("train good.npz --label y", "is for CSV and Parquet files: omit it"),
    "one class": ("train", "of one class.csv have only one class, 'ant': there", "one class.csv"),
    "classes or amounts": ("train amounts.csv", "different whole numbers as labels"),
    "fractions as classes": ("train fractions.csv --task classification", "fractions"),
    "text as numbers": ("train pets.csv --task regression", "labels are text"),
    "label of digits": (
        "train digits --label a",
        "--label is for CSV and Parquet files, but the data are digits",
    ),
    "label of MNIST": ("evaluate net mnist --label a", "--label is for CSV and Parquet"),
    "folder for digits": ("train digits --data-dir folder", "--data-dir is only for mnist"),
    "folder for a file": ("predict net pets.csv --data-dir folder", "the data are pets.csv"),
    "mnist absent": ("train mnist --data-dir folder", "folder"),
    # models
    "model missing": ("evaluate absent pets.csv", "No such file or directory: 'absent'"),
    "model is no model": (
        "evaluate pets.csv pets.csv",
        "pets.csv is not a network that",
    ),
    "model cut": ("predict cut features.csv", "cut is not a network that fastnn can load"),
    "model of other columns": ("evaluate net wide.csv", "wide.csv has 4 input columns, but"),
    "labels unknown": ("evaluate net strangers.csv", "'yak', which is not one of the network's"),
    "labels to predict on": ("predict net pets.csv", "line 2, column 4 (label): got 'ant'"),
    "more columns to predict on": ("predict net wide.csv", "wide.csv has 5 input columns, but"),
    "idx cut": ("predict net cut-idx3-ubyte", "cut-idx3-ubyte"),
    # export
    "no format": ("export net", "the following arguments are required: --format"),
    "format unknown": ("export net --format cpp", "invalid choice: 'cpp'"),
    "weights unknown": ("export net --format c --weights int4", "invalid choice: 'int4'"),
    "weights of ONNX": (
        "export net --format onnx --weights int8",
        "--weights is only for --format c",
    ),
    "name of ONNX": ("export net --format onnx --name a", "--name is only for --format c"),
    "name is no identifier": ("export net --format c --name 2net", "an identifier of C, a letter"),
    "export of no model": ("export pets.csv --format c", "pets.csv is not a network that"),
    "export in no folder": ("export net --format c --output no/net.h", "does not exist"),
    # output
    "output in no folder": ("train pets.csv --output no/net", "the folder no does not exist"),
    "output is a folder": (
        "train pets.csv --output folder",
        "folder is a folder; give a file",
    ),
    "default output is a folder": ("train folder.csv", "folder.safetensors is a folder; give a"),
    "predictions in no folder": ("predict net features.csv --output no/p", "does not exist"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_one_line_and_code_2(cli, name):
    line, words, *more = ERRORS[name]
    quiet = ["--quiet"] if "train " in line or more else []
    before = sorted(os.listdir())
    command, *words_of_it = line.split()
    network = ["--model", "network"] if command == "train" else []
    assert cli(command, *network, *words_of_it, *more, *quiet) == 2
    assert cli.out == ""
    assert cli.err.endswith("\n")
    assert cli.err.count("\n") == 1, cli.err
    assert cli.err.startswith("fastnn")
    assert ": error: " in cli.err
    assert words in cli.err
    assert sorted(os.listdir()) == before


@pytest.fixture
def without_numba(monkeypatch):
    """An installation in which Numba cannot be imported."""
    monkeypatch.setitem(sys.modules, "no_numba", None)
    monkeypatch.setitem(backends._ADAPTERS, "numba", ("no_numba", "NumbaBackend"))
    backends._load.cache_clear()
    yield
    backends._load.cache_clear()


@pytest.mark.parametrize("command", ["train pets.csv", "evaluate net pets.csv"])
def test_an_absent_backend_is_named_with_the_reason(cli, without_numba, command):
    assert cli(*command.split(), "--backend", "numba") == 2
    assert "'numba', selected by backend=, cannot run here: " in cli.err
    assert cli.err.count("\n") == 1


def test_wrong_environment_variables_are_errors_in_words(cli, monkeypatch):
    monkeypatch.setenv("FASTNN_BACKEND", "torch")
    assert cli("train", "--model", "network", "pets.csv") == 2
    assert "the backend given by FASTNN_BACKEND must be one of" in cli.err
    assert cli("info") == 0
    assert "none in use: the backend given by FASTNN_BACKEND must be one of" in cli.out
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    monkeypatch.setenv("FASTNN_NUM_THREADS", "many")
    assert cli("train", "--model", "network", "pets.csv", "--quiet") == 2
    assert "FASTNN_NUM_THREADS must be a whole number of threads" in cli.err
    assert cli.err.count("\n") == 1
    assert cli("info") == 0
    assert "threads   unknown: the environment variable FASTNN_NUM_THREADS must be" in cli.out
    assert cli("info", "--json") == 0


def test_mnist_is_read_from_the_folder_that_the_environment_names(cli, monkeypatch):
    monkeypatch.setenv("FASTNN_MNIST_DIR", "folder")
    assert cli("train", "--model", "network", "mnist") == 2
    assert "folder has neither train-images-idx3-ubyte nor" in cli.err
    assert cli("train", "--model", "network", "mnist", "--data-dir", "elsewhere") == 2
    assert "elsewhere has neither train-images-idx3-ubyte nor" in cli.err


def test_mnist_that_cannot_be_downloaded_is_an_error_that_names_the_option(cli, monkeypatch):
    monkeypatch.delenv("FASTNN_MNIST_DIR", raising=False)
    monkeypatch.setenv("FASTNN_DATA_DIR", "folder")
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert cli("train", "--model", "network", "mnist") == 2
    assert cli.err.endswith("or give a folder with the files: --data-dir DIR\n")
    assert cli.err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_an_error_before_the_training(cli, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert cli("train", "--model", "network", "pets.csv", "--output", "folder/net") == 2
    assert "cannot write to the folder folder" in cli.err
    assert cli.err.count("\n") == 1


@pytest.mark.parametrize("command", ["train pets.csv", "predict net features.csv"])
def test_a_full_disk_is_an_error_and_the_old_file_stays(cli, monkeypatch, command):
    (cli.folder / "old").write_text("old")

    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    before = sorted(os.listdir())
    assert cli(*command.split(), "--output", "old", "--quiet") == 2
    assert "error: [Errno 28] cannot write old: No space left on device" in cli.err
    assert cli.err.count("\n") == 1
    assert (cli.folder / "old").read_text() == "old"
    assert sorted(os.listdir()) == before


def test_a_training_that_diverges_says_so_and_saves_nothing(cli):
    (cli.folder / "fractions.safetensors").write_text("old")
    done = subprocess.run(
        [sys.executable, "-m", "fastnn", "train", "--model", "network",
         "fractions.csv", "--task", "regression",
         "--optimizer", "sgd", "--learning-rate", "1e9", "--quiet", "--json"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    warning, error = done.stderr.splitlines()[-2:]
    assert warning.startswith("fastnn: warning: the loss became")
    assert error.startswith("fastnn train: error: the training diverged and nothing was saved")
    assert "Traceback" not in done.stderr
    assert (cli.folder / "fractions.safetensors").read_text() == "old"


@pytest.mark.parametrize(
    ("loss", "text"), [(0.07041, "0.0704"), (123456.0, "123456.0000"), (-1.5e60, "-1.5e+60")]
)
def test_a_loss_is_shown_in_few_digits_however_large(loss, text):
    assert measures({"val_loss": loss}) == f"val loss {text}"


def test_an_interrupt_outside_a_fit_is_code_130(cli, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastnn.cli.data.read_table", interrupted)
    assert cli("train", "--model", "network", "pets.csv") == 130
    assert cli.err == "fastnn train: interrupted\n"


def test_columns_whose_squares_overflow_are_named_before_the_training(cli):
    write_csv(cli.folder / "far.csv", X * [1.0, 1e200, 1.0], NAMES[Y])
    assert cli("train", "--model", "network", "far.csv") == 2
    assert "the values of column 'b' in far are too large to be standardized" in cli.err
    assert "warning" not in cli.err


@pytest.mark.parametrize(
    ("network", "data", "words"),
    [
        (fastnn.Network((3, 3)), "pets.csv", "column 'label' of pets.csv holds 'ant', which is not "
         "one of the network's classes, whole numbers from 0 to 2"),
        (fastnn.Network((3, 3)), "amounts.csv", "column 'label' of amounts.csv holds 3, which is"),
        (fastnn.Network((3, 1), output="identity"), "pets.csv", "column 'label' of pets.csv holds "
         "text such as 'ant', but the network predicts numbers"),
        (fastnn.Network((3, 3)), "good.npz", "array 'y' of good.npz holds 'ant', which is not one"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_named_with_their_column(cli, network, data, words):
    network.save("other")
    assert cli("evaluate", "other", data) == 2
    assert words in cli.err
    assert "dtype" not in cli.err
    assert cli.err.count("\n") == 1


@pytest.mark.parametrize("option", ["--output", "--checkpoint", "--report"])
def test_what_is_no_text_is_not_written_to_standard_output(cli, option):
    assert cli("train", "--model", "network", "pets.csv", option, "-", "--quiet") == 2
    assert "cannot be standard output; give a file name (./- is a file called -)" in cli.err
    assert not (cli.folder / "-").exists()
