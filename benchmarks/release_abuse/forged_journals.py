"""Forged databases: journal, verdicts, and MLflow's own tables, changed as somebody who can write there would.

A forger gets a scene and a source of chance, changes something, and returns in words what it changed.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from registry.keys.ed25519 import make_key, public_key_of, sign_with
from registry.storage.record import record_message, stamp_hash

ODD_TEXTS = (
    "[/x]",
    "[bold red]x[/]",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "a\r\nb\x00c",
    "<script>alert(1)</script>",
    "' OR 1=1; DROP TABLE voxfoundry_records; --",
    "../../etc/passwd",
    "..",
    "",
    "x" * 100_000,
    "%s%n{0}${HOME}$(touch executed)`touch executed`",
    "\u202egnp.exe",
    "\ud800",
    "9" * 400,
    "-1",
    "NaN",
    "null",
)
COLUMNS = ("utc", "kind", "content", "prev_hash", "hash", "public_key", "signature")
MODEL_TABLES = ("registered_models", "registered_model_tags", "registered_model_aliases", "model_versions")


@dataclass(frozen=True)
class Scene:
    """A project that is forged.

    Attributes:
        root: The project.
        older: mlflow.db and releases/ as they were before the newest release.
        foreign: A project with other candidates whose journal the same key signed.
    """

    root: Path
    older: Path
    foreign: Path

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """Open the project's database and commit at the end."""
        connection = sqlite3.connect(self.root / "mlflow.db")
        connection.execute("ATTACH ? AS older", (str(self.older / "mlflow.db"),))
        connection.execute("ATTACH ? AS foreign_", (str(self.foreign / "mlflow.db"),))
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    def models(self) -> list[Path]:
        """Return the folders of MLflow's models, by the number of their candidate."""
        found = {path.read_text(): path for path in (self.root / "mlartifacts").rglob("gpt/model.safetensors")}
        return [
            next(model.parent for model in found[text].parents if model.name == "artifacts") for text in sorted(found)
        ]


Forger = Callable[[Scene, random.Random], str]


def odd_text(random_: random.Random) -> str:
    """Return a text that would be harmful where it is printed, parsed or run, without what SQLite cannot keep."""
    return random_.choice(ODD_TEXTS).replace("\ud800", "?")


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
        ids = [row[0] for row in database.execute("SELECT value FROM model_version_tags WHERE key = 'candidate_id'")]
        rows = database.execute("SELECT number, content FROM voxfoundry_records WHERE kind = 'release'").fetchall()
        number, content = random_.choice(rows)
        for each in ids[:2]:
            content = content.replace(each, ids[random_.choice((2, 3))])
        content = content.replace('"to_version":2', '"to_version":4')
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
    """Append a release of an unjudged candidate, signed and chained, by a key that nobody trusts."""
    key = scene.root.parent / "forger.pem"
    make_key(key)
    with scene.database() as database:
        ids = [row[0] for row in database.execute("SELECT value FROM model_version_tags WHERE key = 'candidate_id'")]
        (identity,) = database.execute("SELECT id FROM voxfoundry_database").fetchone()
        last = "SELECT number, utc, content, hash, voice FROM voxfoundry_records WHERE kind = 'release' ORDER BY number"
        number, utc, content, digest, voice = database.execute(f"{last} DESC").fetchone()
        (top,) = database.execute("SELECT max(number) FROM voxfoundry_records").fetchone()
        database.execute("DELETE FROM voxfoundry_records WHERE number > ?", (number,))
        content = content.replace(ids[1], ids[random_.choice((2, 3))]).replace(
            '"refers_to":null', f'"refers_to":{number}'
        )
        fields = {"database_id": identity, "voice": voice, "number": number + 1, "utc": utc, "kind": "release"}
        fields |= {"content_sha256": sha256(content.encode()).hexdigest(), "prev_hash": digest}
        fields["public_key"] = public_key_of(key)
        digest = stamp_hash(**fields)
        signature = sign_with(key, record_message(digest)).signature
        row = {"voice": voice, "number": number + 1, "utc": utc, "kind": "release", "content": content}
        row |= {name: fields[name] for name in ("prev_hash", "public_key")} | {"hash": digest, "signature": signature}
        names = ", ".join(row)
        database.execute(f"INSERT INTO voxfoundry_records ({names}) VALUES (:{', :'.join(row)})", row)
        _put_end_right(database)
    return f"row {number + 1} of {top} by an untrusted key"


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


def move_alias(scene: Scene, random_: random.Random) -> str:
    """Move MLflow's alias by hand."""
    version = random_.choice((1, 3, 4, 99, -1, 2**40, "four", None))
    with scene.database() as database:
        if version is None:
            database.execute("DELETE FROM registered_model_aliases")
        else:
            database.execute("UPDATE registered_model_aliases SET version = ?", (version,))
    return f"alias at {version}"


def forge_model(scene: Scene, random_: random.Random) -> str:
    """Delete the registered model and make it anew with other candidates in the numbers, or edit versions and tags."""
    odd = odd_text(random_)
    with scene.database() as database:
        what = random_.choice(("renumbered", "tag", "source", "gone", "bound", "deleted"))
        if what == "renumbered":
            for table in ("model_versions", "model_version_tags"):
                database.execute(f"UPDATE {table} SET version = version + 100")
                database.execute(f"UPDATE {table} SET version = 105 - version")
        elif what == "tag":
            key = random_.choice(("candidate_id", "model_sha256", "weights_sha256", "scores_sha256", "voice_path"))
            other = "(SELECT value FROM model_version_tags AS o WHERE o.key = t.key AND o.version = 2)"
            value = random_.choice((other, "'" + odd.replace("'", "") + "'"))
            database.execute(
                f"UPDATE model_version_tags AS t SET value = {value} WHERE key = ? AND version > 2", (key,)
            )
        elif what == "source":
            value = random_.choice((odd, "file:///etc", "models:/../..", "http://127.0.0.1:1/x", "s3://x/y"))
            column = random_.choice(("source", "storage_location"))
            version = random_.choice((2, 3, 4))
            database.execute(f"UPDATE model_versions SET {column} = ? WHERE version = ?", (value, version))
        elif what == "gone":
            database.execute("DELETE FROM model_versions WHERE version = ?", (random_.choice((1, 2, 3, 4)),))
        elif what == "bound":
            database.execute("DELETE FROM registered_model_tags")
            if random_.random() < 0.7:
                row = ("voxfoundry_database_id", odd)
                database.execute(
                    "INSERT INTO registered_model_tags SELECT ?, ?, name, workspace FROM registered_models", row
                )
        else:
            for table in random_.sample(MODEL_TABLES, random_.randrange(1, 5)):
                database.execute(f"DELETE FROM {table}")
    return f"model: {what}"


DATABASE_FORGERS: tuple[Forger, ...] = (
    edit_row,
    edit_release,
    delete_rows,
    replay_rows,
    foreign_rows,
    forge_end,
    drop_tables,
    sign_with_own_key,
    older_copies,
    forge_verdict,
    move_alias,
    forge_model,
)


def _any_row(database: sqlite3.Connection, random_: random.Random) -> int:
    return random_.choice([row[0] for row in database.execute("SELECT number FROM voxfoundry_records")])


def _put_end_right(database: sqlite3.Connection) -> None:
    """Let the end name the last row. Its signature stays the old one, or becomes an older one where that fits."""
    newest = "FROM voxfoundry_records ORDER BY number DESC LIMIT 1"
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
