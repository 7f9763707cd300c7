"""The section of params.yaml on who has to agree before a version is released."""

from __future__ import annotations

from pydantic import Field

from stages.sections.section import Section


class Releases(Section):
    """What a promotion needs besides a verdict that passed. No stage reads it."""

    approvals: int = Field(
        ge=0,
        le=10,
        description="Release managers who must approve a promotion with `vox approve`, 0 to 10. Whoever promotes may "
        "be one of them, so 2 is the four-eyes principle.",
    )
