"""What a user says about a speaker's consent, and the record that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import ValidationError

from registry.consent.record import Consent, Scope, Statement, Voice, list_faults
from registry.consent.statement import statement_text
from registry.files import file_sha256


@dataclass(frozen=True, kw_only=True)
class ConsentTerms:
    """What the user says about the speaker's consent.

    Attributes:
        evidence: The file that proves it.
        speaker: Who speaks.
        purposes: What the speaker allowed, of PURPOSES.
        commercial: Whether the speaker allowed uses for money.
        languages: Codes or aliases of the languages that the voice may speak, empty for any.
        territories: ISO 3166-1 codes of where it may be heard, empty for anywhere.
        valid_until: The last valid day as YYYY-MM-DD, None for no end.
        statement: The consent in the speaker's own voice, None without one.
    """

    evidence: Path
    speaker: str
    purposes: tuple[str, ...]
    commercial: bool = False
    languages: tuple[str, ...] = ()
    territories: tuple[str, ...] = ()
    valid_until: str | None = None
    statement: Path | None = None

    def proofs(self) -> tuple[Path, ...]:
        """Return the files that are not recordings, wherever they are."""
        return (self.evidence,) if self.statement is None else (self.evidence, self.statement)


def consent_record(name: str, language: str, *, terms: ConsentTerms, mark: str = "") -> Voice:
    """Return the record of a voice whose speaker consents today.

    Args:
        name: The voice's name.
        language: ISO 639 code.
        terms: What the speaker allowed.
        mark: Stands at the end of the names that the proofs get.

    Raises:
        ValueError: The terms contradict one another, or a word is not known.
    """
    try:
        return Voice(
            name=name,
            language=language,
            consent=Consent(
                speaker=terms.speaker,
                kind="recorded",
                purposes=terms.purposes,
                scope=Scope(
                    languages=terms.languages or None,
                    territories=terms.territories or None,
                    commercial=terms.commercial,
                ),
                granted_on=datetime.now(UTC).date(),
                valid_until=_day(terms.valid_until) if terms.valid_until else None,
                evidence=f"consent{mark}{terms.evidence.suffix.lower()}",
                evidence_sha256=file_sha256(terms.evidence),
                statement=_statement(terms.statement, language, speaker=terms.speaker, mark=mark),
                revoked_on=None,
            ),
        )
    except ValidationError as error:
        raise ValueError(f"the consent cannot be recorded: {list_faults(error)}") from error


def _statement(audio: Path | None, language: str, *, speaker: str, mark: str) -> Statement | None:
    if audio is None:
        return None
    return Statement(
        audio=f"statement{mark}{audio.suffix.lower()}",
        audio_sha256=file_sha256(audio),
        text=statement_text(language, speaker),
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--valid-until {text} is not a day; write it as 2030-12-31") from error
