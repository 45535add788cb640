"""A word to whoever waits for the first compilation.

Numba tells when it begins and ends to compile a function, and functions are compiled while the one
that calls them is. If the outermost of ours takes more than two seconds, a line on stderr says
what is going on: a spinner on a terminal, elsewhere the plain line, once a process.
"""

import itertools
import sys
import threading
import time

from numba.core import event

PATIENCE = 2.0  # seconds
TEXT = "fastnn: compiling the Numba kernels, which is done once"


class _Notice(event.Listener):
    def __init__(self):
        self._depth = 0
        self._said = False
        self._done = threading.Event()

    def on_start(self, occasion):
        if not _is_ours(occasion):
            return
        self._depth += 1
        if self._depth == 1:
            self._done = threading.Event()
            threading.Thread(target=self._wait, args=(self._done,), daemon=True).start()

    def on_end(self, occasion):
        if not _is_ours(occasion):
            return
        self._depth -= 1
        if self._depth == 0:
            self._done.set()

    def _wait(self, done):
        start = time.monotonic()
        if done.wait(PATIENCE) or sys.stderr is None:
            return
        if sys.stderr.isatty():
            for sign in itertools.cycle("|/-\\"):
                if done.wait(0.1):
                    break
                seconds = time.monotonic() - start
                line = f"\r{sign} {TEXT} ({seconds:.0f} s)"
                print(line, end="", file=sys.stderr, flush=True)
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # clear the line
        elif not self._said:
            self._said = True
            print(f"{TEXT}; it takes a while", file=sys.stderr, flush=True)


def _is_ours(occasion):
    module = occasion.data["dispatcher"].py_func.__module__
    return module.rpartition(".")[0] == __package__


def give_notice():
    """Tell the user when a compilation of these kernels takes long."""
    event.register("numba:compile", _Notice())
