"""`vox keys`: create, trust, list, rotate and revoke keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from flows.console import print_error, print_line, print_table
from registry.errors import RegistryError
from registry.keys import changes
from registry.keys.ed25519 import public_pem
from registry.keys.roles import WHAT_A_ROLE_DOES, Role
from registry.keys.signing import own_public_key
from registry.keys.trust import TRUST_FILE, TrustedKey, format_moment, load_trust, parse_moment
from registry.storage.records import list_voices, next_moment
from registry.storage.store import Store, find_root, open_store

COLUMNS = ("name", "key", "roles", "from (UTC)", "until (UTC)", "")
SMALL_DIFFERENCE = timedelta(seconds=2)  # between the clocks of machines, not worth a word
KEY_DIGITS = 16  # of a public key in a table: enough to tell keys apart


def create(output: Path | None) -> int:
    """Make a key and print what to do with its public half."""
    path, public_key = changes.create_key(find_root(), output)
    print_line(f"private key: {path} (keep it secret, and keep a copy in a safe place)")
    print_line(f"public key:  {public_key}")
    print_line(public_pem(public_key).rstrip())
    print_line(f"whoever keeps {TRUST_FILE} trusts it with: vox keys trust NAME {public_key} --role ROLE")
    return 0


def trust(name: str, key: str | None, *, roles: tuple[str, ...], since: str | None) -> int:
    """Trust a key in some roles, from a day or moment on."""
    root = find_root()
    public_key = changes.read_public_key(key, root)
    chosen = tuple(dict.fromkeys(roles)) or changes.default_roles(root, public_key)
    if not chosen:
        what = "; ".join(f"{role} {does}" for role, does in WHAT_A_ROLE_DOES.items())
        raise ValueError(f"name what {name} may sign with --role: {what}")
    print_line(changes.trust_key(root, name, public_key, chosen, since=_moment(since), moment=_next_moment(root)))
    _print_commit(root)
    return 0


def show(*, as_json: bool) -> int:
    """Print the entries of the trust file."""
    root = find_root()
    known, own, now = load_trust(root), own_public_key(root), datetime.now(UTC)
    if as_json:
        rows = [entry.model_dump(mode="json") | {"own": entry.public_key == own} for entry in known.entries]
        file = str(known.file) if known.file is not None else None
        print(json.dumps({"file": file, "keys": rows}, indent=2))
        return 0
    print_table([_row(entry, own, now=now) for entry in known.entries], header=COLUMNS)
    if known.file is None:
        print_line(f"there is no {TRUST_FILE}: this machine's own key alone counts, in every role (docs/keys.md)")
    elif own is None or not known.roles_of(own):
        print_line("this machine's own key is not trusted, so it can read and check but not sign")
    return 0


def rotate() -> int:
    """Replace this machine's key."""
    root = find_root()
    old, new = changes.rotate_own_key(root, moment=_next_moment(root))
    print_line(f"this machine signs with {new[:KEY_DIGITS]}... now; what {old[:KEY_DIGITS]}... signed stays valid")
    _print_commit(root)
    return 0


def revoke(who: str, *, since: str | None) -> int:
    """Revoke keys, print which, and put champions back that were released with them since. Return 1 if one was not."""
    root = find_root()
    for entry in changes.revoke_keys(root, who, since=_moment(since) or _next_moment(root)):
        until = format_moment(entry.revoked_on or datetime.now(UTC))
        print_line(f"the key {entry.public_key[:KEY_DIGITS]}... of {entry.name} does not count from {until} on")
    _print_commit(root)
    if since is None:
        return 0
    store = open_store(root)
    recovered = [_recover(store, voice) for voice in list_voices(store)]
    return int(not all(recovered))


def _recover(store: Store, voice: str) -> bool:
    """Print which rows of a voice have no effect, and recover its champion. Return whether it is in service then."""
    from registry.releases.journal import read_journal
    from registry.releases.promotion import recover

    try:
        void = read_journal(store, voice, whole=True).require_whole().records.void
        if not void:
            return True
        print_line(f"{voice}: without effect are the rows {', '.join(map(str, void))}, see `vox releases {voice}`")
        recovery = recover(store, voice)
    except RegistryError as error:
        print_error(f"{voice}: {error}")
        return False
    for note in recovery.notes:
        (print_line if recovery.alias_is_right else print_error)(f"{voice}: {note}")
    return recovery.alias_is_right


def _next_moment(root: Path) -> datetime:
    """Return the moment at which a key ends: now, or right after the newest row where a clock was ahead.

    Keys can be changed where no journal can be read. Then the moment is now.
    """
    now = datetime.now(UTC)
    try:
        moment = next_moment(open_store(root))
    except (RegistryError, SQLAlchemyError) as error:
        print_error(f"the journal cannot be read, so the moment of the change is this machine's clock: {error}")
        return now
    if moment - now > SMALL_DIFFERENCE:
        print_error(
            f"the newest row of the journal is ahead of this machine's clock, so the change is dated "
            f"{format_moment(moment)}; correct the clock that is wrong"
        )
    return moment


def _moment(given: str | None) -> datetime | None:
    return None if given is None else parse_moment(given)


def _row(entry: TrustedKey, own: str | None, *, now: datetime) -> tuple[str, ...]:
    start, end = (
        format_moment(moment)[:19].replace("T", " ") if moment is not None else "-"
        for moment in (entry.trusted_from, entry.revoked_on)
    )
    remark = "this machine" if entry.public_key == own else ""
    if not entry.holds_at(now):
        remark = "ended" if entry.revoked_on is not None and entry.revoked_on <= now else "not yet"
    roles: tuple[Role, ...] = entry.roles
    return (entry.name, f"{entry.public_key[:KEY_DIGITS]}...", ", ".join(roles), start, end, remark)


def _print_commit(root: Path) -> None:
    file = load_trust(root).file
    if file is not None and file.parent == root:
        print_line(f"commit {TRUST_FILE}, so that other machines know it")
