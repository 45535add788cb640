"""Writing files atomically."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from fastnn.system.file_attributes import keep_attributes

_LONGEST_NAME = 100
"""Maximum bytes of a file name that are used in the name of its temporary file: file systems allow
255, with encrypted names 143, including what is added."""

_OWNERS_ALONE, _AS_USUAL = 0o600, 0o666
"""Modes of new files, before the umask."""

_HAS_DESCRIPTORS = os.chmod in os.supports_fd
"""Whether chmod accepts descriptors (not on Windows until Python 3.13)."""


def check_folder_of(path: Path) -> None:
    """Check, before any work, that the folder of `path` exists."""
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: the folder {path.parent} does not exist")


def hidden_beside(path: Path, ending: str) -> Path:
    """Return the path ``.name.ending`` in the folder of `path`; long names are shortened.

    Paths with different names give different ones.
    """
    name = os.fsencode(path.name)
    if len(name) <= _LONGEST_NAME:
        return path.with_name(f".{path.name}.{ending}")
    beginning = name[:_LONGEST_NAME].decode(errors="ignore")  # drop an incomplete character
    return path.with_name(f".{beginning}-{zlib.crc32(name):08x}.{ending}")


@contextmanager
def write_whole(path: Any) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the place of `path` when the block ends without an error.

    What is written goes to a temporary file in the same folder, which is flushed to the disk and
    then renamed. After an error, a full disk included, `path` is what it was and the temporary file
    is gone. A file that is replaced hands on its owner, group, mode and extended attributes where
    that may be (see `fastnn.system.file_attributes`); at no moment can others read what they could
    not. A device or pipe, such as ``/dev/null``, is written to, not replaced.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(f"cannot write {path}: it is a folder; give a file in it")
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
        else:
            with _replacing(Path(os.path.realpath(path))) as file:  # a link stays one
                yield file
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(error.errno, f"cannot write {path}: {error.strerror}") from None


def sync_folder(folder: Path) -> None:
    """Flush a folder to the disk, if the system can.

    Otherwise a power failure may undo a rename, or lose a new file.
    """
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # a folder that may be written to but not read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that have no such thing
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    temporary = hidden_beside(path, os.urandom(8).hex())
    mode = _OWNERS_ALONE if path.exists() else _AS_USUAL  # until the old file's are taken over
    try:
        with _unnamed(path.parent, mode) or _named(temporary, mode) as file:
            yield file
            file.flush()
            if path.exists():
                keep_attributes(path, file.fileno() if _HAS_DESCRIPTORS else temporary)
            os.fsync(file.fileno())
            if not temporary.exists():
                _name(file, temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _named(path: Path, mode: int) -> IO[bytes]:
    """Return a new file at `path`."""
    return open(path, "xb", opener=partial(os.open, mode=mode))


def _unnamed(folder: Path, mode: int = _OWNERS_ALONE) -> IO[bytes] | None:
    """Return a file in `folder` that is gone with the process if it is killed, where there is such.

    Linux has them, on most file systems.
    """
    if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, mode), "wb")
    except OSError:
        return None


def _name(file: IO[bytes], path: Path) -> None:
    """Give an unnamed file a name, as open(2) of Linux says."""
    root = os.open("/", os.O_RDONLY)
    try:  # with any folder given, os.link follows the link in /proc
        os.link(f"/proc/self/fd/{file.fileno()}", path, src_dir_fd=root)
    except OSError:  # forbidden here: copy what was written
        _copy(file, path)
    finally:
        os.close(root)


def _copy(file: IO[bytes], path: Path) -> None:
    """Copy the contents of an open file to a new one, with the same permissions."""
    import shutil

    with open(file.fileno(), "rb", closefd=False) as written, _named(path, _OWNERS_ALONE) as copy:
        written.seek(0)
        shutil.copyfileobj(written, copy)
        copy.flush()
        keep_attributes(file.fileno(), copy.fileno())
        os.fsync(copy.fileno())
