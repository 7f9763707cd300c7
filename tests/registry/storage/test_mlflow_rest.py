"""How an MLflow server is asked: who logs in, what is patient with it, and what a wrong answer becomes."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from registry.storage import mlflow_rest
from registry.storage.mlflow_rest import RestRegistry
from registry.storage.model_version import ModelRegistryError
from registry.storage.store import Store

SETTINGS = ("USERNAME", "PASSWORD", "TOKEN", "INSECURE_TLS", "SERVER_CERT_PATH", "CLIENT_CERT_PATH")
MODEL = json.dumps({"registered_model": {"name": "anna", "aliases": [{"alias": "champion", "version": "3"}]}}).encode()
BUSY, TRUNCATED = (503, b"{}", {}), (200, MODEL[:20], {"Content-Length": str(len(MODEL))})


class Server(ThreadingHTTPServer):
    """Gives its answers in turn, then the model anna, and keeps the headers of what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.asked: list[dict[str, str]] = []

    def store(self, login: str = "") -> Store:
        address = f"http://{login}127.0.0.1:{self.server_address[1]}"
        return Store(Path("/nowhere"), address, "sqlite:////nowhere/journal.db", None)

    def login(self) -> str | None:
        """Return how the last request logged in."""
        return self.asked[-1].get("Authorization")


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        status, body, headers = self.server.answers.pop(0) if self.server.answers else (200, MODEL, {})
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in SETTINGS:
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(server: Server, login: str = "") -> int | None:
    return RestRegistry(server.store(login)).read_alias("anna", "champion")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_nobody_logs_in_by_default(server):
    assert (ask(server), server.login()) == (3, None)


@pytest.mark.parametrize("source", ["environment", "file", "address"])
def test_user_and_password_are_sent(server, monkeypatch, tmp_path, source):
    if source == "environment":
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pa%ss")
    elif source == "file":
        (tmp_path / ".mlflow").mkdir()
        lines = "[mlflow]\nmlflow_tracking_username = anna\nmlflow_tracking_password = pa%ss\n"
        (tmp_path / ".mlflow/credentials").write_text(lines, encoding="utf-8")
    ask(server, "anna:pa%25ss@" if source == "address" else "")
    assert server.login() == basic("anna:pa%ss")


def test_token_is_sent_and_netrc_does_not_replace_it(server, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n", encoding="utf-8")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    ask(server)
    assert server.login() == "Bearer secret"


def test_proxy_of_the_environment_is_not_asked_for_this_machine(server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert ask(server) == 3


def test_busy_server_is_asked_again(server):
    server.answers = [BUSY]
    assert (ask(server), len(server.asked)) == (3, 2)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (BUSY, r"refused registered-models/get \(status 503\)"),
        (TRUNCATED, "does not answer"),
        ((200, b"<html>", {}), "no JSON; check MLFLOW_TRACKING_URI"),
        ((200, b"[1]", {}), "check MLFLOW_TRACKING_URI"),
        ((403, b'{"message": "Permission denied"}', {}), r"refused .* \(status 403\): Permission denied"),
        ((401, b"You are not authenticated.", {}), "status 401"),
    ],
)
def test_wrong_answer_is_one_sentence_without_the_password(server, monkeypatch, answer, message):
    monkeypatch.setattr(mlflow_rest, "N_RETRIES", 0)
    server.answers = [answer]
    with pytest.raises(ModelRegistryError, match=message) as refusal:
        ask(server, "anna:hunter22@")
    assert "hunter22" not in str(refusal.value) and "\n" not in str(refusal.value)


def test_unreadable_credentials_are_named(server, tmp_path):
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow/credentials").write_text("mlflow_tracking_password = hunter22\n", encoding="utf-8")
    with pytest.raises(ModelRegistryError, match=r"~/\.mlflow/credentials cannot be read") as refusal:
        ask(server)
    assert "hunter22" not in str(refusal.value)
