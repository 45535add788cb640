"""Owner, permissions and extended attributes kept when a file is replaced.

The new file must not be readable by anyone who could not read the old one. So if something cannot
be kept, permissions are restricted: without the old group, group and others keep only what both
had; without the old access control list, which may deny single users, only the owner has access.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

_ACCESS_LIST = "system.posix_acl_access"
"""The Linux extended attribute of the POSIX access control list; see acl(5)."""


def keep_attributes(old: Path | int, new: Path | int) -> None:
    """Give `new` the owner, group, extended attributes and mode of `old`, as far as permitted.

    Parameters
    ----------
    old, new : path or file descriptor
        Unlike a path, a descriptor cannot be redirected to another file by other users.

    Raises
    ------
    OSError
        If the mode cannot be set.
    """
    status = os.stat(old)
    mode = stat.S_IMODE(status.st_mode)
    os.chmod(new, 0o600)  # until everything is set; the owner may set attributes
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
    """Set owner and group; return whether each was set."""
    if sys.platform == "win32":  # permissions are inherited from the folder
        return True, True
    for owner in (old.st_uid, -1):  # a user who cannot change the owner may still set the group
        try:
            os.chown(new, owner, old.st_gid)
            break
        except OSError:
            continue
    now = os.stat(new)
    return now.st_uid == old.st_uid, now.st_gid == old.st_gid


def _keep_extended(old: Path | int, new: Path | int, *, with_list: bool) -> bool:
    """Copy extended attributes; return whether `new` has the access control list of `old`.

    Without `with_list` it gets none. Attributes that the system does not permit to set, such as
    security labels, are left unchanged.
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
    """Return the readable extended attributes; none on file systems without them."""
    values: dict[str, bytes] = {}
    if sys.platform == "linux":
        with suppress(OSError):
            for name in os.listxattr(file):
                with suppress(OSError):
                    values[name] = os.getxattr(file, name)
    return values
