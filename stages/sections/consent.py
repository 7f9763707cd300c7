"""The section of params.yaml on what follows from a speaker's consent. No stage reads it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.sections.section import Section


class Consent(Section):
    """What is done with the data of a voice whose consent was revoked."""

    delete_on_revocation: Literal["none", "derived", "all"] = Field(
        description="What `vox voice revoke` deletes. derived: everything made of the recordings, the models too. all: "
        "the recordings as well."
    )
