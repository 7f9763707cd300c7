"""What `vox doctor` says about the servers: each is asked what a run or a release would ask of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flows.commands.findings import Finding
from registry.errors import RegistryError
from registry.storage.database import create_engine, exclusive_lock
from registry.storage.store import Store, open_store, without_password

if TYPE_CHECKING:
    import requests

SECONDS = 10.0  # for one answer
LOOPBACK = ("127.0.0.1", "localhost", "::1")
NO_SUCH_PATH = "vox_doctor"  # in the artifact store; listing it asks the store and finds nothing
UNAUTHORIZED = (401, 403)


def server_findings() -> list[Finding]:
    """Return what is true of Prefect, MLflow, the journal's database and the DVC remote."""
    findings = [_prefect()]
    try:
        store = open_store()
    except RegistryError as error:
        findings.append(Finding("MLflow registry", "wrong", str(error)))
    else:
        findings += [*_mlflow(store), _journal(store)]
    return [*findings, _dvc_remote()]


def _prefect() -> Finding:
    from flows.prefect_server import running_server

    named = os.environ.get("PREFECT_API_URL", "")
    url = named or running_server()
    if not url:
        return Finding("Prefect server", "absent", "not running; `vox run` starts one")
    answer = _get(f"{url}/admin/version")
    if isinstance(answer, str):
        how = "start it, or unset PREFECT_API_URL and let `vox run` start one" if named else "run `vox server stop`"
        return Finding("Prefect server", "wrong", f"{without_password(url)} {answer}; {how}")
    return Finding("Prefect server", "ok", f"{without_password(url)}, {_versions('prefect', answer.json())}")


def _mlflow(store: Store) -> Iterator[Finding]:
    uri, shown = store.tracking_uri, without_password(store.tracking_uri)
    if not uri.startswith("http"):
        yield Finding("MLflow registry", "ok", shown)  # the journal's database, which is looked at below
        return
    answer = _get(f"{uri}/version", mlflow=True)
    if isinstance(answer, str):
        yield Finding("MLflow registry", "wrong", f"{shown} {answer}; start it, or correct MLFLOW_TRACKING_URI")
        return
    if answer.status_code in UNAUTHORIZED:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME") or "nobody"
        detail = f"{shown} refuses {user}; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        yield Finding("MLflow registry", "wrong", detail)
        return
    yield Finding("MLflow registry", "ok", f"{shown}, {_versions('mlflow', answer.text.strip())}")
    api = f"{uri}/api/2.0/mlflow-artifacts/artifacts"
    answer = _get(api, mlflow=True, path=NO_SUCH_PATH)
    if isinstance(answer, str) or not answer.ok:
        reason = answer if isinstance(answer, str) else f"answers with status {answer.status_code}"
        detail = f"{shown} {reason} for its artifacts; look at the server's log and at its artifact store"
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


def _get(url: str, *, mlflow: bool = False, **fields: str) -> requests.Response | str:
    """Return a server's answer, or in words why there is none.

    Args:
        url: What to ask for.
        mlflow: Whether MLflow's user and password go with it.
        **fields: The query.
    """
    import requests

    with requests.Session() as session:
        session.trust_env = urlsplit(url).hostname not in LOOPBACK  # a proxy is another machine with another loopback
        if mlflow and (user := os.environ.get("MLFLOW_TRACKING_USERNAME")):
            session.auth = (user, os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))
        try:
            return session.get(url, params=fields, timeout=SECONDS)
        except requests.RequestException as error:
            return f"does not answer ({type(error).__name__})"


def _versions(package: str, theirs: Any) -> str:
    ours = version(package)
    return f"version {theirs}" + ("" if theirs == ours else f"; ours is {ours}, and one version is tested")
