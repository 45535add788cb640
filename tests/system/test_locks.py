"""One writer of a checkpoint or log at a time, in one process and in several, killed ones too."""

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.checkpointed_fits import X, Y, fit, resumed
from support.examples import same_bits, small_network
from support.processes import run_python

from fastnn import Checkpoint, MetricsLog
from fastnn.cli import main
from fastnn.system.locks import only_writer

HELD = "is already being written by another fit"


def holds(path):
    """Whether somebody else holds the right to write `path`."""
    try:
        with only_writer(path, "the file"):
            return False
    except BlockingIOError:
        return True


# -- the lock -------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_in_words_until_the_first_ends(tmp_path):
    path = tmp_path / "run"
    with only_writer(path, "the log"):
        with (
            pytest.raises(BlockingIOError, match=rf"the log .*run {HELD}: wait .* another file"),
            only_writer(path, "the log"),
        ):
            pass
        assert holds(path)
        assert not holds(tmp_path / "another")
    assert not holds(path)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_is_the_file_that_it_leads_to(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "run")
    (tmp_path / "way").symlink_to("folder")
    with only_writer(tmp_path / "link", "the file"):
        assert holds(tmp_path / "folder" / "run")
        assert holds(tmp_path / "way" / "run")


@given(st.integers(1, 85))
def test_names_of_any_length_are_locked(tmp_path_factory, n):
    folder = tmp_path_factory.getbasetemp()
    with only_writer(folder / ("日" * n), "the file"):
        assert holds(folder / ("日" * n))
        assert not holds(folder / ("日" * (n - 1) + "月"))


def test_of_many_threads_one_at_a_time_writes(tmp_path):
    path, inside, most, entered = tmp_path / "run", [], queue.Queue(), queue.Queue()

    def work():
        while entered.qsize() < 300:
            try:
                with only_writer(path, "the file"):
                    inside.append(1)
                    most.put(len(inside))
                    entered.put(1)
                    inside.pop()
            except BlockingIOError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most.queue) == {1}
    assert os.listdir(tmp_path) == []


COUNTS = """
import sys
from pathlib import Path
from fastnn.system.locks import only_writer

path, n = Path(sys.argv[1]), 0
while n < 200:
    try:
        with only_writer(path, "the file"):
            path.write_text(str(int(path.read_text()) + 1))
            n += 1
    except BlockingIOError:
        pass
"""


def test_of_many_processes_one_at_a_time_writes(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNTS, path]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert path.read_text() == "600"  # none was lost
    assert os.listdir(tmp_path) == ["count"]


