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
from registry.consent.file import load_voice, revoke_consent
from registry.consent.record import ConsentError, consent_sha256, require_voice_name
from registry.gate.policy import GatePolicy
from registry.releases.alias import (
    AliasMove,
    ReleaseRefused,
    append_end,
    begin_refusals_with,
    move_alias,
    place_alias,
    release_lock,
)
from registry.releases.journal import append, read_journal
from registry.releases.recovery import Recovery, recover_under_lock
from registry.releases.repeated_rollback import (
    find_done_rollback,
    name_target_in_errors,
    target_of_unfinished_rollback,
)
from registry.releases.requirements import (
    ConsentCheck,
    PromotionRequest,
    check_speaker,
    file_reasons,
    find_rollback_target,
    plan_promotion,
)
from registry.releases.state import Entry, Release, ReleaseState, Row
from registry.storage.anchor import AnchorError
from registry.storage.record import JournalError
from registry.storage.store import Store
from registry.verdicts.gating import LockedPrompts

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
    approvals: int = 0,
    actor: str | None = None,
    today: date | None = None,
    smoke: SmokeTest | None = None,
    locked_prompts: LockedPrompts | None = None,
) -> AliasMove:
    """Make a candidate the champion. Promoting the champion again changes nothing.

    It needs a signed `pass` of exactly these files on the prompts of today, against the current champion and under this
    policy, valid consent, and a voice that speaks.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        policy: The gate policy of today.
        recordings_dir: The voice's recordings, with the consent.
        smoke_texts: What the voice must speak before it is released, for each language by its ISO 639 code.
        version: Which candidate, default the newest.
        first_release: A person wants a release without a champion to compare with.
        approvals: How many release managers must have approved it.
        actor: Who releases, default current_actor().
        today: The day on which the consent must be valid, default today in UTC.
        smoke: Replaces the smoke test.
        locked_prompts: Gives the locked prompts of today, None where they are not known.

    Raises:
        ReleaseRefused: With every reason. Nothing has changed.
        JournalError: The journal is broken, or another release came first.
        BusyError: Another release of the voice takes too long.
    """
    require_voice_name(voice)
    day = today or datetime.now(UTC).date()
    request = PromotionRequest(
        voice, version, policy, recordings_dir, first_release, actor or current_actor(), day, approvals, locked_prompts
    )
    # 1. Check everything that a promotion needs
    with release_lock(store, voice):
        plan = plan_promotion(store, request)
    if plan.folder is None:
        return _no_move(voice, plan.candidate.version, plan.recovery)
    with begin_refusals_with(plan.recovery):
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
    request: str = "",
) -> AliasMove:
    """Go back to the release before, or to any version that was champion once.

    It needs valid consent and files that are as registered, but no verdict: the version was released before. Given
    again without `to`, it goes back one release more, so an error that leaves open what was done names the version.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        recordings_dir: The voice's recordings, with the consent.
        to: Which former champion, default the release before the current one.
        actor: Who releases, default current_actor().
        today: The day on which the consent must be valid, default today in UTC.
        request: Names what asked for it, such as `Prefect run 1234`. The rows keep it as their note. A rollback that
            was done for it is not done again. By default every call is a new request.

    Raises:
        ReleaseRefused: There is no such release, or a check failed. Nothing has changed.
        JournalError: The journal is broken.
        AnchorError, DatabaseUnreachableError, LockLostError, ModelRegistryError: The rollback may be done or not.
        BusyError: Another release of the voice takes too long.
    """
    require_voice_name(voice)
    actor, today = actor or current_actor(), today or datetime.now(UTC).date()
    with name_target_in_errors(voice) as targets, release_lock(store, voice):
        # 1. Recover a half-done release. One that was a rollback is what was asked for, so it must not go back twice
        targets += target_of_unfinished_rollback(store, voice) if to is None else []
        recovery = recover_under_lock(store, voice, actor)
        state = recovery.journal.state
        with begin_refusals_with(recovery.notes):
            if (done := find_done_rollback(store, voice, recovery, to=to, request=request)) is not None:
                return done
            # 2. Find the release to go back to
            target = find_rollback_target(store, voice, state, to)
            targets += [target.version] if to is None else []
            if state.champion is not None and target.candidate_id == state.champion.candidate_id:
                recovery.require_service(target.version)
                return _no_move(voice, target.version, recovery.notes)
            # 3. Check consent and files
            consent_sha256 = _check_rollback(store, voice, target, check_speaker(recordings_dir, voice, today, state))
            # 4. Move the alias between two journal rows
            return move_alias(
                store,
                voice,
                action="rollback",
                state=state,
                target=replace(target, consent_sha256=consent_sha256),
                actor=actor,
                note=request,
                recovery=recovery.notes,
            )


