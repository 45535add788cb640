"""``fastnn completion``: what shells complete is what the command line takes."""

import shutil
import subprocess

import pytest
from support.command_line import CommandLine

from fastnn.cli import parser

BASH = shutil.which("bash")


@pytest.fixture
def cli(tmp_path, capsys):
    return CommandLine(tmp_path, capsys)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_has_every_command_option_and_choice(cli, shell):
    script = cli.ok("completion", shell)
    for name, command in parser()[1].items():
        assert name in script
        for option in command.option_words:
            shown = option.lstrip("-") if shell == "fish" else option
            assert shown in script
    for choice in ("leaky_relu", "absolute_error", "classification"):
        assert choice in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_one_of_its_shell(cli, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = cli.folder / "script"
    path.write_text(cli.ok("completion", shell))
    done = subprocess.run([program, "-n", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(BASH is None, reason="bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("tr",), ["train"]),
        (("train", "--act"), ["--activation"]),
        (("train", "t.csv", "--activation", "sel"), ["selu"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("evaluate", "net", "t.csv", "--js"), ["--json"]),
        (("train", "t.csv", "--output", "x"), []),
        (("predict", "ne"), []),
    ],
)
def test_bash_completes(cli, words, found):
    script = cli.ok("completion", "bash")
    line = (
        f'{script}\nCOMP_WORDS=(fastnn "$@"); COMP_CWORD=$#; _fastnn; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [BASH, "-c", line, "bash", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == found


def test_another_shell_is_refused(cli):
    assert cli("completion", "csh") == 2
    assert "invalid choice: 'csh'" in cli.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_helps_are_as_argparse_prints_them(cli, shell):
    assert "%%" not in cli.ok("completion", shell)
