"""Whether a stream is a terminal, where somebody may be watching."""

from __future__ import annotations

from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream, which may be None or closed, is a terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
