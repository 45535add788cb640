"""One writer of a file at a time, among all threads and processes of a machine.

The writer holds a lock of the operating system on an empty file beside the one it writes,
``.name.lock``, which it removes at its end. The lock is gone with the process that held it, however
that ended: a lock file that a killed process left behind is taken over by the next writer.

Such a lock belongs to one opening of the file (flock(2), or LockFile of Windows), so that two
writers in one process exclude each other too. Where a file system has no locks there is none.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fastnn.system.files import hidden_beside

_held: set[int] = set()
"""Descriptors of this process's locks."""


@contextmanager
def only_writer(path: Any, what: str) -> Iterator[None]:
    """Hold the right to write a file while the block runs.

    Parameters
    ----------
    path : path-like
        Need not exist. Two names of one file by way of links are one.
    what : str
        What the file is, for the error: "the checkpoint".

    Raises
    ------
    BlockingIOError
        If another writer holds it.
    PermissionError
        If another user's lock file can neither be opened nor taken over.
    """
    lock = hidden_beside(Path(os.path.realpath(path)), "lock")
    try:
        descriptor = _taken(lock)
    except BlockingIOError:
        raise BlockingIOError(
            f"{what} {path} is being written by a fit already: wait until that ends, or name "
            "another file"
        ) from None
    except PermissionError:
        raise PermissionError(
            f"cannot write {what} {path}: its lock file {lock} is another user's; remove it if no "
            "fit of theirs is running, or name another file"
        ) from None
    if descriptor is None:
        yield
        return
    _held.add(descriptor)
    try:
        yield
    finally:
        if descriptor in _held:  # else this is a fork of the process that holds it
            _held.remove(descriptor)
            _release(descriptor, lock)


def _taken(lock: Path) -> int | None:
    """Return a descriptor of the file `lock`, locked; None where nobody can lock."""
    while True:
        descriptor = _opened(lock)
        if descriptor is None:
            return None
        try:
            can_lock = _locked(descriptor)
            if can_lock and _is_at(descriptor, lock):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        if not can_lock:
            _release(descriptor, lock)
            return None
        os.close(descriptor)


def _opened(lock: Path) -> int | None:
    """Open the file `lock`; None if it is not there and cannot be made.

    Then the file beside it cannot be written either, which is for its writer to say.
    """
    no_link = getattr(os, "O_NOFOLLOW", 0)
    with suppress(OSError):
        return os.open(lock, os.O_RDWR | os.O_CREAT | no_link, 0o666)
    try:  # made by another user
        return os.open(lock, os.O_RDONLY | no_link)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        if sys.platform == "win32":  # its holder is removing it
            raise BlockingIOError from None
        raise


def _is_at(descriptor: int, lock: Path) -> bool:
    """Say whether the file is still the one of that name: its holder removes it at the end."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(lock))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _locked(descriptor: int) -> bool:
        """Lock the file, or raise BlockingIOError."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
        return True

    def _release(descriptor: int, lock: Path) -> None:
        os.close(descriptor)
        with suppress(OSError):  # the next writer has opened it, and removes it
            lock.unlink()

else:

    def _locked(descriptor: int) -> bool:
        """Lock the file, or raise BlockingIOError; return False where there are no locks."""
        try:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except (ImportError, OSError):
            return False
        return True

    def _release(descriptor: int, lock: Path) -> None:
        with suppress(OSError):  # before others can lock it, who may not lose it then
            lock.unlink()
        os.close(descriptor)


def _leave_to_parent() -> None:
    """Close the locks in a forked child, which would else hold them for longer than its parent."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
