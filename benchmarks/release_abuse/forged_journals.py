"""Forged journals and verdicts, changed as somebody who can write to the database would.

A forger gets a scene and a source of chance, changes something, and returns in words what it changed.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from hashlib import sha256
from pathlib import Path

from benchmarks.release_abuse.forged_scene import FAILED, UNAPPROVED, UNJUDGED, Forger, Scene, odd_text
from registry.keys.ed25519 import make_key, public_key_of, sign_with
from registry.storage.record import record_message, stamp_hash

COLUMNS = ("utc", "kind", "content", "prev_hash", "hash", "public_key", "signature")


def edit_row(scene: Scene, random_: random.Random) -> str:
    """Change one column of one row."""
    with scene.database() as database:
        number = _any_row(database, random_)
        column = random_.choice(COLUMNS)
        (value,) = database.execute(f"SELECT {column} FROM voxfoundry_records WHERE number = ?", (number,)).fetchone()
        place = random_.randrange(len(value))
        changed = random_.choice((odd_text(random_), value[:place] + random_.choice("0f:,}") + value[place + 1 :]))
        database.execute(f"UPDATE voxfoundry_records SET {column} = ? WHERE number = ?", (changed, number))
    return f"row {number}: {column} edited"


def edit_release(scene: Scene, random_: random.Random) -> str:
    """Let a release name an unjudged candidate, with every hash computed anew and the old signature."""
    with scene.database() as database:
        rows = database.execute("SELECT number, content FROM voxfoundry_records WHERE kind = 'release'").fetchall()
        number, content = random_.choice(rows)
        content = _about_another(database, content, random_)
        database.execute("UPDATE voxfoundry_records SET content = ? WHERE number = ?", (content, number))
        _hash_again(database)
    return f"row {number}: another candidate, all hashes new"


def delete_rows(scene: Scene, random_: random.Random) -> str:
    """Delete rows, with or without the end put right."""
    with scene.database() as database:
        number = _any_row(database, random_)
        how = random_.choice(("=", ">=", "<="))
        database.execute(f"DELETE FROM voxfoundry_records WHERE number {how} ?", (number,))
        with_end = random_.random() < 0.5
        if with_end:
            _put_end_right(database)
    return f"rows {how} {number} deleted, end {'edited' if with_end else 'kept'}"


def replay_rows(scene: Scene, random_: random.Random) -> str:
    """Append a copy of an earlier row, or renumber two."""
    with scene.database() as database:
        number, other = _any_row(database, random_), _any_row(database, random_)
        (last,) = database.execute("SELECT max(number) FROM voxfoundry_records").fetchone()
        if random_.random() < 0.6:
            columns = "voice, ? , " + ", ".join(COLUMNS)
            names = "voice, number, " + ", ".join(COLUMNS)
            query = (
                f"INSERT INTO voxfoundry_records ({names}) SELECT {columns} FROM voxfoundry_records WHERE number = ?"
            )
            database.execute(query, (last + 1, number))
            what = f"row {number} again as {last + 1}"
        else:
            for old, new in ((number, -1), (other, number), (-1, other)):
                database.execute("UPDATE voxfoundry_records SET number = ? WHERE number = ?", (new, old))
            what = f"rows {number} and {other} exchanged"
        if random_.random() < 0.5:
            _hash_again(database)
    return what


def foreign_rows(scene: Scene, random_: random.Random) -> str:
    """Put rows of another database there, which the same key signed."""
    with scene.database() as database:
        table = random_.choice(("records", "heads", "database"))
        number = random_.randrange(1, 6)
        where = f"number >= {number}" if table == "records" else "true"
        database.execute(f"DELETE FROM voxfoundry_{table} WHERE {where}")
        database.execute(f"INSERT INTO voxfoundry_{table} SELECT * FROM foreign_.voxfoundry_{table} WHERE {where}")
    return f"{table} of another database, {where}"


def forge_end(scene: Scene, random_: random.Random) -> str:
    """Change, delete or replace the signed end, or the id of the database."""
    statements = (
        "DELETE FROM voxfoundry_heads",
        "UPDATE voxfoundry_heads SET number = number - 1",
        "UPDATE voxfoundry_heads SET number = 9223372036854775807",
        "UPDATE voxfoundry_heads SET signature = 'zz'",
        "UPDATE voxfoundry_heads SET public_key = ''",
        "DELETE FROM voxfoundry_database",
        "UPDATE voxfoundry_database SET id = '../x'",
        "INSERT INTO voxfoundry_database SELECT id || '2', utc, public_key, signature FROM voxfoundry_database",
        "REPLACE INTO voxfoundry_heads SELECT * FROM older.voxfoundry_heads",
        "UPDATE voxfoundry_heads SET number = 'many'",
    )
    statement = random_.choice(statements)
    with scene.database() as database:
        database.execute(statement)
    return statement


def drop_tables(scene: Scene, random_: random.Random) -> str:
    """Drop tables of the journal."""
    names = ["records", "heads", "database", "verdicts_by_hash"]
    dropped = random_.sample(names, random_.randrange(1, 5))
    with scene.database() as database:
        for name in dropped:
            database.execute(f"DROP TABLE voxfoundry_{name}")
    return f"tables {', '.join(dropped)} dropped"


def sign_with_own_key(scene: Scene, random_: random.Random) -> str:
    """Append a release of another candidate, signed and chained, by a key that nobody trusts."""
    key = stranger_key(scene)
    with scene.database() as database:
        newest = "SELECT content FROM voxfoundry_records WHERE kind = 'release' ORDER BY number DESC LIMIT 2"
        done, started = (row[0] for row in database.execute(newest))
        started = _about_another(database, started, random_)
        number = _append_signed(database, key, "release", started)
        done = json.loads(started) | {"state": "done", "refers_to": number}
        _append_signed(database, key, "release", json.dumps(done, sort_keys=True, separators=(",", ":")))
        with_end = _sign_end(database, key, random_)
    return f"row {number} by an untrusted key, {with_end}"


def forge_checkpoint(scene: Scene, random_: random.Random) -> str:
    """Let a checkpoint say that another candidate is champion, or take it away, or make one."""
    what = random_.choice(("edited", "deleted", "copied", "signed by a stranger", "another row", "not JSON"))
    newest = "WHERE number = (SELECT max(number) FROM voxfoundry_records WHERE kind = 'checkpoint')"
    with scene.database() as database:
        (content,) = database.execute(f"SELECT content FROM voxfoundry_records {newest}").fetchone()
        if what == "edited":
            edited = _about_another(database, content, random_)
            database.execute(f"UPDATE voxfoundry_records SET content = ? {newest}", (edited,))
        elif what == "deleted":
            database.execute(f"DELETE FROM voxfoundry_records {newest}")
        elif what == "another row":
            number = _any_row(database, random_)
            database.execute("UPDATE voxfoundry_records SET kind = 'checkpoint' WHERE number = ?", (number,))
        elif what == "not JSON":
            database.execute(f"UPDATE voxfoundry_records SET content = ? {newest}", (odd_text(random_),))
        else:
            forged = _about_another(database, content, random_)
            key = stranger_key(scene) if what == "signed by a stranger" else None
            _append_signed(database, key, "checkpoint", forged)
            what += f", {_sign_end(database, key, random_)}"
        if random_.random() < 0.3:
            _hash_again(database)
    return f"checkpoint: {what}"


def forge_approval(scene: Scene, random_: random.Random) -> str:
    """Approve the version that passed and that nobody approved, without a release manager's key."""
    what = random_.choice(("signed by a stranger", "with an old signature", "an approval edited"))
    with scene.database() as database:
        kind_of = "SELECT content FROM voxfoundry_records WHERE kind = ? ORDER BY number DESC LIMIT 1"
        (verdict,), (approval,) = (database.execute(kind_of, (kind,)).fetchone() for kind in ("verdict", "approval"))
        passed = json.loads(verdict)
        content = json.loads(approval) | {"candidate_id": passed["candidate_id"], "verdict_sha256": passed["sha256"]}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        if what == "an approval edited":
            database.execute("UPDATE voxfoundry_records SET content = ? WHERE kind = 'approval'", (text,))
            if random_.random() < 0.5:
                _hash_again(database)
        else:
            key = stranger_key(scene) if what == "signed by a stranger" else None
            for _ in range(random_.choice((1, 3))):
                _append_signed(database, key, "approval", text)
            what += f", {_sign_end(database, key, random_)}"
    return f"approval: {what}"


