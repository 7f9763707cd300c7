"""Consent: who allowed this voice to be cloned, for what, until when, and where the proof is.

The record is `voice.yaml` in the voice's recordings folder:

    name: anna                    # the folder's name
    language: en                  # or zh, yue, ja, ko; JP and other spellings of lists are understood
    consent:
      speaker: Anna Example
      kind: recorded              # a person's voice, or `synthetic` where nobody is cloned
      purposes: [narration, accessibility]   # of the list in words.py
      scope:
        languages: [en]           # which the voice may speak, or null for any
        territories: [DE, AT]     # where it may be heard, ISO 3166-1, or null for anywhere
        commercial: false         # whether it may be used for money
      granted_on: 2026-01-31
      valid_until: 2028-01-31     # the last valid day, or null for no end
      evidence: consent.pdf       # relative to the folder, or null for a synthetic voice
      evidence_sha256: 9f86d0...
      statement: null             # or the consent in the speaker's own voice, see statement.py
      revoked_on: null
"""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gpt_sovits.text.languages import language_code
from registry.consent.words import PURPOSES
from registry.errors import RegistryError
from registry.names import VOICE_NAME, check_voice_name

VOICE_FILE = "voice.yaml"
SHA256 = r"^[0-9a-f]{64}$"
Territory = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class ConsentError(RegistryError, ValueError):
    """The voice may not be used. The message says why and what to do, in one or two sentences."""


class Record(BaseModel):
    """A part of voice.yaml. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Scope(Record):
    """The limits of a consent. Null means without a limit."""

    languages: tuple[str, ...] | None = Field(min_length=1, description="ISO 639 codes that the voice may speak")
    territories: tuple[Territory, ...] | None = Field(
        min_length=1, description="where the voice may be heard, as ISO 3166-1 codes such as DE"
    )
    commercial: bool = Field(strict=True, description="whether the voice may be used for money")

    @field_validator("languages", mode="before")
    @classmethod
    def _read_aliases(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return tuple(language_code(code) if isinstance(code, str) else code for code in value)

    @field_validator("languages", "territories")
    @classmethod
    def _refuse_repeats(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return values if values is None else require_once(values)


class Statement(Record):
    """The consent in the speaker's own voice."""

    audio: str = Field(min_length=1, description="path of the recording, relative to the folder")
    audio_sha256: str = Field(pattern=SHA256)
    text: str = Field(min_length=1, description="the words that the speaker was asked to say")


class Consent(Record):
    """What the speaker allowed.

    Invariant: a recorded voice names its evidence with a hash, and the consent does not end before it begins.
    """

    speaker: str = Field(min_length=1, description="who speaks, or what made the speech of a synthetic voice")
    kind: Literal["synthetic", "recorded"]
    purposes: tuple[str, ...] = Field(min_length=1, description="what the voice may be used for, see words.py")
    scope: Scope
    granted_on: date
    valid_until: date | None = Field(description="the last day on which the consent is valid; null for no end")
    evidence: str | None = Field(description="path of the proof, relative to the folder; null only if synthetic")
    evidence_sha256: str | None = Field(pattern=SHA256)
    statement: Statement | None = Field(default=None, description="the consent in the speaker's own voice, or null")
    revoked_on: date | None = Field(description="any date here takes the voice out of service at once")

    @field_validator("purposes")
    @classmethod
    def _refuse_unknown_purposes(cls, purposes: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in purposes if name not in PURPOSES]:
            raise ValueError(f"{', '.join(unknown)} is not a known purpose; known are {', '.join(PURPOSES)}")
        return require_once(purposes)

    @field_validator("granted_on", "valid_until", "revoked_on", mode="before")
    @classmethod
    def _refuse_what_is_not_a_day(cls, value: Any) -> Any:
        # pydantic would read 20300101 as seconds since 1970, and the consent would end in 1970
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        if isinstance(value, str):
            return date.fromisoformat(value)
        raise ValueError(f"{value!r} is not a day; write it as 2030-12-31")

    @model_validator(mode="after")
    def _check_consistency(self) -> Consent:
        if (self.evidence is None) != (self.evidence_sha256 is None):
            raise ValueError("evidence and evidence_sha256 belong together: give both, or null for both")
        if self.evidence is None and self.kind == "recorded":
            raise ValueError("a recorded voice needs evidence of consent; only a synthetic voice may have none")
        if self.valid_until is not None and self.valid_until < self.granted_on:
            raise ValueError(f"valid_until {self.valid_until} is before granted_on {self.granted_on}")
        return self

    def proofs(self) -> tuple[str, ...]:
        """Return the paths of evidence and spoken statement, relative to the voice's folder."""
        statement = None if self.statement is None else self.statement.audio
        return tuple(name for name in (self.evidence, statement) if name is not None)


class Voice(Record):
    """The record of a voice: its name, its language and the speaker's consent."""

    name: str = Field(pattern=VOICE_NAME, description="the name of the voice's folder")
    language: str = Field(description="ISO 639 code, such as en. An alias such as JP is read as its code")
    consent: Consent

    @model_validator(mode="after")
    def _may_speak_its_language(self) -> Voice:
        languages = self.consent.scope.languages
        if languages is not None and self.language not in languages:
            raise ValueError(f"scope.languages leaves out the voice's own language, {self.language}; add it")
        return self

    @field_validator("language", mode="before")
    @classmethod
    def _read_alias(cls, value: Any) -> Any:
        return language_code(value) if isinstance(value, str) else value


def consent_sha256(voice: Voice) -> str:
    """Return the sha256 of what the speaker allowed, in hex: the voice's name and its consent without `revoked_on`.

    A revocation leaves it as it is, so it tells the consent before a revocation from one that was given after it.
    """
    consent = voice.consent.model_dump(mode="json", exclude={"revoked_on"})
    contents = json.dumps(
        {"name": voice.name, "consent": consent}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(contents.encode()).hexdigest()


def require_voice_name(name: str) -> str:
    """Return the name as it is. Raises ValueError if no voice can have it."""
    return check_voice_name(name)


def require_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values as they are. Raises ValueError if one is there twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"[{', '.join(values)}] names something twice; name it once")
    return values


def list_faults(error: ValidationError) -> str:
    """Return what is wrong with a voice record in one line, each entry with its name."""
    faults = []
    for fault in error.errors(include_url=False):
        name = ".".join(str(part) for part in fault["loc"]) or "the file"
        faults.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(faults)
