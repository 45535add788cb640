"""uvicorn's connections, with bounds on their number and on what uvicorn waits for without one.

An application sees a request when its headers are complete. A client that never completes them, or
that never reads its response, would keep its connection for ever. A process that has no more file
descriptors can neither accept connections nor load a model.
"""

from __future__ import annotations

from typing import Any

Protocol: Any
try:
    from uvicorn.protocols.http import httptools_impl

    Protocol = httptools_impl.HttpToolsProtocol
except ImportError:  # httptools is optional
    from uvicorn.protocols.http import h11_impl

    Protocol = h11_impl.H11Protocol


_BUSY = b'{"error":"the server has as many connections as it takes; connect again later"}'
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)
"""What a connection gets that is one too many."""


class Connection(Protocol):  # type: ignore[misc, valid-type, unused-ignore]
    """A connection of an `Application`, with its limit of time.

    It is closed at once if there are more than `Limits.connections`; if the headers of a request do
    not arrive within that time; or if a response is not read within that time after the connection
    became idle.
    """

    _deadline: Any = None

    @property
    def _seconds(self) -> float:
        seconds: float = self.app.limits.seconds
        return seconds

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request, or refuse the connection."""
        super().connection_made(transport)
        if len(self.connections) > self.app.limits.connections:
            transport.write(REFUSAL)
            transport.close()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read, and wait for the rest of the headers if they are not complete."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not the client has read what it was sent."""
        super().timeout_keep_alive_handler()
        if self.transport.is_closing():
            self._stop_waiting()
            self._deadline = self.loop.call_later(self._seconds, self.transport.abort)

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
