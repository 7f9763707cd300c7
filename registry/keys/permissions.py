"""Refuse files that other users of the machine could change, as OpenSSH does with `authorized_keys`."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path


def why_changeable(path: Path) -> str | None:
    """Return why another user could change a file or replace it, or None if only its owner and root could.

    A group may write if it is the private group of the file's owner, because many systems make files so (umask 002).
    Nothing is said about access control lists, which a file's mode does not show.

    Args:
        path: A file that exists. A link is followed to the file it names.

    Raises:
        OSError: The file or its folder cannot be looked at.
    """
    path = path.resolve(strict=True)
    for place in (path, path.parent):
        status = place.stat()
        sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX  # as /tmp: others cannot replace files
        if status.st_mode & stat.S_IWOTH and not sticky:
            return f"{place} can be changed by every user (mode {_mode(status)}); run: chmod o-w {place}"
        if status.st_mode & stat.S_IWGRP and not sticky and not _is_private_group(status):
            return f"{place} can be changed by its group (mode {_mode(status)}); run: chmod g-w {place}"
    owner = path.stat().st_uid
    if os.geteuid() != 0 and owner not in (0, os.geteuid()):  # root reads the checkouts of others, in containers
        return f"{path} belongs to another user (uid {owner}), who can change it; make a copy of your own"
    return None


def _is_private_group(status: os.stat_result) -> bool:
    """Return whether the file's group has no member but its owner, as far as the system tells."""
    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return owner.pw_gid == group.gr_gid and group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):o}"
