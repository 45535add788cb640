"""The command line: ``fastnn train``, ``evaluate``, ``predict`` and others, one file each.

Results go to standard output, with ``--json`` as one JSON object per line; progress and errors go
to standard error. An error prints one line and exits with code 2, an interrupt with code 130.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from fastnn.cli import (
    bench,
    columns,
    completion,
    evaluate,
    export,
    info,
    predict,
    serve,
    show,
    streams,
    train,
)
from fastnn.cli.config import words_of
from fastnn.cli.options import as_option
from fastnn.system.printable import named
from fastnn.validation.parameters import parameters_written

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the signal's number."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and suggest similar words."""

    def __init__(self, **settings: Any) -> None:
        self.said_of: str | None = None  # the file whose options are parsed
        super().__init__(**settings)

    @property
    def option_words(self) -> list[str]:
        """All options, those in groups too."""
        return [word for action in self._actions for word in action.option_strings]

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong is not None:
            choices = re.findall(r"[\w.-]+", wrong[2])
            message += _meant([wrong[1]], choices)
        if self.said_of is not None:
            message = f"{named(self.said_of)}: {message}"
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help, the version or an error; argparse would hide write errors."""
        if file is sys.stdout:
            streams.say_verbatim(message)
        else:
            streams.complain(message)


def _meant(words: Sequence[str], choices: Sequence[str]) -> str:
    """Return a "did you mean" question with the choices similar to the words, or an empty text."""
    found = [
        match
        for word in words
        for match in difflib.get_close_matches(word.split("=")[0].lower(), choices, n=1)
    ]
    return f"; did you mean {' and '.join(dict.fromkeys(found))}?" if found else ""


def parser() -> tuple[_Parser, Mapping[str, _Parser]]:
    """Return the parser of the whole command line, and those of the commands by their names."""
    from fastnn.system.version import __version__

    main_parser = _Parser(
        prog="fastnn", description="Small dense networks at the speed of the CPU."
    )
    main_parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    commands = main_parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in (
        train, evaluate, predict, serve, columns, show, export, info, bench, completion,
    ):  # fmt: skip
        command.add_parser(commands)
    main_parser.set_defaults(remarks=())
    return main_parser, commands.choices


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed arguments; without any, print the help.

    Raises
    ------
    SystemExit
        After printing the help or an error.
    """
    main_parser, commands = parser()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options, unknown = main_parser.parse_known_args(arguments)
    if getattr(options, "config", None) is not None:
        command = commands[options.command]
        try:
            in_file = words_of(options.config, command._actions)
        except (OSError, ValueError) as error:
            command.error(str(error))
        command.said_of = options.config
        main_parser.parse_known_args([options.command, *in_file])
        command.said_of = None
        place = arguments.index(options.command) + 1
        options, unknown = main_parser.parse_known_args(
            [*arguments[:place], *in_file, *arguments[place:]]
        )
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
        The arguments after ``fastnn``; by default those of the process.
    """
    from fastnn.backends import BackendUnavailableError

    if sys.stdout is None:
        return _complain("fastnn: error: standard output is closed; redirect it to a file", 2)
    name = "fastnn"
    with warnings.catch_warnings(), parameters_written(as_option):
        warnings.showwarning = _show_each_once()
        try:
            try:
                options = parsed(arguments)
                name = f"fastnn {options.command}"
                code: int = options.run(options)
            finally:
                streams.end_results()
            for text in options.remarks:
                streams.remark(text)
        except streams.ReaderGoneError:
            return 0
        except KeyboardInterrupt:
            return _complain(f"{name}: interrupted", INTERRUPTED)
        except (
            argparse.ArgumentTypeError,
            BackendUnavailableError,
            ImportError,
            MemoryError,
            OSError,
            OverflowError,
            RecursionError,
            TypeError,
            ValueError,
            Warning,  # which PYTHONWARNINGS=error makes errors
        ) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            if type(error) is MemoryError:
                text = f"there is not enough memory ({text})"
            return _complain(f"{name}: error: {text}", 2)
    return code


def _complain(text: str, code: int) -> int:
    streams.complain(text)
    return code


def _show_each_once() -> Callable[..., None]:
    """Return what shows a warning, once however often rows are converted; x is the table."""
    shown = set()

    def show(message: Any, *_: Any, **__: Any) -> None:
        text = re.sub(r"^x (?=has |also has )", "the table ", " ".join(str(message).split()))
        if text not in shown:
            shown.add(text)
            streams.complain(f"fastnn: warning: {text}")

    return show
