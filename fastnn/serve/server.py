"""A server of models: uvicorn with `fastnn.serve.app`, in one process or several."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fastnn.backends.threads import get_num_threads, set_num_threads
from fastnn.serve import Application, Limits, app
from fastnn.serve.sockets import room_for
from fastnn.system.packages import imported
from fastnn.vocabulary import BackendName


@dataclass(frozen=True)
class Settings:
    """What each process of a server must know.

    Attributes
    ----------
    models, limits, token, poll_seconds, backend, metrics_folder
        As of `fastnn.serve.app`.
    logs_requests : bool
        Whether to write a line of JSON per request to standard error.
    threads : int or None
        Number of threads of each process.
    """

    models: Mapping[str, str]
    limits: Limits
    token: str | None
    poll_seconds: float
    backend: BackendName
    logs_requests: bool
    threads: int | None = None
    metrics_folder: str | None = None


def prepared(settings: Settings) -> Application:
    """Return the application of a process, which is set up for it: its logs and threads."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("fastnn serve: %(message)s"))
    _log_to(lines, "fastnn.serve", logging.INFO)
    _log_to(lines, "uvicorn.error", logging.WARNING)
    requests = logging.StreamHandler(sys.stderr)  # the message is JSON already
    _log_to(requests, "fastnn.serve.requests", logging.INFO if settings.logs_requests else 100)
    # texts of requests would otherwise be kept, one for each warning
    warnings.simplefilter("ignore", UserWarning)
    if settings.threads is not None:
        set_num_threads(settings.threads)
    return app(
        settings.models,
        limits=settings.limits,
        token=settings.token,
        poll_seconds=settings.poll_seconds,
        backend=settings.backend,
        metrics_folder=settings.metrics_folder,
    )


def _log_to(handler: logging.Handler, name: str, level: int) -> None:
    logger = logging.getLogger(name)
    logger.handlers[:], logger.propagate = [handler], False
    logger.setLevel(level)


def run(settings: Settings, bound: socket.socket, n_workers: int = 1) -> None:
    """Answer requests until SIGTERM or an interrupt; those begun are finished.

    Parameters
    ----------
    settings : Settings
    bound : socket
        Listens already.
    n_workers : int, default 1
        Processes that share it. A worker that dies is replaced.

    Raises
    ------
    ImportError
        If uvicorn is not installed: ``pip install "fastnn[serve]"``.
    """
    uvicorn = imported("uvicorn", "serve")
    from fastnn.serve.connections import Connection

    room = room_for(settings.limits.connections)
    if room < settings.limits.connections:
        lines = logging.StreamHandler(sys.stderr)
        lines.setFormatter(logging.Formatter("fastnn serve: %(message)s"))
        _log_to(lines, "fastnn.serve", logging.INFO)
        logging.getLogger("fastnn.serve").warning(
            "only %d connections, not %d, fit the limit of open files (ulimit -n)",
            room,
            settings.limits.connections,
        )
        settings = replace(settings, limits=replace(settings.limits, connections=room))

    options: dict[str, Any] = {
        "http": Connection,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": int(settings.limits.seconds) + 1,
    }
    if n_workers == 1:
        application = prepared(settings)
        with _ends_quietly():
            uvicorn.Server(uvicorn.Config(application, **options)).run(sockets=[bound])
        return
    from uvicorn.supervisors import Multiprocess

    if settings.threads is None:
        settings = replace(settings, threads=max(1, get_num_threads() // n_workers))
    with tempfile.TemporaryDirectory(prefix="fastnn-serve-") as folder:
        made = partial(prepared, replace(settings, metrics_folder=os.fspath(folder)))
        config = uvicorn.Config(made, factory=True, workers=n_workers, **options)
        Multiprocess(config, sockets=[bound]).run()


@contextmanager
def _ends_quietly() -> Iterator[None]:
    """Return from the block after SIGTERM, which uvicorn raises again when it is done."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
