"""Ctrl-C while ``fastnn`` is being imported, or ends: the process dies of the signal, in silence.

Python would raise KeyboardInterrupt inside whatever is being imported and print a traceback. So
this module, imported first of all, gives the signal its default action where the process is the
command line's; `fastnn.__main__` brings the exception back while a command runs. In all other
programs nothing is changed.
"""

from __future__ import annotations

import os
import signal
import sys

SCRIPTS = ("fastnn", "fastnn.exe", "fastnn-script.py")


def is_command_line() -> bool:
    """Say whether the process was started as ``fastnn`` or ``python -m fastnn``."""
    first = sys.argv[0] if getattr(sys, "argv", None) else ""
    if first == "-m":  # until Python has found the module
        return sys.orig_argv[-len(sys.argv)].removeprefix("-m") == "fastnn"
    return os.path.basename(first) in SCRIPTS


def die_of_ctrl_c() -> None:
    """Give Ctrl-C its default action, unless it is ignored or somebody else's."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_at_ctrl_c() -> None:
    """Have Ctrl-C raise KeyboardInterrupt again, where it has its default action."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if is_command_line():
    die_of_ctrl_c()
