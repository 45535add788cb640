"""Showing how far long work has come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TextIO

DELAY = 1.0
"""Seconds that work may take before it shows how far it is."""

METER = 50
"""Columns that a bar takes without measurements."""

_wanted: ContextVar[bool] = ContextVar("fastnn_progress_wanted", default=True)


_AS_IT_IS = nullcontext()


def progress_wanted(wanted: bool) -> AbstractContextManager[None]:
    """Say whether what goes on within the block, a compilation too, may be shown."""
    return _AS_IT_IS if _wanted.get() == wanted else _set_to(wanted)


@contextmanager
def _set_to(wanted: bool) -> Iterator[None]:
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def is_progress_wanted() -> bool:
    """Return what the innermost `progress_wanted` says; True outside of all."""
    return _wanted.get()


class ProgressBar:
    """A bar that appears once the work has taken `DELAY` seconds, if it is wanted at all.

    Until then tqdm is not imported, starts no thread and takes no lock. Its lock is one of all
    processes that were forked from one another, and stays taken for ever when the process that has
    it is killed: work that shows nothing must not wait for it.
    """

    def __init__(self, n_rows: int, wanted: bool, n_before: int) -> None:
        self._n_rows = n_rows
        self._wanted = wanted
        self._start = time.time()
        self._n_before = self._n_done = n_before
        self._record: Mapping[str, float] = {}
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        self._token = _wanted.set(self._wanted)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()
        finally:
            _wanted.reset(self._token)

    def update(self, n_rows: int) -> None:
        """Count `n_rows` more as done."""
        self._n_done += n_rows
        if self._bar is not None:
            self._bar.update(n_rows)
        elif self._wanted and time.time() - self._start >= DELAY:
            self._appear()

    def say(self, record: Mapping[str, float]) -> None:
        """Show measurements beside the bar."""
        self._record = record
        if self._bar is not None:
            self._bar.set_postfix_str(self._text(), refresh=False)

    def close(self) -> None:
        """Leave the bar as it is, on a line of its own."""
        if self._bar is not None:
            self._bar.close()

    def _text(self) -> str:
        return _short(self._record, _columns() - METER)

    def _appear(self) -> None:
        from tqdm import tqdm

        if sys.stderr is None:  # as of a process without a console: nobody looks
            self._wanted = False
            return
        screen = _Screen(sys.stderr)
        self._bar = bar = tqdm(
            file=screen,
            total=self._n_rows,
            initial=self._n_before,
            unit="row",
            unit_scale=True,
            postfix=self._text() or None,
            ncols=_columns(),
            delay=2 * DELAY,  # until it is told what was done
        )
        screen.stands_for_stream = True
        bar.start_t = self._start
        bar.n = bar.last_print_n = self._n_done  # a rate of its own begins here
        bar.delay = 0
        bar.refresh()


class _Screen:
    """A stream for a bar, which is not worth the work's end: where writing fails, it is over.

    tqdm compares it with ``sys.stderr`` to know which bars share a terminal with what is printed
    meanwhile; a new bar would flush ``sys.stderr`` and ``sys.stdout`` if it were one of them.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._works = True
        self.stands_for_stream = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __eq__(self, other: object) -> bool:
        return other is self or (self.stands_for_stream and other is self._stream)

    def __hash__(self) -> int:
        return hash(self._stream)

    def write(self, text: str) -> None:
        """Write a text, if that is possible."""
        self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        """Show what was written."""
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            if self._works:
                action()
        except (OSError, ValueError):  # a full disk, a reader that left, a closed stream
            self._works = False


def _columns() -> int:
    """Return how wide a line may be."""
    import shutil  # here, for a quick `import fastnn`

    return shutil.get_terminal_size().columns - 1  # in the last one some terminals begin a new line


def _short(record: Mapping[str, float], width: int) -> str:
    """Return measurements in so many characters: the losses first, and those that find room."""
    names = sorted((k for k in record if k != "time"), key=lambda k: not k.endswith("loss"))
    text = ""
    for name in names:
        longer = f"{text}{', ' if text else ''}{name}={record[name]:.3g}"
        if len(longer) <= width:
            text = longer
    return text


def progress_bar(n_rows: int, wanted: bool, n_before: int = 0) -> ProgressBar:
    """Show, within the block, a bar over `n_rows` rows if they take over `DELAY` seconds.

    `n_before` of them were done earlier, and do not count for the rate.
    """
    return ProgressBar(n_rows, wanted, n_before)
