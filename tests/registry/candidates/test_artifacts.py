"""Copies of what a server keeps: checked before they are kept and whenever they are used, and bounded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
from local_servers import free_ports
from release_helpers import LINEAGE, policy, scorecard, write_scores, write_voice_folder

from registry.candidates import artifacts
from registry.candidates.artifacts import CACHE, keep_copy
from registry.candidates.candidate import find_candidate, score_folder_of, voice_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.candidates.registration import register_candidate
from registry.releases.audit import audit
from registry.storage.store import Store, open_store
from registry.verdicts.gating import gate_candidate

DIGEST = "a" * 64


class Server:
    """A server's folder with one file, as `fetch` and `check` see it."""

    def __init__(self) -> None:
        self.content, self.n_fetched = b"right", 0

    def fetch(self, folder: Path) -> None:
        self.n_fetched += 1
        (folder / "file").write_bytes(self.content)

    def check(self, folder: Path) -> None:
        if (folder / "file").read_bytes() != b"right":
            raise CandidateError("it is not right")

    def keep(self, store: Store) -> Path:
        return keep_copy(store, DIGEST, fetch=self.fetch, check=self.check)


@pytest.fixture
def server() -> Server:
    return Server()


def kept(store: Store) -> set[str]:
    return {path.name for path in (store.root / CACHE).iterdir()}


def test_copy_is_fetched_once(bare_store, server):
    first = server.keep(bare_store)
    assert (first / "file").read_bytes() == b"right"
    assert server.keep(bare_store) == first
    assert server.n_fetched == 1


def test_truncated_answer_is_refused_and_not_kept(bare_store, server):
    server.content = b"rig"
    for _ in range(2):
        with pytest.raises(CandidateError, match="it is not right"):
            server.keep(bare_store)
    assert kept(bare_store) == set()
    server.content = b"right"
    assert server.keep(bare_store).is_dir()


def test_copy_that_was_changed_is_fetched_anew(bare_store, server):
    (server.keep(bare_store) / "file").write_bytes(b"evil!")
    assert (server.keep(bare_store) / "file").read_bytes() == b"right"
    assert server.n_fetched == 2


def test_server_that_does_not_answer_leaves_nothing(bare_store, server):
    def fail(folder: Path) -> None:
        (folder / "file").write_bytes(b"ri")
        raise CandidateError("503")

    with pytest.raises(CandidateError, match="503"):
        keep_copy(bare_store, DIGEST, fetch=fail, check=server.check)
    assert kept(bare_store) == set()


def test_full_disk_is_one_sentence(bare_store, server):
    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(CandidateError, match=r"cannot be written .*No space left.*make room"):
        keep_copy(bare_store, DIGEST, fetch=fail, check=server.check)


def test_many_downloads_at_once_do_not_trip_over_each_other(bare_store):
    def keep(number: int) -> bool:
        server = Server()
        place = keep_copy(bare_store, f"{number % 100:064x}", fetch=server.fetch, check=server.check)
        return (place / "file").read_bytes() == b"right"

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(keep, range(400)))


def test_cache_keeps_what_was_used_last_and_forgets_killed_downloads(bare_store, monkeypatch):
    cache = bare_store.root / CACHE
    hours = {"partial-killed": 2.0, "partial-now": 0.0, "old": 5.0, "older": 6.0, "recent": 3.0, "in-use": 0.1}
    for name, age in hours.items():
        (cache / name).mkdir(parents=True)
        (cache / name / "file").write_bytes(bytes(100))
        moment = time.time() - age * 3600
        os.utime(cache / name, (moment, moment))
    monkeypatch.setattr(artifacts, "MAX_BYTES", 250)
    Server().keep(bare_store)
    assert kept(bare_store) == {"partial-now", "recent", "in-use", DIGEST}


@pytest.fixture
def mlflow_server(tmp_path, monkeypatch):
    """Start an MLflow server that hands artifacts out itself, and let the store use it."""
    folder, port = tmp_path / "server", free_ports(1)
    folder.mkdir()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "all")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline, answer = time.monotonic() + 180, build_opener(ProxyHandler({}))
        while True:
            try:
                answer.open(f"{address}/health", timeout=5).close()
                break
            except (URLError, OSError):
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.2)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("VOXFOUNDRY_DATABASE_URI", f"sqlite:///{tmp_path / 'journal.db'}")
        yield folder
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.slow
def test_version_on_a_server_is_downloaded_once_and_nothing_stays_in_the_temporary_folder(
    mlflow_server, tmp_path, monkeypatch
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    root = tmp_path / "project"
    root.mkdir()
    store = open_store(root)
    candidate = register_candidate(
        store,
        "anna",
        voice_folder=write_voice_folder(tmp_path / "build/voice"),
        scorecard_path=write_scores(tmp_path / "build", scorecard()),
        lineage=LINEAGE,
    )
    gate_candidate(store, "anna", policy=policy(), first_release=True)
    folder = voice_folder_of(store, candidate)
    assert folder.is_relative_to(root / CACHE)
    # The copies serve while the server's artifacts are away
    hidden = (mlflow_server / "all").rename(mlflow_server / "away")
    assert voice_folder_of(store, find_candidate(store, "anna")) == folder
    assert score_folder_of(store, candidate).is_relative_to(root / CACHE)
    assert audit(store, "anna") == ()
    hidden.rename(mlflow_server / "all")
    # Neither a changed copy nor a changed artifact is used
    (folder / "gpt/model.safetensors").write_text("changed")
    assert (voice_folder_of(store, candidate) / "gpt/model.safetensors").read_text() == "gpt weights"
    (folder / "gpt/model.safetensors").write_text("changed")
    next((mlflow_server / "all").rglob("voice_model.py")).write_text("changed")
    with pytest.raises(CandidateError, match=r"voice_model\.py changed"):
        voice_folder_of(store, candidate)
    assert list(temporary.iterdir()) == []
