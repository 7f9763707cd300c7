"""Whose signatures count, in which role, from when and until when: `trusted_keys.yaml` in the project's root.

    keys:
      - name: anna                       # a person or a service: all keys of one name are one signer
        public_key: "3b6a27bc..."        # 64 hex digits
        roles: [engineer, release_manager]
        trusted_from: 2026-11-29T09:00:00.000Z   # absent: from the beginning
        revoked_on: null                 # or the moment from which its signatures do not count

The file is kept in git, so its history says who trusted whom. VOXFOUNDRY_TRUSTED_KEYS names another file, for a machine
that must not believe the checkout it works on, such as CI. Without any file, the machine's own key has all roles.

An entry is never rewritten: rotation, revocation and a change of roles end it and add another. So what was signed
rightly stays valid, because a signature is judged by the entries of the moment it was made.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator, model_validator
from ruamel.yaml import YAML, YAMLError

from registry.keys.ed25519 import Signature, SigningError, is_signed, public_key_of
from registry.keys.permissions import why_changeable
from registry.keys.roles import ROLES, Role

TRUST_FILE = "trusted_keys.yaml"
SIGNER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"


class TrustedKey(BaseModel):
    """One entry: a key in some roles during one period."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=SIGNER_NAME, description="the person or service who holds the key")
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$", description="an Ed25519 public key, 64 hex digits")
    roles: tuple[Role, ...] = Field(min_length=1, description="what its signatures count for")
    trusted_from: datetime | None = Field(default=None, description="first moment; null: from the beginning")
    revoked_on: datetime | None = Field(default=None, description="first moment that does not count; null: none")

    @field_validator("trusted_from", "revoked_on", mode="before")
    @classmethod
    def _read_moment(cls, value: Any) -> Any:
        return None if value is None else parse_moment(value)

    @field_serializer("trusted_from", "revoked_on")
    def _write_moment(self, value: datetime | None) -> str | None:
        return None if value is None else format_moment(value)

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> TrustedKey:
        if len(set(self.roles)) != len(self.roles):
            raise ValueError(f"the key of {self.name} names a role twice")
        if self.trusted_from is not None and self.revoked_on is not None and self.revoked_on < self.trusted_from:
            raise ValueError(f"the key of {self.name} is revoked before it is trusted")
        return self

    def holds_at(self, moment: datetime) -> bool:
        """Return whether the entry holds at a moment."""
        began = self.trusted_from is None or self.trusted_from <= moment
        return began and (self.revoked_on is None or moment < self.revoked_on)


@dataclass(frozen=True)
class Trust:
    """Whose signatures count here.

    Attributes:
        entries: The entries of the trust file. Where there is no file, the machine's own key with all roles.
        file: Where they are written, None where there is no file.
    """

    entries: tuple[TrustedKey, ...]
    file: Path | None

    def why_not_valid(
        self, message: str, signature: Signature, *, role: Role | None = None, utc: str | datetime | None = None
    ) -> str | None:
        """Return None if somebody who may signed exactly this text, else the reason in a few words.

        Args:
            message: The text that should be signed.
            signature: Its signature.
            role: The role that the signer needs, None for any.
            utc: When it was signed, default now.
        """
        return self.why_not_authentic(message, signature) or self.why_not_authorized(
            signature.public_key, role=role, utc=utc
        )

    def why_not_authentic(self, message: str, signature: Signature) -> str | None:
        """Return None if a key that is or was trusted signed exactly this text, else the reason in a few words.

        Args:
            message: The text that should be signed.
            signature: Its signature.
        """
        if self.signer_of(signature.public_key) is None:
            return f"it is signed by the key {signature.public_key[:16]}..., which is not trusted here"
        return None if is_signed(message, signature) else "its signature does not fit its contents"

    def why_not_authorized(
        self, public_key: str, *, role: Role | None = None, utc: str | datetime | None = None
    ) -> str | None:
        """Return None if a key might sign in a role at a moment, else the reason in a few words.

        Args:
            public_key: The key in hex.
            role: The role that the signer needs, None for any.
            utc: When it signed, default now.
        """
        moment = datetime.now(UTC) if utc is None else parse_moment(utc)
        known = [entry for entry in self.entries if entry.public_key == public_key]
        if not known:
            return f"the key {public_key[:16]}... is not trusted here"
        holding = [entry for entry in known if entry.holds_at(moment)]
        if not holding:
            return f"it is signed by the key {public_key[:16]}... of {known[-1].name}, {_when_trusted(known, moment)}"
        if role is not None and not any(role in entry.roles for entry in holding):
            roles = ", ".join(sorted({role for entry in holding for role in entry.roles}))
            return (
                f"it is signed by the key {public_key[:16]}... of {holding[0].name}, who had the roles {roles} then "
                f"and not {role}"
            )
        return None

    def digest_until(self, utc: str | datetime) -> str:
        """Return a sha256 over what was trusted until a moment. Only a change that reaches back alters it."""
        moment = parse_moment(utc)
        lines = [
            f"{entry.public_key} {' '.join(sorted(entry.roles))} {_until(entry.trusted_from, moment)} "
            f"{_until(entry.revoked_on, moment)}"
            for entry in self.entries
            if entry.trusted_from is None or entry.trusted_from <= moment
        ]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    def roles_of(self, public_key: str, utc: str | datetime | None = None) -> tuple[Role, ...]:
        """Return the roles of a key at a moment, default now. Empty where it is not trusted."""
        moment = datetime.now(UTC) if utc is None else parse_moment(utc)
        holding = [entry for entry in self.entries if entry.public_key == public_key and entry.holds_at(moment)]
        return tuple(role for role in ROLES if any(role in entry.roles for entry in holding))

    def signer_of(self, public_key: str) -> str | None:
        """Return the name of a key's holder, None where the key never was trusted."""
        return next((entry.name for entry in self.entries if entry.public_key == public_key), None)


