"""How many threads fastnn may use.

The number is, strongest first: `set_num_threads`, the environment variables ``FASTNN_NUM_THREADS``
and ``OMP_NUM_THREADS``, and the processors that this process is allowed (its affinity and, on
Linux, its control group's quota). It is an upper bound: the Cython backend shares large work among
that many threads of its own, and NumPy's BLAS follows it; the Numba backend computes on the calling
thread. threadpoolctl sees and sets the same number.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from fastnn._version import __version__
from fastnn.validation import check_count, check_thread_variable

_chosen: int | None = None
_limited: ContextVar[int | None] = ContextVar("fastnn_threads_limited", default=None)


def set_num_threads(n_threads: int | None) -> None:
    """Set how many threads fastnn may use in this process.

    NumPy's BLAS, which does the products of the ``"numpy"`` backend, follows while fastnn computes
    if threadpoolctl is installed (``pip install "fastnn[threads]"``).

    Parameters
    ----------
    n_threads : int or None
        At least 1; None goes back to the environment's and the machine's number.
    """
    global _chosen
    _chosen = None if n_threads is None else check_count("n_threads", n_threads)


@contextmanager
def threads_limited(n_threads: int) -> Iterator[None]:
    """Set how many threads fastnn may use within the block, in this thread only.

    Parameters
    ----------
    n_threads : int
        At least 1.
    """
    before = _limited.set(check_count("n_threads", n_threads))
    try:
        yield
    finally:
        _limited.reset(before)


def get_num_threads() -> int:
    """Return how many threads fastnn may use."""
    return _wanted() or _openmp_threads() or available_processors()


def usable_threads() -> int:
    """Return how many threads a compiled program may share its work among.

    Never more than there are processors: one that waits for a processor holds up all the others.
    """
    return min(get_num_threads(), available_processors())


def available_processors() -> int:
    """Return how many processors this process is allowed: affinity and control group respected."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _control_group_quota()))


def show_to_threadpoolctl(library: str) -> None:
    """Have threadpoolctl, if it is installed, list and limit the threads of a compiled library.

    Parameters
    ----------
    library : str
        The file that was loaded. It is listed with ``"user_api": "fastnn"``, and a limit is what
        `set_num_threads` sets.
    """
    try:
        from threadpoolctl import LibController, register
    except ImportError:
        return

    class Controller(LibController):  # type: ignore[misc]
        user_api = internal_api = "fastnn"
        filename_prefixes = (os.path.basename(library),)
        if os.name != "nt":  # where an extension module exports one name only
            check_symbols = ("fastnn_single_baseline",)

        def get_num_threads(self) -> int:
            return get_num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            set_num_threads(num_threads)

        def get_version(self) -> str:
            return __version__

    register(Controller)


@contextmanager
def blas_limited(uses_blas: bool) -> Iterator[None]:
    """Hold NumPy's BLAS, if it is used, to the number of threads that was asked for, if one was."""
    wanted = _wanted() if uses_blas else None
    controller = None if wanted is None else _blas_controller()
    if wanted is None:
        yield
    elif controller is None:
        warnings.warn(
            f"NumPy's BLAS does not keep to {wanted} threads: that takes threadpoolctl "
            '(pip install "fastnn[threads]"), or OMP_NUM_THREADS set before Python starts',
            RuntimeWarning,
            stacklevel=4,
        )
        yield
    else:
        with controller.limit(limits=wanted, user_api="blas"):
            yield


def _wanted() -> int | None:
    n_threads = _limited.get()
    if n_threads is None:
        n_threads = _chosen
    if n_threads is not None:
        return n_threads
    text = os.environ.get("FASTNN_NUM_THREADS")
    return check_thread_variable("FASTNN_NUM_THREADS", text) if text else None


def _openmp_threads() -> int | None:
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # "4,2" is 4, nested 2
    return int(first) if first.isdecimal() and int(first) else None


@cache
def _blas_controller() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


@cache
def _control_group_quota() -> int:
    """Return the processors' worth of time that Linux control groups (v2, then v1) grant."""
    unlimited = 1 << 30
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        folder = Path("/sys/fs/cgroup/cpu")
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return unlimited
    if quota in ("max", "-1"):
        return unlimited
    return math.ceil(int(quota) / int(period))
