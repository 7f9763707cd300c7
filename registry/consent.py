"""Consent: who allowed this voice to be cloned, for what, until when, and where the proof is.

The record is `voice.yaml` in the voice's recordings folder:

    name: anna                    # the folder's name
    language: en                  # or zh, yue, ja, ko; JP and other spellings of lists are understood
    consent:
      speaker: Anna Example
      kind: recorded              # a person's voice, or `synthetic` where nobody is cloned
      purpose: audiobooks of the town library
      granted_on: 2026-01-31
      valid_until: 2028-01-31     # the last valid day, or null for no end
      evidence: consent.pdf       # relative to the folder, or null for a synthetic voice
      evidence_sha256: 9f86d0...
      revoked_on: null
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from datetime import date, datetime
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

from gpt_sovits.text.languages import language_code
from registry.errors import RegistryError

VOICE_FILE = "voice.yaml"
# A voice's name is a folder, a DVC matrix value and an MLflow model name: the letters that all three accept
VOICE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


class ConsentError(RegistryError, ValueError):
    """The voice may not be used. The message says why and what to do, in one or two sentences."""


class Record(BaseModel):
    """A part of voice.yaml. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Consent(Record):
    """What the speaker allowed.

    Invariant: a recorded voice names its evidence with a hash, and the consent does not end before it begins.
    """

    speaker: str = Field(min_length=1, description="who speaks, or what made the speech of a synthetic voice")
    kind: Literal["synthetic", "recorded"]
    purpose: str = Field(min_length=1, description="what the voice may be used for")
    granted_on: date
    valid_until: date | None = Field(description="the last day on which the consent is valid; null for no end")
    evidence: str | None = Field(description="path of the proof, relative to the folder; null only if synthetic")
    evidence_sha256: str | None = Field(pattern=r"^[0-9a-f]{64}$")
    revoked_on: date | None = Field(description="any date here takes the voice out of service at once")

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


class Voice(Record):
    """The record of a voice: its name, its language and the speaker's consent."""

    name: str = Field(pattern=VOICE_NAME, description="the name of the voice's folder")
    language: str = Field(description="ISO 639 code, such as en. An alias such as JP is read as its code")
    consent: Consent

    @field_validator("language", mode="before")
    @classmethod
    def _read_alias(cls, value: Any) -> Any:
        return language_code(value) if isinstance(value, str) else value


class _NullRepresenter(RoundTripRepresenter):
    """Writes null as `null`, because ruamel's empty value looks like something forgotten."""


_NullRepresenter.add_representer(type(None), lambda node, _: node.represent_scalar("tag:yaml.org,2002:null", "null"))


def load_voice(recordings_dir: Path) -> Voice:
    """Return the voice's record as written, whether the consent is valid today or not.

    Raises:
        ConsentError: The record is missing, unreadable or of another voice.
    """
    path = recordings_dir / VOICE_FILE
    data = _read_yaml(path, YAML(typ="safe", pure=True))
    if not isinstance(data, dict):
        raise ConsentError(f"{path} holds {type(data).__name__}, not a voice record; write name, language and consent")
    try:
        voice = Voice.model_validate(data)
    except ValidationError as error:
        raise ConsentError(f"{path} is not a voice record: {list_faults(error)}; correct these entries") from error
    folder = recordings_dir.absolute().name
    if voice.name != folder:
        raise ConsentError(
            f"{path} is the record of the voice {voice.name!r}, but its folder is {folder!r}; "
            "a consent covers one voice, so give the folder its own record"
        )
    return voice


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


def revoke_consent(recordings_dir: Path, today: date) -> Voice:
    """Write `revoked_on` into voice.yaml and return the record.

    Comments in the file stay, and so does an earlier date. An expired or not yet valid consent can be revoked too.

    Raises:
        ConsentError: The record is missing or unreadable.
    """
    # 1. A consent that was revoked before keeps its date
    voice = load_voice(recordings_dir)
    if voice.consent.revoked_on is not None:
        return voice
    # 2. Edit the file's own text, so that comments and order stay, and move it into place
    path = recordings_dir / VOICE_FILE
    round_trip = _make_round_trip_yaml()
    data = _read_yaml(path, round_trip)
    data["consent"]["revoked_on"] = today
    _replace_file(path, _dump_yaml(round_trip, data))
    # 3. Read it back: what is returned is what the file says
    return load_voice(recordings_dir)


def write_voice(recordings_dir: Path, voice: Voice) -> Path:
    """Write the record of a new voice and return its path. An equal record that is already there stays untouched.

    Raises:
        ConsentError: The folder has another name than the voice, or it already has a different record.
    """
    path = recordings_dir / VOICE_FILE
    if voice.name != recordings_dir.absolute().name:
        raise ConsentError(f"the voice {voice.name!r} belongs in a folder of that name, not in {recordings_dir}")
    if path.exists():
        if load_voice(recordings_dir) == voice:
            return path
        raise ConsentError(f"{path} already exists with another content; remove it first if the voice is new")
    recordings_dir.mkdir(parents=True, exist_ok=True)
    _replace_file(path, _dump_yaml(_make_round_trip_yaml(), voice.model_dump()))
    return path


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _read_yaml(path: Path, yaml: YAML) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConsentError(
            f"{path} is missing, so nobody is known to have consented; "
            "write one (README, 'Your own voice') or use `vox voice add`"
        ) from error
    except OSError as error:
        raise ConsentError(f"{path} cannot be read ({error.strerror}); make it a readable file") from error
    # ValueError: not UTF-8, or a day that does not exist such as 2030-02-31
    except (YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConsentError(f"{path} is not readable YAML ({reason}); correct it") from error


def list_faults(error: ValidationError) -> str:
    """Return what is wrong with a voice record in one line, each entry with its name."""
    faults = []
    for fault in error.errors(include_url=False):
        name = ".".join(str(part) for part in fault["loc"]) or "the file"
        faults.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(faults)


def _make_round_trip_yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)  # keeps comments, and builds no objects, as the safe loader
    yaml.Representer = _NullRepresenter
    return yaml


def _dump_yaml(yaml: YAML, data: Any) -> str:
    text = StringIO()
    yaml.dump(data, text)
    return text.getvalue()


def _replace_file(path: Path, text: str) -> None:
    """Write a temporary file, flush it to disk and rename it, because a lost revocation is a lost right."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp makes 0600, which a second user or a container could not read
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
