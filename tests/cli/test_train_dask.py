"""``fastnn train --dask``: the same command for files that the workers of a cluster read."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command_line import NAMES, CommandLine, table

import fastnn
from fastnn.cli import train_dask

pytest.importorskip("distributed")
pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

from fastnn.dask.splits import split_rows  # noqa: E402

# Dask, with the pandas that is newer than it
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")

N_PARTITIONS, N_ROWS = 4, 150
X, Y = table(N_PARTITIONS * N_ROWS)


def partition(number):
    return slice(N_ROWS * number, N_ROWS * (number + 1))


def rows_of(part):
    """Return the rows of a part of the split."""
    parts = [split_rows(N_ROWS, n, 0)[part] + N_ROWS * n for n in range(N_PARTITIONS)]
    return np.concatenate(parts)


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with a table of classes in several Parquet files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets").mkdir()
    for number in range(N_PARTITIONS):
        part = partition(number)
        frame = pd.DataFrame(X[part], columns=["a", "b", "c"]).assign(label=NAMES[Y[part]])
        frame.to_parquet(f"pets/{number}.parquet", index=False)
    return CommandLine(tmp_path, capsys)


@pytest.fixture
def address(dask_client):
    """The scheduler of two workers."""
    return dask_client.scheduler_info()["address"]


@pytest.fixture
def words(address):
    """A short training on the cluster."""
    return ("train", "pets", "--dask", address, "--epochs", "3")


def model(path="pets.safetensors"):
    return Path(path).read_bytes()


def lines_of(log):
    with open(log, newline="") as file:
        return [line | {"time": ""} for line in csv.DictReader(file)]


def test_the_network_does_not_depend_on_the_workers(cli, words, monkeypatch):
    cli.ok(*words)
    on_two = model()
    monkeypatch.setattr(train_dask, "available_processors", lambda: 1)
    cli.ok("train", "pets", "--dask", "local", "--epochs", "3", "--output", "one.safetensors")
    assert cli.err.startswith("starting 1 worker processes")
    assert model("one.safetensors") == on_two


def test_it_says_and_saves_what_training_on_one_machine_does(cli, words):
    data, *epochs, result = cli.json(*words)
    assert (data["event"], data["label"], data["task"]) == ("data", "label", "classification")
    assert data["rows"] == {"train": 420, "validation": 60, "test": 120}
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    assert list(epochs[0]) == ["event", "epoch", "loss", "accuracy", "val_loss", "val_accuracy",
                               "time"]  # fmt: skip
    assert result["test"]["accuracy"] > 0.95

    network = fastnn.load("pets.safetensors")
    assert network.class_labels == tuple(NAMES)
    assert network.trained_on.feature_names == ("a", "b", "c")
    train, test = rows_of("train"), rows_of("test")
    np.testing.assert_allclose(network.trained_on.mean, X[train].mean(axis=0), 1e-12)
    np.testing.assert_allclose(network.trained_on.deviation, X[train].std(axis=0), 1e-12)
    measured = network.evaluate(X[test], NAMES[Y[test]])
    assert measured["accuracy"] == result["test"]["accuracy"]
    assert measured["loss"] == pytest.approx(result["test"]["loss"], rel=1e-12)
    assert result["test"]["largest_class"] == pytest.approx(np.bincount(Y[test]).max() / 120)

    lines = cli.ok("predict", "pets.safetensors", "pets/0.parquet").splitlines()
    assert np.mean(np.array(lines) == NAMES[Y[:N_ROWS]]) > 0.95


def test_one_partition_is_trained_as_a_table_in_memory(cli, address):
    x, y = X[:100].copy(), Y[:100]
    np.save("x.npy", x)
    np.save("y.npy", y)
    cli.ok("train", "x.npy", "--targets", "y.npy", "--dask", address, "--epochs", "3")
    network = fastnn.load("x.safetensors")
    train = split_rows(100, 0, 0)["train"]
    assert network.trained_on.mean == tuple(
        (x[train][0] + (x[train] - x[train][0]).mean(axis=0)).tolist()
    )
    assert network.architecture.dtype == "float64"


def test_a_resumed_training_ends_with_the_file_of_one_never_stopped(cli, words, monkeypatch):
    words = (*words, "--early-stopping", "--log", "log.csv")
    cli.ok(*words)
    whole, log = model(), lines_of("log.csv")
    assert [line["epoch"] for line in log] == ["1", "2", "3"]
    Path("pets.safetensors").unlink()
    kept = ("--checkpoint", "run.checkpoint")

    def crash(self, network, epoch, record):
        if epoch == 2:
            raise OSError("the lights went out")

    with monkeypatch.context() as patch:
        patch.setattr(fastnn.EarlyStopping, "on_epoch_end", crash)
        assert cli(*words, *kept) == 2
    assert cli.err.endswith("error: the lights went out\n")
    cli.ok(*words, *kept, "--resume")
    assert model() == whole
    assert lines_of("log.csv") == log


def test_a_regression_has_targets_and_errors_in_their_own_units(cli, address):
    price = 1000 * (X[:, 0] - X[:, 1]) + 5
    for number in range(N_PARTITIONS):
        part = partition(number)
        frame = pd.DataFrame(X[part], columns=["a", "b", "c"]).assign(d=7.0, price=price[part])
        frame.to_parquet(f"pets/{number}.parquet", index=False)
    words = ("--layers", "none", "--epochs", "6", "--learning-rate", "0.06")
    *_, result = cli.json("train", "pets", "--dask", address, *words)
    assert "unused columns, constant in all training rows: 'd'" in cli.err
    assert result["test"]["r2"] > 0.9
    network = fastnn.load("pets.safetensors")
    assert (network.weights[0][3] == 0).all()
    test = rows_of("test")
    predicted = network.predict(np.column_stack([X, np.full(600, 7.0)])[test])
    rmse = np.sqrt(np.square(predicted - price[test]).mean())
    assert result["test"]["rmse"] == pytest.approx(rmse, rel=1e-9)


def test_one_hot_labels_are_classes(cli, address):
    np.save("x.npy", X)
    np.save("y.npy", np.eye(3)[Y])
    words = ("train", "x.npy", "--targets", "y.npy", "--dask", address, "--epochs", "20")
    data, *_, result = cli.json(*words)
    assert (data["task"], data["n_classes"]) == ("classification", 3)
    assert result["test"]["accuracy"] > 0.95


def test_bytes_stay_bytes(cli, address):
    images = np.clip(X, 0, 255).astype(np.uint8)
    np.save("x.npy", images)
    np.save("y.npy", Y)
    cli.ok("train", "x.npy", "--targets", "y.npy", "--dask", address, "--epochs", "1")
    network = fastnn.load("x.safetensors")
    assert (network.trained_on.inputs, network.trained_on.mean) == ("bytes", None)
    assert network.architecture.dtype == "float32"


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("digits",), "--dask trains on files that its workers read, and digits is none"),
        (("-",), "and standard input is none"),
        (("pets", "--report", "r.html"), "--report does not go with --dask"),
        (("pets", "--threads", "2"), "--threads does not go with --dask"),
        (("mnist", "--data-dir", "d"), "--data-dir does not go with --dask"),
        (("pets", "--resume"), "--resume needs --checkpoint"),
        (("pets",), "--dask: there is no scheduler at nowhere, expected an address such as"),
    ],
)
def test_options_that_do_not_go_with_a_cluster_are_refused_first(cli, options, message):
    assert cli("train", *options, "--dask", "nowhere") == 2
    assert message in cli.err


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"a": np.nan}, (), "partition 2: column a: got nan in row 0 of the partition, expected"),
        ({"label": None}, (), "partition 2: the labels hold an empty cell"),
        ({"z": 1.0}, (), "2.parquet has other columns, it has also 'z', than"),
        ({}, ("--label", "price"), "pets has no column 'price'"),
        ({}, ("--task", "regression"), "--task regression needs numbers, but labels are text"),
        ({}, ("--loss", "quantile"), "--loss is of a regression"),
        ({}, ("--targets", "y.npy"), "--targets is for NPY files and Zarr"),
    ],
)
def test_rows_that_cannot_be_trained_on_are_named(cli, words, changed, options, message):
    frame = pd.read_parquet("pets/2.parquet").astype({"label": object})
    for name, value in changed.items():
        frame.loc[0, name] = value
    frame.to_parquet("pets/2.parquet", index=False)
    assert cli(*words, *options) == 2
    assert message in cli.err
    assert not Path("pets.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
def test_ctrl_c_saves_the_network_though_workers_get_it_too(cli, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "fastnn", "train", "pets", "--dask", "local", "--json",
         "--epochs", "100000"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    for line in process.stdout:
        if json.loads(line).get("epoch") == 3:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the fit was interrupted in epoch" in errors
    assert "Traceback" not in errors
    assert fastnn.load("pets.safetensors").class_labels == tuple(NAMES)
