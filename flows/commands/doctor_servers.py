"""What `vox doctor` says about the servers: each is asked what a run or a release would ask of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from flows.commands.findings import Finding
from registry.errors import RegistryError
from registry.storage.database import create_engine, exclusive_lock
from registry.storage.mlflow_rest import open_session
from registry.storage.store import Store, open_store, without_password

if TYPE_CHECKING:
    import requests

SECONDS = 10.0  # for one answer
NO_SUCH_PATH = "vox_doctor"  # in the artifact store; listing it asks the store and finds nothing
OK, UNAUTHORIZED = 200, (401, 403)


def server_findings() -> list[Finding]:
    """Return what is true of Prefect, MLflow, the journal's database and the DVC remote."""
    findings = [_prefect()]
    try:
        store = open_store()
        findings += [*_mlflow(store), _journal(store)]
    except RegistryError as error:
        findings.append(Finding("MLflow registry", "wrong", str(error)))
    return [*findings, _dvc_remote()]


def _prefect() -> Finding:
    import requests

    from flows.prefect_server import running_server

    background = running_server()  # also keeps loopback addresses from a proxy
    named = os.environ.get("PREFECT_API_URL", "")
    url = named or background
    if not url:
        return Finding("Prefect server", "absent", "not running; `vox run` starts one")
    try:
        with requests.Session() as session:
            answer = _get(session, f"{url}/admin/version")
        theirs = answer.json()
    except (_NoAnswerError, ValueError) as error:
        reason = str(error) if isinstance(error, _NoAnswerError) else "does not answer as Prefect does"
        how = "start it, or unset PREFECT_API_URL and let `vox run` start one" if named else "run `vox server stop`"
        return Finding("Prefect server", "wrong", f"{without_password(url)} {reason}; {how}")
    return Finding("Prefect server", "ok", f"{without_password(url)}, {_versions('prefect', theirs)}")


def _mlflow(store: Store) -> Iterator[Finding]:
    uri, shown = store.tracking_uri.rstrip("/"), without_password(store.tracking_uri)
    if not uri.startswith("http"):
        yield Finding("MLflow registry", "ok", shown)  # the journal's database, which is looked at below
        return
    with open_session(uri) as session:  # logs in as a release does
        try:
            theirs = _get(session, f"{uri}/version").text.strip()
        except _NoAnswerError as error:
            if error.status in UNAUTHORIZED:
                user = os.environ.get("MLFLOW_TRACKING_USERNAME") or "an unnamed user"
                detail = f"{shown} refuses {user}; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            else:
                detail = f"{shown} {error}; start it, or correct MLFLOW_TRACKING_URI"
            yield Finding("MLflow registry", "wrong", detail)
            return
        yield Finding("MLflow registry", "ok", f"{shown}, {_versions('mlflow', theirs)}")
        try:
            _get(session, f"{uri}/api/2.0/mlflow-artifacts/artifacts", path=NO_SUCH_PATH)
        except _NoAnswerError as error:
            detail = f"{shown} {error} when asked for artifacts; look at the server's log and its artifact store"
            yield Finding("MLflow artifacts", "wrong", detail)
        else:
            yield Finding("MLflow artifacts", "ok", "the server reaches its artifact store")


def _journal(store: Store) -> Finding:
    from sqlalchemy import text

    shown = without_password(store.database_uri)
    if store.sqlite_file is not None:
        is_there = store.sqlite_file.is_file()
        return Finding("release journal", "ok", shown if is_there else f"{shown}, made at the first registration")
    try:
        with create_engine(store).connect() as connection:
            number = connection.scalar(text("SHOW server_version"))
        with exclusive_lock(store, "doctor", wait_seconds=SECONDS):
            pass
    except RegistryError as error:
        return Finding("release journal", "wrong", str(error))
    return Finding("release journal", "ok", f"{shown}, PostgreSQL {number}, locks are held")


def _dvc_remote() -> Finding:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            name = repo.config["core"].get("remote")
            if not name:
                return Finding(
                    "DVC remote", "absent", "none; `dvc remote add --default NAME s3://BUCKET/PATH` adds one"
                )
            remote = repo.cloud.get_remote(name)
            where = remote.fs.unstrip_protocol(remote.path)
            remote.fs.exists(remote.fs.join(remote.path, NO_SUCH_PATH))
    except DvcException as error:
        return Finding("DVC remote", "wrong", str(error))
    except Exception as error:  # noqa: BLE001 - the libraries of the stores share no base class
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return Finding(
            "DVC remote", "wrong", f"{where} cannot be read ({reason}); check the address and its credentials"
        )
    return Finding("DVC remote", "ok", where)


class _NoAnswerError(Exception):
    """A server gave no answer, or not the one that was hoped for.

    Attributes:
        status: The HTTP status, 0 where nothing came.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def _get(session: requests.Session, url: str, **fields: str) -> requests.Response:
    """Return a server's answer with status 200.

    Args:
        session: With the settings for this server.
        url: What to ask for.
        **fields: The query.

    Raises:
        _NoAnswerError: In words that follow the server's name.
    """
    import requests

    try:
        answer = session.get(url, params=fields, timeout=SECONDS)
    except requests.RequestException as error:
        raise _NoAnswerError(f"does not answer ({type(error).__name__})") from error
    if answer.status_code != OK:
        raise _NoAnswerError(f"answers with status {answer.status_code}", answer.status_code)
    return answer


def _versions(package: str, theirs: Any) -> str:
    ours = version(package)
    return f"version {theirs}" + ("" if theirs == ours else f"; ours is {ours}, and one version is tested")
