"""MLflow's model registry through its database.

Importing mlflow and opening a client takes three to seven seconds, most of what a release command would wait for. The
tables are those of one version of MLflow's schema, and whoever uses this module checks `schema_revision` first. Reads
and writes are those of MLflow's own store, in one transaction each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import sqlalchemy as sa

from registry.storage.database import create_engine
from registry.storage.model_version import ModelRegistryError, VersionRow
from registry.storage.store import Store, journal_uri, without_password

SCHEMA = "dc11669786a5"  # of the locked mlflow; a test compares it with the one that mlflow expects
DELETED = "Deleted_Internal"  # the stage of a version that was deleted in MLflow
WORKSPACE = "default"


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, ("workspace", *columns)))


MODELS = _table("registered_models", "name")
MODEL_TAGS = _table("registered_model_tags", "name", "key", "value")
ALIASES = _table("registered_model_aliases", "name", "alias", "version")
VERSIONS = _table("model_versions", "name", "version", "run_id", "source", "storage_location", "current_stage")
VERSION_TAGS = _table("model_version_tags", "name", "version", "key", "value")
RUNS = sa.table("runs", *map(sa.column, ("run_uuid", "artifact_uri")))


def schema_revision(store: Store) -> str | None:
    """Return the version of MLflow's schema in its database, or None where MLflow has no tables yet.

    Raises:
        ModelRegistryError: The database cannot be read.
    """
    database = _at_mlflow(store)
    if database.sqlite_file is not None and not database.sqlite_file.exists():
        return None  # connecting would create the file
    with _transaction(database) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


@dataclass(frozen=True)
class SqlRegistry:
    """The model registry in the tables of MLflow's database.

    Attributes:
        store: Where MLflow is.
        has_tables: Whether MLflow has made its tables. Before that there is nothing to find.
    """

    store: Store
    has_tables: bool = True

    def read_alias(self, name: str, alias: str) -> int | None:
        """Return the version that an alias names, or None."""
        wanted = _is(ALIASES, name=name, alias=alias)
        with self._read() as connection:
            version = connection.scalar(sa.select(ALIASES.c.version).where(wanted)) if connection else None
        # SQLite keeps text in a column of numbers too. No version has the number 0, so the alias is put back
        return version if version is None or isinstance(version, int) else 0

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias name a version that is there."""
        with self._write() as connection:
            there = sa.select(VERSIONS.c.version).where(_is_there(name, version)).with_for_update()
            if connection is None or connection.scalar(there) is None:
                raise ModelRegistryError(f"{name} has no version {version} (any more) in MLflow")
            _upsert(connection, ALIASES, {"name": name, "alias": alias}, {"version": version})

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias. One that is not there is not an error."""
        with self._write() as connection:
            if connection is not None:
                connection.execute(sa.delete(ALIASES).where(_is(ALIASES, name=name, alias=alias)))

    def find_version(self, name: str, version: int) -> VersionRow | None:
        """Return a version, or None where there is none or it was deleted."""
        with self._read() as connection:
            found = _versions(connection, _is_there(name, version)) if connection else []
        return found[0] if found else None

    def find_versions(self, name: str, candidate_id: str | None) -> list[VersionRow]:
        """Return the versions, newest first, None for those of every candidate."""
        wanted = _is_there(name)
        if candidate_id is not None:
            tagged = _is(VERSION_TAGS, name=name, key="candidate_id", value=candidate_id)
            wanted &= VERSIONS.c.version.in_(sa.select(VERSION_TAGS.c.version).where(tagged))
        with self._read() as connection:
            return _versions(connection, wanted) if connection else []

    def model_tags(self, name: str) -> dict[str, str] | None:
        """Return the tags of a registered model, or None where there is no such model."""
        with self._read() as connection:
            if connection is None or not _has_model(connection, name):
                return None
            wanted = _is(MODEL_TAGS, name=name)
            rows = connection.execute(sa.select(MODEL_TAGS.c.key, MODEL_TAGS.c.value).where(wanted))
            return {key: value or "" for key, value in rows}

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of a registered model that is there."""
        with self._write() as connection:
            if connection is None or not _has_model(connection, name):
                raise ModelRegistryError(f"{name} is not a registered model in MLflow; run `vox run {name}`")
            _upsert(connection, MODEL_TAGS, {"name": name, "key": key}, {"value": value})

    def version_location(self, name: str, version: int) -> str | None:
        """Return the address of a version's files, or None where there is no such version."""
        query = sa.select(VERSIONS.c.storage_location, VERSIONS.c.source).where(_is_there(name, version))
        with self._read() as connection:
            row = connection.execute(query).first() if connection else None
        return None if row is None else row.storage_location or row.source or ""

    def run_location(self, run_id: str) -> str | None:
        """Return the address of a run's artifacts, or None where there is no such run."""
        query = sa.select(RUNS.c.artifact_uri).where(RUNS.c.run_uuid == run_id)
        with self._read() as connection:
            return connection.scalar(query) if connection else None

    @contextmanager
    def _read(self) -> Iterator[sa.Connection | None]:
        if not self.has_tables:
            yield None
            return
        with _transaction(_at_mlflow(self.store)) as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection | None]:
        if not self.has_tables:
            yield None
            return
        with _transaction(_at_mlflow(self.store), begin="BEGIN IMMEDIATE") as connection:
            yield connection


