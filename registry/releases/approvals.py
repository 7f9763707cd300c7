"""Approvals: release managers agree that a version may be promoted on its verdict.

An approval is a row of the voice's journal about the sha256 of one verdict, signed by its approver. After another
verdict it has to be given again. Keys of one name in the trust file are one approver.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from registry.actor import current_actor
from registry.candidates.candidate import find_candidate
from registry.candidates.fingerprint import CandidateError
from registry.keys.roles import Role
from registry.keys.signing import own_public_key
from registry.keys.trust import Trust, load_trust
from registry.releases.alias import ReleaseRefused
from registry.releases.journal import read_journal
from registry.releases.taken_back import why_taken_back
from registry.storage.record import Record
from registry.storage.records import append_record, find_records, next_moment
from registry.storage.store import Store
from registry.verdicts.store import SignedVerdict, VerdictError, newest_verdict

APPROVAL = "approval"
APPROVER: Role = "release_manager"


@dataclass(frozen=True)
class Approval:
    """What `approve` did.

    Attributes:
        voice: The voice's name.
        version: The version that may be promoted.
        approvers: Everybody who approved it on this verdict, sorted.
        is_new: Whether this call added one.
    """

    voice: str
    version: int
    approvers: tuple[str, ...]
    is_new: bool


def approve(store: Store, voice: str, *, version: int | None = None, actor: str | None = None) -> Approval:
    """Approve that a version is promoted on its newest verdict, with this machine's key.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        version: Which version, None for the newest.
        actor: Who approves, default current_actor(). What counts is the name of the key in the trust file.

    Raises:
        ReleaseRefused: There is no such version, no verdict that passed, or its release was taken back since.
        JournalError: The journal is broken.
        SigningError: This machine's key is not a release manager's.
    """
    try:
        candidate = find_candidate(store, voice, version)
        signed = newest_verdict(store, voice, candidate_id=candidate.candidate_id)
    except (CandidateError, VerdictError) as error:
        raise ReleaseRefused(str(error)) from error
    name = f"{voice} version {candidate.version}"
    if signed is None:
        gate_it = f"run `vox gate {voice} --candidate {candidate.version}`"
        raise ReleaseRefused(f"{name} has no verdict to approve; {gate_it}")
    if signed.verdict.outcome != "pass":
        reason = signed.verdict.decision.reasons[0].text
        raise ReleaseRefused(f"{name} cannot be approved: its verdict is {signed.verdict.outcome}: {reason}")
    if taken_back := why_taken_back(read_journal(store, voice).require_whole().state, candidate, signed):
        raise ReleaseRefused(f"{name} cannot be approved: {taken_back}")
    trust = load_trust(store.root)
    own = trust.signer_of(own_public_key(store.root) or "")
    if own is not None and own in (before := approvers_of(store, signed, trust)):
        return Approval(voice, candidate.version, before, is_new=False)
    content = {
        "candidate_id": candidate.candidate_id,
        "verdict_sha256": signed.sha256,
        "actor": actor or current_actor(),
    }
    append_record(store, voice, APPROVAL, content)
    return Approval(voice, candidate.version, approvers_of(store, signed, load_trust(store.root)), is_new=True)


def approvers_of(store: Store, signed: SignedVerdict, trust: Trust) -> tuple[str, ...]:
    """Return the names of those who approved a verdict and are release managers still, sorted.

    Args:
        store: Where the journal is.
        signed: The verdict.
        trust: Whose signatures count.

    Raises:
        JournalError: The journal is broken.
    """
    voice, digest = signed.verdict.voice, signed.sha256
    found = find_records(store, voice, APPROVAL, since=signed.stamp.number, verdict_sha256=digest)
    return _names_at(found, trust, next_moment(store))


def why_not_approved(store: Store, signed: SignedVerdict, needed: int) -> str | None:
    """Return why a version may not be promoted on a verdict yet, None where enough release managers approved it.

    Args:
        store: Where the journal is.
        signed: The verdict.
        needed: How many have to, 0 for none.

    Raises:
        JournalError: The journal is broken.
    """
    if needed == 0:
        return None
    approvers = approvers_of(store, signed, load_trust(store.root))
    if len(approvers) >= needed:
        return None
    by = f" ({', '.join(approvers)})" if approvers else ""
    return (
        f"{len(approvers)} of {needed} release managers have approved this verdict{by}; another one has to run "
        f"`vox approve {signed.verdict.voice} --version {signed.verdict.candidate.version}`"
    )


def find_approval_problems(records: Iterable[Record], trust: Trust) -> list[str]:
    """Return which promotions had fewer approvals than their rows say were required.

    Args:
        records: The valid rows of a voice, oldest first.
        trust: Whose signatures count.
    """
    problems: list[str] = []
    approvals: list[Record] = []
    for record in records:
        if record.kind == APPROVAL:
            approvals.append(record)
        elif record.kind == "release" and (needed := record.values.get("approvals")):
            digest = record.values["verdict_sha256"]
            found = [each for each in approvals if each.values["verdict_sha256"] == digest]
            names = _names_at(found, trust, record.utc)
            if len(names) < needed:
                by = f" ({', '.join(names)})" if names else ""
                problems.append(f"row {record.number}: it required {needed} approvals and has {len(names)}{by}")
    return problems


def _names_at(records: Iterable[Record], trust: Trust, utc: str | datetime) -> tuple[str, ...]:
    """Return who signed approvals and is a release manager at a moment, each name once, sorted."""
    keys = {record.stamp.public_key for record in records}
    names = {trust.signer_of(key) or "" for key in keys if APPROVER in trust.roles_of(key, utc)}
    return tuple(sorted(names))
