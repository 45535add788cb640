"""The body of a request, within bounds of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastnn.serve.limits import Limits
from fastnn.serve.refused import RefusedError

Receive = Callable[[], Awaitable[Any]]

CLOSE = ((b"connection", b"close"),)


class GoneError(Exception):
    """The client closed the connection before its request was whole."""


async def body_of(receive: Receive, headers: Mapping[bytes, bytes], limits: Limits) -> bytes:
    """Return the whole body.

    Parameters
    ----------
    receive : callable
        ASGI's.
    headers : mapping of bytes to bytes
    limits : Limits

    Raises
    ------
    RefusedError
        413 if it is too large, before reading more than the limit; 408 if it takes too long; 415
        if it is compressed.
    GoneError
    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"", b"identity"):
        raise RefusedError(
            415, "the body must not be compressed: send it without Content-Encoding", CLOSE
        )
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > 18 or int(length) > limits.body_bytes):
        raise _too_large(limits, f"{length[:24].decode()} bytes")
    try:
        async with asyncio.timeout(limits.seconds):
            return await _read(receive, limits)
    except TimeoutError:
        raise RefusedError(
            408, f"the body must arrive within {limits.seconds:g} seconds, and did not", CLOSE
        ) from None


async def _read(receive: Receive, limits: Limits) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        part = message.get("body", b"")
        size += len(part)
        if size > limits.body_bytes:
            raise _too_large(limits, "more")
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limits: Limits, got: str) -> RefusedError:
    return RefusedError(
        413, f"the body must have at most {limits.body_bytes:,} bytes, got {got}", CLOSE
    )
