"""What a key looks like: vf_ID_SECRET. The id is public and finds the row. Only a hash of the secret is kept.

The secret has 256 random bits, so nobody can guess it from its SHA-256. A slow hash protects passwords, which have few.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

PREFIX = "vf"
ID_BYTES = 6
SECRET_BYTES = 32
PATTERN = re.compile(r"vf_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class BearerKey(NamedTuple):
    """A key in its two parts. It is secret as a whole, so it is never logged or kept."""

    id: str
    secret: str

    def __str__(self) -> str:
        return f"{PREFIX}_{self.id}_{self.secret}"

    def __repr__(self) -> str:
        return f"<key {self.id}>"


def make_key() -> BearerKey:
    """Return a new random key."""
    return BearerKey(secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES))


def parse_key(text: str) -> BearerKey | None:
    """Return the two parts of a key, or None where the text is not one."""
    match = PATTERN.fullmatch(text)
    return BearerKey(match[1], match[2]) if match else None


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a secret, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def has_hash(secret: str, expected: str) -> bool:
    """Return whether a secret has a hash, in a time that does not depend on where they differ."""
    return hmac.compare_digest(hash_secret(secret), expected)
