"""`Limits`: how much of everything one request may take."""

from __future__ import annotations

from dataclasses import dataclass

from fastnn.validation.values import check_count, check_positive


@dataclass(frozen=True)
class Limits:
    """Bounds on requests.

    Parameters
    ----------
    body_bytes : int, default 64 MiB
        Size of a request's body; a larger one is refused (413) without reading it.
    rows : int, default 100,000
        Rows of a request (413).
    seconds : float, default 30
        Time in which a client must send a request (408), and in which it is answered (503).
    waiting : int, default 64
        Requests that are whole and in work at the same time, per process; further ones are refused
        (503).
    connections : int, default 1000
        Open connections, per process; further ones are closed with 503. Only ``fastnn serve`` sees
        them: an ASGI server of your own has a limit of its own.
    """

    body_bytes: int = 64 << 20
    rows: int = 100_000
    seconds: float = 30.0
    waiting: int = 64
    connections: int = 1000

    def __post_init__(self) -> None:
        check_count("body_bytes", self.body_bytes)
        check_count("rows", self.rows)
        check_positive("seconds", self.seconds)
        check_count("waiting", self.waiting)
        check_count("connections", self.connections)
