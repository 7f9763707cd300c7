"""A project with two voices that make sounds: anna with two released versions, bob with one."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from engine_helpers import Project
from filelock import FileLock
from imports import ROOT
from release_helpers import LINEAGE, policy, recordings_of, scorecard, write_scores
from sovits_tiny import tiny_sovits
from synthesis_tiny import PRESET, SOVITS_CONFIG, tiny_gpt, tiny_reference

from gpt_sovits.synthesis.voice import save_voice
from gpt_sovits.weights.checkpoint import save_checkpoint
from registry.candidates.registration import register_candidate
from registry.releases.promotion import promote
from registry.storage.store import Store, open_store
from registry.verdicts.gating import gate_candidate

SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_SIGNING_KEY")
FOLDERS = ("mlartifacts", "releases", ".vox", "data")


def register(store: Store, voice: str, number: int, **preset: object) -> None:
    """Register a tiny pair of its own as the next version of a voice."""
    build = store.root / f"build/{voice}_{number}"
    gpt = tiny_gpt(-0.6, seed=number)
    sovits = tiny_sovits(config=SOVITS_CONFIG, seed=number)
    for kind, model in (("gpt", gpt), ("sovits", sovits)):
        save_checkpoint(build / kind, kind, model.config.to_dict(), model.state_dict())
    settings = PRESET.model_copy(update=preset)
    save_voice(build / "voice", build / "gpt", build / "sovits", tiny_reference(number), settings)
    scores = write_scores(build, scorecard(voice, wer=0.3 - 0.1 * number % 3))
    register_candidate(store, voice, voice_folder=build / "voice", scorecard_path=scores, lineage=LINEAGE)


def release(store: Store, voice: str, version: int, *, first: bool) -> None:
    """Gate and promote a version, without letting it speak."""
    gate_candidate(store, voice, policy=policy(), version=version, first_release=first)
    moved = promote(
        store,
        voice,
        policy=policy(),
        recordings_dir=recordings_of(store.root, voice),
        smoke_texts={"en": "hello"},
        version=version,
        first_release=first,
        actor="tester",
        today=datetime.now(UTC).date(),
        smoke=lambda folder, text: None,
    )
    assert moved.changed


@pytest.fixture(scope="session")
def serving_template(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return the project, made once for all processes of the tests. Not to be changed."""
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "serving"
    with FileLock(root.with_suffix(".lock")):
        if not (root / "done").exists():
            shutil.rmtree(root, ignore_errors=True)
            _make(root)
            (root / "done").touch()
    return root


def _make(root: Path) -> None:
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root)
    for name in SETTINGS:
        os.environ.pop(name, None)
    store = open_store(root)
    for number, voice in enumerate(("anna", "anna")):
        register(store, voice, number)
    register(store, "bob", 2, token_phones=("ah",) * SOVITS_CONFIG.codebook_size)  # bob can time words, anna cannot
    for voice, version, first in (("anna", 1, True), ("anna", 2, False), ("bob", 1, True)):
        release(store, voice, version, first=first)
    for name in SETTINGS:
        os.environ.pop(name, None)
    shutil.rmtree(root / "build")


@pytest.fixture(scope="module")
def project(serving_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy for the tests of one file, which may release, revoke and damage."""
    for name in SETTINGS:
        os.environ.pop(name, None)
    root = tmp_path_factory.mktemp("project")
    for name in ("params.yaml", "mlflow.db"):
        shutil.copy(serving_template / name, root)
    for name in FOLDERS:
        shutil.copytree(serving_template / name, root / name)
    return Project(open_store(root))
