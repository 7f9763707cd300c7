"""Prove a voice's release history: its journal is whole, its verdicts are genuine, and MLflow agrees with it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from registry.candidates.candidate import find_candidate, find_faults
from registry.candidates.fingerprint import CandidateError
from registry.consent.record import require_voice_name
from registry.keys.trust import Trust, load_trust
from registry.listening.votes import VOTES
from registry.releases.alias import champion_alias, is_at, release_lock, released_version, version_name
from registry.releases.approvals import find_approval_problems
from registry.releases.journal import RELEASE, Journal, as_row, read_journal
from registry.releases.recovery import check_binding
from registry.releases.requirements import check_speaker
from registry.releases.state import ReleaseState, Row, is_end_of, next_state
from registry.storage.chain import read_chain
from registry.storage.checkpoints import CHECKPOINT, is_usable
from registry.storage.record import JournalError, Record
from registry.storage.records import Records, require_published
from registry.storage.store import Store
from registry.verdicts.store import VERDICT, VerdictError, verdict_of

EXPECTED = r"(\d{1,18}):([0-9a-f]{8,64})"  # a row's number and the first digits of its hash


def audit(
    store: Store,
    voice: str,
    *,
    recordings_dir: Path | None = None,
    expect: str | None = None,
    today: date | None = None,
) -> tuple[str, ...]:
    """Return everything that is wrong, in words. Empty where the history is whole.

    The audit runs no model and changes nothing. A release that a killed process left half done is not a problem: the
    journal shows it, and the next release recovers it. A release of the voice that is under way is waited for.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        recordings_dir: The voice's recordings, with the consent. None leaves the consent out.
        expect: A row that the journal must have, as NUMBER:HASH, which somebody noted elsewhere.
        today: The day on which the consent must be valid, default today in UTC.

    Raises:
        ValueError: The name cannot be a voice's, or `expect` is not NUMBER:HASH.
        BusyError: Another release of the voice takes too long.
    """
    require_voice_name(voice)
    expected = _parse_expected(expect)
    with release_lock(store, voice):
        # 1. The journal must be whole: nothing can be concluded from one that was edited
        try:
            journal = read_journal(store, voice, whole=True)
            require_published(store, voice)
        except JournalError as error:
            return (str(error),)
        if journal.fault is not None:
            return (str(journal.fault),)
        # 2. Everything that the journal refers to must be there and agree with it
        records, state = journal.records.rows, journal.state
        return (
            *_find_expected_problems(records, expected),
            *(f"row {number} has no effect: {reason}" for number, reason in journal.records.void.items()),
            *_find_row_problems(journal.records, load_trust(store.root)),
            *_find_vote_problems(store),
            *_find_verdict_problems(store, journal.records.valid_rows),
            *find_approval_problems(journal.records.valid_rows, load_trust(store.root)),
            *_find_version_problems(store, voice, state),
            *_find_alias_problems(store, voice, journal),
            *_find_consent_problems(recordings_dir, voice, state, today or datetime.now(UTC).date()),
        )


def _parse_expected(expect: str | None) -> tuple[int, str] | None:
    if expect is None:
        return None
    if (found := re.fullmatch(EXPECTED, expect.strip())) is None:
        raise ValueError(
            f"{expect[:80]!r} is not a row of a journal; write NUMBER:HASH, with 8 to 64 digits of the hash"
        )
    return int(found[1]), found[2]


def _find_expected_problems(records: tuple[Record, ...], expected: tuple[int, str] | None) -> list[str]:
    """Check that the journal has the row that somebody noted elsewhere."""
    if expected is None:
        return []
    number, digest = expected
    if number < 1 or number > len(records):
        return [f"row {number} was expected and the journal ends at row {len(records)}: newer rows are missing"]
    seen = records[number - 1].stamp.hash
    return [] if seen.startswith(digest) else [f"row {number} has the hash {seen} and {digest} was expected"]


def _find_row_problems(records: Records, trust: Trust) -> list[str]:
    """Check that releases end as they began, and that each checkpoint in use holds what its rows say."""
    problems, state = [], ReleaseState()
    for record in records.rows:
        if record.number in records.void:
            state = replace(state, last_row=record.number) if record.kind == RELEASE else state
        elif record.kind == RELEASE:
            row, started = as_row(record), state.unfinished
            if row.state == "started" and started is not None:
                problems.append(f"row {row.number} starts a release and row {started.number} is not ended")
            if row.state != "started" and (started is None or not is_end_of(row, started)):
                problems.append(f"row {row.number} ends a release that was not started so; it does not count")
            state = next_state(state, row)
        elif record.kind == CHECKPOINT and is_usable(record, trust) and record.values["state"] != state.as_content():
            problems.append(f"row {record.number} is a checkpoint that does not hold what the rows before it say")
    return problems


def _find_vote_problems(store: Store) -> list[str]:
    """Check that the listeners' votes, of all voices, are as they were cast."""
    _, fault = read_chain(store, VOTES)
    return [] if fault is None else [str(fault)]


