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

_taken = threading.Lock()
_executor: ThreadPoolExecutor | None = None
_size = 0


def borrow(n_helpers: int, task: Callable[[int], None]) -> int:
    """Have ``task(1)``, ``task(2)``, … called by threads of the pool.

    Parameters
    ----------
    n_helpers : int
        How many, at least 1.
    task : callable
        Must release the GIL, raise nothing and end by itself.

    Returns
    -------
    int
        How many calls will be made: those from ``task(1)`` on. Unless it is 0, the caller must call
        `give_back` when they have ended.
    """
    global _executor, _size
    if not _taken.acquire(blocking=False):
        return 0
    n = 0
    try:
        if _executor is None or _size < n_helpers:
            if _executor is not None:
                _executor.shutdown(wait=False)
            _executor, _size = ThreadPoolExecutor(n_helpers, "fastnn"), n_helpers
        while n < n_helpers:
            _executor.submit(task, n + 1)
            n += 1
    except RuntimeError:  # no thread can be started, or Python is shutting down: some, or none
        pass
    finally:
        if n == 0:
            _taken.release()
    return n


def give_back() -> None:
    """Make the pool free for the next caller."""
    _taken.release()


def _forget() -> None:
    """Start anew in a forked child, where the threads do not exist."""
    global _taken, _executor, _size
    _taken, _executor, _size = threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
