"""How much memory this process may count on: the machine's, or what its control group allows."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

CONTROL_GROUP_FILES = (
    "/sys/fs/cgroup/memory.max",  # version 2
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",  # version 1
)


@cache
def machine_memory() -> int | None:
    """Return the bytes of memory that this process may use at most; None if nothing says."""
    known = [n for n in (_physical(), *map(_limit_in, CONTROL_GROUP_FILES)) if n]
    return min(known, default=None)


def _physical() -> int | None:
    if sys.platform == "win32":
        return _physical_on_windows()
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _physical_on_windows() -> int | None:
    """Return ``ullTotalPhys`` of MEMORYSTATUSEX, the second field of 64 bits."""
    import ctypes

    status = (ctypes.c_uint64 * 8)()  # two fields of 32 bits, then seven of 64
    ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
    kernel32 = getattr(ctypes, "windll").kernel32  # noqa: B009 (mypy knows it on Windows alone)
    return int(status[1]) if kernel32.GlobalMemoryStatusEx(status) else None


def _limit_in(path: str) -> int | None:
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None  # "max" where there is no limit
