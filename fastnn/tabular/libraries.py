"""Which library an object comes from, without importing any."""

from __future__ import annotations

from typing import Any


def is_of(x: Any, library: str) -> bool:
    """Return whether the class of x, or one that it derives from, is of a library."""
    return any(kind.__module__.partition(".")[0] == library for kind in type(x).__mro__)
