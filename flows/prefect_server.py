"""One Prefect server per project, started once in the background and reused by every run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil

from flows.errors import FlowError
from stages.execution.locks import locked
from stages.execution.outputs import write_atomically

HOME = Path(".prefect")
LOOPBACK = ("127.0.0.1", "localhost")
STARTUP_SECONDS = 180  # 9-29 s were measured on two cores; a loaded machine takes longer
STOP_SECONDS = 20
POLL_SECONDS = 0.3
UI_API = "PREFECT_SERVER_UI_API_URL"
SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the run shows its own progress; the server keeps the log
}


class PrefectServerError(FlowError, RuntimeError):
    """No Prefect server answers."""


def ensure_server() -> str:
    """Return the API address of a server that answers.

    One is started where there is none. PREFECT_API_URL, where set, names the server, and none is started. Call this
    before prefect is imported: prefect reads the address and the project's own PREFECT_HOME from the environment then.

    Raises:
        PrefectServerError: With the path of the server's log.
    """
    os.environ.update({key: os.environ.get(key, value) for key, value in SETTINGS.items()})
    _never_proxy_loopback()
    if given := os.environ.get("PREFECT_API_URL"):
        if not _answers(given):
            raise PrefectServerError(
                f"PREFECT_API_URL = {given} does not answer; start that server, unset the variable, or use --no-prefect"
            )
        return given
    HOME.mkdir(exist_ok=True)
    os.environ["PREFECT_HOME"] = str(HOME.absolute())
    # as Prefect names it, but for a project whose path holds % or ?
    database = quote(str(HOME.absolute() / "prefect.db"), safe="/ #")
    os.environ.setdefault("PREFECT_API_DATABASE_CONNECTION_URL", f"sqlite+aiosqlite:///{database}")
    with locked("prefect-server", wait_seconds=STARTUP_SECONDS):
        url = running_server() or _wait_for_started() or _start()
    os.environ["PREFECT_API_URL"] = url
    return url


def running_server() -> str | None:
    """Return the API address of this project's background server, or None where none answers."""
    _never_proxy_loopback()
    record = _record()
    return record["url"] if record and _answers(record["url"]) else None


def stop_server() -> bool:
    """Stop this project's background server, also one that does not answer yet. Return whether one was running."""
    record = _record()
    if not record or not (running_server() or _is_alive(record)):
        return False
    with suppress(ProcessLookupError):
        os.killpg(record["pid"], signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while (_answers(record["url"]) or _is_alive(record)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if _is_alive(record):
        _kill(record["pid"])
    (HOME / "server.json").unlink(missing_ok=True)
    return True


def _never_proxy_loopback() -> None:
    """Except the loopback addresses from HTTP_PROXY, for this process, its clients of the server and its children."""
    hosts = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if hosts.strip() != "*":
        missing = [host for host in LOOPBACK if host not in hosts.split(",")]
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join([*filter(None, [hosts]), *missing])


def _start() -> str:
    """Start a server on a free port, record its address and process, and wait until it answers.

    A run that ends meanwhile, such as by Ctrl-C, ends the server too. One that is killed leaves it to the next run,
    which finds it in the record.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    log_path = HOME / "server.log"
    with log_path.open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, UI_API: url},  # or the pages look for the server on port 4200
            start_new_session=True,  # it outlives this run, for the next one
        )
    with ExitStack() as undo:
        undo.callback((HOME / "server.json").unlink, missing_ok=True)
        undo.callback(_kill, server.pid)
        write_atomically(HOME / "server.json", json.dumps({"url": url, "pid": server.pid}))
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise PrefectServerError(
                    f"the Prefect server ended with code {server.returncode}; see {log_path}, or use --no-prefect"
                )
            if _answers(url):
                undo.pop_all()
                return url
            time.sleep(POLL_SECONDS)
    raise PrefectServerError(
        f"the Prefect server did not answer within {STARTUP_SECONDS} s; see {log_path}, or use --no-prefect"
    )


def _wait_for_started() -> str | None:
    """Return the address of a server that a killed run has started, once it answers. None where none is starting."""
    record = _record()
    deadline = time.monotonic() + STARTUP_SECONDS
    while record is not None and _is_alive(record):
        if _answers(record["url"]):
            return record["url"]
        if time.monotonic() > deadline:
            _kill(record["pid"])
            return None
        time.sleep(POLL_SECONDS)
    return None


def _is_alive(record: dict[str, Any]) -> bool:
    """Return whether the process of a record is still our server. After a restart another may have its number."""
    try:
        command = psutil.Process(record["pid"]).cmdline()
    except psutil.Error:
        return False
    port = str(urlsplit(record["url"]).port)
    return "prefect" in command and command[-2:] == ["--port", port]


def _kill(pid: int) -> None:
    """Kill a server and its children, which are a process group."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _record() -> dict[str, Any] | None:
    try:
        record = json.loads((HOME / "server.json").read_text(encoding="utf-8"))
        return record if isinstance(record.get("pid"), int) and isinstance(record.get("url"), str) else None
    except (FileNotFoundError, ValueError, AttributeError):
        return None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=3) as answer:  # noqa: S310 - our own loopback address
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
