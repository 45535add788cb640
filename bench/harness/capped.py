"""Work in a process of its own that is ended when a task takes too long.

A task may use so many seconds of processor time for each thread, about what it takes where it has
the processors to itself: other load does not end it. Ten times as long by the clock does.

The process stays for the next task, with what it has loaded, until one takes too long or ends it.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

Work = Callable[[Any, Callable[[], None]], dict[str, Any]]
"""From a task and a function to call when its clock is to start, to a result."""

PREPARATION_SECONDS = 1800.0  # to load libraries and tables, off the clock
PATIENCE = 10.0  # by the clock, in caps
EVERY = 0.2  # seconds the processor time is looked at
OVER = 75  # the exit code of a process that was over its time


class OverTheCapError(Exception):
    """A task took longer than it may."""


class WorkFailedError(Exception):
    """A task raised, or its process died; the message says why."""


class CappedProcess:
    """Runs `work(task, start)` in a process, with a limit that counts from its call of `start`.

    Parameters
    ----------
    work : callable
        A function of a module, so that the process finds it.
    variables : dict of str
        Of the environment of the process, on top of those of this one.
    threads : int
        How many it may keep busy.
    """

    def __init__(self, work: Work, variables: dict[str, str], threads: int = 1) -> None:
        self.work, self.variables, self.threads = work, variables, threads
        self._process: Any = None
        self._connection: Connection | None = None

    def run(self, task: Any, seconds: float | None) -> dict[str, Any]:
        """Return the result of a task.

        Raises
        ------
        OverTheCapError
            After `seconds` of processor time per thread.
        WorkFailedError
            If the task raised, did not start its clock, or ended the process.
        """
        connection = self._started()
        try:
            connection.send((task, None if seconds is None else seconds * self.threads))
            if not connection.poll(PREPARATION_SECONDS):
                self.end()
                raise WorkFailedError(f"not begun after {PREPARATION_SECONDS:.0f} s")
            answer = connection.recv()
            if answer[0] == "clock":
                if not connection.poll(None if seconds is None else PATIENCE * seconds):
                    self.end()
                    raise OverTheCapError(f"more than {PATIENCE * (seconds or 0):.0f} s")
                answer = connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(5.0)
            code = self._process.exitcode
            self.end()
            if code == OVER:
                message = f"more than {seconds:.0f} s of processor time per thread"
                raise OverTheCapError(message) from None
            raise WorkFailedError(f"the process ended with code {code}") from None
        kind, value = answer
        if kind == "error":
            raise WorkFailedError(value)
        result: dict[str, Any] = value
        return result

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def __enter__(self) -> CappedProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def _started(self) -> Connection:
        if self._connection is not None:
            return self._connection
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        inherited = {name: os.environ.get(name) for name in self.variables}
        os.environ.update(self.variables)  # libraries read them when the process loads them
        try:
            self._process = context.Process(target=_serve, args=(there, self.work))
            self._process.start()
        finally:
            for name, value in inherited.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
        there.close()
        self._connection = here
        return here


def _serve(connection: Connection, work: Work) -> None:
    while True:
        try:
            task, seconds = connection.recv()
        except EOFError:
            return
        finished = threading.Event()

        def start(seconds: float | None = seconds, finished: threading.Event = finished) -> None:
            connection.send(("clock", None))
            if seconds is not None:
                deadline = time.process_time() + seconds
                threading.Thread(target=_watch, args=(deadline, finished), daemon=True).start()

        try:
            answer = ("result", work(task, start))
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(line.filename)}:{line.lineno}"
            answer = ("error", f"{type(error).__name__}: {str(error)[:300]} ({where})")
        finally:
            finished.set()
        connection.send(answer)


def _watch(deadline: float, finished: threading.Event) -> None:
    while not finished.wait(EVERY):
        if time.process_time() > deadline:
            os._exit(OVER)
