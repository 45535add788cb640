"""The calling thread's floating-point mode, by the C library's own functions.

``fegetenv`` and ``fesetenv`` (C99, 7.6.4) copy the thread's whole floating-point environment, in
which the control register that says what subnormal numbers are stands at a place that the system's
ABI defines.
"""

import ctypes
import platform
import sys
from contextlib import contextmanager

import pytest

# By processor: where the control register is in the environment of Linux (glibc's and musl's
# fenv.h), in bytes, and its bits that make subnormal numbers zero, all of them.
_PLACES = {"x86_64": (28, 0x8040), "aarch64": (0, 1 << 24)}
_FLAGS = 0x3F  # of x86's register: which exceptions have occurred, and no part of the mode
_ROOM = 64  # bytes, more than any environment has


def _environment():
    if sys.platform != "linux" or platform.machine() not in _PLACES:
        pytest.skip("the place of the floating-point mode is known on Linux only")
    library = ctypes.CDLL(None)
    if not hasattr(library, "fegetenv"):
        library = ctypes.CDLL("libm.so.6")
    place, bits = _PLACES[platform.machine()]
    return library, ctypes.create_string_buffer(_ROOM), place, bits


def float_mode():
    """Return the thread's mode."""
    library, room, place, _ = _environment()
    library.fegetenv(room)
    mode = int.from_bytes(room[place : place + 4], sys.byteorder)
    return mode & ~_FLAGS if platform.machine() == "x86_64" else mode


@contextmanager
def subnormals_as_zero(wanted=True, part=-1):
    """Have the thread take subnormal numbers as zero, or not; `part` selects bits of the mode."""
    library, room, place, bits = _environment()
    before = float_mode()
    _set(library, room, place, before | bits & part if wanted else before & ~bits)
    try:
        yield
    finally:
        _set(library, room, place, before)


def _set(library, room, place, mode):
    library.fegetenv(room)
    room[place : place + 4] = mode.to_bytes(4, sys.byteorder)
    library.fesetenv(room)
