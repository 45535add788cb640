"""Calls of compiled code in which subnormal numbers are zero."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from fastnn.kernels.numba.float_mode import FLUSHING, float_mode, set_float_mode

P = ParamSpec("P")
R = TypeVar("R")


def flushing(method: Callable[P, R]) -> Callable[P, R]:
    """Have subnormal numbers be zero in the calling thread during a method.

    The mode is put back afterwards, also after an exception. Where it was set already, by a method
    that calls this one or by the user, it is left alone.
    """

    @functools.wraps(method)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        mode = float_mode()
        if mode & FLUSHING == FLUSHING:
            return method(*args, **kwargs)
        try:  # before the mode is set: a signal may raise an exception right after
            set_float_mode(mode | FLUSHING)
            return method(*args, **kwargs)
        finally:
            set_float_mode(mode)

    return called
