"""A verdict allows one promotion, so a release that was taken back is not made again on it."""

from __future__ import annotations

from registry.candidates.candidate import Candidate
from registry.releases.state import ReleaseState
from registry.verdicts.store import SignedVerdict


def why_taken_back(state: ReleaseState, candidate: Candidate, signed: SignedVerdict) -> str | None:
    """Return why a verdict does not allow a promotion any more, None where it does.

    A verdict allows one promotion. Once its candidate was champion on it and is champion no more, somebody took it
    back, and the next command must not undo that. A verdict against another champion is a newer one, and so is one
    under another policy or with more votes.

    Args:
        state: The voice's release state.
        candidate: What would be promoted.
        signed: The newest verdict about it.
    """
    release, champion = state.past_release(candidate.candidate_id), state.champion
    if release is None or release.row < signed.stamp.number:
        return None
    if champion is not None and champion.candidate_id == candidate.candidate_id:
        return None
    return (
        f"its verdict is older than its release, which was taken back since; make it champion again with "
        f"`vox rollback {candidate.voice} --to {candidate.version}`"
    )
