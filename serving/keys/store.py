"""Make, list and revoke keys in the database. A revoked key stays listed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import sqlalchemy as sa

from registry.consent.words import PURPOSES
from registry.names import check_voice_name
from serving.database import Database
from serving.errors import ServingError
from serving.keys.bearer import ID_BYTES, PREFIX, BearerKey, hash_secret, make_key
from serving.messages import Lane
from serving.tables import KEYS

LANES: tuple[Lane, ...] = get_args(Lane)
MAX_NAME = 100
SHOWN_ID = re.compile(rf"^{PREFIX}_([0-9a-f]{{12}})(_.*)?$")  # a name can begin with vf_ too
N_PUBLIC = len(PREFIX) + 1 + 2 * ID_BYTES  # characters of a key before its secret


class KeyChangeError(ServingError, ValueError):
    """A key cannot be made or revoked like this. The message says what would be right."""


@dataclass(frozen=True, kw_only=True)
class KeyRow:
    """A key as the database knows it.

    Attributes:
        id: Its public part, 12 hex digits.
        name: Its owner. Two keys of one name see the same jobs, so that a key can be replaced.
        secret_sha256: Of the secret part, in hex.
        voices: The voices that it covers, None for all. The same holds for lanes and purposes.
        lanes: The lanes that it covers.
        purposes: The purposes that it covers. A request without a purpose needs a key for all of them.
        requests_per_minute: Its rate on one node, None without a limit.
        created_at: When it was made.
        expires_at: First moment at which it does not count, None without one.
        revoked_at: When it was revoked, None where it was not.
    """

    id: str
    name: str
    secret_sha256: str
    voices: tuple[str, ...] | None
    lanes: tuple[str, ...] | None
    purposes: tuple[str, ...] | None
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def why_invalid(self, now: datetime) -> str | None:
        """Return why it does not count at a moment, None where it does."""
        if self.revoked_at is not None:
            return "was revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return f"expired on {self.expires_at:%Y-%m-%d}"
        return None


def create_key(
    database: Database,
    name: str,
    *,
    voices: Sequence[str] = (),
    lanes: Sequence[str] = (),
    purposes: Sequence[str] = (),
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> BearerKey:
    """Make a key and return it. Its secret is not kept, so this is the only time that it can be shown.

    Args:
        database: Of serving.
        name: Its owner, 1 to 100 printable characters.
        voices: The voices that it covers, none for all.
        lanes: The lanes that it covers, none for both.
        purposes: The purposes that it covers, none for all.
        requests_per_minute: Its rate on one node, at least 1, None without a limit.
        expires_at: First moment at which it does not count, None without one.

    Raises:
        KeyChangeError: A value is not possible.
        DatabaseUnreachableError: The database does not answer.
    """
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise KeyChangeError(f"the name of a key has 1 to {MAX_NAME} printable characters, seen: {name[:MAX_NAME]!r}")
    for what, values, known in (("lane", lanes, LANES), ("purpose", purposes, PURPOSES)):
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise KeyChangeError(f"{unknown[0]!r} is not a {what}; write one of {', '.join(known)}")
    for voice in voices:
        check_voice_name(voice)
    if requests_per_minute is not None and requests_per_minute < 1:
        raise KeyChangeError(
            f"requests per minute are at least 1, seen: {requests_per_minute}; to stop a key, revoke it"
        )
    now = datetime.now(UTC)
    if expires_at is not None and expires_at <= now:
        raise KeyChangeError(f"the key would have expired on {expires_at:%Y-%m-%d %H:%M}; give a moment in the future")
    key = make_key()
    row = {
        "id": key.id,
        "name": name.strip(),
        "secret_sha256": hash_secret(key.secret),
        "voices": _unique(voices),
        "lanes": _unique(lanes),
        "purposes": _unique(purposes),
        "requests_per_minute": requests_per_minute,
        "created_at": now,
        "expires_at": expires_at,
    }
    with database.transaction() as connection:
        connection.execute(sa.insert(KEYS).values(row))
    return key


def list_keys(database: Database) -> list[KeyRow]:
    """Return all keys, the oldest first, revoked and expired ones too."""
    with database.transaction(only_reads=True) as connection:
        rows = connection.execute(sa.select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id)).mappings().all()
    sets = ("voices", "lanes", "purposes")
    return [
        KeyRow(**dict(row) | {name: None if row[name] is None else tuple(row[name]) for name in sets}) for row in rows
    ]


def read_stamp(database: Database) -> tuple[object, ...]:
    """Return a value that is another one after a key was made or revoked. It costs less than reading all keys."""
    stamp = sa.select(
        sa.func.count(),
        sa.func.max(KEYS.c.created_at),
        sa.func.count(KEYS.c.revoked_at),
        sa.func.max(KEYS.c.revoked_at),
    ).select_from(KEYS)
    with database.transaction(only_reads=True) as connection:
        return tuple(connection.execute(stamp).one())


def revoke_keys(database: Database, who: str) -> list[KeyRow]:
    """Revoke the key with an id, or every key of a name, and return what was revoked now.

    Args:
        database: Of serving.
        who: The id of a key (12 hex digits, also with vf_ in front), a whole key, or a name. Where one key has it as
            its id and others as their name, it is the id.

    Raises:
        KeyChangeError: No key has this id or name.
    """
    who = who.strip()
    key_id, rows = SHOWN_ID.sub(r"\1", who), list_keys(database)
    found = [row for row in rows if row.id == key_id] or [row for row in rows if row.name == who]
    if not found:
        shown = who[:N_PUBLIC] if who.startswith(f"{PREFIX}_") else who[:MAX_NAME]  # without the secret of a key
        raise KeyChangeError(f"there is no key with the id or name {shown!r}; `vox api-keys list` shows all")
    ids = [row.id for row in found if row.revoked_at is None]
    with database.transaction() as connection:
        revoke = sa.update(KEYS).where(KEYS.c.id.in_(ids), KEYS.c.revoked_at.is_(None))
        connection.execute(revoke.values(revoked_at=datetime.now(UTC)))
    return [row for row in found if row.id in ids]


def _unique(values: Sequence[str]) -> list[str] | None:
    return sorted(set(values)) or None
