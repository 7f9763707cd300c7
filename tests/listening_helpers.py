"""A voice with a champion (version 1) and a candidate (version 2) whose utterances can be heard."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from imports import ROOT
from release_helpers import LINEAGE, promote_first, scorecard, write_scores, write_voice_folder

from flows.listening_server import Session, make_server, page_address
from gpt_sovits.audio import save_flac
from registry.candidates.registration import register_candidate
from registry.listening.trials import Listening, Trial, draw_trial, open_listening
from registry.listening.votes import Ballot, Votes, cast_vote, read_votes
from registry.storage.store import Store, open_store

PITCH = {1: 110.0, 2: 150.0}  # Hz, of each version, which tells them apart in a test
RATE = 32_000
N_PROMPTS = 10
LEFT_BEHIND = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")  # MLflow sets them when it registers something


def tone(version: int, seconds: float = 0.5, peak: float = 0.2) -> np.ndarray:
    """Return a buzz at the version's pitch, (n_samples,) float32."""
    phase = 2 * np.pi * PITCH[version] * np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(n * phase) / n for n in range(1, 9))
    return (peak * wave / np.abs(wave).max()).astype(np.float32)


def pitch_of(waveform: np.ndarray) -> float:
    """Return which frequency of PITCH, in Hz, is the strongest."""
    time = np.arange(len(waveform)) / RATE
    return max(PITCH.values(), key=lambda hertz: abs(np.exp(-2j * np.pi * hertz * time) @ waveform))


def make_release(root: Path) -> Store:
    """Make a project with both versions registered and version 1 promoted. One utterance of version 2 is silent."""
    for name in LEFT_BEHIND:
        os.environ.pop(name, None)
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "params.yaml", root)
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
        candidate = register_candidate(store, "anna", voice_folder=voice_folder, scorecard_path=scores, lineage=LINEAGE)
        assert candidate.version == version
    promote_first(store)
    return store


def copy_release(released: Path, root: Path) -> Store:
    """Copy the registry of a project that make_release made into `root`."""
    shutil.copy(released / "mlflow.db", root / "mlflow.db")
    for name in ("mlartifacts", "releases", ".vox"):
        shutil.copytree(released / name, root / name)
    return open_store(root)


def votes_of(store: Store, listening: Listening) -> Votes:
    return read_votes(store, listening.candidate.candidate_id, listening.champion.candidate_id)


def vote_for(
    store: Store, listening: Listening, listener: str, side: str = "candidate", salt: str = "salt", **defects: dict
) -> Trial | None:
    """Cast the listener's next vote for a side by its true name. Return None if no utterance is left."""
    trial = draw_trial(listening, listener, voted=votes_of(store, listening).keys_of(listener), salt=salt)
    if trial is None:
        return None
    other = {"a": "b", "b": "a"}[trial.candidate_side]
    letter = {"candidate": trial.candidate_side, "champion": other}
    choice = letter.get(side, "no_difference")
    ballot = Ballot(choice=choice, **{letter[name]: described for name, described in defects.items()})
    cast_vote(store, listening, trial, ballot)
    return trial


def vote_on_all(store: Store, listening: Listening, listener: str) -> None:
    """Vote for the candidate on every utterance. A spawned process can import it from here."""
    while vote_for(store, listening, listener):
        pass


@contextmanager
def serving(store: Store, listener: str | None = None) -> Iterator[tuple[Session, str]]:
    """Run a server on version 2. Yield its session and the address of its page."""
    session = Session(store=store, listening=open_listening(store, "anna", 2), listener=listener)
    with make_server(session) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield session, page_address(session, server)
        finally:
            server.shutdown()
            thread.join()