def older_copies(scene: Scene, random_: random.Random) -> str:
    """Restore older copies of the database, the anchor, or both, or those of another project."""
    source = random_.choice((scene.older, scene.older, scene.foreign))
    names = random_.choice((["mlflow.db"], ["releases"], ["mlflow.db", "releases"]))
    for name in names:
        target = scene.root / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        (shutil.copytree if (source / name).is_dir() else shutil.copy)(source / name, target)
    return f"{' and '.join(names)} from {source.name}"


def forge_verdict(scene: Scene, random_: random.Random) -> str:
    """Turn a failed verdict into a pass, delete it, or put another candidate's there."""
    statements = (
        """UPDATE voxfoundry_verdicts_by_hash SET payload = replace(payload, '"fail"', '"pass"')""",
        "DELETE FROM voxfoundry_verdicts_by_hash",
        "UPDATE voxfoundry_verdicts_by_hash SET payload = ''",
        "UPDATE voxfoundry_verdicts_by_hash SET payload = '[[[[[[' || payload",
        "UPDATE voxfoundry_verdicts_by_hash SET payload = (SELECT max(payload) FROM voxfoundry_verdicts_by_hash)",
        """UPDATE voxfoundry_records SET content = replace(content, '"fail"', '"pass"') WHERE kind = 'verdict'""",
        "DELETE FROM voxfoundry_records WHERE kind = 'verdict' AND content LIKE '%fail%'",
    )
    statement = random_.choice(statements)
    with scene.database() as database:
        database.execute(statement)
        if random_.random() < 0.3:
            _hash_again(database)
    return statement


