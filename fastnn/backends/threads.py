"""The number of threads fastnn may use.

Precedence, highest first: `set_num_threads`, the environment variables ``FASTNN_NUM_THREADS``
and ``OMP_NUM_THREADS``, and the number of processors available to this process (its affinity and,
on Linux, its cgroup quota). It is an upper bound: the Cython backend divides large operations among
up to that many threads, and NumPy's BLAS uses the same limit; the Numba backend runs on the calling
thread. threadpoolctl reads and sets the same number.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import Any

from fastnn.system.control_groups import processor_quota
from fastnn.system.version import __version__
from fastnn.validation import check_thread_variable, check_threads

_chosen: int | None = None
_limited: ContextVar[int | None] = ContextVar("fastnn_threads_limited", default=None)


def set_num_threads(n_threads: int | None) -> None:
    """Set the maximum number of threads in this process.

    NumPy's BLAS, which computes the products of the ``"numpy"`` backend, uses the same limit if
    threadpoolctl is installed (``pip install "fastnn[threads]"``).

    Parameters
    ----------
    n_threads : int or None
        At least 1; None restores the default.
    """
    global _chosen
    _chosen = None if n_threads is None else check_threads("n_threads", n_threads)


@contextmanager
def threads_limited(n_threads: int) -> Iterator[None]:
    """Set the maximum number of threads within the block, for this thread only.

    Parameters
    ----------
    n_threads : int
        At least 1.
    """
    before = _limited.set(check_threads("n_threads", n_threads))
    try:
        yield
    finally:
        _limited.reset(before)


def get_num_threads() -> int:
    """Return the maximum number of threads."""
    return _wanted() or _openmp_threads() or available_processors()


def usable_threads() -> int:
    """Return the number of threads for a compiled program.

    Never more than there are processors: a thread waiting for a processor delays all others.
    """
    return min(get_num_threads(), available_processors())


def available_processors() -> int:
    """Return the number of processors available to this process, by affinity and cgroup quota."""
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


BLAS_SHARES_FROM = 1e8
"""Minimum multiply-adds of a matrix product for NumPy's BLAS to use several threads: about 1 ms on
one core. Its threads synchronize at the end of each product, and if one of them has to wait for a
busy processor, a product takes as long as its time slice, some milliseconds: with two other busy
processes a fit of 784-100-10 took sixty times as long as with one thread."""


_NO_BLAS = nullcontext()


def blas_limited(uses_blas: bool, multiply_adds: float = math.inf) -> AbstractContextManager[None]:
    """Hold BLAS, if it is used, to as many threads as were asked for and its work is worth.

    This applies to NumPy's BLAS and, once it is loaded, to SciPy's. Several blocks may be active at
    once, in several threads: the smallest limit applies, and the last one to end restores the
    original number.

    Parameters
    ----------
    uses_blas : bool
        Whether BLAS is used within the block.
    multiply_adds : float
        Of the largest product.
    """
    return _limited_to(multiply_adds) if uses_blas else _NO_BLAS


@contextmanager
def _limited_to(multiply_adds: float) -> Iterator[None]:
    asked = _wanted()
    wanted = 1 if multiply_adds < BLAS_SHARES_FROM else asked
    libraries = None if wanted is None else _blas_libraries()
    if wanted is None:
        yield
    elif libraries is None:
        if asked is not None and asked == wanted:
            warnings.warn(
                f"NumPy's BLAS cannot be limited to {wanted} threads: install threadpoolctl "
                '(pip install "fastnn[threads]"), or set OMP_NUM_THREADS before Python starts',
                RuntimeWarning,
                stacklevel=4,
            )
        yield
    else:
        block = object()
        try:
            _limit_blas(libraries, block, min(wanted, asked or wanted))
            yield
        finally:
            _limit_blas(libraries, block, None)


_limits: dict[object, int] = {}
_limits_lock = threading.Lock()
_unlimited: list[tuple[Any, int]] = []  # libraries, with their threads before they were limited


def _limit_blas(libraries: Sequence[Any], block: object, limit: int | None) -> None:
    """Set or remove the limit of a block."""
    with _limits_lock:
        if not _limits:
            _unlimited.clear()
        known = {library.filepath for library, _ in _unlimited}
        _unlimited.extend(
            (each, each.get_num_threads()) for each in libraries if each.filepath not in known
        )
        if limit is None:
            _limits.pop(block, None)
        else:
            _limits[block] = limit
        for library, before in _unlimited:
            n_threads = min(_limits.values(), default=before)
            if library.get_num_threads() != n_threads:
                library.set_num_threads(n_threads)


def _forget_limits() -> None:
    """Restore the original numbers of BLAS in a forked child, where other threads do not exist."""
    global _limits_lock
    _limits_lock = threading.Lock()
    if _limits:
        _limits.clear()
        for library, n_threads in _unlimited:
            library.set_num_threads(n_threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_limits)


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
    try:
        return check_thread_variable("OMP_NUM_THREADS", first)
    except ValueError:  # left to OpenMP to report
        return None


def _blas_libraries() -> Sequence[Any] | None:
    """Return threadpoolctl's controllers of the loaded BLAS; None without threadpoolctl."""
    return _blas_beside("scipy.linalg.cython_blas" in sys.modules)


@cache
def _blas_beside(scipys: bool) -> Sequence[Any] | None:
    """Look for them, once before SciPy's is loaded, and once after."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    controllers = ThreadpoolController().lib_controllers
    return [library for library in controllers if library.user_api == "blas"]


@cache
def _control_group_quota() -> int:
    """Return the number of processors in the cgroup quota."""
    quota = processor_quota()
    return 1 << 30 if quota is None else math.ceil(quota)
