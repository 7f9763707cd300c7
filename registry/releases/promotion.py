"""Promote, roll back, revoke, recover: what a release manager does.

Each of them decides and moves the alias under one lock per voice, begins by recovering what a killed release left
behind, and moves the alias between two signed journal rows (alias.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from registry.actor import current_actor
from registry.candidates.candidate import find_candidate
from registry.candidates.fingerprint import CandidateError
from registry.candidates.smoke import CannotSpeakError, speak_once
from registry.consent.file import revoke_consent
from registry.consent.record import ConsentError
from registry.gate.policy import GatePolicy
from registry.releases.alias import AliasMove, ReleaseRefused, move_alias, recover_under_lock, release_lock
from registry.releases.journal import Release, read_journal, release_state
from registry.releases.requirements import (
    PromotionRequest,
    consent_reasons,
    file_reasons,
    find_rollback_target,
    plan_promotion,
)
from registry.storage.store import Store

SmokeTest = Callable[[Path, Mapping[str, str]], None]  # (voice folder, texts), raises CannotSpeakError


def promote(
    store: Store,
    voice: str,
    *,
    policy: GatePolicy,
    recordings_dir: Path,
    smoke_texts: Mapping[str, str],
    version: int | None = None,
    first_release: bool = False,
    actor: str | None = None,
    today: date | None = None,
    smoke: SmokeTest | None = None,
) -> AliasMove:
    """Make a candidate the champion. Promoting the champion again changes nothing.

    It needs a signed `pass` of exactly these files against the current champion under this policy, valid consent, and a
    voice that speaks.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        policy: The gate policy of today.
        recordings_dir: The voice's recordings, with the consent.
        smoke_texts: What the voice must speak before it is released, for each language by its ISO 639 code.
        version: Which candidate, default the newest.
        first_release: A person wants a release without a champion to compare with.
        actor: Who releases, default current_actor().
        today: The day on which the consent must be valid, default today in UTC.
        smoke: Replaces the smoke test.

    Raises:
        ReleaseRefused: With every reason. Nothing has changed.
        JournalError: The journal is broken, or another release came first.
        BusyError: Another release of the voice takes too long.
    """
    day = today or datetime.now(UTC).date()
    request = PromotionRequest(voice, version, policy, recordings_dir, first_release, actor or current_actor(), day)
    # 1. Check everything that a promotion needs
    with release_lock(store, voice):
        plan = plan_promotion(store, request)
    if plan.folder is None:
        return _no_move(voice, plan.candidate.version, plan.recovery)
    # 2. Let the voice speak, without the lock: it takes seconds, and a rollback must never wait for it
    try:
        (smoke or speak_once)(plan.folder, smoke_texts)
    except CannotSpeakError as error:
        raise ReleaseRefused(str(error)) from error
    # 3. Check again under the lock, because another release may have come between, and move the alias
    return _promote_checked(store, request, plan.candidate.version, plan.recovery)


def rollback(
    store: Store,
    voice: str,
    *,
    recordings_dir: Path,
    to: int | None = None,
    actor: str | None = None,
    today: date | None = None,
) -> AliasMove:
    """Go back to the release before, or to any version that was champion once.

    It needs valid consent and files that are as registered, but no verdict: the version was released before.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        recordings_dir: The voice's recordings, with the consent.
        to: Which former champion, default the release before the current one.
        actor: Who releases, default current_actor().
        today: The day on which the consent must be valid, default today in UTC.

    Raises:
        ReleaseRefused: There is no such release, or a check failed. Nothing has changed.
        JournalError: The journal is broken.
        BusyError: Another release of the voice takes too long.
    """
    actor, today = actor or current_actor(), today or datetime.now(UTC).date()
    with release_lock(store, voice):
        # 1. Recover a half-done release, and read what the journal says now
        recovery = recover_under_lock(store, voice, actor)
        journal = read_journal(store).require_whole()
        state = release_state(journal.rows_of(voice))
        # 2. Find the release to go back to
        target = find_rollback_target(voice, state, to)
        if state.champion is not None and target.version == state.champion.version:
            return _no_move(voice, target.version, recovery)
        # 3. Check consent and files
        reasons = consent_reasons(recordings_dir, voice, today)
        try:
            candidate = find_candidate(store, voice, target.version)
            reasons += file_reasons(store, candidate, target.candidate_id)
        except CandidateError as error:
            reasons.append(str(error))
        if reasons:
            raise ReleaseRefused(f"{voice} cannot go back to version {target.version}: " + "; ".join(reasons))
        # 4. Move the alias between two journal rows
        return move_alias(
            store,
            voice,
            action="rollback",
            state=state,
            target=target,
            last_row=journal.last_row_of(voice),
            actor=actor,
            recovery=recovery,
        )


def revoke(
    store: Store, voice: str, *, recordings_dir: Path, actor: str | None = None, today: date | None = None
) -> AliasMove:
    """Take a voice out of service: write the revocation into voice.yaml and remove the alias.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        recordings_dir: The voice's recordings, with the consent.
        actor: Who revokes, default current_actor().
        today: The day of the revocation, default today in UTC.

    Raises:
        ConsentError: voice.yaml could not be changed. The alias is removed all the same.
        JournalError: The journal is broken.
        BusyError: Another release of the voice takes too long.
    """
    actor, today = actor or current_actor(), today or datetime.now(UTC).date()
    # 1. Write the revocation. If that fails, the voice goes out of service first and the error is raised at the end
    consent_error = None
    try:
        revoke_consent(recordings_dir, today)
    except ConsentError as error:
        consent_error = error
    with release_lock(store, voice):
        # 2. Recover a half-done release, and read what the journal says now
        recovery = recover_under_lock(store, voice, actor)
        journal = read_journal(store).require_whole()
        state = release_state(journal.rows_of(voice))
        # 3. Remove the alias between two journal rows
        if state.champion is None:
            result = AliasMove(voice, False, None, None, "; ".join((*recovery, "no version was in service")))
        else:
            result = move_alias(
                store,
                voice,
                action="revoke",
                state=state,
                target=None,
                last_row=journal.last_row_of(voice),
                actor=actor,
                note="consent revoked",
                recovery=recovery,
            )
    if consent_error is not None:
        raise consent_error
    return result


def recover(store: Store, voice: str, actor: str | None = None) -> tuple[str, ...]:
    """Finish or undo what a killed release left behind, as every release does before anything else.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        actor: Who recovers, default current_actor().

    Returns:
        What was done, in words. Empty if there was nothing to recover.

    Raises:
        JournalError: The journal is broken.
        BusyError: Another release of the voice takes too long.
    """
    with release_lock(store, voice):
        return recover_under_lock(store, voice, actor or current_actor())


def _promote_checked(
    store: Store, request: PromotionRequest, version: int, first_recovery: tuple[str, ...]
) -> AliasMove:
    """Check a version that speaks once more and make it champion, all under one lock."""
    with release_lock(store, request.voice):
        plan = plan_promotion(store, replace(request, version=version))
        if plan.folder is None:
            return _no_move(request.voice, version, first_recovery)
        return move_alias(
            store,
            request.voice,
            action="promote",
            state=plan.state,
            target=Release(plan.candidate.version, plan.candidate.candidate_id, 0),
            last_row=plan.last_row,
            actor=request.actor,
            verdict_sha256=plan.verdict_sha256,
            note="first release" if request.first_release else "",
            recovery=first_recovery + plan.recovery,
        )


def _no_move(voice: str, version: int, recovery: tuple[str, ...]) -> AliasMove:
    return AliasMove(voice, False, version, version, "; ".join((*recovery, f"version {version} is champion already")))
