"""Promote, roll back, revoke, recover: what a release manager does. Every move is checked, journalled and locked."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from registry.candidates.candidate import Candidate, find_candidate, voice_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.candidates.smoke import CannotSpeakError, speak_once
from registry.consent import ConsentError, check_consent, revoke_consent
from registry.gate.policy import GatePolicy
from registry.releases.alias import AliasMove, ReleaseRefused, last_row, move, recover_under_lock, releasing
from registry.releases.journal import Release, ReleaseState, Row, history, read_journal, release_state
from registry.storage.store import Store
from registry.verdicts.gating import votes_for, why_stale
from registry.verdicts.store import VerdictError, newest_verdict

Smoke = Callable[[Path, str], None]


@dataclass(frozen=True)
class Plan:
    """A promotion that may happen."""

    candidate: Candidate
    folder: Path | None  # of the voice; None where the candidate is champion already
    verdict_sha256: str | None
    before: ReleaseState
    last_row: int
    recovered: tuple[str, ...]


def promote(
    store: Store,
    voice: str,
    *,
    policy: GatePolicy,
    recordings_dir: Path,
    smoke_text: str,
    version: int | None = None,
    first_release: bool = False,
    actor: str | None = None,
    today: date | None = None,
    smoke: Smoke | None = None,
) -> AliasMove:
    """Make a candidate (default: the newest) the champion; the champion again changes nothing.

    Needs a signed `pass` of exactly these files against the current champion under this policy, valid consent, and a
    voice that speaks `smoke_text`. Raises ReleaseRefused with every reason, JournalError, BusyError.
    """
    actor, today = actor or current_actor(), today or datetime.now(UTC).date()
    # Speaking takes seconds and needs no lock, so that a rollback never waits for it. What was checked before it is
    # checked again after it: another release may have come between.
    with releasing(store, voice):
        plan = _plan(store, voice, policy, recordings_dir, version, first_release, actor, today)
    recovered = plan.recovered
    if plan.folder is None:
        return _already(voice, plan.candidate.version, recovered)
    try:
        (smoke or speak_once)(plan.folder, smoke_text)
    except CannotSpeakError as error:
        raise ReleaseRefused(str(error)) from error
    with releasing(store, voice):
        plan = _plan(store, voice, policy, recordings_dir, plan.candidate.version, first_release, actor, today)
        if plan.folder is None:
            return _already(voice, plan.candidate.version, recovered)
        release = Release(plan.candidate.version, plan.candidate.candidate_id, 0)
        return move(
            store,
            voice,
            "promote",
            plan.before,
            release,
            last_row=plan.last_row,
            verdict_sha256=plan.verdict_sha256,
            actor=actor,
            note="first release" if first_release else "",
            recovered=recovered + plan.recovered,
        )


def rollback(
    store: Store,
    voice: str,
    *,
    recordings_dir: Path,
    to: int | None = None,
    actor: str | None = None,
    today: date | None = None,
) -> AliasMove:
    """Back to the release before, or to any version that was once champion. Needs consent and whole files, no verdict.

    Raises ReleaseRefused at the first release, for a version that never was champion, or where a check fails.
    """
    actor, today = actor or current_actor(), today or datetime.now(UTC).date()
    with releasing(store, voice):
        recovered = recover_under_lock(store, voice, actor)
        journal = read_journal(store).trusted()
        before = release_state(journal.of(voice))
        target = _rollback_target(voice, before, to)
        if before.champion is not None and target.version == before.champion.version:
            return _already(voice, target.version, recovered)
        reasons = _consent_reasons(recordings_dir, voice, today)
        try:
            candidate = find_candidate(store, voice, target.version)
            reasons += _file_reasons(store, candidate, target.candidate_id)
        except CandidateError as error:
            reasons.append(str(error))
        if reasons:
            raise ReleaseRefused(f"{voice} cannot go back to version {target.version}: " + "; ".join(reasons))
        row = last_row(journal, voice)
        return move(store, voice, "rollback", before, target, last_row=row, actor=actor, recovered=recovered)


def revoke(
    store: Store, voice: str, *, recordings_dir: Path, actor: str | None = None, today: date | None = None
) -> AliasMove:
    """Take a voice out of service: write the revocation into voice.yaml and remove the alias.

    The alias goes even where voice.yaml cannot be written; ConsentError is raised after that.
    """
    actor, today = actor or current_actor(), today or datetime.now(UTC).date()
    refusal = None
    try:
        revoke_consent(recordings_dir, today)
    except ConsentError as error:
        refusal = error
    with releasing(store, voice):
        recovered = recover_under_lock(store, voice, actor)
        journal = read_journal(store).trusted()
        before = release_state(journal.of(voice))
        moved = AliasMove(voice, False, None, None, "; ".join((*recovered, "no version was in service")))
        if before.champion is not None:
            row, note = last_row(journal, voice), "consent revoked"
            moved = move(
                store, voice, "revoke", before, None, last_row=row, actor=actor, note=note, recovered=recovered
            )
    if refusal is not None:
        raise refusal
    return moved


def recover(store: Store, voice: str, actor: str | None = None) -> tuple[str, ...]:
    """Finish or undo what a killed release left; every release begins with it. Returns what was done, in words."""
    with releasing(store, voice):
        return recover_under_lock(store, voice, actor or current_actor())


def releases(store: Store, voice: str) -> tuple[Row, ...]:
    """The voice's journal, oldest row first. Without MLflow."""
    return history(store, voice)


