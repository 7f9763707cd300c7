"""Signers for tests: a private key in a file, and entries of the trust file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from registry.keys.ed25519 import Signature, make_key, public_key_of, sign_with
from registry.keys.trust import TRUST_FILE


@dataclass(frozen=True)
class Signer:
    """Somebody with a key."""

    name: str
    path: Path

    @property
    def public_key(self) -> str:
        return public_key_of(self.path)

    def sign(self, message: str) -> Signature:
        return sign_with(self.path, message)

    def entry(self, *roles: str, start: str | None = None, end: str | None = None) -> dict:
        """Return an entry of the trust file."""
        return {
            "name": self.name,
            "public_key": self.public_key,
            "roles": list(roles),
            "trusted_from": start,
            "revoked_on": end,
        }


def make_signer(folder: Path, name: str) -> Signer:
    """Return a signer with a key of their own in the folder."""
    path = folder / f"{name}.pem"
    make_key(path)
    return Signer(name, path)


def write_trust(root: Path, entries: Iterable[dict]) -> Path:
    """Write a trust file as a person would, and return it."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / TRUST_FILE
    with path.open("w", encoding="utf-8") as file:
        YAML().dump({"keys": list(entries)}, file)
    path.chmod(0o644)
    return path
