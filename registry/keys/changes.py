"""Edits of the trust file: trust a key, rotate this machine's own, revoke.

An edit ends entries and adds others. It is checked as it will be read before it replaces the file, and comments that
people wrote stay.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from registry.keys.ed25519 import SigningError, make_key, public_key_of
from registry.keys.roles import ROLES, Role
from registry.keys.signing import ensure_own_key, own_public_key
from registry.keys.trust import (
    TRUST_FILE,
    TrustedKey,
    find_trust_file,
    format_moment,
    list_faults,
    parse_entries,
    private_key_path,
    read_entries,
)

HEADER = (
    "Whose signatures count, see docs/keys.md. Change it with `vox keys`, and have every change reviewed: whoever can\n"
    "write this file decides who may release. Keep entries that ended: they prove what was signed before.\n"
)


def trust_key(
    root: Path,
    name: str,
    public_key: str,
    roles: tuple[Role, ...],
    *,
    since: datetime | None = None,
    moment: datetime | None = None,
) -> str:
    """Trust a key in some roles, and return what changed in a sentence.

    The first key is the machine's own. It is trusted from the beginning, so that what it signed before stays valid.
    A key that is trusted already gets the new roles instead of its old ones.

    Args:
        root: The project's root.
        name: The person or service who holds the key.
        public_key: The key in hex.
        roles: What its signatures count for.
        since: From when, default now, or `moment` where the key gets other roles.
        moment: The moment at which roles end. `next_moment` of registry/storage/records.py gives one that no row is
            after, also where a clock is ahead. Default now.

    Raises:
        SigningError: The trust file is missing and this is not the own key, or the result would be wrong.
    """
    with _editing(root) as file:
        if not os.path.lexists(file):
            if public_key != own_public_key(root):
                raise SigningError(
                    f"there is no {TRUST_FILE} yet, and the first key must be this machine's own, or it could not sign "
                    "any more; run `vox keys trust YOUR_NAME` first"
                )
            entries, moment = [_new_entry(name, public_key, ROLES, None)], moment or datetime.now(UTC)
            if set(roles) != set(ROLES):  # what it signed before, alone and in every role, stays valid
                entries[0]["revoked_on"] = format_moment(moment)
                entries.append(_new_entry(name, public_key, roles, moment))
            _replace(file, _new_document(entries))
            return f"wrote {file}: {name} is trusted as {', '.join(roles)}; from now on no other key is"
        now, document = datetime.now(UTC), _load(file)
        open_entries = [
            (number, entry)
            for number, entry in enumerate(read_entries(file))
            if entry.public_key == public_key and entry.revoked_on is None
        ]
        start = since or ((moment or now) if open_entries else now)
        for number, entry in open_entries:
            if (entry.name, set(entry.roles)) == (name, set(roles)):
                return f"{name} is trusted as {', '.join(roles)} already"
            document["keys"][number]["revoked_on"] = format_moment(start)
        document["keys"].append(_new_entry(name, public_key, roles, start))
        _replace(file, document)
    before = f" instead of {', '.join(open_entries[-1][1].roles)}" if open_entries else ""
    return f"{name} is trusted as {', '.join(roles)}{before} from {format_moment(start)} on"


def revoke_keys(root: Path, who: str, *, since: datetime | None = None) -> tuple[TrustedKey, ...]:
    """Revoke every key of a name, or the key whose hex digits begin with `who`, and return the entries that ended.

    Args:
        root: The project's root.
        who: A name, or at least eight hex digits.
        since: The first moment that does not count, default now. A moment in the past says that the key was stolen
            then: what it signed since does not count.

    Raises:
        SigningError: No such key is trusted, it is revoked already, or no other key would be left.
    """
    moment = since or datetime.now(UTC)
    with _editing(root) as file:
        entries = _require_file(file)
        chosen = [
            number
            for number, entry in enumerate(entries)
            if entry.name == who or (len(who) >= 8 and entry.public_key.startswith(who.lower()))
        ]
        if not chosen:
            names = ", ".join(sorted({entry.name for entry in entries}))
            raise SigningError(f"no trusted key belongs to {who!r} or begins with it; {file.name} names {names}")
        if len({entries[number].name for number in chosen}) > 1:
            raise SigningError(f"{who} is the beginning of several keys; give more digits")
        document, ended = _load(file), []
        for number in chosen:
            entry = entries[number]
            end = max(moment, entry.trusted_from) if entry.trusted_from is not None else moment
            if entry.revoked_on is None or end < entry.revoked_on:
                document["keys"][number]["revoked_on"] = format_moment(end)
                ended.append(entry.model_copy(update={"revoked_on": end}))
        if not ended:
            raise SigningError(f"the keys of {entries[chosen[0]].name} are revoked already, see `vox keys list`")
        if all(number in chosen or entry.revoked_on is not None for number, entry in enumerate(entries)):
            raise SigningError(
                f"{who} holds the last trusted key, and without it nobody could release; trust another one first with "
                "`vox keys trust`, or replace this machine's own with `vox keys rotate`"
            )
        _replace(file, document)
    return tuple(ended)


def rotate_own_key(root: Path, *, moment: datetime | None = None) -> tuple[str, str]:
    """Replace this machine's key by a new one in the same roles, and return the old and the new one in hex.

    A rotation that was killed is finished by the next one.

    Args:
        root: The project's root.
        moment: The moment at which the old key ends. `next_moment` of registry/storage/records.py gives one that no row
            is after, also where a clock is ahead. Default now.

    Raises:
        SigningError: The key is not trusted by a trust file, or the environment names it.
    """
    path = private_key_path(root)
    if os.environ.get("VOXFOUNDRY_SIGNING_KEY", "").strip():
        raise SigningError(
            f"VOXFOUNDRY_SIGNING_KEY names the key {path}; make a new one with `vox keys create --output FILE`, trust "
            "it, let the variable name it, and revoke the old one"
        )
    with _editing(root) as file:
        entries, old, next_path = _require_file(file), own_public_key(root), path.with_name("next.pem")
        # 1. Write the new private key beside the old one
        make_key(next_path)
        new = public_key_of(next_path)
        # 2. End the old key's entries, and let the new key begin now in the same roles
        if not any(entry.public_key == new for entry in entries):
            now, document = datetime.now(UTC), _load(file)
            own = [n for n, entry in enumerate(entries) if entry.public_key == old and entry.revoked_on is None]
            if not own:
                next_path.unlink()
                raise SigningError(f"this machine's key is not trusted now, so it has no roles to pass on; see {file}")
            document["keys"][own[-1]]["revoked_on"] = format_moment(moment or now)
            entry = entries[own[-1]]
            document["keys"].append(_new_entry(entry.name, new, entry.roles, now))
            _replace(file, document)
        # 3. Put the new private key into place; the old one is gone, because nothing can be signed with it any more
        next_path.replace(path)
    return str(old), new


def create_key(root: Path, output: Path | None) -> tuple[Path, str]:
    """Make a private key, for this machine or in a file for another one, and return its file and the public key.

    Args:
        root: The project's root.
        output: The file to write, None for this machine's own key, which stays if it is there.

    Raises:
        SigningError: The file exists already.
    """
    if output is None:
        path = ensure_own_key(root)
    elif os.path.lexists(output):
        raise SigningError(f"{output} exists already, and a key that signed something must not be lost; name another")
    else:
        make_key(path := output)
    return path, public_key_of(path)


def read_public_key(given: str | None, root: Path) -> str:
    """Return the public key in hex that somebody names: a PEM file, 64 hex digits, or None for the own key.

    Raises:
        SigningError: It is neither, or the file holds something else.
    """
    if given is None:
        return public_key_of(ensure_own_key(root))
    if len(given) == 64 and set(given.lower()) <= set("0123456789abcdef"):
        return given.lower()
    if Path(given).is_file():
        return public_key_of(Path(given))
    raise SigningError(f"{given!r} is neither a file nor a public key of 64 hex digits; `vox keys create` prints one")


def default_roles(root: Path, public_key: str) -> tuple[Role, ...] | None:
    """Return the roles of a key that is trusted without naming any: all for the own key that begins the trust file."""
    return ROLES if find_trust_file(root) is None and public_key == own_public_key(root) else None


@contextmanager
def _editing(root: Path) -> Iterator[Path]:
    """Hold the lock under which the trust file is changed, and yield the file, which may not exist yet."""
    file = find_trust_file(root) or root / TRUST_FILE
    folder = root / ".vox"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "trusted_keys.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file


def _require_file(file: Path) -> tuple[TrustedKey, ...]:
    if not os.path.lexists(file):
        raise SigningError(
            f"there is no {TRUST_FILE}, so only this machine's own key is trusted; run `vox keys trust YOUR_NAME`, "
            "which writes it"
        )
    return read_entries(file)


def _new_document(entries: list[CommentedMap]) -> CommentedMap:
    document = CommentedMap({"keys": entries})
    document.yaml_set_start_comment(HEADER)
    return document


def _new_entry(name: str, public_key: str, roles: tuple[Role, ...], start: datetime | None) -> CommentedMap:
    """Return an entry as the file holds it."""
    try:
        entry = TrustedKey(name=name, public_key=public_key, roles=roles, trusted_from=start)
    except ValidationError as error:
        raise SigningError(f"the key cannot be trusted: {list_faults(error)}; nothing was changed") from error
    return CommentedMap(entry.model_dump(mode="json"))


def _load(file: Path) -> Any:
    return _yaml().load(file.read_text(encoding="utf-8"))


def _replace(file: Path, document: Any) -> None:
    """Replace the trust file, after checking that it will be read. A killed process leaves the old or the new one."""
    buffer = StringIO()
    _yaml().dump(document, buffer)
    parse_entries(buffer.getvalue(), file)
    target = file.resolve()
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(buffer.getvalue())
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(type(None), lambda as_, _: as_.represent_scalar("tag:yaml.org,2002:null", "null"))
    return yaml
