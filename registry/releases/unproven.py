"""What an audit cannot prove about a voice, and what it would take: the limits of this project's settings."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from registry.consent.file import load_voice
from registry.consent.record import ConsentError, consent_sha256
from registry.gate.policy import Preference
from registry.keys.trust import TRUST_FILE, Trust, load_trust
from registry.listening.votes import FINISHED, VOTES
from registry.releases.journal import Journal, read_journal
from registry.storage.anchor import anchor_path
from registry.storage.chain import read_chain
from registry.storage.record import JournalError
from registry.storage.remote_anchor import SETTING
from registry.storage.store import Store


def list_unproven(
    store: Store, voice: str, *, recordings_dir: Path, preference: Preference | None, approvals: int
) -> tuple[str, ...]:
    """Return what nothing in the registry proves about a voice, each with what would prove it.

    None of it is a fault. A fault is what `audit` returns.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        recordings_dir: The voice's recordings, with the consent.
        preference: The policy's rule about listeners' votes, None where votes do not count.
        approvals: How many release managers have to approve a promotion now.

    Raises:
        SigningError: The trusted keys are unreadable.
    """
    trust = load_trust(store.root)
    try:
        journal = read_journal(store, voice, whole=True)
    except JournalError:  # a fault, of which audit speaks
        return ()
    return (
        *_about_signers(trust),
        *_about_the_end(store, journal, voice),
        *_about_approvals(journal, approvals),
        *_about_votes(store, voice, preference),
        *_about_consent(recordings_dir, journal),
    )


def _about_signers(trust: Trust) -> list[str]:
    if trust.file is not None:
        return []
    return [
        f"who released: without {TRUST_FILE}, this machine's own key signs in every role; `vox keys trust YOUR_NAME` "
        "begins one"
    ]


def _about_the_end(store: Store, journal: Journal, voice: str) -> list[str]:
    anchor = anchor_path(store.root, voice)
    if not journal.records.rows or os.environ.get(SETTING, "").strip():
        return []
    if anchor.is_file():
        return [
            f"that the database and {anchor.relative_to(store.root)} are not both older copies: commit the file after "
            f"each release, or let {SETTING} name a bucket with retention"
        ]
    return [
        f"that these are the newest rows: {anchor.relative_to(store.root)} is missing, so an older copy of the whole "
        "database would look the same; get the file from git, or give --expect NUMBER:HASH of a row that was noted"
    ]


def _about_approvals(journal: Journal, approvals: int) -> list[str]:
    champion = journal.state.champion
    if champion is None or approvals == 0:
        return []
    wanted = ("promote", "started", champion.candidate_id)
    started = [row for row in journal.rows if (row.action, row.state, row.candidate_id) == wanted]
    required = started[-1].approvals if started else None
    if required is None or required >= approvals:
        return []
    return [
        f"that {approvals} release managers agreed to version {champion.version}: row {started[-1].number} required "
        f"{required} approvals, and releases.approvals is {approvals} now"
    ]


def _about_votes(store: Store, voice: str, preference: Preference | None) -> list[str]:
    if preference is None or preference.listeners:
        return []
    rows, fault = read_chain(store, VOTES)
    names = Counter(row["listener"] for row in rows if row["voice"] == voice and row["choice"] != FINISHED)
    if fault is not None or not names:
        return []
    return [
        f"that {', '.join(sorted(names))} are people who heard the sounds: {names.total()} votes are under names that "
        "anybody could type; name those whom you know in gate.preference.listeners"
    ]


def _about_consent(recordings_dir: Path, journal: Journal) -> list[str]:
    try:
        voice = load_voice(recordings_dir)
    except ConsentError:  # a fault, of which audit speaks
        return []
    consent, champion = voice.consent, journal.state.champion
    if champion is not None and champion.consent_sha256 not in (None, consent_sha256(voice)):
        return [
            f"that the consent in {recordings_dir.name} is the one that version {champion.version} was released under: "
            f"it or the hash of its evidence was changed since row {champion.row}; compare it with its history in git, "
            "and release again if the new one is right"
        ]
    if consent.kind == "synthetic" and consent.evidence is None:
        return [
            f"that nobody was cloned: {recordings_dir.name} is declared synthetic without evidence; add what made the "
            "speech, such as the program's name and its licence, as the consent's evidence"
        ]
    if consent.kind == "recorded" and consent.statement is None:
        return [
            f"that {consent.speaker} gave the consent: its evidence is a file that this project holds itself; a spoken "
            "statement of the speaker can be compared with the voice (`vox voice add --statement`)"
        ]
    return []
