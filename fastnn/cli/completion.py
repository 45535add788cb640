"""``fastnn completion``: scripts that complete commands, options and their choices in a shell.

They are written from the parsers of the command line; arguments without choices are files.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastnn.cli import streams

SHELLS = {
    "bash": 'eval "$(fastnn completion bash)"  # in ~/.bashrc',
    "zsh": 'eval "$(fastnn completion zsh)"  # in ~/.zshrc, after compinit',
    "fish": "fastnn completion fish > ~/.config/fish/completions/fastnn.fish",
}
"""What to do with each script."""


@dataclass(frozen=True)
class Option:
    """An option: its names, whether a value follows, which ones there are, and its help."""

    names: tuple[str, ...]
    takes_value: bool
    choices: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class Command:
    """A command: its help, its options, and the choices of its first argument."""

    words: str
    options: tuple[Option, ...]
    choices: tuple[str, ...]


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="Print a script that completes commands, options and their choices: "
        + "; ".join(SHELLS.values()),
    )
    parser.add_argument("shell", choices=tuple(SHELLS))
    parser.set_defaults(run=partial(run, commands))


def run(commands: Any, options: argparse.Namespace) -> int:
    """Print the script; `commands` are the parsers of all commands, as argparse keeps them."""
    write = {"bash": bash, "zsh": zsh, "fish": fish}[options.shell]
    streams.say_verbatim("\n".join(write(described(commands))) + "\n")
    return 0


def described(commands: Any) -> dict[str, Command]:
    """Return the commands by name."""
    words = {action.dest: action.help or "" for action in commands._choices_actions}
    return {
        name: Command(words.get(name, ""), tuple(_options(parser)), _first_choices(parser))
        for name, parser in commands.choices.items()
    }


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        if action.option_strings:
            choices = tuple(map(str, action.choices or ()))
            text = (action.help or "").replace("%%", "%")
            yield Option(tuple(action.option_strings), action.nargs != 0, choices, text)


def _first_choices(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    places = [action for action in parser._actions if not action.option_strings]
    return tuple(map(str, places[0].choices or ())) if places else ()


def bash(commands: Mapping[str, Command]) -> Iterator[str]:
    """Yield the lines of a script for bash: what it does not complete, bash does, with files."""
    yield "_fastnn() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words=""'
    yield "    COMPREPLY=()"
    yield '    case "$COMP_CWORD ${COMP_WORDS[1]} $before" in'
    yield f"        1*) words={shlex.quote(' '.join(commands))} ;;"
    for name, command in commands.items():
        for option in command.options:
            if option.choices:
                cases = " | ".join(f'*" {name} {word}"' for word in option.names)
                yield f"        {cases}) words={shlex.quote(' '.join(option.choices))} ;;"
        if command.choices:
            yield f'        "2 {name} {name}") words={shlex.quote(" ".join(command.choices))} ;;'
    yield "    esac"
    yield '    if [[ -z "$words" && "$word" == -* ]]; then'
    yield '        case "${COMP_WORDS[1]}" in'
    for name, command in commands.items():
        all_names = " ".join(word for option in command.options for word in option.names)
        yield f"            {name}) words={shlex.quote(all_names)} ;;"
    yield "        esac"
    yield "    fi"
    yield '    [[ -n "$words" ]] && COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "}"
    yield "complete -o bashdefault -o default -F _fastnn fastnn"


def zsh(commands: Mapping[str, Command]) -> Iterator[str]:
    """Yield the lines of a script for zsh."""
    yield "#compdef fastnn"
    yield "_fastnn() {"
    yield "    local -a commands=("
    for name, command in commands.items():
        yield f"        {shlex.quote(f'{name}:{_short(command.words)}')}"
    yield "    )"
    yield "    if (( CURRENT == 2 )); then"
    yield "        _describe command commands"
    yield "        return"
    yield "    fi"
    yield '    local command="${words[2]}"'
    yield "    shift words"
    yield "    (( CURRENT-- ))"
    yield '    case "$command" in'
    for name, command in commands.items():
        yield f"        {name})"
        yield "            _arguments \\"
        for option in command.options:
            for word in option.names:
                yield f"                {shlex.quote(_zsh_option(word, option))} \\"
        choices = f"({' '.join(command.choices)})" if command.choices else "_files"
        yield f"                '*:argument:{choices}' ;;"
    yield "    esac"
    yield "}"
    yield 'if [[ "${funcstack[1]}" == _fastnn ]]; then'
    yield '    _fastnn "$@"'
    yield "else"
    yield "    compdef _fastnn fastnn"
    yield "fi"


def _zsh_option(word: str, option: Option) -> str:
    text = re.sub(r"([\[\]:\\])", r"\\\1", _short(option.words))
    if not option.takes_value:
        return f"{word}[{text}]"
    values = f"({' '.join(option.choices)})" if option.choices else "_files"
    return f"{word}[{text}]:value:{values}"


def fish(commands: Mapping[str, Command]) -> Iterator[str]:
    """Yield the lines of a script for fish."""
    for name, command in commands.items():
        yield (
            f"complete -c fastnn -n __fish_use_subcommand -f -a {name} "
            f"-d {_fish(_short(command.words))}"
        )
    for name, command in commands.items():
        start = f"complete -c fastnn -n '__fish_seen_subcommand_from {name}'"
        if command.choices:
            yield f"{start} -f -a {_fish(' '.join(command.choices))}"
        for option in command.options:
            line = start
            for word in option.names:
                line += f" -l {word[2:]}" if word.startswith("--") else f" -s {word[1:]}"
            if option.choices:
                line += f" -x -a {_fish(' '.join(option.choices))}"
            elif option.takes_value:
                line += " -r"
            yield f"{line} -d {_fish(_short(option.words))}"


def _fish(text: str) -> str:
    """Return text as one word of fish, in which only these two signs are escaped."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _short(text: str) -> str:
    """Return the beginning of a help text, up to its first pause."""
    return re.split(r"[;(:,]| such as ", text, maxsplit=1)[0].strip()
