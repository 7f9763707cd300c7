"""Prove a voice's release history: the journals are whole, its verdicts are genuine, and MLflow agrees with it."""

from __future__ import annotations

from registry.candidates.candidate import find_candidate, find_faults
from registry.candidates.fingerprint import CandidateError
from registry.listening.votes import VOTES
from registry.releases.alias import champion_alias, release_lock, version_name
from registry.releases.journal import ReleaseState, Row, read_journal, release_state
from registry.storage.chain import read_chain
from registry.storage.store import Store
from registry.verdicts.store import VerdictError, verdict_by_sha256


def audit(store: Store, voice: str) -> tuple[str, ...]:
    """Return everything that is wrong, in words. Empty where the history is whole.

    The audit runs no model and changes nothing. A release that a killed process left half done is not a problem: the
    journal shows it, and the next release recovers it. A release of the voice that is under way is waited for.

    Raises:
        BusyError: Another release of the voice takes too long.
    """
    with release_lock(store, voice):
        # 1. The journal must be whole: nothing can be concluded from one that was edited
        journal = read_journal(store)
        if journal.fault is not None:
            return (str(journal.fault),)
        rows = journal.rows_of(voice)
        state = release_state(rows)
        # 2. Everything that the journal refers to must be there and agree with it
        return (
            *_find_vote_problems(store),
            *_find_verdict_problems(store, rows),
            *_find_version_problems(store, voice, state),
            *_find_alias_problems(store, voice, state),
        )


def _find_vote_problems(store: Store) -> list[str]:
    """Check that the listeners' votes, of all voices, are as they were cast."""
    _, fault = read_chain(store, VOTES)
    return [] if fault is None else [str(fault)]


def _find_verdict_problems(store: Store, rows: tuple[Row, ...]) -> list[str]:
    """Check that every promotion rests on a genuine verdict that passed, about the same candidate and champion."""
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
        promoted = (row.to_version, row.candidate_id, row.from_version)
        subject = (
            verdict.candidate.version,
            verdict.candidate.candidate_id,
            verdict.champion.version if verdict.champion else None,
        )
        if verdict.outcome != "pass" or promoted != subject:
            problems.append(
                f"row {row.number}: its verdict is {verdict.outcome} and about {subject}, not about {promoted}"
            )
    return problems


def _find_version_problems(store: Store, voice: str, state: ReleaseState) -> list[str]:
    """Check that every version that ever was champion still exists, and that every byte is as it was registered."""
    problems = []
    for version, release in sorted(state.past.items()):
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
            continue
        problems += [
            f"version {version} was champion (row {release.row}): {fault}" for fault in find_faults(store, candidate)
        ]
    return problems


def _find_alias_problems(store: Store, voice: str, state: ReleaseState) -> list[str]:
    """Check that MLflow's alias is where the journal says, or where a killed release wanted to move it."""
    expected = state.champion.version if state.champion else None
    alias = champion_alias(store, voice)
    if alias == expected or (state.unfinished is not None and alias == state.unfinished.to_version):
        return []
    return [
        f"the alias champion is at {version_name(alias)} and the journal says {version_name(expected)}: it was moved "
        "without the journal, or its version was deleted; the next promote or rollback puts it back"
    ]
