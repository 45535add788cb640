"""The fenced blocks of a Markdown page, and running them in the order in which they stand.

``python tests/support/pages.py PAGE`` runs a page's blocks in the current folder, the Python of a
page in one namespace, and fails at the first block that does not do what the page says:

- ``python`` runs;
- ``sh`` runs line by line, but for lines that install, build or measure (see `is_checked_only`);
- a block with ``title="name"`` is first of all written to the file of that name, and if it is not
  Python that is all;
- ``text`` or ``json`` directly behind one that runs is what that one prints: ``…`` stands for
  anything in a line, and as a line of its own for any lines.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^( *)(`{3,})(?P<kind>\w*)(?P<words>[^\n`]*)\n(?P<code>.*?\n)?\1\2 *$",
    re.MULTILINE | re.DOTALL,
)
SOURCE = re.compile(r"^`([^`\n]+)`:\n\n\Z", re.MULTILINE)
TITLE = re.compile(r'title="([^"]+)"')
FASTNN = re.compile(r"fastnn [^|&;<>$*`]*$")  # without what only a shell understands
CHECKED_ONLY = re.compile(
    r"^(git clone|cd|pytest|pip (install|wheel)|python bench/|python -m venv)\b"
)


@dataclass
class Block:
    """One fenced block: its kind and code, where it stands, and what stands before it."""

    kind: str
    code: str
    line: int
    title: str | None
    source: str | None  # the file of which it is an excerpt
    follows: bool  # directly behind another block


def blocks(text):
    """The fenced blocks of a page."""
    found, end = [], 0
    for fence in FENCE.finditer(text):
        source = SOURCE.search(text, 0, fence.start())
        title = TITLE.search(fence["words"])
        found.append(
            Block(
                kind=fence["kind"],
                code=fence["code"] or "",
                line=text.count("\n", 0, fence.start()) + 1,
                title=title and title[1],
                source=source and source[1],
                follows=bool(found) and not text[end : fence.start()].strip(),
            )
        )
        end = fence.end()
    return found


def commands(block):
    """The commands of a ``sh`` block, without comments; a line may join several by ``&&``."""
    lines = block.code.replace("\\\n", " ").splitlines()
    whole = [re.sub(r"\s+#.*$", "", line).strip() for line in lines]
    return [part.strip() for line in whole if not line.startswith("#")
            for part in line.split("&&") if part.strip()]  # fmt: skip


def is_checked_only(command):
    """Whether a command is not run here, but looked at (tests/project/test_docs.py)."""
    return bool(CHECKED_ONLY.match(command))


def is_printed(block, before):
    """Whether a block is what the one before it prints."""
    return (
        block.kind in ("text", "json") and block.title is None and block.follows
        and before is not None and before.kind in ("python", "sh")
    )  # fmt: skip


def matches(expected, printed):
    """Whether the text is as expected, where ``…`` stands for anything."""
    pattern = ""
    for line in expected.strip("\n").split("\n"):
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += "[^\n]*".join(re.escape(part) for part in line.rstrip().split("…")) + r"\n"
    text = "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").split("\n"))
    return re.fullmatch(pattern, text) is not None


def run(page):
    """Run a page's blocks in the current folder; stop at the first that fails."""
    namespace = {"__name__": "__main__"}
    before, printed = None, ""
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.name}, line {block.line}"
        if block.source is not None or block.kind == "math":
            continue
        if is_printed(block, before):
            if printed is not None and not matches(block.code, printed):
                sys.exit(f"{where} shows\n{block.code}and printed was\n{printed}")
            before = None
            continue
        if block.title is not None:
            Path(block.title).write_text(block.code, encoding="utf-8")
        if block.kind == "python":
            printed = _run_python(block, where, namespace)
        elif block.kind == "sh":
            texts = [_run_command(command, where) for command in commands(block)]
            printed = None if None in texts else "".join(texts)  # None: something was not run
        elif block.title is None:
            sys.exit(f"{where}: a block {block.kind!r} that is from nowhere")
        before = block


def _run_python(block, where, namespace):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * block.line + block.code, where, "exec"), namespace)
    except BaseException:
        traceback.print_exc()
        sys.exit(f"{where} fails:\n{block.code}")
    return out.getvalue()


def _run_command(command, where):
    """Return what a command prints, or None if it cannot run here."""
    if is_checked_only(command):
        return None
    if re.search(r"\bmnist\b", command) and not os.environ.get("FASTNN_MNIST_DIR"):
        return None
    if re.match(r"cc |\./", command) and not shutil.which("cc"):
        return None
    if FASTNN.match(command):
        code, out, err = _run_fastnn(command)
    else:
        done = subprocess.run(
            command, shell=True, capture_output=True, text=True, encoding="utf-8", check=False
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    if code:
        sys.exit(f"{where}: {command}\nends with {code}:\n{out}{err}")
    return out


def _run_fastnn(command):
    """Run the command line in this process, which need not import everything again."""
    import fastnn
    from fastnn.cli import main

    out, err = io.StringIO(), io.StringIO()
    try:
        with (
            warnings.catch_warnings(), contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):  # fmt: skip
            warnings.simplefilter("default")
            code = main(shlex.split(command)[1:])
    except SystemExit as end:
        code = end.code
    finally:
        fastnn.set_num_threads(None)
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
