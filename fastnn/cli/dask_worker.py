"""What a worker process of ``fastnn train --dask local`` does first: it ignores Ctrl-C.

A terminal sends Ctrl-C to all processes of a command. The command's own process ends the training
and saves the network, for which it needs the workers; then it ends them.
"""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Run in the main thread of a worker, as Dask's preloading does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
