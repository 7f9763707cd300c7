"""What `vox doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What was looked for, and whether it is there.

    Attributes:
        what: What was looked for.
        state: "ok", "absent" if the profile in use does not need it, or "wrong" if `vox run` would fail.
        detail: What was found, or what to do.
    """

    what: str
    state: Literal["ok", "absent", "wrong"]
    detail: str
