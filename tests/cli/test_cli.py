"""The command line on small tables: what each command does, prints and leaves behind."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.backends import under_test
from support.command_line import NAMES, CommandLine, table, write_csv

import fastnn
from fastnn.cli import epochs as epochs_module
from fastnn.datasets import write_idx

X, Y = table()
NUMBERS = 1000.0 + 50.0 * X[:, 0] + X[:, 2]


@pytest.fixture
def cli(tmp_path, capsys, monkeypatch):
    """The command line, in a folder with a table of classes, one of numbers, one of features."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    write_csv(tmp_path / "pets.csv", X, NAMES[Y])
    write_csv(tmp_path / "numbers.csv", X, NUMBERS, "target")
    write_csv(tmp_path / "features.csv", X)
    return CommandLine(tmp_path, capsys)


@pytest.fixture
def pets(cli):
    """The same, with a network that knows the classes."""
    cli.ok("train", "--model", "network", "pets.csv", "--epochs", "20", "--quiet")
    return cli


# -- train ----------------------------------------------------------------------------------------


def test_train_prints_epochs_results_and_the_model_on_every_backend(cli, backend):
    records = cli.json(
        "train", "--model", "network", "pets.csv", "--epochs", "3", "--backend", backend.name
    )
    data, *epochs, result = records
    assert data["event"] == "data"
    assert [(r["event"], r["epoch"]) for r in epochs] == [("epoch", 1), ("epoch", 2), ("epoch", 3)]
    assert all(
        {"event", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "time"} == set(r)
        for r in epochs
    )
    assert set(result) == {"event", "backend", "isa", "seconds", "train", "test", "model"}
    assert (result["event"], result["backend"]) == ("result", backend.name)
    assert result["seconds"] > 0
    assert set(result["train"]) == set(result["test"]) == {"loss", "accuracy", "largest_class"}
    assert result["model"] == "pets.safetensors"
    assert fastnn.load("pets.safetensors").architecture.sizes == (3, 100, 3)


def test_train_without_json_prints_a_line_an_epoch_and_the_results(cli):
    lines = cli.ok("train", "--model", "network", "pets.csv", "--epochs", "2").splitlines()
    assert lines[0].split("  ")[-1] == "* best"
    assert lines[1].startswith("epoch 1/2  ")
    assert [line.split()[0] for line in lines[3:]] == ["train", "test", "trained"]
    assert lines[-1].endswith("saved pets.safetensors (703 parameters)")
    assert cli.err.splitlines() == [
        "pets: 210 training, 30 validation and 60 test rows",
        "label 'label', column 4 of 4, by its name (--target selects another)",
        "classification: text, 3 different",
        "3-100-3 relu, softmax, 703 parameters, float64, backend numpy",
    ]


def test_a_regression_prints_its_errors_in_the_targets_own_units(cli):
    net_of = "numbers.safetensors"
    *_, result = cli.json("train", "--model", "network", "numbers.csv", "--epochs", "20")
    net = fastnn.load(net_of)
    whole = NUMBERS - net.predict(X)
    write_csv(cli.folder / "again.csv", X[::-1], NUMBERS[::-1], "target")
    (found,) = cli.json("evaluate", net_of, "again.csv")
    assert found["all"]["rmse"] == pytest.approx(np.sqrt(np.mean(whole**2)), rel=1e-9)
    assert found["all"]["mae"] == pytest.approx(np.mean(np.abs(whole)), rel=1e-9)
    assert result["test"]["rmse"] >= result["test"]["mae"] > 0
    text = cli.ok("evaluate", net_of, "again.csv")
    assert f"rmse {found['all']['rmse']:.4f}  mae {found['all']['mae']:.4f}" in text


