"""The links of a proof. A link compares two things, and what could not be compared is never proven."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

LinkState = Literal["ok", "broken", "unchecked"]
PROVEN, BROKEN, UNCHECKED = 0, 1, 2  # exit codes
SHOWN_DIGITS = 12  # of a hash


@dataclass(frozen=True)
class Link:
    """One comparison between two steps of a voice's origin.

    Attributes:
        name: The step that the link leads to.
        compared: What was compared, in words.
        state: `unchecked` where something that is needed for the comparison is missing.
        digest: The hash that both sides have to have, "" where there is none.
        reason: Why it is broken or could not be checked, "" where it is ok.
    """

    name: str
    compared: str
    state: LinkState
    digest: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Proof:
    """The links of one version, from the recordings to the release."""

    voice: str
    version: int
    candidate_id: str
    links: tuple[Link, ...]

    @property
    def first_broken(self) -> Link | None:
        """Return the broken link that is nearest to the recordings, None where none is broken."""
        return next((link for link in self.links if link.state == "broken"), None)

    @property
    def unchecked(self) -> tuple[Link, ...]:
        """Return the links that could not be checked."""
        return tuple(link for link in self.links if link.state == "unchecked")

    @property
    def exit_code(self) -> int:
        """Return 0 if every link is ok, 1 if one is broken, 2 if none is broken and one could not be checked."""
        if self.first_broken is not None:
            return BROKEN
        return UNCHECKED if self.unchecked or not self.links else PROVEN

    def as_content(self) -> dict[str, Any]:
        """Return the proof as JSON values."""
        broken = self.first_broken
        return {
            "voice": self.voice,
            "version": self.version,
            "candidate_id": self.candidate_id,
            "proven": self.exit_code == PROVEN,
            "first_broken": broken.name if broken else None,
            "links": [asdict(link) for link in self.links],
        }


def broken(name: str, compared: str, reason: str, digest: str = "") -> Link:
    """Return a link whose two sides differ."""
    return Link(name, compared, "broken", digest, reason)


def unchecked(name: str, compared: str, reason: str, digest: str = "") -> Link:
    """Return a link that could not be checked."""
    return Link(name, compared, "unchecked", digest, reason)
