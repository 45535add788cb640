"""The process of ``fastnn`` and ``python -m fastnn``: its streams, its signals, its exit status."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from fastnn.cli import INTERRUPTED, main
from fastnn.system import interrupts


def run() -> NoReturn:
    """Run the command line and end the process."""
    _open_missing_streams()
    try:
        interrupts.raise_at_ctrl_c()
        code = main()
    except KeyboardInterrupt:  # a second one, while the first was dealt with
        code = INTERRUPTED
    finally:
        interrupts.die_of_ctrl_c()
    sys.exit(code)


def _open_missing_streams() -> None:
    """Open the null device where a standard stream is closed.

    Its descriptor would go to the next file that is opened, and what a library in C prints into
    that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest one that is free


if __name__ == "__main__":
    run()
