"""Owner, permissions and extended attributes that a file keeps when another takes its place.

Nobody may read the new file who could not read the old one. So what cannot be kept narrows the
permissions: without the old group, group and others keep what both had; without the old access
control list, which may refuse single users, only the owner keeps anything.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

_ACCESS_LIST = "system.posix_acl_access"
"""The extended attribute of Linux that holds the POSIX access control list; see acl(5)."""


def keep_attributes(old: Path | int, new: Path | int) -> None:
    """Give `new` the owner, group, extended attributes and mode of `old`, where it may.

    Parameters
    ----------
    old, new : path or file descriptor
        A descriptor cannot be exchanged for another file by whoever may write to the folder.

    Raises
    ------
    OSError
        If the mode cannot be set.
    """
    status = os.stat(old)
    mode = stat.S_IMODE(status.st_mode)
    os.chmod(new, 0o600)  # until all is set; and its owner may set attributes
    owner_is_kept, group_is_kept = _keep_owner(new, status)
    list_is_kept = _keep_extended(old, new, with_list=group_is_kept)
    if not (owner_is_kept and group_is_kept):
        mode &= ~(stat.S_ISUID | stat.S_ISGID)
    if not group_is_kept:
        both = mode >> 3 & mode & 0o007
        mode = mode & ~0o077 | both << 3 | both
    if not list_is_kept:
        mode &= ~0o077
    os.chmod(new, mode)


def _keep_owner(new: Path | int, old: os.stat_result) -> tuple[bool, bool]:
    """Set owner and group; return which of them `new` has then."""
    if sys.platform == "win32":  # what a file inherits from its folder decides there
        return True, True
    for owner in (old.st_uid, -1):  # a user who may not give files away may still choose a group
        try:
            os.chown(new, owner, old.st_gid)
            break
        except OSError:
            continue
    now = os.stat(new)
    return now.st_uid == old.st_uid, now.st_gid == old.st_gid


def _keep_extended(old: Path | int, new: Path | int, *, with_list: bool) -> bool:
    """Copy extended attributes; return whether `new` has the access control list of `old`.

    Without `with_list` it gets none. What the system does not let anyone set, such as a security
    label of its own choice, is left as it is.
    """
    if sys.platform != "linux":  # Python reads them on Linux only
        return True
    wanted, found = _extended(old), _extended(new)
    access_list = wanted.get(_ACCESS_LIST)
    if not with_list:
        wanted.pop(_ACCESS_LIST, None)
    if _ACCESS_LIST in found.keys() - wanted.keys():  # the folder's, for new files
        with suppress(OSError):
            os.removexattr(new, _ACCESS_LIST)
    for name, value in wanted.items():
        if found.get(name) != value:
            with suppress(OSError):
                os.setxattr(new, name, value)
    return _extended(new).get(_ACCESS_LIST) == access_list


def _extended(file: Path | int) -> dict[str, bytes]:
    """Return the extended attributes that can be read; none on file systems without them."""
    values: dict[str, bytes] = {}
    if sys.platform == "linux":
        with suppress(OSError):
            for name in os.listxattr(file):
                with suppress(OSError):
                    values[name] = os.getxattr(file, name)
    return values