def test_beside_the_accuracy_stands_the_share_of_the_largest_class(cli):
    y = np.r_[np.zeros(225, int), np.ones(75, int)]
    write_csv(cli.folder / "t.csv", X, NAMES[y])
    lines = cli.ok("train", "--model", "network", "t.csv", "--epochs", "1", "--quiet").splitlines()
    assert [line.split("largest class ")[1] for line in lines[:2]] == ["74.76 %", "75.00 %"]
    write_csv(cli.folder / "u.csv", X[:100], NAMES[y[200:]])
    assert cli.ok("evaluate", "t.safetensors", "u.csv").endswith("  largest class 75.00 %\n")


NUMBERS_OF_A_RUN = st.floats(-1e300, 1e300) | st.sampled_from([np.nan, np.inf, -np.inf])


@given(st.data(), st.integers(1, 10**9), st.booleans())
def test_epoch_lines_fit_a_screen_and_stand_under_their_names(data, epochs, of_classes):
    own, watched = ("accuracy",), ("val_accuracy",)
    if not of_classes:
        own, watched = (), ("val_r2", "val_rmse", "val_mae")
    shares = st.floats(0, 1)
    record = {
        name: data.draw(shares if name.endswith("accuracy") else NUMBERS_OF_A_RUN)
        for name in ("loss", *own, "val_loss", *watched)
    } | {"time": data.draw(st.floats(0, 99_999))}
    head = epochs_module.header(record, epochs)
    lines = [epochs_module.line(epoch, epochs, record, True) for epoch in (1, epochs)]
    assert len(head) <= 80
    for line in lines:
        assert len(line) <= len(head)
        for name in ("loss", "val loss", "time"):
            end = head.index(name) + len(name)
            assert line[end - 1] != " "
            assert line[end] == " "


def test_the_best_epoch_so_far_is_marked(cli):
    lines = cli.ok("train", "--model", "network", "pets.csv", "--epochs", "12").splitlines()
    (log,) = (
        [
            r
            for r in cli.json("train", "--model", "network", "pets.csv", "--epochs", "12")
            if r["event"] == "epoch"
        ],
    )
    losses = [record["val_loss"] for record in log]
    marked = [line.endswith("  *") for line in lines[1:13]]
    assert marked == [loss == min(losses[: i + 1]) for i, loss in enumerate(losses)]


def test_quiet_leaves_only_the_results(cli):
    assert (
        len(
            cli.ok(
                "train", "--model", "network", "pets.csv", "--epochs", "2", "--quiet"
            ).splitlines()
        )
        == 3
    )
    assert cli.err == ""
    (result,) = cli.json("train", "--model", "network", "pets.csv", "--epochs", "2", "--quiet")
    assert result["event"] == "result"
    assert cli.err == ""


def test_output_names_the_file(cli):
    cli.ok(
        "train", "--model", "network", "pets.csv", "--epochs", "1", "--output", "new.st", "--quiet"
    )
    assert cli.out.splitlines()[-1].endswith("saved new.st (703 parameters)")
    assert os.path.exists("new.st")
    assert not os.path.exists("pets.safetensors")


def test_a_trained_table_predicts_raw_features_by_name(pets):
    net = fastnn.load("pets.safetensors")
    assert net.class_labels == ("ant", "bee", "cat")
    assert (net.predict(X) == NAMES[Y]).mean() > 0.98


def test_a_trained_regression_predicts_raw_numbers(cli):
    *_, result = cli.json("train", "--model", "network", "numbers.csv", "--epochs", "60")
    assert set(result["test"]) == {"loss", "r2", "rmse", "mae"}
    assert result["test"]["r2"] > 0.98
    predicted = fastnn.load("numbers.safetensors").predict(X)
    assert predicted.shape == (300,)
    assert 1 - ((predicted - NUMBERS) ** 2).sum() / NUMBERS.var() / 300 > 0.98


def test_whole_numbers_are_classes_unless_the_task_says_otherwise(cli):
    write_csv(cli.folder / "t.csv", X, Y + 7)
    cli.ok("train", "--model", "network", "t.csv", "--epochs", "1", "--quiet")
    assert fastnn.load("t.safetensors").class_labels == (7, 8, 9)
    cli.ok(
        "train", "--model", "network", "t.csv", "--epochs", "1", "--quiet", "--task", "regression"
    )
    assert fastnn.load("t.safetensors").architecture.output == "identity"