HOLDS = """
import os, subprocess, sys, time
from fastnn.system.locks import only_writer

with only_writer(sys.argv[1], "the file"):
    if sys.argv[2] == "fork":
        if os.fork() == 0:
            print(os.getpid(), flush=True)
    elif sys.argv[2] == "spawn":
        waits = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(waits.pid, flush=True)
    else:
        print(0, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("child", ["none", "fork", "spawn"])
def test_a_killed_writer_holds_nothing_though_its_children_live(tmp_path, child):
    if child == "fork" and not hasattr(os, "fork"):
        pytest.skip("no fork")
    path = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, path, child], stdout=subprocess.PIPE, text=True
    )
    living = int(process.stdout.readline())
    try:
        assert holds(path)
        process.kill()
        process.wait(timeout=60)
        assert os.listdir(tmp_path)  # the lock file is left behind
        assert not holds(path)
        assert os.listdir(tmp_path) == []  # and taken away by the next writer
    finally:
        if living:
            os.kill(living, signal.SIGTERM)
        process.stdout.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_that_leaves_the_block_takes_nothing_from_its_parent(tmp_path):
    path = tmp_path / "run"
    with ExitStack() as block:
        block.enter_context(only_writer(path, "the file"))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                block.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert holds(path)


def test_where_there_are_no_locks_there_is_none(tmp_path, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("Windows has them everywhere")

    def refuse(*arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with only_writer(tmp_path / "run", "the file"):
        assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there it is one that is being removed")
def test_a_lock_file_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    real = os.open

    def refuse(file, *arguments, **options):
        if str(file).endswith(".lock"):
            raise PermissionError(13, "Permission denied")
        return real(file, *arguments, **options)

    monkeypatch.setattr("os.open", refuse)
    with (
        pytest.raises(PermissionError, match=r"lock file .*\.run\.lock belongs to another user"),
        only_writer(tmp_path / "run", "the log"),
    ):
        pass


@pytest.mark.skipif(not hasattr(os, "setuid") or os.geteuid() == 0, reason="root may write all")
def test_a_finished_fit_is_read_in_a_folder_that_takes_no_files(tmp_path):
    path = tmp_path / "run.checkpoint"
    fit(2, Checkpoint(path))
    tmp_path.chmod(0o500)
    try:
        assert resumed(path, 2)[1].n_epochs == 2
    finally:
        tmp_path.chmod(0o700)


# -- fits -----------------------------------------------------------------------------------------


class Meanwhile(MetricsLog):
    """Does something in the second epoch."""

    def __init__(self, path, work):
        super().__init__(path)
        self._work = work

    def on_epoch_end(self, network, epoch, record):
        super().on_epoch_end(network, epoch, record)
        if epoch == 2:
            self._work()


def in_thread(work):
    def run():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    return run


@pytest.mark.parametrize("where", [lambda work: work, in_thread], ids=["inside", "in a thread"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_second_fit_on_one_checkpoint_is_refused(tmp_path, where, resume):
    path, seen = tmp_path / "run.checkpoint", []

    def second():
        network = small_network()
        before = network.parameters.copy(), network.rng.bit_generator.state
        with pytest.raises(BlockingIOError, match=f"the checkpoint .*{HELD}"):
            fit(3, Checkpoint(path, resume=resume), network=network)
        assert same_bits(network.parameters, before[0])
        assert network.rng.bit_generator.state == before[1]
        seen.append(path.exists())

    log = Meanwhile(tmp_path / "a.csv", where(second))
    network, _ = fit(4, Checkpoint(path, every=4), callbacks=log)
    assert seen == [False]  # the path was new
    assert same_bits(network.parameters, fit(4)[0].parameters)
    assert resumed(path, 4, callbacks=Meanwhile(tmp_path / "a.csv", second))[1].n_epochs == 4
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "run.checkpoint"]


@pytest.mark.parametrize("where", [lambda work: work, in_thread], ids=["inside", "in a thread"])
def test_a_second_fit_on_one_log_is_refused_and_the_first_keeps_its_lines(tmp_path, where):
    path, seen = tmp_path / "log.csv", []

    def second():
        other = MetricsLog(tmp_path / "other.csv")  # begins before the one that is refused
        for log in (MetricsLog(path), first):
            with pytest.raises(BlockingIOError, match=f"the log .*{HELD}"):
                fit(1, callbacks=[other, log])
        seen.append(holds(tmp_path / "other.csv"))

    first = Meanwhile(path, where(second))
    fit(4, callbacks=first)
    assert seen == [False]
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == [
        "epoch", "1", "2", "3", "4",
    ]  # fmt: skip


def test_a_fit_that_ends_with_an_error_holds_nothing(tmp_path):
    def fail(network, epoch, record):
        raise RuntimeError("no more")

    class FailsAtItsEnd(MetricsLog):
        def on_fit_end(self, network):
            super().on_fit_end(network)
            raise RuntimeError("no end")

    paths = [tmp_path / name for name in ("a.csv", "b.csv", "run.checkpoint")]
    for callback in (fail, FailsAtItsEnd(paths[0])):
        with pytest.raises(RuntimeError, match="no "):
            fit(1, Checkpoint(paths[2]), callbacks=[callback, MetricsLog(paths[1])])
        assert not any(map(holds, paths))


KILLED = """
import os, signal, sys
import numpy as np
from support.checkpointed_fits import fit
from fastnn import Checkpoint, MetricsLog

def die(network, epoch, record):
    if epoch == int(sys.argv[1]):
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

fit(5, Checkpoint("run.checkpoint", resume=True), callbacks=[MetricsLog("log.csv"), die])
"""


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_a_killed_fit_is_gone_on_with(tmp_path, epoch):
    done = run_python(KILLED, str(epoch), cwd=tmp_path)
    assert done.returncode != 0
    log, path = tmp_path / "log.csv", tmp_path / "run.checkpoint"
    again, history = resumed(path, 5, callbacks=[MetricsLog(log), lambda *_: None])
    assert history.n_epochs == 5
    assert same_bits(again.parameters, fit(5)[0].parameters)
    assert np.loadtxt(log, delimiter=",", skiprows=1)[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert sorted(os.listdir(tmp_path)) == ["log.csv", "run.checkpoint"]


def test_the_command_line_says_it_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = np.column_stack([X, Y.astype(int)])
    np.savetxt("rows.csv", rows, delimiter=",", header="a,b,c,d,label", comments="", fmt="%.9g")
    for option, name in (("--checkpoint", "run.checkpoint"), ("--log", "run.csv")):
        with only_writer(name, "the file"):
            assert main(["train", "rows.csv", "--label", "label", option, name, "--quiet"]) == 2
        error = capsys.readouterr().err
        assert HELD in error
        assert error.count("\n") == 1