JOURNAL_FORGERS: tuple[Forger, ...] = (
    edit_row,
    edit_release,
    delete_rows,
    replay_rows,
    foreign_rows,
    forge_end,
    drop_tables,
    sign_with_own_key,
    forge_checkpoint,
    forge_verdict,
    forge_approval,
    older_copies,
)


def stranger_key(scene: Scene) -> Path:
    """Return a private key that nobody trusts."""
    key = scene.root.parent / "stranger.pem"
    if not key.exists():
        make_key(key)
    return key


def _any_row(database: sqlite3.Connection, random_: random.Random) -> int:
    return random_.choice([row[0] for row in database.execute("SELECT number FROM voxfoundry_records")])


def _about_another(database: sqlite3.Connection, content: str, random_: random.Random) -> str:
    """Return the content of a row with a candidate that was not released in the place of the champion."""
    query = "SELECT value FROM model_version_tags WHERE key = 'candidate_id' ORDER BY version"
    ids = [row[0] for row in database.execute(query)]
    number = random_.choice((UNJUDGED, FAILED, UNAPPROVED))
    for released in ids[:2]:
        content = content.replace(released, ids[number - 1])
    return re.sub(r'"(to_version|version)":[12]\b', rf'"\1":{number}', content)


def _append_signed(database: sqlite3.Connection, key: Path | None, kind: str, content: str) -> int:
    """Append a row that continues the chain, and return its number.

    Args:
        database: The forged one.
        key: That signs it. Without one, the row gets the public key and the signature of the newest row.
        kind: Of the row.
        content: What it says.
    """
    names = "voice, number, utc, hash, public_key, signature"
    newest = f"SELECT {names} FROM voxfoundry_records ORDER BY number DESC LIMIT 1"
    voice, number, utc, previous, public_key, signature = database.execute(newest).fetchone()
    (identity,) = database.execute("SELECT id FROM voxfoundry_database").fetchone()
    row = {"voice": voice, "number": number + 1, "utc": utc, "kind": kind, "prev_hash": previous}
    row["public_key"] = public_key if key is None else public_key_of(key)
    digest = stamp_hash(database_id=identity, content_sha256=sha256(content.encode()).hexdigest(), **row)
    row |= {"content": content, "hash": digest, "signature": signature}
    if key is not None:
        row["signature"] = sign_with(key, record_message(digest)).signature
    database.execute(f"INSERT INTO voxfoundry_records ({', '.join(row)}) VALUES (:{', :'.join(row)})", row)
    return number + 1


def _sign_end(database: sqlite3.Connection, key: Path | None, random_: random.Random) -> str:
    """Leave the end as it is, let it name the last row with the old signature, or sign it with a stranger's key."""
    how = random_.choice(("end kept", "end edited", "end signed"))
    if how != "end kept":
        _put_end_right(database)
    if how == "end signed" and key is not None:
        names = "number, hash, utc, voice"
        number, digest, utc, voice = database.execute(f"SELECT {names} FROM voxfoundry_heads").fetchone()
        (identity,) = database.execute("SELECT id FROM voxfoundry_database").fetchone()
        signature = sign_with(key, f"voxfoundry head {identity} {voice} {number} {utc} {digest}")
        statement = "UPDATE voxfoundry_heads SET public_key = ?, signature = ?"
        database.execute(statement, (signature.public_key, signature.signature))
    return how


def _put_end_right(database: sqlite3.Connection) -> None:
    """Let the end name the last row. Its signature stays the old one, or becomes an older one where that fits."""
    newest = "FROM voxfoundry_records ORDER BY number DESC LIMIT 1"
    if database.execute(f"SELECT number {newest}").fetchone() is None:
        database.execute("DELETE FROM voxfoundry_heads")
        return
    database.execute(f"UPDATE voxfoundry_heads SET number = (SELECT number {newest}), hash = (SELECT hash {newest})")
    same = "SELECT * FROM older.voxfoundry_heads WHERE number = (SELECT max(number) FROM voxfoundry_records)"
    database.execute(f"REPLACE INTO voxfoundry_heads {same}")


def _hash_again(database: sqlite3.Connection) -> None:
    """Compute every hash of the chain anew, as somebody without the key can."""
    (identity,) = database.execute("SELECT id FROM voxfoundry_database").fetchone()
    previous = "0" * 64
    names = "voice, number, utc, kind, content, public_key"
    rows = database.execute(f"SELECT {names} FROM voxfoundry_records ORDER BY number").fetchall()
    for voice, number, utc, kind, content, public_key in rows:
        fields = {"database_id": identity, "voice": voice, "number": number, "utc": utc, "kind": kind}
        fields |= {"content_sha256": sha256(content.encode()).hexdigest(), "prev_hash": previous}
        digest = stamp_hash(**fields, public_key=public_key)
        statement = "UPDATE voxfoundry_records SET prev_hash = ?, hash = ? WHERE number = ?"
        database.execute(statement, (previous, digest, number))
        previous = digest
    _put_end_right(database)
