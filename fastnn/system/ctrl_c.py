"""Ctrl-C held back while arrays are changed piece by piece."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def ctrl_c_held() -> Iterator[Callable[[], None]]:
    """Defer Ctrl-C during the block; calling the yielded function handles it there."""
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and callable(handler)):  # Ctrl-C does not interrupt this thread
        yield lambda: None
        return
    held: list[tuple[int, Any]] = []

    def let_through() -> None:
        if held:
            number, frame = held.pop()
            held.clear()
            handler(number, frame)

    signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        yield let_through
    finally:
        signal.signal(signal.SIGINT, handler)
    let_through()
