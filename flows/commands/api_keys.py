"""`vox api-keys`: create, list and revoke the keys of the service's clients."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from flows.console import print_line, print_table
from registry.storage.store import find_root
from serving.database import Database, open_database
from serving.keys.store import KeyRow, create_key, list_keys, revoke_keys

COLUMNS = ("id", "name", "voices", "lanes", "purposes", "per minute", "created", "expires", "")


def create(
    name: str,
    *,
    scope: Mapping[str, Sequence[str]],
    per_minute: int | None,
    days: float | None,
    until: datetime | None,
) -> int:
    """Make a key, and print it on a line of its own."""
    if days is not None and until is not None:
        raise ValueError("give --days or --until, and not both")
    expires = None if until is None else until.replace(tzinfo=UTC)
    if days is not None:
        expires = datetime.now(UTC) + timedelta(days=days)
    with _open() as database:
        key = create_key(database, name, **scope, requests_per_minute=per_minute, expires_at=expires)
    print_line(str(key))
    print_line(f"this is the only time that the key {key.id} is shown; clients send it as Authorization: Bearer KEY")
    return 0


def show(*, as_json: bool) -> int:
    """Print all keys, without their secrets."""
    with _open() as database:
        keys = list_keys(database)
    now = datetime.now(UTC)
    if as_json:
        print(json.dumps({"keys": [_public(key, now) for key in keys]}, indent=2))
        return 0
    print_table([_row(key, now) for key in keys], header=COLUMNS)
    return 0


def revoke(who: str) -> int:
    """Revoke keys and print which."""
    with _open() as database:
        revoked = revoke_keys(database, who)
    for key in revoked:
        print_line(f"the key {key.id} of {key.name} is revoked")
    if not revoked:
        print_line("it was revoked before")
    return 0


@contextmanager
def _open() -> Iterator[Database]:
    database = open_database(find_root())
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def _public(key: KeyRow, now: datetime) -> dict[str, object]:
    moments = {name: getattr(key, name) for name in ("created_at", "expires_at", "revoked_at")}
    return {
        "id": key.id,
        "name": key.name,
        "voices": key.voices,
        "lanes": key.lanes,
        "purposes": key.purposes,
        "requests_per_minute": key.requests_per_minute,
        **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
        "valid": key.why_invalid(now) is None,
    }


def _row(key: KeyRow, now: datetime) -> tuple[str, ...]:
    sets = [", ".join(values) if values else "all" for values in (key.voices, key.lanes, key.purposes)]
    rate = str(key.requests_per_minute) if key.requests_per_minute else "-"
    expires = f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "-"
    return (key.id, key.name, *sets, rate, f"{key.created_at:%Y-%m-%d}", expires, key.why_invalid(now) or "")
