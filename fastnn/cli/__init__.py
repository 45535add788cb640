"""The command line: ``fastnn train | evaluate | predict | export | info | bench``.

Results go to standard output, with ``--json`` as one JSON object a line; progress and errors go to
standard error. An error is one line and exit code 2, an interrupt exit code 130.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from fastnn.cli import bench, evaluate, export, info, predict, train
from fastnn.cli.options import in_options


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the word that may have been meant."""

    def __init__(self, **settings: Any) -> None:
        self.option_words: list[str] = []
        super().__init__(**settings)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        action = super().add_argument(*names, **settings)
        self.option_words.extend(action.option_strings)
        return action

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong is not None:
            choices = re.findall(r"[\w.-]+", wrong[2])
            message += _meant([wrong[1]], choices)
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _meant(words: Sequence[str], choices: Sequence[str]) -> str:
    """Return a question after those of the choices that resemble the words; nothing if none do."""
    found = [
        match
        for word in words
        for match in difflib.get_close_matches(word.split("=")[0].lower(), choices, n=1)
    ]
    return f"; did you mean {' and '.join(dict.fromkeys(found))}?" if found else ""


def parser() -> tuple[_Parser, Mapping[str, _Parser]]:
    """Return the parser of the whole command line, and those of the commands by their names."""
    from fastnn._version import __version__

    main_parser = _Parser(
        prog="fastnn", description="Small dense networks at the speed of the CPU."
    )
    main_parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    commands = main_parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in (train, evaluate, predict, export, info, bench):
        command.add_parser(commands)
    return main_parser, commands.choices


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options that the arguments say; without any, the help is printed.

    Raises
    ------
    SystemExit
        After help, and after what is wrong with the arguments was said.
    """
    main_parser, commands = parser()
    options, unknown = main_parser.parse_known_args(arguments)
    if options.command is None:
        if unknown:
            main_parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        main_parser.print_help()
        main_parser.exit()
    if unknown:
        command = commands[options.command]
        command.error(
            f"unrecognized arguments: {' '.join(unknown)}"
            + _meant([word for word in unknown if word.startswith("-")], command.option_words)
        )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words behind ``fastnn``; by default those of the process.
    """
    from fastnn.backends import BackendUnavailableError

    options = parsed(arguments)
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
            if type(error) is MemoryError:
                text = f"there is not enough memory ({text})"
            return _complain(f"fastnn {options.command}: error: {text}", 2)
    return code


def _complain(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    print(f"fastnn: warning: {' '.join(str(message).split())}", file=sys.stderr)
