"""The line that says why the first fit takes so long."""

import io
import sys
import threading
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("numba")

from fastnn.kernels.numba import notice

MODULE = notice.__name__


class Screen(io.StringIO):
    """What is written to a terminal or, if not, to a file."""

    def __init__(self, is_terminal):
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self):
        return self._is_terminal


def occasion(module=MODULE):
    function = SimpleNamespace(__module__=module)
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=function)})


@pytest.fixture
def patience(monkeypatch):
    monkeypatch.setattr(notice, "PATIENCE", 0.01)


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def others_gone(before):
    return lambda: threading.active_count() <= before


def test_a_terminal_gets_a_line_that_is_wiped_away(monkeypatch, patience):
    before = threading.active_count()
    monkeypatch.setattr(sys, "stderr", Screen(True))
    listener = notice._Notice()
    listener.on_start(occasion())
    wait_for(lambda: sys.stderr.getvalue().count(notice.TEXT) > 1)  # it turns
    listener.on_end(occasion())
    wait_for(others_gone(before))
    said = sys.stderr.getvalue()
    assert "\n" not in said
    assert said.endswith("\r\x1b[K")


def test_a_file_gets_one_line_a_process(monkeypatch, patience):
    before = threading.active_count()
    monkeypatch.setattr(sys, "stderr", Screen(False))
    listener = notice._Notice()
    for _ in range(2):
        listener.on_start(occasion())
        listener.on_start(occasion())  # one that the first one calls
        wait_for(others_gone(before))
        listener.on_end(occasion())
        listener.on_end(occasion())
    assert sys.stderr.getvalue().count("\n") == 1
    assert notice.TEXT in sys.stderr.getvalue()


def test_what_is_quick_or_not_ours_is_not_mentioned(monkeypatch):
    before = threading.active_count()
    monkeypatch.setattr(sys, "stderr", Screen(False))
    listener = notice._Notice()
    listener.on_start(occasion())
    listener.on_end(occasion())
    monkeypatch.setattr(notice, "PATIENCE", 0.0)
    listener.on_start(occasion("somebody.elses"))
    listener.on_end(occasion("somebody.elses"))
    wait_for(others_gone(before))
    assert sys.stderr.getvalue() == ""
