"""Ctrl-C during import and exit of the ``fastnn`` command: terminate without a traceback.

Python would raise KeyboardInterrupt during an import and print a traceback. So
this module, imported first of all, restores the default action of the signal if the process is the
command line; `fastnn.__main__` enables the exception again while a command runs. Other
programs are not affected.
"""

from __future__ import annotations

import os
import signal
import sys

SCRIPTS = ("fastnn", "fastnn.exe", "fastnn-script.py")


def is_command_line() -> bool:
    """Return whether the process was started as ``fastnn`` or ``python -m fastnn``."""
    first = sys.argv[0] if getattr(sys, "argv", None) else ""
    if first == "-m":  # until Python has found the module
        return sys.orig_argv[-len(sys.argv)].removeprefix("-m") == "fastnn"
    return os.path.basename(first) in SCRIPTS


def die_of_ctrl_c() -> None:
    """Let Ctrl-C terminate the process, unless it is ignored or has another handler."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_at_ctrl_c() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, if it has its default action."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if is_command_line():
    die_of_ctrl_c()
