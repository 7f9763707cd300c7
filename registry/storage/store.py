"""Where MLflow and the journal are kept.

By default both are in `mlflow.db` in the project's root, with the artifacts in `mlartifacts/`. MLFLOW_TRACKING_URI
moves them: to another SQLite file, to PostgreSQL, or to an MLflow server. A server hides its database, so
VOXFOUNDRY_DATABASE_URI must then name the database of the journal (the server's own is the natural choice).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from registry.errors import RegistryError
from registry.storage.masking import mask_secrets
from registry.storage.mlflow_tables import create_mlflow_tables

if TYPE_CHECKING:
    from mlflow import MlflowClient

MARKER = "params.yaml"  # the file that makes a folder the root of a project


class StoreError(RegistryError, RuntimeError):
    """The settings do not lead to MLflow or to the journal. The message says what to set."""


@dataclass(frozen=True)
class Store:
    """The addresses of MLflow and of the journal. Making one opens no file and no connection."""

    root: Path
    tracking_uri: str
    database_uri: str  # SQLAlchemy URL of the journal
    artifacts: str | None  # where new experiments keep artifacts; None where the server decides

    @property
    def sqlite_file(self) -> Path | None:
        """Return the database file, or None where the database is a server."""
        return _file_of(self.database_uri)


def find_root(start: Path | None = None) -> Path:
    """Return the folder with params.yaml, from `start` (default: the working folder) upwards.

    Raises:
        StoreError: No folder on the way up has one.
    """
    start = (start or Path.cwd()).absolute()
    for folder in (start, *start.parents):
        if (folder / MARKER).is_file():
            return folder
    raise StoreError(f"no {MARKER} in {start} or above it; run this inside a Voxfoundry project")


def tracking_uri(root: Path | None = None) -> str:
    """Return MLflow's address, as set or the default. It may hold a password, so do not show it unchanged."""
    named = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    file = (find_root() if root is None else root.absolute()) / "mlflow.db"
    # MLflow takes what follows sqlite:/// for a path without decoding it, and would make a folder with %25 in its name
    prefix = "sqlite" if _quoted(file) == str(file) else "sqlite+pysqlite"
    return named or f"{prefix}:///{_quoted(file)}"


def without_password(uri: str) -> str:
    """Return an address without user, password and secrets in its options, so that it may be shown."""
    if "://" not in uri:  # mistyped, and then what stands before an @ may be a password too
        return mask_secrets(uri.rpartition("@")[2])
    scheme, separator, rest = uri.partition("://")
    if not scheme.startswith("sqlite"):  # there is no user, but a folder's name may hold an @
        rest = rest.rpartition("@")[2]
    return mask_secrets(f"{scheme}{separator}{rest}")


def open_store(root: Path | None = None) -> Store:
    """Return the addresses for a project (default: the one around the working folder).

    Raises:
        StoreError: The settings name no database that can hold a journal.
    """
    root = find_root() if root is None else root.absolute()
    tracking = tracking_uri(root)
    database = os.environ.get("VOXFOUNDRY_DATABASE_URI", "").strip()
    scheme, shown = tracking.partition(":")[0], without_password(tracking)
    if not scheme.startswith(("sqlite", "postgres")) and not _is_server(tracking):
        raise StoreError(
            f"MLFLOW_TRACKING_URI is {shown!r}; it must begin with sqlite:///, postgresql:// or http(s)://, "
            "because a release needs a database that can lock"
        )
    if scheme.startswith("http") and not database:
        raise StoreError(
            f"MLFLOW_TRACKING_URI is the server {shown}, which hides its database; set VOXFOUNDRY_DATABASE_URI "
            "to the database for the release journal (sqlite:///FILE or postgresql://...)"
        )
    if not scheme.startswith("http"):
        journal_uri(tracking)  # refuses an address that MLflow could not use
    artifacts = None if scheme.startswith("http") else (root / "mlartifacts").as_uri()
    return Store(root, tracking, journal_uri(database or tracking), artifacts)


def mlflow_client(store: Store) -> MlflowClient:
    """Return a client of the store's MLflow. The first call in a process imports mlflow (3-7 s)."""
    # Set before the import, because mlflow reads some of it then: no pickle is ever loaded, nothing is reported
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")  # 30 s for a server that is down, minutes with 7
    # Versions and runs live in one place; mlflow would follow another registry's name where it downloads a version
    os.environ["MLFLOW_REGISTRY_URI"] = store.tracking_uri
    return _client(store.tracking_uri)


def _file_of(uri: str) -> Path | None:
    """Return the file of a SQLite address, or None."""
    prefix, separator, path = uri.partition(":///")
    path = unquote(path.partition("?")[0])
    return Path(path) if prefix.startswith("sqlite") and separator and path not in ("", ":memory:") else None


def _quoted(file: Path) -> str:
    """Return a path for an address. SQLAlchemy decodes %20 in it, and takes what follows a ? for options."""
    return str(file).replace("%", "%25").replace("?", "%3F")


@lru_cache(maxsize=8)
def _client(tracking_uri: str) -> MlflowClient:
    import logging

    from mlflow import MlflowClient

    # they announce every migration ("Creating initial MLflow database tables") in front of the first verdict
    for name in ("mlflow.store.db.utils", "alembic.runtime.migration"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if (database := _file_of(tracking_uri)) is not None:
        create_mlflow_tables(database)
    return MlflowClient(tracking_uri, registry_uri=tracking_uri)


def journal_uri(uri: str) -> str:
    """Return a database's address as SQLAlchemy takes it, a file's path absolute.

    Raises:
        StoreError: It is not the address of a database that can hold a journal.
    """
    if uri.startswith("postgres://"):  # SQLAlchemy dropped this spelling, but hosting providers still use it
        uri = "postgresql://" + uri.removeprefix("postgres://")
    if not uri.startswith(("sqlite", "postgresql")):
        raise StoreError(
            f"the release journal cannot live in {uri.partition(':')[0]}; "
            "set VOXFOUNDRY_DATABASE_URI to sqlite:///FILE or postgresql://..."
        )
    prefix, separator, path = uri.partition(":///")
    if prefix.startswith("sqlite"):
        path, mark, query = path.partition("?")
        if not separator or path in ("", ":memory:"):
            raise StoreError(f"{uri!r} names no file, and a journal in memory would be lost; use sqlite:///FILE")
        file = Path(unquote(path)).absolute()
        _check_place(file)
        uri = f"{prefix}:///{_quoted(file)}{mark}{query}"
    try:
        make_url(uri)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is not a number
        raise StoreError(
            f"{without_password(uri)!r} is not the address of a database; write postgresql://USER:PASSWORD@HOST/NAME, "
            "with %40 for an @ in the password"
        ) from error
    return uri


def _check_place(file: Path) -> None:
    """Refuse a database file that cannot be one. SQLite would only say that it is unable to open it."""
    advice = "set MLFLOW_TRACKING_URI or VOXFOUNDRY_DATABASE_URI to sqlite:///FILE"
    try:
        if file.is_dir():
            raise StoreError(f"{file} is a folder, but the registry's database is a file; {advice}")
        existing = next(parent for parent in file.parents if parent.exists())
    except OSError as error:
        raise StoreError(f"{str(file)[:200]} cannot be a database ({error.strerror}); {advice}") from error
    if not existing.is_dir():
        raise StoreError(f"{existing} is a file, so there cannot be a database {file} in it; {advice}")


def _is_server(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
