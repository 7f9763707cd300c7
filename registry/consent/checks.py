"""Check that the speaker's consent allows a use of the voice today.

Days, proofs and revocations are always checked. Purpose, language, territory and money are checked where the use
declares them: software cannot see where a sound is played, or who pays for it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path, PurePosixPath

from gpt_sovits.text.languages import language_name
from registry.consent.file import load_voice
from registry.consent.record import VOICE_FILE, Consent, ConsentError, Voice
from registry.consent.revocations import project_of, why_revoked
from registry.consent.words import PURPOSES
from registry.files import file_sha256


def check_consent(
    recordings_dir: Path,
    today: date,
    *,
    purpose: str | None = None,
    language: str | None = None,
    territory: str | None = None,
    commercial: bool = False,
) -> Voice:
    """Return the voice's record if its consent is valid today and allows what is declared about the use.

    Args:
        recordings_dir: The voice's recordings, with voice.yaml.
        today: The day of the use.
        purpose: What the voice is used for, one of PURPOSES. None if nobody declared it.
        language: ISO 639 code of what the voice says, None if nobody declared it.
        territory: ISO 3166-1 code of where it is heard, None if nobody declared it.
        commercial: Whether the use is for money.

    Raises:
        ConsentError: It is not valid or does not allow the use, or the record or a proof is missing or was changed.
    """
    voice = load_voice(recordings_dir)
    consent, path = voice.consent, recordings_dir / VOICE_FILE
    if consent.revoked_on is not None:
        raise ConsentError(
            f"{path}: {consent.speaker} revoked the consent on {consent.revoked_on}; the voice may not be used"
        )
    if reason := why_revoked(project_of(recordings_dir), voice):
        raise ConsentError(
            f"{path}: the consent does not count: {reason}; "
            "ask the speaker for a new one and record it with `vox voice renew`"
        )
    if today < consent.granted_on:
        raise ConsentError(
            f"{path}: the consent begins on {consent.granted_on} and today is {today}; "
            "wait, or correct granted_on if it is mistyped"
        )
    if consent.valid_until is not None and today > consent.valid_until:
        raise ConsentError(
            f"{path}: the consent ended on {consent.valid_until} and today is {today}; "
            "ask the speaker for a new one and record it with `vox voice renew`"
        )
    if consent.evidence is not None:
        _check_proof(recordings_dir, "evidence of consent", consent.evidence, consent.evidence_sha256)
    if consent.statement is not None:
        _check_proof(recordings_dir, "spoken statement", consent.statement.audio, consent.statement.audio_sha256)
    if reasons := use_reasons(consent, purpose, language, territory, commercial=commercial):
        raise ConsentError(
            f"{path}: {consent.speaker} did not allow this use: {'; '.join(reasons)}; "
            "ask the speaker for a consent that covers it"
        )
    return voice


def use_reasons(
    consent: Consent, purpose: str | None, language: str | None, territory: str | None, *, commercial: bool
) -> list[str]:
    """Return every reason for which a consent does not cover a use. Raises ConsentError for an unknown purpose."""
    scope, reasons = consent.scope, []
    if purpose is not None and purpose not in PURPOSES:
        raise ConsentError(f"{purpose!r} is not a known purpose; known are {', '.join(PURPOSES)}")
    if purpose is not None and purpose not in consent.purposes:
        reasons.append(f"the purpose {purpose} is not among {', '.join(consent.purposes)}")
    if language is not None and scope.languages is not None and language not in scope.languages:
        reasons.append(f"{language_name(language)} is not among its languages {', '.join(scope.languages)}")
    if territory is not None and scope.territories is not None and territory not in scope.territories:
        reasons.append(f"{territory} is not among its territories {', '.join(scope.territories)}")
    if commercial and not scope.commercial:
        reasons.append("it is commercial")
    return reasons


def _check_proof(recordings_dir: Path, kind: str, name: str, sha256: str | None) -> None:
    """Refuse a file that is missing, changed or outside the folder."""
    where = f"{recordings_dir / VOICE_FILE}: the {kind} {name!r}"
    relative = PurePosixPath(name)
    path = recordings_dir / relative
    inside = path.resolve().is_relative_to(recordings_dir.resolve())
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or not inside:
        raise ConsentError(f"{where} leaves the voice's folder; copy the file into the folder and name it there")
    try:
        seen = file_sha256(path) if path.is_file() else None
    except OSError as error:
        raise ConsentError(f"{where} cannot be read ({error.strerror}); make it readable") from error
    if seen is None:
        raise ConsentError(f"{where} is missing; put the file back, or ask the speaker for a new one")
    if seen != sha256:
        raise ConsentError(
            f"{where} has changed: its sha256 is {seen[:12]}..., the record says {str(sha256)[:12]}...; "
            "restore the file that the speaker gave"
        )
