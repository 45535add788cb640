"""Threads that help with one pass at a time.

They are Python threads, which every platform has, sleeping in a queue between passes; the work they
are given releases the GIL. One caller at a time is served: another one that comes meanwhile, from
its own thread, finds nobody and does its work alone. A forked child starts with a pool of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

free = threading.Lock()
"""Whoever has it may `call`. It is taken and released by compiled code: an interrupt may come between
two lines of Python."""

_executor: ThreadPoolExecutor | None = None
_size = 0


def call(n_helpers: int, task: Callable[[int], None]) -> int:
    """Have ``task(1)``, ``task(2)``, … called by threads of the pool, by who has `free`.

    Parameters
    ----------
    n_helpers : int
        How many, at least 1.
    task : callable
        Must release the GIL, raise nothing and end by itself.

    Returns
    -------
    int
        How many calls will be made: those from ``task(1)`` on.

    Raises
    ------
    KeyboardInterrupt
        Or what else comes in between; any of the calls may be made then.
    """
    global _executor, _size
    n = 0
    try:
        if _executor is None or _size < n_helpers:
            smaller = _executor
            _executor, _size = ThreadPoolExecutor(n_helpers, "fastnn"), n_helpers
            if smaller is not None:
                smaller.shutdown(wait=False)
        while n < n_helpers:
            _executor.submit(task, n + 1)
            n += 1
    except RuntimeError:  # no thread can be started, or Python is shutting down: some, or none
        pass
    except BaseException:  # it may be in any state
        left, _executor = _executor, None
        if left is not None:
            left.shutdown(wait=False)
        raise
    return n


def _forget() -> None:
    """Start anew in a forked child, where the threads do not exist."""
    global free, _executor, _size
    free, _executor, _size = threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
