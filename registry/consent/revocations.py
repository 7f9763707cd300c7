"""What remains of a revoked voice: `revocations/VOICE.yaml` in the project, one entry for each revocation.

    - revoked_on: 2026-03-01
      consent_sha256: 5a1c...     # null where voice.yaml could not be read
      evidence_sha256: 9f86...    # null for a voice without evidence
      deleted: derived            # of DELETIONS: what was deleted, completely

It belongs into git. It has hashes and no recording, text or name of a person, so it can stay when everything else is
deleted. A voice.yaml that was restored from a copy, and a voice that is added again with a proof that was revoked, are
refused because of it. The journal holds the same as records, for those who share the registry and not the folder.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from registry.consent.record import SHA256, ConsentError, Record, Voice, consent_sha256, list_faults, require_voice_name
from registry.consent.words import DELETIONS, Deletion
from registry.consent.yaml_file import dump_yaml, make_round_trip_yaml, read_yaml
from registry.files import replace_file

FOLDER = "revocations"


class Revocation(Record):
    """One withdrawal of a consent."""

    revoked_on: date = Field(description="the day of the revocation")
    consent_sha256: str | None = Field(pattern=SHA256, description="which consent, see consent_sha256")
    evidence_sha256: str | None = Field(pattern=SHA256, description="the proof that does not count any more")
    deleted: Deletion = Field(description="what was deleted, completely")


_REVOCATIONS = TypeAdapter(tuple[Revocation, ...])


def project_of(recordings_dir: Path) -> Path:
    """Return the root of the project that a folder PROJECT/data/1_recordings/VOICE belongs to."""
    return recordings_dir.absolute().parents[2]


def read_revocations(project: Path, voice: str) -> tuple[Revocation, ...]:
    """Return the revocations of a voice, oldest first.

    Raises:
        ConsentError: The file is not what was written.
    """
    return _read(project / FOLDER / f"{require_voice_name(voice)}.yaml")


def write_revocation(project: Path, voice: str, revocation: Revocation) -> Path:
    """Add a revocation of a voice, or change what was deleted after it, and return the file's path.

    A revocation of the same consent keeps its day, and what was deleted stays deleted.

    Args:
        project: The project's root.
        voice: The voice's name.
        revocation: What to write.

    Raises:
        ConsentError: The file cannot be read or written.
    """
    entries = list(read_revocations(project, voice))
    known = next((n for n, entry in enumerate(entries) if entry.consent_sha256 == revocation.consent_sha256), None)
    if known is None:
        entries.append(revocation)
    else:
        most = max(entries[known].deleted, revocation.deleted, key=DELETIONS.index)
        entries[known] = entries[known].model_copy(update={"deleted": most})
    path = project / FOLDER / f"{voice}.yaml"
    text = dump_yaml(make_round_trip_yaml(), [entry.model_dump() for entry in entries])
    try:
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            replace_file(path, text)
    except OSError as error:
        raise ConsentError(
            f"{path}: the revocation cannot be written ({error.strerror or error}); "
            "make the folder writable, and revoke again"
        ) from error
    return path


def why_revoked(project: Path, voice: Voice) -> str | None:
    """Return why a consent does not count because of an earlier revocation, or None.

    After a revocation of the voice, a consent counts if it was granted later, or on that day in other words. A proof
    that was revoked never counts again, for no voice.

    Raises:
        ConsentError: A file of revocations is not what was written.
    """
    consent, digest = voice.consent, consent_sha256(voice)
    for path in sorted((project / FOLDER).glob("*.yaml")):
        for entry in _read(path):
            if entry.evidence_sha256 is not None and entry.evidence_sha256 == consent.evidence_sha256:
                return f"its evidence was revoked for the voice {path.stem} on {entry.revoked_on} ({path})"
            if path.stem == voice.name and _ends(entry, consent.granted_on, digest):
                return f"the speaker revoked it on {entry.revoked_on} ({path})"
    return None


def _ends(revocation: Revocation, granted_on: date, digest: str) -> bool:
    """Return whether a revocation of a voice ends a consent of the same voice."""
    if revocation.consent_sha256 is None:  # which consent it was is not known, so one of that day may be the same
        return granted_on <= revocation.revoked_on
    return revocation.consent_sha256 == digest or granted_on < revocation.revoked_on


def _read(path: Path) -> tuple[Revocation, ...]:
    if not path.exists():
        return ()
    try:
        return _REVOCATIONS.validate_python(read_yaml(path))
    except ValidationError as error:
        raise ConsentError(
            f"{path} does not list revocations: {list_faults(error)}; restore the file from git"
        ) from error