def test_classes_counted_from_zero_need_no_labels(cli):
    write_csv(cli.folder / "t.csv", X, Y)
    cli.ok("train", "--model", "network", "t.csv", "--epochs", "1", "--quiet")
    assert fastnn.load("t.safetensors").class_labels is None


def test_an_npz_file_of_bytes_trains_on_bytes(cli):
    x = np.clip(X * [25, 25, 0.7], 0, 255).astype(np.uint8)
    np.savez("bytes.npz", x=x, y=Y)
    (result,) = cli.json("train", "--model", "network", "bytes.npz", "--epochs", "40", "--quiet")
    net = fastnn.load("bytes.safetensors")
    assert net.architecture.dtype == "float32"
    assert result["test"]["accuracy"] > 0.9
    assert (net.predict(x) == Y).mean() > 0.9


@pytest.mark.parametrize("label", ["a", "0", "-4"])
def test_label_names_the_label_column(cli, label):
    write_csv(cli.folder / "t.csv", X, X[:, 2])
    words = ("--task", "regression", "--epochs", "30", "--quiet", f"--label={label}")
    cli.ok("train", "--model", "network", "t.csv", *words)
    features = np.c_[X[:, 1], X[:, 2], X[:, 2]]
    assert fastnn.load("t.safetensors").evaluate(features, X[:, 0])["r2"] > 0.7


class Spy(fastnn.Network):
    """A network that remembers how it was trained."""

    def fit(self, x, y, **options):
        Spy.seen = self, options
        return super().fit(x, y, **options)


@pytest.fixture
def spied(cli, monkeypatch):
    """Train with options; return the network and what its fit was given."""
    monkeypatch.setattr("fastnn.cli.settings.Network", Spy)

    def train(*options):
        cli.ok("train", "--model", "network", "pets.csv", "--quiet", *(options or ()))
        return Spy.seen

    return train


def test_the_defaults_are_those_of_the_help(spied):
    net, options = spied()
    assert net.architecture.sizes == (3, 100, 3)
    assert net.architecture.activations == ("relu",)
    assert (options["epochs"], options["batch_size"]) == (96, 10)  # 21 steps of 210 rows, 2,000
    assert isinstance(options["optimizer"], fastnn.Adam)
    assert options["optimizer"].learning_rate(np.array([0]))[0] == 0.003


def test_many_rows_take_the_usual_batches_and_epochs(spied, monkeypatch):
    monkeypatch.setattr("fastnn.cli.settings.STEPS_AN_EPOCH", 2)
    monkeypatch.setattr("fastnn.cli.settings.STEPS", 45)
    _, options = spied()
    assert (options["epochs"], options["batch_size"]) == (15, 100)


def test_a_batch_size_that_is_said_makes_no_more_epochs(spied):
    _, options = spied("--batch-size", "210")
    assert (options["epochs"], options["batch_size"]) == (96, 210)


@pytest.mark.parametrize(
    ("text", "sizes"), [("none", (3, 3)), ("7", (3, 7, 3)), ("8,5", (3, 8, 5, 3))]
)
def test_layers_are_widths_or_none(spied, text, sizes):
    assert spied("--epochs", "1", "--layers", text)[0].architecture.sizes == sizes


