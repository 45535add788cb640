"""Where the command line prints: results to standard output, all else to standard error.

Every line goes through here. What cannot be seen in it is escaped, so that no name of a file,
column or label moves the cursor or forges a line. On a terminal, sentences are broken between words
at `WIDTH` columns; programs get a line each.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from fastnn.system.printable import printable

WIDTH = 80


class ReaderGoneError(Exception):
    """Whoever read standard output has seen enough: ``fastnn predict … | head``."""


def say(text: str, indent: str = "  ") -> None:
    """Print a result for people in one line; on a terminal in several, if they are needed."""
    write_results(_encodable(f"{line}\n") for line in _lines(text, sys.stdout, indent))


def say_verbatim(text: str) -> None:
    """Print a text that is laid out in lines already: a table's line, or help."""
    write_results([_encodable(text)])


def write_results(lines: Iterable[str]) -> None:
    """Write lines to standard output as they are.

    Raises
    ------
    ReaderGoneError
        If nobody reads any more.
    OSError
        If they cannot be written; it says that this was standard output.
    """
    with _blamed_on_standard_output():
        for line in lines:
            sys.stdout.write(line)
        sys.stdout.flush()


@contextmanager
def losing_nothing() -> Iterator[None]:
    """Go on with the work if standard output fails: a later result, or the end, will tell."""
    with suppress(OSError, ReaderGoneError):
        yield


def complain(text: str) -> None:
    """Print one line on standard error; without anybody to read it, nothing."""
    _write_to_standard_error([printable(text)])


def remark(text: str) -> None:
    """Print a remark on standard error in one line; on a terminal in several, if needed."""
    _write_to_standard_error(_lines(text, sys.stderr, "  "))


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether somebody looks at a stream, which may be None or closed."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def end_results() -> None:
    """Write out what is left; if that cannot be done, see that Python does not try again.

    Raises
    ------
    ReaderGoneError, OSError
        As `write_results` does.
    """
    try:
        with _blamed_on_standard_output():
            sys.stdout.flush()
    except (OSError, ReaderGoneError):
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _lines(text: str, stream: TextIO | None, indent: str) -> list[str]:
    """Return a text as a line, for a terminal as lines of which all but the first are indented."""
    if not is_terminal(stream):
        return [printable(text)]
    return textwrap.wrap(
        printable(text),
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _write_to_standard_error(lines: Iterable[str]) -> None:
    stream: Any = sys.stderr
    if stream is None:
        return
    with suppress(OSError, ValueError):  # full, broken or closed: there is nobody to tell
        stream.write("".join(f"{line}\n" for line in lines))
        stream.flush()


def _encodable(text: str) -> str:
    """Return a text with characters that standard output's encoding lacks escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


@contextmanager
def _blamed_on_standard_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        text = f"cannot write to standard output: {error.strerror}"
        raise OSError(error.errno, text) from None
