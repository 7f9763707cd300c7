"""Prove a voice's release history: the journals whole, its verdicts genuine, MLflow in agreement with it."""

from __future__ import annotations

from registry.candidates.candidate import find_candidate
from registry.candidates.fingerprint import CandidateError
from registry.listening.sessions import VOTES
from registry.releases.alias import champion_alias, releasing
from registry.releases.journal import ReleaseState, Row, read_journal, release_state
from registry.storage.chain import read_chain
from registry.storage.store import Store
from registry.verdicts.store import VerdictError, verdict_by_sha256


def audit(store: Store, voice: str) -> tuple[str, ...]:
    """Everything that is wrong, in words; empty where the history is whole. Runs no model and changes nothing.

    A release that a killed process left half done is not wrong: the journal says so, and the next release settles it.
    Waits for a release of the voice that is under way. Raises BusyError.
    """
    with releasing(store, voice):
        journal = read_journal(store)
        if journal.fault is not None:  # nothing can be concluded from a journal that was edited
            return (str(journal.fault),)
        rows = journal.of(voice)
        now = release_state(rows)
        return (
            *_vote_problems(store),
            *_verdict_problems(store, rows),
            *_version_problems(store, voice, now),
            *_alias_problems(store, voice, now),
        )


def _vote_problems(store: Store) -> list[str]:
    """The listeners' votes, of all voices, are as they were cast."""
    _, fault = read_chain(store, VOTES)
    return [] if fault is None else [str(fault)]


def _verdict_problems(store: Store, rows: tuple[Row, ...]) -> list[str]:
    """Every promotion rests on a genuine verdict that passed, about the same candidate and champion."""
    problems = []
    for row in rows:
        if row.action != "promote" or row.state != "done":
            continue
        try:
            signed = verdict_by_sha256(store, str(row.verdict_sha256))
        except VerdictError as error:
            problems.append(f"row {row.number}: {error}")
            continue
        if signed is None:
            problems.append(f"row {row.number}: the verdict that allowed the promotion is gone from the database")
            continue
        verdict = signed.verdict
        told = (row.to_version, row.candidate_id, row.from_version)
        judged = (verdict.candidate.version, verdict.candidate.candidate_id)
        judged += (verdict.champion.version if verdict.champion else None,)
        if verdict.outcome != "pass" or told != judged:
            problems.append(f"row {row.number}: its verdict is {verdict.outcome} and about {judged}, not about {told}")
    return problems


def _version_problems(store: Store, voice: str, now: ReleaseState) -> list[str]:
    """Every version that ever was champion still exists and still is the same candidate."""
    problems = []
    for version, release in sorted(now.past.items()):
        try:
            candidate = find_candidate(store, voice, version)
        except CandidateError as error:
            problems.append(f"version {version} was champion (row {release.row}) and cannot be served again: {error}")
            continue
        if candidate.candidate_id != release.candidate_id:
            problems.append(
                f"version {version} in MLflow is candidate {candidate.candidate_id[:12]}..., but row {release.row} "
                f"promoted {release.candidate_id[:12]}..."
            )
    return problems


def _alias_problems(store: Store, voice: str, now: ReleaseState) -> list[str]:
    """MLflow's alias is where the journal says; after a killed release, where it was or where it was to go."""
    told = now.champion.version if now.champion else None
    alias = champion_alias(store, voice)
    if alias == told or (now.unfinished is not None and alias == now.unfinished.to_version):
        return []
    return [
        f"the alias champion is at {_name(alias)} and the journal says {_name(told)}: it was moved past the journal, "
        "or its version was deleted; the next promote or rollback puts it back"
    ]


def _name(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"
