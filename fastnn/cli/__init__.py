"""The command line: ``fastnn train | evaluate | predict | export | info | bench``.

Results go to standard output, with ``--json`` as one JSON object a line; progress and errors go to
standard error. An error is one line and exit code 2, an interrupt exit code 130.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from fastnn.cli import bench, evaluate, export, info, predict, train
from fastnn.cli.options import in_options


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    from fastnn._version import __version__

    main_parser = _Parser(
        prog="fastnn", description="Small dense networks at the speed of the CPU."
    )
    main_parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    commands = main_parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in (train, evaluate, predict, export, info, bench):
        command.add_parser(commands)
    return main_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words behind ``fastnn``; by default those of the process.
    """
    from fastnn.backends import BackendUnavailableError

    options = parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code: int = options.run(options)
            sys.stdout.flush()
        except BrokenPipeError:  # `fastnn predict … | head`: the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except KeyboardInterrupt:
            return _complain(f"fastnn {options.command}: interrupted", 130)
        except (
            argparse.ArgumentTypeError,
            BackendUnavailableError,
            ImportError,
            MemoryError,
            OSError,
            TypeError,
            ValueError,
        ) as error:
            text = in_options(" ".join(str(error).split())) or type(error).__name__
            return _complain(f"fastnn {options.command}: error: {text}", 2)
    return code


def _complain(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    print(f"fastnn: warning: {' '.join(str(message).split())}", file=sys.stderr)