def revoke(
    store: Store, voice: str, *, recordings_dir: Path, actor: str | None = None, today: date | None = None
) -> AliasMove:
    """Take a voice out of service for ever, or until its speaker gives another consent.

    The revocation is in force from its first journal row on: no release before it can be gone back to, and no consent
    from before it counts again, whatever happens to voice.yaml.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        recordings_dir: The voice's recordings, with the consent.
        actor: Who revokes, default current_actor().
        today: The day of the revocation, default today in UTC.

    Raises:
        ValueError: The name cannot be a voice's. Nothing has changed.
        ReleaseRefused: The folder is another voice's. Nothing has changed.
        RegistryError: A part failed. The others are done all the same, and the message says what is left to do.
    """
    require_voice_name(voice)
    actor, today = actor or current_actor(), today or datetime.now(UTC).date()
    # 1. Check whose consent it is, before anything is written
    consent, errors = None, []
    try:
        record = load_voice(recordings_dir)
        consent = consent_sha256(record)
        if record.name != voice:
            raise ReleaseRefused(
                f"{recordings_dir} is the folder of {record.name}, not of {voice}; nothing was changed"
            )
    except ConsentError as error:
        errors.append(error)
    with release_lock(store, voice):
        # 2. Write the `started` row, which revokes
        state, started = ReleaseState(), None
        try:
            state, started = _start_revocation(store, voice, consent, actor, today)
        except JournalError as error:  # whatever is wrong with the journal, the voice goes out of service
            errors.append(JournalError(f"the revocation is not in the journal of {voice}, so revoke again: {error}"))
        # 3. Remove the alias, and write the revocation into voice.yaml
        alias_error = place_alias(store, voice, None)
        if alias_error is not None:
            text = f"{voice} is revoked, but MLflow did not remove the alias champion ({alias_error}); revoke again"
            errors.append(JournalError(text))
        errors += _revoke_in_file(recordings_dir, today)
        # 4. Write the `done` row
        if started is not None and alias_error is None:
            try:
                append_end(store, voice, started, "done", actor, started.note)
            except JournalError as error:
                errors.append(error)
    if errors:
        raise errors[0]
    former = f"out of service; version {state.champion.version} was champion before" if state.champion else ""
    outcome = former or ("no version was in service" if started else "the consent was revoked before")
    before = state.champion.version if state.champion else None
    return AliasMove(voice, started is not None, before, None, outcome)


def recover(store: Store, voice: str, actor: str | None = None) -> Recovery:
    """Finish or undo what a killed release left behind, as every release does before anything else.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        actor: Who recovers, default current_actor().

    Returns:
        What was done, and whether the alias names the champion now.

    Raises:
        JournalError: The journal is broken, or does not belong to MLflow's registered model.
        BusyError: Another release of the voice takes too long.
    """
    require_voice_name(voice)
    with release_lock(store, voice):
        return recover_under_lock(store, voice, actor or current_actor())


def _check_rollback(store: Store, voice: str, target: Release, consent: ConsentCheck) -> str | None:
    """Return the consent's sha256.

    Raises:
        ReleaseRefused: The consent is not valid, or the files are not those that were registered, with every reason.
    """
    reasons = list(consent.reasons)
    try:
        candidate = find_candidate(store, voice, target.version)
        reasons += file_reasons(store, candidate, target.candidate_id)
    except CandidateError as error:
        reasons.append(str(error))
    if reasons:
        raise ReleaseRefused(f"{voice} cannot go back to version {target.version}: " + "; ".join(reasons))
    return consent.sha256


def _start_revocation(
    store: Store, voice: str, consent: str | None, actor: str, today: date
) -> tuple[ReleaseState, Row | None]:
    """Write the row that revokes, and return the state before it and the row.

    There is no row where the consent was revoked before and nothing was released since.
    """
    state = recover_under_lock(store, voice, actor).journal.state
    before = state.revocation
    if before is not None and not state.past and (consent is None or consent in before.consents):
        return state, None
    champion = state.champion
    entry = Entry(
        action="revoke",
        state="started",
        from_version=champion.version if champion else None,
        from_candidate_id=champion.candidate_id if champion else None,
        to_version=None,
        candidate_id=None,
        verdict_sha256=None,
        consent_sha256=consent,
        actor=actor,
        note="consent revoked",
        revoked_on=today.isoformat(),
    )
    try:
        return state, append(store, voice, entry, last_seen=state.last_row)
    except AnchorError:  # the row is there, and so is the revocation
        return state, read_journal(store, voice).require_whole().state.unfinished


def _revoke_in_file(recordings_dir: Path, today: date) -> list[ConsentError]:
    """Write the revocation into voice.yaml, and return the error if that failed."""
    try:
        revoke_consent(recordings_dir, today)
    except ConsentError as error:
        return [error]
    except OSError as error:
        return [
            ConsentError(
                f"{recordings_dir}: the journal holds the revocation and the voice is out of service, but voice.yaml "
                f"could not be changed ({error.strerror}); make it writable and revoke again"
            )
        ]
    return []


def _promote_checked(
    store: Store, request: PromotionRequest, version: int, first_recovery: tuple[str, ...]
) -> AliasMove:
    """Check a version that speaks once more and make it champion, all under one lock."""
    with release_lock(store, request.voice):
        plan = plan_promotion(store, replace(request, version=version))
        if plan.folder is None:
            return _no_move(request.voice, version, first_recovery)
        with begin_refusals_with(plan.recovery):
            return move_alias(
                store,
                request.voice,
                action="promote",
                state=plan.state,
                target=Release(plan.candidate.version, plan.candidate.candidate_id, 0, plan.consent_sha256),
                actor=request.actor,
                verdict_sha256=plan.verdict_sha256,
                approvals=request.approvals,
                note="first release" if request.first_release else "",
                recovery=first_recovery + plan.recovery,
            )


def _no_move(voice: str, version: int, recovery: tuple[str, ...]) -> AliasMove:
    return AliasMove(voice, False, version, version, "; ".join((*recovery, f"version {version} is champion already")))
