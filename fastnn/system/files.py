"""Writing files whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def check_folder_of(path: Path) -> None:
    """Check, before there is something to lose, that a file can lie in the folder of `path`."""
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: the folder {path.parent} does not exist")


@contextmanager
def write_whole(path: Any) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the place of `path` when the block ends without an error.

    What is written goes to a temporary file in the same folder, which is flushed to the disk and
    then renamed. After an error, a full disk included, `path` is what it was and the temporary file
    is gone. A device or pipe, such as ``/dev/null``, is written to, not replaced.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder; name a file in it")
    try:
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


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        with _unnamed(path.parent) or temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not temporary.exists():
                _name(file, temporary)
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _unnamed(folder: Path) -> IO[bytes] | None:
    """Return a file in `folder` that is gone with the process if it is killed, where there is such.

    Linux has them, on most file systems.
    """
    if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), "wb")
    except OSError:
        return None


def _name(file: IO[bytes], path: Path) -> None:
    """Give an unnamed file a name, as open(2) of Linux says."""
    root = os.open("/", os.O_RDONLY)
    try:  # with any folder given, os.link follows the link in /proc
        os.link(f"/proc/self/fd/{file.fileno()}", path, src_dir_fd=root)
    except OSError:  # forbidden here: copy what was written
        import shutil

        with Path(f"/proc/self/fd/{file.fileno()}").open("rb") as written, path.open("xb") as copy:
            shutil.copyfileobj(written, copy)
            copy.flush()
            os.fsync(copy.fileno())
    finally:
        os.close(root)