def _at_mlflow(store: Store) -> Store:
    """Return the store with MLflow's database in the place of the journal's, which may be another."""
    return replace(store, database_uri=journal_uri(store.tracking_uri))


@contextmanager
def _transaction(database: Store, begin: str = "BEGIN") -> Iterator[sa.Connection]:
    """Open a transaction. It is committed at the end and undone on an exception."""
    try:
        with create_engine(database, begin=begin).connect() as connection, connection.begin():
            yield connection
    except sa.exc.SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        shown = without_password(database.database_uri)
        raise ModelRegistryError(f"MLflow's database {shown} cannot be used ({reason}); see `vox doctor`") from error


def _is(table: sa.TableClause, **values: object) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.workspace == WORKSPACE, *(table.c[key] == value for key, value in values.items()))


def _is_there(name: str, version: int | None = None) -> sa.ColumnElement[bool]:
    """Return the condition of the versions of a model, or of one of them, that were not deleted."""
    wanted = {"name": name} if version is None else {"name": name, "version": version}
    return _is(VERSIONS, **wanted) & (VERSIONS.c.current_stage != DELETED)


def _has_model(connection: sa.Connection, name: str) -> bool:
    return connection.scalar(sa.select(MODELS.c.name).where(_is(MODELS, name=name))) is not None


def _versions(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> list[VersionRow]:
    """Return the versions that fulfil a condition, newest first."""
    columns = (VERSIONS.c.name, VERSIONS.c.version, VERSIONS.c.run_id)
    rows = connection.execute(sa.select(*columns).where(wanted).order_by(VERSIONS.c.version.desc())).all()
    tags: dict[int, dict[str, str]] = {row.version: {} for row in rows}
    if rows:
        its_tags = _is(VERSION_TAGS, name=rows[0].name) & VERSION_TAGS.c.version.in_(tags)
        for tag in connection.execute(sa.select(VERSION_TAGS).where(its_tags)):
            tags[tag.version][tag.key] = tag.value or ""
    return [VersionRow(row.name, row.version, row.run_id or "", tags[row.version]) for row in rows]


def _upsert(connection: sa.Connection, table: sa.TableClause, key: dict[str, str], values: dict[str, object]) -> None:
    """Write values into the row with a key, which is made if there is none."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # a tenth of a second that SQLite does not need
    statement = insert(table).values(workspace=WORKSPACE, **key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["workspace", *key], set_=values))