def current_actor() -> str:
    """Who releases: VOXFOUNDRY_ACTOR, else the user's name."""
    if named := os.environ.get("VOXFOUNDRY_ACTOR", "").strip():
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name; OSError since Python 3.13
        return f"uid {os.getuid()}"


def _plan(
    store: Store,
    voice: str,
    policy: GatePolicy,
    recordings_dir: Path,
    version: int | None,
    first_release: bool,
    actor: str,
    today: date,
) -> Plan:
    """Settle what is half done, then look at everything a promotion needs. Raises ReleaseRefused with every reason."""
    recovered = recover_under_lock(store, voice, actor)
    journal = read_journal(store).trusted()
    before = release_state(journal.of(voice))
    try:
        candidate = find_candidate(store, voice, version)
    except CandidateError as error:
        raise ReleaseRefused(str(error)) from error
    champion, row = before.champion, last_row(journal, voice)
    if champion is not None and champion.version == candidate.version:
        return Plan(candidate, None, None, before, row, recovered)
    reasons = _consent_reasons(recordings_dir, voice, today)
    digest, verdict_reasons = _verdict(store, candidate, champion, policy, first_release)
    reasons += verdict_reasons
    reasons += _file_reasons(store, candidate, candidate.candidate_id)
    if reasons:
        raise ReleaseRefused(f"{voice} version {candidate.version} is not promoted: " + "; ".join(reasons))
    return Plan(candidate, voice_folder_of(store, candidate), digest, before, row, recovered)


def _verdict(
    store: Store, candidate: Candidate, champion: Release | None, policy: GatePolicy, first_release: bool
) -> tuple[str | None, list[str]]:
    """The digest of the verdict that allows the promotion, and every reason against it."""
    reasons = []
    if first_release and champion is not None:
        reasons.append(f"a first release was asked for and version {champion.version} is champion; leave the flag out")
    try:
        signed = newest_verdict(store, candidate.voice, candidate_id=candidate.candidate_id)
    except VerdictError as error:
        return None, [*reasons, str(error)]
    if signed is None:
        return None, [*reasons, f"it has no verdict; run `vox gate {candidate.voice}`"]
    verdict = signed.verdict
    if verdict.outcome != "pass":
        reasons.append(f"its verdict is {verdict.outcome}: {verdict.decision.reasons[0].text}")
    votes = votes_for(store, policy, candidate_id=candidate.candidate_id, release=champion)
    if stale := why_stale(verdict, champion, policy=policy, votes=votes):
        reasons.append(f"its verdict is stale: {', '.join(stale)}; judge it again with `vox gate {candidate.voice}`")
    judged = verdict.candidate
    if (judged.version, judged.weights_sha256, judged.scores_sha256) != (
        candidate.version,
        candidate.weights_sha256,
        candidate.scores_sha256,
    ):
        reasons.append(f"its verdict is about version {judged.version} with other weights or scores; judge it again")
    if verdict.decision.first_release and not first_release and champion is None:
        reasons.append("it would be the first release, which a person must ask for with --first-release")
    return signed.sha256, reasons


def _rollback_target(voice: str, before: ReleaseState, to: int | None) -> Release:
    if to is not None:
        if to not in before.past:
            known = ", ".join(str(version) for version in sorted(before.past)) or "none"
            raise ReleaseRefused(f"version {to} of {voice} never was champion; those that were: {known}")
        return before.past[to]
    if before.champion is None:
        raise ReleaseRefused(f"{voice} has no champion to go back from; name a former one with --to")
    if len(before.stack) < 2:
        raise ReleaseRefused(f"version {before.champion.version} is the first release of {voice}; nothing lies before")
    return before.stack[-2]


def _consent_reasons(recordings_dir: Path, voice: str, today: date) -> list[str]:
    try:
        found = check_consent(recordings_dir, today)
    except ConsentError as error:
        return [str(error)]
    if found.name != voice:
        return [f"{recordings_dir} holds the consent of {found.name!r}, not of {voice!r}; name the voice's own folder"]
    return []


def _file_reasons(store: Store, candidate: Candidate, candidate_id: str) -> list[str]:
    if candidate.candidate_id != candidate_id:
        return [f"version {candidate.version} in MLflow is not the candidate that the journal knows"]
    try:
        voice_folder_of(store, candidate)
    except CandidateError as error:
        return [str(error)]
    return []


def _already(voice: str, version: int, recovered: tuple[str, ...]) -> AliasMove:
    return AliasMove(voice, False, version, version, "; ".join((*recovered, f"version {version} is champion already")))
