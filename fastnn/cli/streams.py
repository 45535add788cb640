"""Output of the command line: results to standard output, everything else to standard error.

All output goes through here. Non-printable characters are escaped, so that the name of a file,
column or label cannot move the cursor or forge a line. On a terminal, sentences are wrapped
at `WIDTH` columns; otherwise each is one line.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from fastnn.system.printable import printable
from fastnn.system.terminal import is_terminal

WIDTH = 80


class ReaderGoneError(Exception):
    """The reader of standard output has closed it: ``fastnn predict … | head``."""


def say(text: str, indent: str = "  ") -> None:
    """Print a result as one line, on a terminal wrapped if necessary."""
    write_results(_encodable(f"{line}\n") for line in _lines(text, sys.stdout, indent))


def say_verbatim(text: str) -> None:
    """Print text that is already formatted: a table row, or help."""
    write_results([_encodable(text)])


def write_results(lines: Iterable[str]) -> None:
    """Write lines to standard output as they are.

    Raises
    ------
    ReaderGoneError
        If the reader has closed standard output.
    OSError
        If they cannot be written; the message names standard output.
    """
    with _blamed_on_standard_output():
        for line in lines:
            sys.stdout.write(line)
        sys.stdout.flush()


@contextmanager
def losing_nothing() -> Iterator[None]:
    """Continue if standard output fails: the error is reported with a later result or at exit."""
    with suppress(OSError, ReaderGoneError):
        yield


def complain(text: str) -> None:
    """Print one line on standard error, if it is open."""
    _write_to_standard_error([printable(text)])


def remark(text: str) -> None:
    """Print a remark on standard error as one line, on a terminal wrapped if necessary."""
    _write_to_standard_error(_lines(text, sys.stderr, "  "))


def remark_verbatim(text: str) -> None:
    """Print text that is already formatted, such as a table, on standard error."""
    _write_to_standard_error(text.removesuffix("\n").split("\n"))


def end_results() -> None:
    """Flush standard output; if that fails, prevent Python from trying again at exit.

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
    """Return a text as one line, or wrapped with indented continuation lines for a terminal."""
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
    with suppress(OSError, ValueError):  # full, broken or closed: the error cannot be reported
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
