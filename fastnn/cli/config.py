"""``--config FILE.toml``: options from a file, whose keys are the names of options.

    target = "Survived"
    drop = ["Name", "Ticket"]
    layers = [128, 128]
    learning-rate = 0.02
    kind = { Pclass = "category" }
    json = true

They become words before those of the command line, which therefore have precedence.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fastnn.cli.column_options import names, quoted
from fastnn.system.printable import named
from fastnn.validation.values import describe

NOT_IN_FILES = ("config", "help", "no-header", "no-day-first")


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``."""
    parser.add_argument(
        "--config",
        metavar="FILE.toml",
        help="read options from a file; its keys are their names, and those given on the command "
        "line have precedence",
    )


def words_of(path: str, actions: Sequence[argparse.Action]) -> list[str]:
    """Return the options in a file as words of a command line.

    Parameters
    ----------
    path : str
    actions : sequence of argparse.Action
        Those of the command.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not TOML, or has a key that is no option, or a value of the wrong kind.
    """
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"--config {named(path)} is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"--config {named(path)} is not TOML: {error}") from None
    by_name = {
        option.removeprefix("--"): action
        for action in actions
        for option in action.option_strings
        if option.startswith("--") and option.removeprefix("--") not in NOT_IN_FILES
    }
    words = []
    for key, value in found.items():
        name = key.replace("_", "-")
        if name not in by_name:
            like = get_close_matches(name.lower(), by_name, 1)
            hint = f"; did you mean {like[0]}?" if like else ""
            raise ValueError(f"{named(path)}: there is no option {key!r}{hint}")
        try:
            words += _words(name, value, by_name[name])
        except TypeError as error:
            raise ValueError(f"{named(path)}: {key} {error}") from None
    return words


def _words(name: str, value: Any, action: argparse.Action) -> list[str]:
    option = f"--{name}"
    is_switch = action.nargs == 0
    if isinstance(value, bool):
        if isinstance(action, argparse.BooleanOptionalAction):
            return [option if value else f"--no-{name}"]
        if is_switch or action.nargs == "?":
            return [option] if value else []
        raise TypeError("takes a value, got true or false")
    if is_switch:
        raise TypeError(f"must be true or false, got {describe(value)}")
    if isinstance(value, Mapping):
        parts = [f"{key}={_word(part)}" for key, part in value.items()]
    elif isinstance(value, list):
        parts = [_word(part) for part in value]
    else:
        return [f"{option}={_word(value)}"]
    if type(action).__name__ == "_AppendAction":
        if action.type is names and isinstance(value, list):
            parts = [quoted(part) for part in parts]
        return [f"{option}={part}" for part in parts]
    return [f"{option}={','.join(parts)}"]


def _word(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"must be text or a number, or a list of them, got {describe(value)}")
    return str(value)
