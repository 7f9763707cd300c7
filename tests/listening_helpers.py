"""A voice with a champion (version 1) and a candidate (version 2) whose utterances can be heard."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from release_helpers import LINEAGE, promote_first, scorecard, write_scores, write_voice_folder

from flows.listening_server import Session, make_server, page_address
from gpt_sovits.audio import save_flac
from registry.candidates.candidate import register_candidate
from registry.listening.sessions import open_listening
from registry.storage.store import Store, open_store

PITCH = {1: 110.0, 2: 150.0}  # Hz, of each version: what tells them apart in a test
RATE = 32_000
N_PROMPTS = 10
LEFT_BEHIND = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")  # by MLflow, in the process that registered something


def tone(version: int, seconds: float = 0.5, peak: float = 0.2) -> np.ndarray:
    """A buzz at the version's pitch, (n_samples,) float32."""
    phase = 2 * np.pi * PITCH[version] * np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(n * phase) / n for n in range(1, 9))
    return (peak * wave / np.abs(wave).max()).astype(np.float32)


def pitch_of(waveform: np.ndarray) -> float:
    """The frequency in Hz, of PITCH, that sounds strongest."""
    time = np.arange(len(waveform)) / RATE
    return max(PITCH.values(), key=lambda hertz: abs(np.exp(-2j * np.pi * hertz * time) @ waveform))


def make_release(root: Path) -> Store:
    """A project in `root` with both versions registered, version 1 promoted. One utterance of version 2 is silent."""
    for name in LEFT_BEHIND:
        os.environ.pop(name, None)
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text("{}")
    (root / "dvc.yaml").write_text("{}")
    store = open_store(root)
    for version in PITCH:
        folder = root / f"build_{version}"
        card = scorecard(n_prompts=N_PROMPTS, seeds=(0,))
        write_scores(folder, card)
        rows = []
        for row in card.rows:
            is_silent = version == 2 and row == card.rows[-1]
            wave = tone(version, 0.5 + 0.1 * version, 0.1 * version)
            save_flac(folder / row.audio, wave * (not is_silent), RATE)
            digest = hashlib.sha256((folder / row.audio).read_bytes()).hexdigest()
            changes = {"audio_sha256": digest, "failures": ("empty",) if is_silent else ()}
            rows.append(row.model_copy(update=changes))
        scores = folder / "scorecard.json"
        scores.write_text(card.model_copy(update={"rows": tuple(rows)}).model_dump_json(), encoding="utf-8")
        voice_folder = write_voice_folder(folder / "voice", f"weights {version}")
        assert register_candidate(store, "anna", voice_folder, scores, LINEAGE).version == version
    promote_first(store)
    return store


def copied(released: Path, root: Path) -> Store:
    """The store of a project that make_release made, its database in `root`; the artifacts stay where they are."""
    shutil.copy(released / "mlflow.db", root / "mlflow.db")
    shutil.copytree(released / ".vox", root / ".vox")
    return open_store(root)


@contextmanager
def serving(store: Store, listener: str | None = None) -> Iterator[tuple[Session, str]]:
    """A running server on version 2, and the address of its page."""
    session = Session(store=store, listening=open_listening(store, "anna", 2), listener=listener)
    with make_server(session) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield session, page_address(session, server)
        finally:
            server.shutdown()
            thread.join()


def request(url: str, body: object = None, **headers: str) -> tuple[int, dict, bytes]:
    """Status, headers and body. body: JSON to POST; None for a GET; bytes as they are."""
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} if content is not None else {}
    asked = urllib.request.Request(url, content, {**sent, **headers})
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def ask(url: str, route: str, **body: object) -> dict:
    """The JSON answer of a request that must succeed."""
    status, _, content = request(url + route, body)
    assert status == 200, content
    return json.loads(content)
