"""Calls in which subnormal numbers are zero, by the C library's functions on the thread's mode.

``fegetenv`` and ``fesetenv`` (C99, 7.6.4) copy the thread's whole floating-point environment. The
place in it of the control register that says what subnormal numbers are is defined by the system's
ABI, and known here for Linux (``fenv.h`` of glibc and musl); elsewhere calls are left as they are.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_WORDS = 16  # of 32 bits, more than any environment has
_PLACES = {"x86_64": (7, 0x8040), "aarch64": (0, 1 << 24)}
"""The word of the environment, and its bits by which operands and results are zero: of MXCSR DAZ
and FTZ, of FPCR FZ."""


def _functions() -> tuple[Any, Any] | None:
    if sys.platform != "linux" or platform.machine() not in _PLACES or sys.maxsize < 2**32:
        return None
    for name in (None, "libm.so.6"):  # musl has them in the C library
        try:
            library = ctypes.CDLL(name)
            return library.fegetenv, library.fesetenv
        except (AttributeError, OSError):
            continue
    return None


_FUNCTIONS = _functions()
_PLACE, _FLUSHING = _PLACES.get(platform.machine(), (0, 0))
_Environment = ctypes.c_uint32 * _WORDS


def flushing(method: Callable[P, R]) -> Callable[P, R]:
    """Have subnormal numbers be zero in the calling thread during a method, where that is possible.

    The mode is put back afterwards, also after an exception. Where it was set already, by a method
    that calls this one or by the user, it is left alone.
    """
    if _FUNCTIONS is None:
        return method
    get, put = _FUNCTIONS

    @functools.wraps(method)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        environment = _Environment()
        get(environment)
        mode = environment[_PLACE]
        if mode & _FLUSHING == _FLUSHING:
            return method(*args, **kwargs)
        try:  # before the mode is set: a signal may raise an exception right after
            environment[_PLACE] = mode | _FLUSHING
            put(environment)
            return method(*args, **kwargs)
        finally:
            environment[_PLACE] = mode
            put(environment)

    return called
