"""Check that the speaker's consent allows a use of the voice today."""

from __future__ import annotations

from datetime import date
from pathlib import Path, PurePosixPath

from registry.consent.file import load_voice
from registry.consent.record import VOICE_FILE, ConsentError, Voice
from registry.files import file_sha256


def check_consent(recordings_dir: Path, today: date) -> Voice:
    """Return the voice's record if its consent is valid today.

    Raises:
        ConsentError: It is not valid, or the record or the evidence is missing or was changed.
    """
    voice = load_voice(recordings_dir)
    consent, path = voice.consent, recordings_dir / VOICE_FILE
    if consent.revoked_on is not None:
        raise ConsentError(
            f"{path}: {consent.speaker} revoked the consent on {consent.revoked_on}; the voice may not be used"
        )
    if today < consent.granted_on:
        raise ConsentError(
            f"{path}: the consent begins on {consent.granted_on} and today is {today}; "
            "wait, or correct granted_on if it is mistyped"
        )
    if consent.valid_until is not None and today > consent.valid_until:
        raise ConsentError(
            f"{path}: the consent ended on {consent.valid_until} and today is {today}; "
            "ask the speaker for a new one and record it"
        )
    if consent.evidence is not None:
        _check_evidence(recordings_dir, consent.evidence, consent.evidence_sha256)
    return voice


def _check_evidence(recordings_dir: Path, evidence: str, sha256: str | None) -> None:
    where = f"{recordings_dir / VOICE_FILE}: the evidence of consent {evidence!r}"
    relative = PurePosixPath(evidence)
    path = recordings_dir / relative
    inside = path.resolve().is_relative_to(recordings_dir.resolve())
    if relative.is_absolute() or ".." in relative.parts or "\\" in evidence or not inside:
        raise ConsentError(f"{where} leaves the voice's folder; copy the file into the folder and name it there")
    if not path.is_file():
        raise ConsentError(f"{where} is missing; put the file back, or ask the speaker for a new one")
    try:
        seen = file_sha256(path)
    except OSError as error:
        raise ConsentError(f"{where} cannot be read ({error.strerror}); make it readable") from error
    if seen != sha256:
        raise ConsentError(
            f"{where} has changed: its sha256 is {seen[:12]}..., the record says {str(sha256)[:12]}...; "
            "restore the file that the speaker signed"
        )
