"""Calls of the command line, most of them wrong: the exit code, one line, and no traceback."""

import os
import subprocess
import sys

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import CommandLine
from support.wrong_calls import calls, write_files

N_PROCESSES = max(4, hypothesis.settings.default.max_examples // 4)
"""Calls in a process of their own, each of which takes a second."""

STREAMS = ["", ">&-", "2>&-", "<&-", ">&- 2>&-", "2>/dev/null"]
if os.path.exists("/dev/full"):
    STREAMS += [">/dev/full", "2>/dev/full"]
THREADS = st.sampled_from(("", "1", "0", "two", "9" * 30, "9" * 5000, "-1", "²"))

in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the files that calls name, in which they run, without the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    monkeypatch.setenv("FASTNN_MNIST_DIR", "folder")
    return tmp_path


def check(words, code, out, err, *, is_heard=True):
    """Check what a call did; if nobody hears its errors, the code alone tells of them."""
    assert code in (0, 2), (words, code, err)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert all(line.isprintable() for line in err.split("\n")), err
    assert "predict" in words or all(line.isprintable() for line in out.split("\n")), out
    errors = [line for line in err.splitlines() if ": error: " in line]
    assert len(errors) == (code == 2 and is_heard), (words, err)
    assert err.splitlines()[-1:] == errors or not errors


@in_a_folder
@given(words=calls())
def test_a_call_is_right_or_an_error_in_one_line(words, folder, capsys):
    write_files(folder)
    cli = CommandLine(folder, capsys)
    code = cli(*words)
    check(words, code, cli.out, cli.err)


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX shell")
@settings(in_a_folder, max_examples=N_PROCESSES)
@given(words=calls(), stream=st.sampled_from(STREAMS), threads=THREADS, is_read=st.booleans())
def test_so_it_is_in_a_process_whatever_its_streams_are(words, stream, threads, is_read, folder):
    write_files(folder)
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {stream}', "sh", sys.executable, "-m", "fastnn", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="surrogateescape", env=os.environ | {"FASTNN_NUM_THREADS": threads},
    )  # fmt: skip
    if not is_read:
        process.stdout.close()
        process.stdout = None
    out, err = process.communicate(timeout=120)
    check(words, process.returncode, out or "", err, is_heard="2>" not in stream)
