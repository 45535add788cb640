"""Exclusive writing of a file, among all threads and processes of a machine.

The writer holds a lock of the operating system on an empty file ``.name.lock`` next to the file it
writes, and removes it at the end. The lock ends with its process, however that ends: a lock file
left behind by a killed process is reused by the next writer.

Such a lock belongs to one file descriptor (flock(2), or LockFile on Windows), so that two
writers in one process exclude each other too. On file systems without locks there is none.
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
    """Hold an exclusive lock for writing a file within the block.

    Parameters
    ----------
    path : path-like
        Need not exist. Links are resolved.
    what : str
        Description of the file for errors: "the checkpoint".

    Raises
    ------
    BlockingIOError
        If another writer holds it.
    PermissionError
        If another user's lock file cannot be opened.
    """
    lock = hidden_beside(Path(os.path.realpath(path)), "lock")
    try:
        descriptor = _taken(lock)
    except BlockingIOError:
        raise BlockingIOError(
            f"{what} {path} is already being written by another fit: wait until it ends, or use "
            "another file"
        ) from None
    except PermissionError:
        raise PermissionError(
            f"cannot write {what} {path}: its lock file {lock} belongs to another user; remove it "
            "if that user is not running a fit, or use another file"
        ) from None
    if descriptor is None:
        yield
        return
    _held.add(descriptor)
    try:
        yield
    finally:
        if descriptor in _held:  # otherwise this is a forked child of the holder
            _held.remove(descriptor)
            _release(descriptor, lock)


def _taken(lock: Path) -> int | None:
    """Return a descriptor of the locked file `lock`; None if locks are not supported."""
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
    """Open the file `lock`; None if it does not exist and cannot be created.

    In that case the file itself cannot be written either, which its writer reports.
    """
    no_link = getattr(os, "O_NOFOLLOW", 0)
    with suppress(OSError):
        return os.open(lock, os.O_RDWR | os.O_CREAT | no_link, 0o666)
    try:  # created by another user
        return os.open(lock, os.O_RDONLY | no_link)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        if sys.platform == "win32":  # its holder is removing it
            raise BlockingIOError from None
        raise


def _is_at(descriptor: int, lock: Path) -> bool:
    """Return whether the open file is still at that path: its holder removes it at the end."""
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
        with suppress(OSError):  # opened by the next writer, which removes it
            lock.unlink()

else:

    def _locked(descriptor: int) -> bool:
        """Lock the file, or raise BlockingIOError; return False if locks are not supported."""
        try:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except (ImportError, OSError):
            return False
        return True

    def _release(descriptor: int, lock: Path) -> None:
        with suppress(OSError):  # while still locked, so that no other writer's file is removed
            lock.unlink()
        os.close(descriptor)


def _leave_to_parent() -> None:
    """Close the locks in a forked child, which could otherwise hold them longer than its parent."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
