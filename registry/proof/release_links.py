"""The links that the registry alone can check: scores, registered candidate, verdict, release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metrics.recounting import find_miscounts
from registry.candidates.artifacts import UnreachableError, find_local
from registry.candidates.candidate import (
    LINEAGE_FILES,
    RECORD_FOLDER,
    Candidate,
    find_candidate,
    model_folder_of,
    run_file,
    score_folder_of,
    scorecard_of,
)
from registry.candidates.fingerprint import CandidateError
from registry.candidates.signed_registrations import why_not_registered
from registry.proof.links import Link, broken, unchecked
from registry.releases.alias import released_version
from registry.releases.journal import Journal, read_journal
from registry.releases.state import Row
from registry.storage.model_registry import run_location
from registry.storage.record import Fault, JournalError
from registry.storage.store import Store
from registry.verdicts.store import VERDICT, SignedVerdict, VerdictError, newest_verdict, verdict_by_sha256

VERDICT_LINK = ("verdict", "the signed verdict with the candidate's weights and scores")
RELEASE_LINK = ("release", "the whole signed journal with the candidate's id")


class NothingToProveError(CandidateError):
    """There is no version to prove anything about."""


def find_subject(store: Store, voice: str, version: int | None) -> Candidate:
    """Return the version that a proof is about.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        version: Its number, None for the champion.

    Raises:
        NothingToProveError: The voice has no champion.
        CandidateError: The version does not exist.
        JournalError: The journal, which says who is champion, is broken.
    """
    if version is None:
        champion = read_journal(store, voice).require_whole().state.champion
        if champion is None:
            raise NothingToProveError(f"{voice} has no champion; name a version, or release one with `vox promote`")
        version = released_version(store, voice, champion)
        if version is None:
            raise NothingToProveError(f"version {champion.version}, the champion of {voice}, is gone from MLflow")
        return find_candidate(store, voice, version, champion.candidate_id)
    return find_candidate(store, voice, version)


def read_lineage_file(store: Store, candidate: Candidate, name: str) -> str | Link:
    """Return a text of LINEAGE_FILES as registered, or the link that says why it cannot be had.

    Args:
        store: Where MLflow is.
        candidate: Whose lineage it is.
        name: Of the file.
    """
    digest = candidate.tags.get(LINEAGE_FILES[name], "")
    link = ("lineage", f"{name} of the registration with the signed hash")
    if reason := why_not_registered(store, candidate.voice, candidate.tags):
        return broken("lineage", "the registration with its signed row", reason)
    path = f"{RECORD_FOLDER}/{name}"
    try:
        location = run_location(store, candidate.run_id)
        if location:
            find_local(store, f"{location}/{path}")
    except CandidateError:
        location = None
    if not location:
        return unchecked(*link, f"version {candidate.version} has no {name}; register it again (`vox run`)", digest)
    try:
        return run_file(store, candidate, candidate.run_id, path, sha256=digest).read_text(encoding="utf-8")
    except UnreachableError as error:
        return unchecked(*link, str(error), digest)
    except CandidateError as error:
        return broken(*link, str(error), digest)


def list_release_links(store: Store, candidate: Candidate) -> list[Link]:
    """Return the links from the registered scores to the release.

    Args:
        store: Where MLflow and the journal are.
        candidate: The version.
    """
    links = [
        _file_link(
            "registered scores",
            "scorecard and audio with the signed hashes, errors counted again",
            candidate.scores_sha256,
            lambda: _check_scores(store, candidate),
        ),
        _file_link(
            "registered candidate",
            "every file of the model with the signed registration",
            candidate.model_sha256,
            lambda: model_folder_of(store, candidate),
        ),
    ]
    try:
        journal = read_journal(store, candidate.voice, whole=True)
    except JournalError as error:
        return [*links, unchecked(*VERDICT_LINK, str(error)), broken(*RELEASE_LINK, str(error))]
    if journal.fault is not None:
        return [*links, *_list_links_of_broken(journal, journal.fault)]
    row = _find_release(journal, candidate)
    return [*links, _verdict_link(store, candidate, row), _release_link(candidate, row)]


def _list_links_of_broken(journal: Journal, fault: Fault) -> list[Link]:
    """Return the links through a journal with a fault. That to the verdict is broken if the row of a verdict is."""
    voice = journal.records.voice
    reason = f"{fault}; run `vox audit {voice}` and restore the database"
    intact = {record.kind for record in journal.records.rows if record.number != fault.row}
    kind = next((record.kind for record in journal.records.rows if record.number == fault.row), "")
    is_verdict = kind == VERDICT or VERDICT not in intact  # the row of the only verdict may be missing
    return [(broken if is_verdict else unchecked)(*VERDICT_LINK, reason), broken(*RELEASE_LINK, reason)]


def _file_link(name: str, compared: str, digest: str, check: Callable[[], object]) -> Link:
    try:
        check()
    except UnreachableError as error:
        return unchecked(name, compared, str(error), digest)
    except (CandidateError, ValueError, OSError) as error:
        return broken(name, compared, str(error), digest)
    return Link(name, compared, "ok", digest)


def _check_scores(store: Store, candidate: Candidate) -> Path:
    folder = score_folder_of(store, candidate)
    if faults := find_miscounts(scorecard_of(store, candidate)):
        raise CandidateError("; ".join(faults))
    return folder


def _find_release(journal: Journal, candidate: Candidate) -> Row | None:
    """Return the newest row that ended a promotion of a candidate and has an effect, None where there is none."""
    done = ("promote", "done", candidate.candidate_id)
    rows = [row for row in journal.rows if (row.action, row.state, row.candidate_id) == done]
    return next((row for row in reversed(rows) if row.number not in journal.records.void), None)


def _verdict_link(store: Store, candidate: Candidate, row: Row | None) -> Link:
    """Return the link to the verdict that allowed the release, or else to the newest one."""
    name, compared = VERDICT_LINK
    voice, digest = candidate.voice, row.verdict_sha256 if row is not None else None
    try:
        signed = (
            newest_verdict(store, voice, candidate_id=candidate.candidate_id)
            if digest is None
            else verdict_by_sha256(store, voice, digest)
        )
    except (VerdictError, JournalError) as error:
        return broken(name, compared, str(error), digest or "")
    if signed is None:
        if row is not None:
            return broken(name, compared, f"row {row.number} released it, and no verdict has its hash", digest or "")
        gate_it = f"run `vox gate {voice} --candidate {candidate.version}`"
        return unchecked(name, compared, f"version {candidate.version} has no verdict; {gate_it}")
    if reason := _why_not_about(signed, candidate):
        return broken(name, compared, reason, signed.sha256)
    if row is not None and signed.verdict.outcome != "pass":
        return broken(name, compared, f"row {row.number} released it on {signed.verdict.outcome}", signed.sha256)
    return Link(name, f"{compared}: {signed.verdict.outcome}", "ok", signed.sha256)


def _why_not_about(signed: SignedVerdict, candidate: Candidate) -> str:
    judged = signed.verdict.candidate
    theirs = (judged.candidate_id, judged.weights_sha256, judged.scores_sha256)
    if theirs != (candidate.candidate_id, candidate.weights_sha256, candidate.scores_sha256):
        return f"the verdict is about version {judged.version} with other weights or scores"
    return ""


def _release_link(candidate: Candidate, row: Row | None) -> Link:
    name, compared = RELEASE_LINK
    if row is None:
        return unchecked(name, compared, f"version {candidate.version} was never promoted", candidate.candidate_id)
    return Link(name, f"{compared}: row {row.number}", "ok", candidate.candidate_id)
