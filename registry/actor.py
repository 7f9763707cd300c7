"""Who does what is recorded: releases, and the corrections of a review."""

from __future__ import annotations

import getpass
import os

from registry.names import check_person_name


def current_actor() -> str:
    """Return who acts: VOXFOUNDRY_ACTOR, else the user's name.

    Raises:
        NameRefusedError: It cannot be recorded.
    """
    if named := os.environ.get("VOXFOUNDRY_ACTOR", "").strip():
        return check_person_name(named, "VOXFOUNDRY_ACTOR")
    try:
        return check_person_name(getpass.getuser(), "the name of the user")
    except (KeyError, OSError):  # a container's user often has no name; OSError since Python 3.13
        return f"uid {os.getuid()}"
