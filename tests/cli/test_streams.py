"""Where the command line prints: streams that are closed, full or left; Ctrl-C at any time."""

import os
import signal
import subprocess
import sys

import pytest
from support.command_line import NAMES, table, write_csv

import fastnn
from fastnn.system.progress import progress_bar

X, Y = table(60)

needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
needs_shell = pytest.mark.skipif(sys.platform == "win32", reason="no POSIX shell and signals")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table, inputs and a network."""
    path = tmp_path_factory.mktemp("streams")
    write_csv(path / "pets.csv", X, NAMES[Y])
    write_csv(path / "features.csv", X)
    fastnn.Network((3, 3), class_labels=NAMES, backend="numpy").save(path / "net")
    return path


def run(folder, line, **variables):
    """Run a line of shell, in which $fastnn is the command line."""
    return subprocess.run(
        ["sh", "-c", line.replace("$fastnn", f"'{sys.executable}' -m fastnn")],
        cwd=folder, capture_output=True, text=True, timeout=60,
        env=os.environ | {"FASTNN_BACKEND": "numpy"} | variables,
    )  # fmt: skip


@needs_shell
@pytest.mark.parametrize("command", ["info", "predict net features.csv", "evaluate net pets.csv"])
def test_a_closed_standard_output_is_an_error(folder, command):
    done = run(folder, f"$fastnn {command} >&-")
    assert done.returncode == 2
    assert done.stderr == ("fastnn: error: standard output is closed; redirect it to a file\n")


@needs_shell
@needs_full
@pytest.mark.parametrize(
    "command", ["--help", "--version", "info", "predict net features.csv", "evaluate net pets.csv"]
)
def test_a_full_standard_output_is_an_error(folder, command):
    done = run(folder, f"$fastnn {command} >/dev/full")
    assert done.returncode == 2
    assert done.stderr.endswith("cannot write to standard output: No space left on device\n")
    assert done.stderr.count(": error: ") == 1
    assert "Exception ignored" not in done.stderr


@needs_shell
@needs_full
@pytest.mark.parametrize("options", ["", "--json", "--quiet"])
def test_a_training_that_cannot_print_is_saved_all_the_same(folder, options):
    done = run(
        folder, f"$fastnn train pets.csv --epochs 3 --output full{options} {options} >/dev/full"
    )
    assert done.returncode == 2
    assert "error: [Errno 28] cannot write to standard output" in done.stderr.splitlines()[-1]
    assert fastnn.load(folder / f"full{options}").class_labels == tuple(NAMES)


@needs_shell
def test_a_training_whose_reader_has_left_is_saved_all_the_same(folder):
    left = f"'{sys.executable}' -c 'pass'"
    done = run(folder, f"($fastnn train pets.csv --epochs 3 --output left; echo $? >code) | {left}")
    assert (folder / "code").read_text() == "0\n"
    assert "error" not in done.stderr
    assert fastnn.load(folder / "left").class_labels == tuple(NAMES)


@needs_shell
@pytest.mark.parametrize("closed", ["2>&-", pytest.param("2>/dev/full", marks=needs_full)])
def test_without_standard_error_results_are_the_same_and_codes_too(folder, closed):
    expected = run(folder, "$fastnn predict net features.csv")
    done = run(folder, f"$fastnn predict net features.csv {closed}")
    assert (done.returncode, done.stdout) == (0, expected.stdout)
    done = run(folder, f"$fastnn train pets.csv --epochs 1 --output quiet {closed}")
    assert done.returncode == 0
    assert "label" not in done.stdout  # a note, of which standard output is not the place
    done = run(folder, f"$fastnn predict net absent.csv {closed}")
    assert (done.returncode, done.stdout) == (2, "")


@needs_shell
def test_files_do_not_take_the_place_of_closed_streams(folder):
    program = (
        "import os, runpy, sys; import fastnn.cli; "
        "fastnn.cli.main = lambda: os.open('features.csv', os.O_RDONLY); "
        "sys.argv = ['fastnn']; runpy.run_module('fastnn', run_name='__main__')"
    )
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -c \"{program}\" <&- >&- 2>&-"], cwd=folder, check=False
    )
    assert done.returncode >= 3


@needs_shell
def test_a_pipe_is_read_once_and_is_no_network(folder):
    done = run(folder, "rm -f p; mkfifo p; (cat features.csv >p &); $fastnn predict net p")
    assert len(done.stdout.split()) == 60, done.stderr
    done = run(folder, "rm -f p; mkfifo p; $fastnn predict p features.csv")
    assert done.returncode == 2
    assert "'p' is a pipe or a device; expected the file" in done.stderr


class Failing:
    """A stream of which writing fails."""

    encoding = "utf-8"

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error

    def isatty(self):
        return True


@pytest.mark.parametrize(
    "stream",
    [None, Failing(OSError(28, "full")), Failing(BrokenPipeError()), Failing(ValueError("closed"))],
    ids=["none", "full", "left", "closed"],
)
def test_the_library_works_without_anybody_who_looks(monkeypatch, stream):
    monkeypatch.setattr("fastnn.system.progress.DELAY", 0.0)
    monkeypatch.setattr(sys, "stderr", stream)
    net = fastnn.Network((3, 4, 3), backend="numpy", seed=0)
    history = net.fit(X, Y, epochs=3, progress=True)
    assert history.n_epochs == 3
    assert net.evaluate(X, Y, progress=True)["loss"] > 0
    assert len(net.predict(X, progress=True)) == 60
    with progress_bar(10, wanted=True) as bar:
        bar.update(5)
        bar.say({"loss": 1.0})


# -- interrupts -----------------------------------------------------------------------------------

INTERRUPTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == os.environ.get("INTERRUPT_AT"):
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""


@needs_shell
@pytest.mark.parametrize(
    "module",
    ["numpy", "fastnn.architecture", "fastnn.network", "fastnn.cli", "fastnn.cli.train",
     "safetensors", "csv", "fastnn.datasets.readers.csv"],
)  # fmt: skip
def test_ctrl_c_while_a_module_is_imported_is_no_traceback(folder, tmp_path, module):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    done = run(folder, "exec $fastnn predict net features.csv", INTERRUPT_AT=module,
               PYTHONPATH=str(tmp_path))  # fmt: skip
    assert done.returncode in (130, -signal.SIGINT)
    assert done.stderr in ("", "fastnn predict: interrupted\n")


@needs_shell
def test_sigterm_ends_a_training_as_it_ends_any_process(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "fastnn", "train", "--model", "network",
         "pets.csv", "--epochs", "100000000", "--json"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"FASTNN_BACKEND": "numpy"},
    )  # fmt: skip
    for _ in range(3):
        process.stdout.readline()
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert "Traceback" not in err


def test_a_program_that_imports_fastnn_keeps_its_own_ctrl_c():
    program = (
        "import signal, fastnn; "
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