def load_trust(root: Path) -> Trust:
    """Return whose signatures count in a project.

    Args:
        root: The project's root.

    Raises:
        SigningError: The trust file is wrong, unreadable or can be changed by others, or the own key is unreadable.
    """
    if (file := find_trust_file(root)) is not None:
        return Trust(read_entries(file), file)
    private = private_key_path(root)
    if not private.is_file():
        return Trust((), None)
    return Trust((TrustedKey(name="this-machine", public_key=public_key_of(private), roles=ROLES),), None)


def find_trust_file(root: Path) -> Path | None:
    """Return the trust file, None where there is none.

    Raises:
        SigningError: VOXFOUNDRY_TRUSTED_KEYS does not name a file.
    """
    named = os.environ.get("VOXFOUNDRY_TRUSTED_KEYS", "").strip()
    if named and not Path(named).is_file():
        raise SigningError(
            f"VOXFOUNDRY_TRUSTED_KEYS is {named!r}, which is not a file; name a trust file, written as {TRUST_FILE}"
        )
    file = Path(named) if named else root / TRUST_FILE
    return file if os.path.lexists(file) else None  # a dangling link is a broken trust file and not a missing one


def private_key_path(root: Path) -> Path:
    """Return where this machine's private key is kept: VOXFOUNDRY_SIGNING_KEY, else `.vox/keys/signing.pem`."""
    named = os.environ.get("VOXFOUNDRY_SIGNING_KEY", "").strip()
    return Path(named) if named else root / ".vox" / "keys" / "signing.pem"


def read_entries(file: Path) -> tuple[TrustedKey, ...]:
    """Return the checked entries of a trust file.

    Raises:
        SigningError: The file is wrong, unreadable or can be changed by others.
    """
    try:
        if reason := why_changeable(file):
            raise SigningError(f"whoever can write {file.name} decides who may release: {reason}")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SigningError(f"{file}: the trust file cannot be read ({error.strerror}); make it readable") from error
    except UnicodeDecodeError as error:
        raise SigningError(f"{file} is not a text file; restore it from git") from error
    return parse_entries(text, file)


@lru_cache(maxsize=8)  # a release reads the file about ten times
def parse_entries(text: str, file: Path) -> tuple[TrustedKey, ...]:
    """Return the checked entries of a trust file's text.

    Args:
        text: The text.
        file: Where it is from, for messages.

    Raises:
        SigningError: The text is wrong.
    """
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SigningError(f"{file} is not a YAML file ({reason}); restore it from git") from error
    if not isinstance(data, dict) or set(data) != {"keys"} or not isinstance(data["keys"], list) or not data["keys"]:
        raise SigningError(f"{file} must hold one list, `keys`, with an entry per trusted key; restore it from git")
    try:
        entries = tuple(TrustedKey.model_validate(entry) for entry in data["keys"])
    except ValidationError as error:
        raise SigningError(f"{file}: {list_faults(error)}; correct the entry or restore the file from git") from error
    if reason := why_inconsistent(entries):
        raise SigningError(f"{file}: {reason}; correct the entries or restore the file from git")
    return entries


def list_faults(error: ValidationError) -> str:
    """Return what is wrong with an entry, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'entry'}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors()
    )


def why_inconsistent(entries: Iterable[TrustedKey]) -> str | None:
    """Return why entries cannot stand together, None if they can: a key has one holder and one entry at a time."""
    by_key: dict[str, list[TrustedKey]] = {}
    for entry in entries:
        by_key.setdefault(entry.public_key, []).append(entry)
    first = datetime.min.replace(tzinfo=UTC)
    for key, own in by_key.items():
        if len(names := {entry.name for entry in own}) > 1:
            return f"the key {key[:16]}... has several holders: {', '.join(sorted(names))}"
        own.sort(key=lambda entry: entry.trusted_from or first)
        for earlier, later in pairwise(own):
            if earlier.revoked_on is None or (later.trusted_from or first) < earlier.revoked_on:
                return f"two entries of {earlier.name} for the key {key[:16]}... hold at the same time"
    return None


def parse_moment(value: Any) -> datetime:
    """Return a moment in UTC. A day means its first moment, and a time without a zone is UTC.

    Raises:
        ValueError: The value is neither a day nor a moment.
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, date) and not isinstance(moment, datetime):
            moment = datetime.combine(moment, time())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, AttributeError) as error:
        wanted = "write it as 2026-11-29 or 2026-11-29T09:00:00Z"
        raise ValueError(f"{value!r} is not a day or a moment; {wanted}") from error


def format_moment(moment: datetime) -> str:
    """Return a moment as the trust file holds it, to the millisecond, as the records do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _until(moment: datetime | None, end: datetime) -> str:
    return format_moment(moment) if moment is not None and moment <= end else "-"


def _when_trusted(entries: list[TrustedKey], moment: datetime) -> str:
    """Say why no entry holds at a moment."""
    ended = [entry.revoked_on for entry in entries if entry.revoked_on is not None and entry.revoked_on <= moment]
    if ended:
        return f"which was revoked on {format_moment(max(ended))}"
    began = min(entry.trusted_from for entry in entries if entry.trusted_from is not None)
    return f"which is trusted from {format_moment(began)} on"
