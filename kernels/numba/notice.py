"""Progress message during the first compilation.

Numba reports when it starts and ends compiling a function; called functions are compiled within
their caller. If the outermost kernel takes more than two seconds, a line with a spinner is shown
on a terminal, and removed when it is done.
"""

import itertools
import shutil
import sys
import threading
import time

from numba.core import event

PATIENCE = 2.0  # seconds
TEXT = "fastnn: compiling the Numba kernels, which is done once"


class _Notice(event.Listener):
    """Listens to compilations, which Numba runs in one thread at a time."""

    def __init__(self, is_wanted):
        self._is_wanted = is_wanted
        self._depth = 0
        self._done = threading.Event()

    def on_start(self, occasion):
        if not _is_ours(occasion):
            return
        self._depth += 1
        if self._depth == 1 and self._is_wanted() and sys.stderr and sys.stderr.isatty():
            self._done = threading.Event()
            threading.Thread(target=_spin, args=(self._done, sys.stderr), daemon=True).start()

    def on_end(self, occasion):
        if not _is_ours(occasion):
            return
        self._depth -= 1
        if self._depth == 0:
            self._done.set()


def _spin(done, terminal):
    """Show a line on `terminal` until `done`, if it takes long."""
    start = time.monotonic()
    if done.wait(PATIENCE):
        return
    line = ""
    for sign in itertools.cycle("|/-\\"):
        columns = shutil.get_terminal_size().columns
        # not up to the last column, where some terminals wrap
        line = f"{sign} {TEXT} ({time.monotonic() - start:.0f} s)"[: columns - 1]
        print(f"\r{line}", end="", file=terminal, flush=True)
        if done.wait(0.1):
            break
    print(f"\r{' ' * len(line)}\r", end="", file=terminal, flush=True)


def _is_ours(occasion):
    module = occasion.data["dispatcher"].py_func.__module__
    return module.rpartition(".")[0] == __package__


def give_notice(is_wanted):
    """Show a message while compiling these kernels takes long, if is_wanted() at the start."""
    event.register("numba:compile", _Notice(is_wanted))
