"""Who does what is recorded: releases, and the corrections of a review."""

from __future__ import annotations

import getpass
import os


def current_actor() -> str:
    """Return who acts: VOXFOUNDRY_ACTOR, else the user's name."""
    if named := os.environ.get("VOXFOUNDRY_ACTOR", "").strip():
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name; OSError since Python 3.13
        return f"uid {os.getuid()}"
