"""A real PostgreSQL on loopback for tests, one per process that asks for it.

PostgreSQL refuses to run as root, so root runs it as the user `postgres` that Debian's package makes.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stages.execution.processes import die_with_parent

USER = "voxfoundry"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
    "shared_buffers": "32MB",
    "fsync": "off",  # the machine does not lose power in a test, and every commit is twice as fast
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
}


class Postgres:
    """A server of its own in a temporary folder.

    Attributes:
        port: The port on 127.0.0.1, the same after a restart.
        password: Of the only user, who owns every database.
    """

    def __init__(self, programs: Path, **settings: str) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="voxfoundry_postgres_"))
        self._settings = SETTINGS | settings
        self._process: subprocess.Popen | None = None
        self._n_databases = 0
        self._owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self._owner:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o644)  # inside a folder that only the owner can enter
        options = ["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", f"--username={USER}"]
        initdb = [self._programs / "initdb", *options, f"--pwfile={password_file}", self._data]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **self._as_owner())

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy address of a database, with its password."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        log = (self._folder / "log").open("a")
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, "-p", str(self.port), "-k", self._folder, *settings],
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
            **self._as_owner(),
        )
        log.close()
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.execute("SELECT 1")
            except subprocess.CalledProcessError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.05)

    @property
    def is_running(self) -> bool:
        """Whether the server was started and not stopped."""
        return self._process is not None

    def stop(self, *, crash: bool = False) -> None:
        """Stop the server. Every connection is cut. After a crash it recovers at the next start."""
        if self._process is not None:
            self._process.send_signal(3 if crash else 2)  # SIGQUIT is an immediate shutdown, SIGINT a fast one
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop(crash=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def execute(self, sql: str, database: str = "postgres") -> None:
        """Run SQL without Python's drivers."""
        arguments = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--host={self._folder}", f"--port={self.port}"]
        subprocess.run(
            [self._programs / "psql", *arguments, f"--username={USER}", f"--command={sql}", database],
            check=True,
            capture_output=True,
            env=os.environ | {"PGPASSWORD": self.password},
        )

    def make_database(self, template: str | None = None) -> str:
        """Make a database, a copy of another one where a template is named, and return its name."""
        self._n_databases += 1
        name = f"test_{self._n_databases}"
        if template is not None:  # it can only be copied while nobody is connected
            self.cut_connections(template)
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return name

    def copy_of(self, address: str) -> str:
        """Copy the database of an address and return the copy's address."""
        return self.url(self.make_database(address.rpartition("/")[2]))

    def cut_connections(self, database: str) -> None:
        """End every session of a database, as an administrator or a failover does."""
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _as_owner(self) -> dict:
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": [], "cwd": self._folder}


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def find_programs() -> Path | None:
    """Return the folder with initdb and postgres, the newest that Debian has installed, or None."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = shutil.which("initdb")
    if installed:
        return installed[-1].parent
    return Path(found).resolve().parent if found else None


def skip_without_server(reason: str) -> None:
    """Skip a test whose server is not installed. CI sets VOXFOUNDRY_TEST_SERVERS=required, and there it fails."""
    if os.environ.get("VOXFOUNDRY_TEST_SERVERS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running_postgres(**settings: str) -> Iterator[Postgres]:
    """Run a server with settings of its own, and skip the test where PostgreSQL is not installed."""
    if not importlib.util.find_spec("psycopg"):
        skip_without_server("psycopg is not installed; it comes with the extra [postgres]")
    programs = find_programs()
    if programs is None:
        skip_without_server("PostgreSQL is not installed; apt-get install postgresql-15")
    server = Postgres(programs, **settings)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL of this test process. Tests take databases from it, and one that stops it starts it again."""
    with running_postgres() as server:
        yield server
