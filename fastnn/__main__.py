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
    except KeyboardInterrupt:  # a second one, while the first was being handled
        code = INTERRUPTED
    finally:
        interrupts.die_of_ctrl_c()
    sys.exit(code)


def _open_missing_streams() -> None:
    """Open the null device for closed standard streams.

    Otherwise the next file opened would get that descriptor, and with it the output of C libraries.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # uses the lowest free descriptor


if __name__ == "__main__":
    run()
