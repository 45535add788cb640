"""Progress bars for long work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TextIO

DELAY = 1.0
"""Seconds before a progress bar appears."""

METER = 50
"""Columns of a bar without metrics."""

_wanted: ContextVar[bool] = ContextVar("fastnn_progress_wanted", default=True)


_AS_IT_IS = nullcontext()


def progress_wanted(wanted: bool) -> AbstractContextManager[None]:
    """Set whether progress, also of compilation, may be shown within the block."""
    return _AS_IT_IS if _wanted.get() == wanted else _set_to(wanted)


@contextmanager
def _set_to(wanted: bool) -> Iterator[None]:
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def is_progress_wanted() -> bool:
    """Return the setting of the innermost `progress_wanted`; True outside of any."""
    return _wanted.get()


class ProgressBar:
    """A bar that appears after `DELAY` seconds, if wanted.

    Until then tqdm is not imported, starts no thread and takes no lock. Its lock is shared by all
    processes forked from one another, and is never released if the process holding it is
    killed: work without a bar must not wait for it.
    """

    def __init__(self, n_rows: int, wanted: bool, n_before: int, unit: str = "row") -> None:
        self._n_rows, self._unit = n_rows, unit
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
        """Add `n_rows` to the rows done."""
        self._n_done += n_rows
        if self._bar is not None:
            self._bar.update(n_rows)
        elif self._wanted and time.time() - self._start >= DELAY:
            self._appear()

    def say(self, record: Mapping[str, float]) -> None:
        """Show metrics next to the bar."""
        self._record = record
        if self._bar is not None:
            self._bar.set_postfix_str(self._text(), refresh=False)

    def close(self) -> None:
        """Leave the bar on its line."""
        if self._bar is not None:
            self._bar.close()

    def _text(self) -> str:
        return _short(self._record, _columns() - METER)

    def _appear(self) -> None:
        from tqdm import tqdm

        if sys.stderr is None:  # a process without a console
            self._wanted = False
            return
        screen = _Screen(sys.stderr)
        self._bar = bar = tqdm(
            file=screen,
            total=self._n_rows,
            initial=self._n_before,
            unit=self._unit,
            unit_scale=self._unit == "row",
            postfix=self._text() or None,
            ncols=_columns(),
            delay=2 * DELAY,  # until the rows done are set below
        )
        screen.stands_for_stream = True
        bar.start_t = self._start
        bar.n = bar.last_print_n = self._n_done  # measure the rate from here
        bar.delay = 0
        bar.refresh()


class _Screen:
    """A stream for a bar that ignores write errors and stops writing, so that the work continues.

    tqdm compares it with ``sys.stderr`` to find bars that share a terminal with other
    output; a new bar would flush ``sys.stderr`` and ``sys.stdout`` if it were one of them.
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
        """Write text, if possible."""
        self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        """Flush, if possible."""
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            if self._works:
                action()
        except (OSError, ValueError):  # a full disk, a broken pipe, a closed stream
            self._works = False


def _columns() -> int:
    """Return the maximum width of a line."""
    import shutil  # here, for a quick `import fastnn`

    return shutil.get_terminal_size().columns - 1  # some terminals wrap at the last column


def _short(record: Mapping[str, float], width: int) -> str:
    """Return as many metrics as fit in `width` characters, the losses first."""
    names = sorted((k for k in record if k != "time"), key=lambda k: not k.endswith("loss"))
    text = ""
    for name in names:
        longer = f"{text}{', ' if text else ''}{name}={record[name]:.3g}"
        if len(longer) <= width:
            text = longer
    return text


def progress_bar(n_rows: int, wanted: bool, n_before: int = 0, unit: str = "row") -> ProgressBar:
    """Show, within the block, a bar over `n_rows` rows if they take over `DELAY` seconds.

    `n_before` rows were done earlier and do not count for the rate.
    """
    return ProgressBar(n_rows, wanted, n_before, unit)