def test_the_rate_falls_along_a_cosine_to_zero_at_the_last_step(spied):
    _, options = spied("--epochs", "4", "--batch-size", "50", "--learning-rate", "0.5")
    n_steps = 4 * 5  # of 210 rows
    rates = options["optimizer"].learning_rates(0, n_steps + 1)
    assert rates[0] == 0.5
    assert rates[n_steps // 2] == pytest.approx(0.25)
    assert rates[n_steps] == pytest.approx(0, abs=1e-12)
    assert (options["epochs"], options["batch_size"]) == (4, 50)


@pytest.mark.parametrize(
    ("name", "rule"),
    [(name, name) for name in ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw")],
)
def test_optimizer_chooses_the_rule(spied, name, rule):
    assert spied("--epochs", "1", "--optimizer", name)[1]["optimizer"].rule == rule


def test_activation_and_threads_are_passed_on(spied, monkeypatch):
    seen = []
    monkeypatch.setattr("fastnn.backends.threads.set_num_threads", seen.append)
    net, _ = spied("--epochs", "1", "--activation", "gelu", "--threads", "1")
    assert net.architecture.activations == ("gelu",)
    assert seen == [1]


def test_a_seed_repeats_a_run_and_another_does_not(cli):
    files = []
    for seed in (5, 5, 6):
        cli.ok(
            "train", "--model", "network", "pets.csv", "--epochs", "2", "--seed", seed, "--quiet"
        )
        files.append((cli.folder / "pets.safetensors").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


# -- evaluate, predict, info ----------------------------------------------------------------------


def test_evaluate_measures_all_rows_of_another_file(pets, backend):
    write_csv(pets.folder / "more.csv", X[::-1], NAMES[Y[::-1]])
    measured = fastnn.load("pets.safetensors").evaluate(X, NAMES[Y])
    (found,) = pets.json("evaluate", "pets.safetensors", "more.csv", "--backend", backend.name)
    assert found == {
        "backend": backend.name,
        "n_rows": 300,
        "all": {
            "loss": pytest.approx(measured["loss"], rel=1e-12),
            "accuracy": measured["accuracy"],
            "largest_class": 1 / 3,
        },
    }
    text = pets.ok("evaluate", "pets.safetensors", "more.csv")
    assert text.startswith("300 rows (all)  loss ")
    assert text.endswith(" %\n")


def test_evaluate_measures_the_test_rows_that_a_file_sets_apart(pets):
    np.savez("parts.npz", x_train=X, y_train=NAMES[Y], x_test=X[:30], y_test=NAMES[Y[:30]])
    (found,) = pets.json("evaluate", "pets.safetensors", "parts.npz")
    assert found["n_rows"] == 30


def test_predict_prints_a_line_a_row(pets, backend):
    net = fastnn.load("pets.safetensors")
    lines = pets.ok("predict", "pets.safetensors", "features.csv", "--backend", backend.name)
    assert lines.splitlines() == net.predict(X).tolist()


def test_predict_with_json_adds_the_probabilities(pets):
    net = fastnn.load("pets.safetensors")
    records = pets.json("predict", "pets.safetensors", "features.csv")
    assert [r["prediction"] for r in records] == net.predict(X).tolist()
    np.testing.assert_array_equal([r["probabilities"] for r in records], net.predict_proba(X))


def test_predict_writes_to_a_file(pets):
    expected = pets.ok("predict", "pets.safetensors", "features.csv")
    assert pets.ok("predict", "pets.safetensors", "features.csv", "--output", "out.txt") == ""
    assert (pets.folder / "out.txt").read_text() == expected
    assert pets.err == "300 predictions written to out.txt\n"


def test_predict_prints_several_numbers_with_commas(cli):
    net = fastnn.Network((3, 2), output="identity", dtype="float64", seed=0)
    net.save("two.safetensors")
    text = cli.ok("predict", "two.safetensors", "features.csv")
    found = [[float(cell) for cell in line.split(",")] for line in text.splitlines()]
    np.testing.assert_array_equal(found, net.predict(X))
    records = cli.json("predict", "two.safetensors", "features.csv")
    assert records[0] == {"prediction": found[0]}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_predict_reads_idx_images(cli, suffix):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    write_idx("a-ubyte", images)
    if suffix:
        with open("a-ubyte", "rb") as plain, gzip.open("a-ubyte.gz", "wb") as packed:
            packed.write(plain.read())
    net = fastnn.Network((784, 10), seed=0)
    net.save("net")
    expected = net.predict(images.reshape(5, 784)).tolist()
    lines = cli.ok("predict", "net", f"a-ubyte{suffix}").splitlines()
    assert [int(line) for line in lines] == expected


def test_info_says_what_is_there_and_why_the_rest_is_not(cli, monkeypatch):
    monkeypatch.setattr(
        "fastnn.backends.available_backends", lambda: {"cython": "no compiler", "numpy": None}
    )
    text = cli.ok("info")
    assert "cython  no compiler" in text
    assert "numpy   available  <- in use" in text
    (found,) = cli.json("info")
    assert set(found) == {
        "fastnn", "python", "platform", "backends", "backend", "isa", "limitation", "threads",
        "processors", "blas", "packages", "cache_folder", "location",
    }  # fmt: skip
    assert found["fastnn"] == fastnn.__version__
    assert found["packages"]["numpy"] == np.__version__


def test_info_names_the_instruction_set_of_compiled_backends(cli, compiled, monkeypatch):
    monkeypatch.setenv("FASTNN_BACKEND", compiled.name)
    (found,) = cli.json("info")
    assert found["backend"] == compiled.name
    assert found["isa"] == getattr(compiled, "isa", None)
    if compiled.name == "cython":
        assert f"available ({found['isa']})  <- in use" in cli.ok("info")


def test_info_says_what_a_build_without_vector_types_lacks(cli, monkeypatch):
    under_test("cython")
    from fastnn.backends import cython, get_backend

    assert cli.json("info")[0]["limitation"] is None
    monkeypatch.setattr(get_backend("cython"), "limitation", cython._limitation("MSVC 1944"))
    monkeypatch.setenv("FASTNN_BACKEND", "cython")
    assert "built by MSVC 1944, without vector types" in cli.ok("info")
    assert "clang-cl" in cli.json("info")[0]["limitation"]


def test_without_a_command_the_help_is_printed(cli):
    assert cli.ok() == cli.ok("--help")


def test_version_and_help_are_printed(cli):
    assert cli.ok("--version") == f"fastnn {fastnn.__version__}\n"
    assert "COMMAND" in cli.ok("--help")
    for command in ("train", "evaluate", "predict", "export", "info"):
        assert cli.ok(command, "--help").startswith(f"usage: fastnn {command}")


# -- as a process ---------------------------------------------------------------------------------


MODULE = (sys.executable, "-m", "fastnn")
SCRIPT = shutil.which("fastnn", path=sysconfig.get_path("scripts"))


def process(*words, command=MODULE, **options):
    return subprocess.Popen(
        [*command, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_python_m_fastnn_is_the_command_line(cli):
    done = process("train", "--model", "network", "pets.csv", "--epochs", "1", "--json")
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["event"] == "result"
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(MODULE, id="module"),
        pytest.param(
            (SCRIPT,), id="script",
            marks=pytest.mark.skipif(SCRIPT is None, reason="fastnn is not installed here"),
        ),
    ],
)  # fmt: skip
def test_ctrl_c_ends_a_training_with_the_model_saved_and_code_130(cli, backend, command):
    running = process("train", "--model", "network", "pets.csv", "--epochs", "1000000000", "--json",
                      "--backend",
                      backend.name, command=command)  # fmt: skip
    try:
        lines = [running.stdout.readline() for _ in range(4)]  # the data's, then the epochs'
        assert json.loads(lines[-1])["epoch"] == 3
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == 130
    result = json.loads(out.splitlines()[-1])
    assert result["event"] == "result"
    assert fastnn.load("pets.safetensors").evaluate(X, NAMES[Y])["loss"] > 0
    warning = err.splitlines()[-1]
    assert warning.startswith("fastnn: warning: the fit was interrupted in epoch")
    assert "Traceback" not in err


def test_a_reader_that_has_seen_enough_is_no_error(pets):
    write_csv(pets.folder / "long.csv", np.tile(X, (100, 1)))
    running = process("predict", "pets.safetensors", "long.csv")
    assert running.stdout.readline() == "ant\n"
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert (running.wait(timeout=60), err) == (0, "")
