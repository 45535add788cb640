"""The line that says why the first fit takes so long."""

import io
import sys
import threading
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("numba")

from fastnn.kernels.numba import notice

from fastnn.system.progress import is_progress_wanted, progress_bar

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


def listener(wanted=True):
    return notice._Notice(lambda: wanted)


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def others_gone(before):
    return lambda: threading.active_count() <= before


@pytest.mark.parametrize("columns", [80, 20])
def test_a_terminal_gets_a_line_that_is_wiped_away(monkeypatch, patience, columns):
    before = threading.active_count()
    monkeypatch.setattr(sys, "stderr", Screen(True))
    monkeypatch.setenv("COLUMNS", str(columns))
    ours = listener()
    ours.on_start(occasion())
    ours.on_start(occasion())  # one that the first one calls
    wait_for(lambda: sys.stderr.getvalue().count("fastnn: compiling") > 1)  # it turns
    ours.on_end(occasion())
    assert threading.active_count() > before  # the first one goes on
    ours.on_end(occasion())
    wait_for(others_gone(before))
    said = sys.stderr.getvalue()
    assert "\n" not in said
    *lines, blank, rest = said.split("\r")
    assert set(blank) == {" "}
    assert not rest
    assert max(len(line) for line in lines) == len(blank) < columns
    assert (notice.TEXT in said) == (columns == 80)


@pytest.mark.parametrize(
    ("is_terminal", "wanted", "module"),
    [(False, True, MODULE), (True, False, MODULE), (True, True, "somebody.elses")],
    ids=["no terminal", "not wanted", "not ours"],
)
def test_nothing_is_said_to(monkeypatch, patience, is_terminal, wanted, module):
    before = threading.active_count()
    monkeypatch.setattr(sys, "stderr", Screen(is_terminal))
    ours = listener(wanted)
    ours.on_start(occasion(module))
    assert threading.active_count() == before  # nobody who could say something
    ours.on_end(occasion(module))
    assert sys.stderr.getvalue() == ""


def test_what_is_quick_is_not_mentioned(monkeypatch):
    monkeypatch.setattr(notice, "PATIENCE", 300)
    before = threading.active_count()
    monkeypatch.setattr(sys, "stderr", Screen(True))
    ours = listener()
    ours.on_start(occasion())
    ours.on_end(occasion())
    wait_for(others_gone(before))
    assert sys.stderr.getvalue() == ""


def test_no_screen_is_no_error(monkeypatch, patience):
    """As in a program without a console on Windows."""
    monkeypatch.setattr(sys, "stderr", None)
    ours = listener()
    ours.on_start(occasion())
    ours.on_end(occasion())


def test_what_may_be_shown_is_what_fit_was_told():
    assert is_progress_wanted()
    for wanted in (False, True):
        with progress_bar(1, wanted):
            assert is_progress_wanted() == wanted
    assert is_progress_wanted()
