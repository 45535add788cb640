"""The socket on which a server listens; made before its processes are, which share it."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BACKLOG = 2048

OTHER_FILES = 100
"""File descriptors that a process needs beside its connections: models that are loaded, logs."""


def room_for(n_connections: int) -> int:
    """Return how many connections a process can hold, at most so many.

    The limit of open files is raised as far as the system lets it be.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return n_connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = n_connections + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return n_connections
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(n_connections, soft - OTHER_FILES))


@contextmanager
def listening(host: str, port: int, unix_socket: str | None) -> Iterator[tuple[socket.socket, str]]:
    """Yield a listening socket and its address, in words; close it at the end.

    Parameters
    ----------
    host : str
    port : int
        0 for any that is free.
    unix_socket : str or None
        Path of a Unix socket, instead of host and port; its owner and group may connect.

    Raises
    ------
    OSError
        If it cannot be bound.
    """
    if unix_socket is not None:
        with _unix(unix_socket) as bound:
            yield bound, f"unix:{unix_socket}"
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise OSError(f"there is no host {host!r} to listen on: {error.strerror}") from None
    with socket.socket(family, kind, protocol) as bound:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
        except OSError as error:
            raise OSError(
                f"cannot listen on {host} port {port}: {error.strerror}; choose another --port"
            ) from None
        bound.listen(BACKLOG)
        shown = f"[{host}]" if ":" in host else host
        yield bound, f"http://{shown}:{bound.getsockname()[1]}"


@contextmanager
def _unix(path: str) -> Iterator[socket.socket]:
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("this system has no Unix sockets; use --host and --port")
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        before = os.umask(0o117)  # for owner and group, from the beginning
        try:
            bound.bind(path)
        except OSError as error:
            raise OSError(f"cannot listen on the Unix socket {path!r}: {error}") from None
        finally:
            os.umask(before)
        bound.listen(BACKLOG)
        try:
            yield bound
        finally:
            with suppress(OSError):
                os.unlink(path)


def _remove_stale(path: str) -> None:
    """Remove the socket of a server that ended without removing it."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(f"{path!r} exists and is not a socket; choose another --unix-socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(path)
        except OSError:
            os.unlink(path)
            return
    raise OSError(f"another server listens on {path!r}")
