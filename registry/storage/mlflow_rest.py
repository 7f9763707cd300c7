"""MLflow's model registry through the REST interface of an MLflow server.

The calls are those of MLflow's own client, without its import. The settings with which MLflow logs in are honoured:
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (also in ~/.mlflow/credentials), MLFLOW_TRACKING_TOKEN,
MLFLOW_TRACKING_INSECURE_TLS, MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_CLIENT_CERT_PATH.
"""

from __future__ import annotations

import configparser
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from registry.storage.model_version import ModelRegistryError, VersionRow
from registry.storage.store import Store, without_password

if TYPE_CHECKING:
    import requests

API = "/api/2.0/mlflow"
ABSENT = "RESOURCE_DOES_NOT_EXIST"
CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
N_RETRIES = 4  # with pauses of 0, 1, 2 and 4 s: a server that restarts is waited for
BUSY_CODES = (429, 502, 503, 504)
PAGE_SIZE = 10_000


@dataclass(frozen=True)
class RestRegistry:
    """The model registry that an MLflow server answers for."""

    store: Store

    def read_alias(self, name: str, alias: str) -> int | None:
        """Return the version that an alias names, or None."""
        model = self._model(name) or {}
        found = [each["version"] for each in model.get("aliases", []) if each["alias"] == alias]
        return int(found[0]) if found else None

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias name a version that is there."""
        self._call("POST", "registered-models/alias", name=name, alias=alias, version=str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias. One that is not there is not an error."""
        if self.read_alias(name, alias) is not None:
            self._call("DELETE", "registered-models/alias", name=name, alias=alias)

    def find_version(self, name: str, version: int) -> VersionRow | None:
        """Return a version, or None where there is none or it was deleted."""
        found = self._find("model-versions/get", name=name, version=str(version))
        return None if found is None else _as_row(found["model_version"])

    def find_versions(self, name: str, candidate_id: str | None) -> list[VersionRow]:
        """Return the versions, newest first, None for those of every candidate."""
        query = f"name='{name}'" + ("" if candidate_id is None else f" and tags.candidate_id='{candidate_id}'")
        rows: list[VersionRow] = []
        fields = {"filter": query, "order_by": "version_number DESC", "max_results": str(PAGE_SIZE)}
        while True:
            page = self._call("GET", "model-versions/search", **fields)
            rows += map(_as_row, page.get("model_versions", []))
            if not (token := page.get("next_page_token")):
                return rows
            fields["page_token"] = token

    def model_tags(self, name: str) -> dict[str, str] | None:
        """Return the tags of a registered model, or None where there is no such model."""
        model = self._model(name)
        return None if model is None else _tags(model)

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of a registered model that is there."""
        self._call("POST", "registered-models/set-tag", name=name, key=key, value=value)

    def version_location(self, name: str, version: int) -> str | None:
        """Return the address of a version's files, or None where there is no such version."""
        found = self._find("model-versions/get-download-uri", name=name, version=str(version))
        return None if found is None else found.get("artifact_uri", "")

    def run_location(self, run_id: str) -> str | None:
        """Return the address of a run's artifacts, or None where there is no such run."""
        found = self._find("runs/get", run_id=run_id)
        return None if found is None else found["run"]["info"]["artifact_uri"]

    def _model(self, name: str) -> dict[str, Any] | None:
        found = self._find("registered-models/get", name=name)
        return None if found is None else found["registered_model"]

    def _find(self, path: str, **fields: str) -> dict[str, Any] | None:
        """Return what the server answers to a GET, or None where it says that there is no such thing."""
        answer = self._call("GET", path, absent_is_none=True, **fields)
        return None if answer.get("error_code") == ABSENT else answer

    def _call(self, method: str, path: str, *, absent_is_none: bool = False, **fields: str) -> dict[str, Any]:
        """Return the JSON object that the server answers.

        Args:
            method: GET, POST or DELETE.
            path: The call, such as `registered-models/get`.
            absent_is_none: Whether the answer that there is no such thing is returned instead of raised.
            **fields: What the call takes.

        Raises:
            ModelRegistryError: The server refuses, cannot be reached, or is not MLflow's.
        """
        import requests

        address = self.store.tracking_uri.rstrip("/")
        where = f"the MLflow server {without_password(address)}"
        sent: dict[str, Any] = {"params": fields} if method == "GET" else {"json": fields}
        try:
            with open_session(address) as session:
                sent["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
                sent["verify"] = session.verify  # REQUESTS_CA_BUNDLE would come before what only the session says
                response = session.request(method, f"{address}{API}/{path}", **sent)
                answer = response.json()
        except requests.exceptions.JSONDecodeError as error:
            raise ModelRegistryError(
                f"{where} answered {path} with status {response.status_code} and no JSON; check MLFLOW_TRACKING_URI"
            ) from error
        except requests.RequestException as error:
            raise ModelRegistryError(
                f"{where} does not answer ({type(error).__name__}); check MLFLOW_TRACKING_URI and start the server"
            ) from error
        if not isinstance(answer, dict):
            raise ModelRegistryError(f"{where} answered {path} with {answer!r:.60}; check MLFLOW_TRACKING_URI")
        if response.ok or (absent_is_none and answer.get("error_code") == ABSENT):
            return answer
        reason = " ".join(str(answer.get("message", answer)).split())
        raise ModelRegistryError(f"{where} refused {path} (status {response.status_code}): {reason}")


def open_session(address: str) -> requests.Session:
    """Return a session with an MLflow server: logged in as MLflow's settings say, patient with a busy server.

    Args:
        address: The server's, which may hold a user and a password.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    if _is_loopback(address):
        session.trust_env = False  # a proxy of the environment is another machine, whose loopback is not ours
    # Each call may be given twice: it sets or removes what it names
    retries = Retry(N_RETRIES, backoff_factor=0.5, status_forcelist=BUSY_CODES, allowed_methods=None)
    retries.raise_on_status = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    user, password = _user_and_password()
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        session.auth = (user, password)
    elif token:
        session.auth = _Bearer(token)
    if certificate := os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"):
        session.verify = certificate
    elif os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        session.verify = False
    session.cert = os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    return session


@dataclass(frozen=True)
class _Bearer:
    """Logs in with a token. A header alone would be replaced by what ~/.netrc says about the host."""

    token: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def _user_and_password() -> tuple[str | None, str | None]:
    """Return user and password from the environment, else from MLflow's own file."""
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    file = configparser.ConfigParser(interpolation=None)
    try:
        file.read(Path.home() / ".mlflow" / "credentials", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, RuntimeError) as error:
        raise ModelRegistryError(f"~/.mlflow/credentials cannot be read ({type(error).__name__}); correct it") from None
    user, password = (os.environ.get(name) or file.get("mlflow", name, fallback=None) for name in names)
    return user, password


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _tags(part: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in part.get("tags", [])}


def _as_row(version: dict[str, Any]) -> VersionRow:
    return VersionRow(version["name"], int(version["version"]), version.get("run_id", ""), _tags(version))