def _find_verdict_problems(store: Store, records: tuple[Record, ...]) -> list[str]:
    """Check that every promotion rests on the newest verdict about its candidate, a genuine one that passed."""
    problems: list[str] = []
    newest: dict[str, Record] = {}  # by candidate id
    for record in records:
        if record.kind == VERDICT:
            newest[record.values["candidate_id"]] = record
        elif record.kind == RELEASE and (row := as_row(record)).action == "promote" and row.state == "started":
            problems += _find_promotion_problems(store, row, newest.get(str(row.candidate_id)))
    return problems


def _find_promotion_problems(store: Store, row: Row, record: Record | None) -> list[str]:
    if record is None or record.values["sha256"] != row.verdict_sha256:
        return [f"row {row.number}: the verdict that allowed the promotion is not the newest about its candidate"]
    try:
        verdict = verdict_of(store, record).verdict
    except VerdictError as error:
        return [f"row {row.number}: {error}"]
    champion = verdict.champion.candidate_id if verdict.champion else None
    if verdict.outcome != "pass" or champion != row.from_candidate_id:
        return [
            f"row {row.number}: its verdict is {verdict.outcome} against {(champion or 'nothing')[:12]}, and the "
            f"champion was {(row.from_candidate_id or 'nothing')[:12]}"
        ]
    return []


def _find_version_problems(store: Store, voice: str, state: ReleaseState) -> list[str]:
    """Check that every candidate that a rollback can go back to is still there, with every byte as registered."""
    problems = []
    for release in sorted(state.past, key=lambda release: release.version):
        which = f"version {release.version} was champion (row {release.row}) and cannot be served again"
        version = released_version(store, voice, release)
        if version is None:
            there = f"MLflow has no version of {voice} with the candidate id {release.candidate_id[:12]}..."
            problems.append(f"{which}: {there}")
            continue
        try:
            faults = find_faults(store, find_candidate(store, voice, version))
        except CandidateError as error:
            faults = [str(error)]
        problems += [f"{which}: {fault}" for fault in faults]
    return problems


def _find_alias_problems(store: Store, voice: str, journal: Journal) -> list[str]:
    """Check that MLflow's alias is where the journal says, or where a killed release wanted to move it."""
    state, alias = journal.state, champion_alias(store, voice)
    try:
        check_binding(store, voice, journal, alias)
    except JournalError as error:
        return [str(error)]
    champion, unfinished = state.champion, state.unfinished
    if is_at(alias, champion.candidate_id if champion else None):
        return []
    if unfinished is not None and is_at(alias, unfinished.candidate_id):
        return []
    expected = version_name(champion.version if champion else None)
    return [
        f"the alias champion is at {version_name(alias.version if alias else None)} and the journal says {expected}: "
        "it was moved without the journal, or its version was deleted; the next promote or rollback puts it back"
    ]


def _find_consent_problems(recordings_dir: Path | None, voice: str, state: ReleaseState, today: date) -> list[str]:
    """Check that the voice in service has a valid consent."""
    if recordings_dir is None or state.champion is None:
        return []
    live = f"version {state.champion.version} is live without a consent"
    return [f"{live}: {reason}" for reason in check_speaker(recordings_dir, voice, today, state).reasons]
