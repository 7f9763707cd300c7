"""Runs of a small voice for all tests of whole runs, each made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from checkouts import make_checkout
from filelock import FileLock
from imports import ROOT
from pipeline_helpers import LENIENT
from project import VOICE, make_project, vox

# Of the registry. MLflow leaves the first two behind in the environment of a process that registered something.
SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_SIGNING_KEY")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory, worker_id) -> Callable[[str, Callable[[Path], str]], tuple[Path, str]]:
    """Return a function that has a project made by the first worker that needs it, and gives what was printed."""
    base = tmp_path_factory.getbasetemp()
    shared_by_workers = base if worker_id == "master" else base.parent

    def make(name: str, run_in: Callable[[Path], str]) -> tuple[Path, str]:
        root, printed = shared_by_workers / name, shared_by_workers / f"{name}.txt"
        with FileLock(shared_by_workers / f"{name}.lock"):
            if not printed.is_file():
                shutil.rmtree(root, ignore_errors=True)
                printed.write_text(run_in(root), encoding="utf-8")
        return root, printed.read_text(encoding="utf-8")

    return make


@pytest.fixture(scope="session")
def undisturbed(made_once) -> tuple[Path, str]:
    """Return a project after its first run without Prefect, and what the run printed."""

    def run_in(root: Path) -> str:
        make_project(root)
        done = vox(root, "run", VOICE, "--no-prefect", "--first-release")
        # untrained weights do not speak, so the gate fails them
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr + done.stdout[-3000:]
        return done.stdout

    return made_once("undisturbed", run_in)


@pytest.fixture(scope="session")
def promoted(undisturbed, made_once) -> tuple[Path, str]:
    """Return that project with the voice promoted under a policy that untrained weights pass, and what was printed."""

    def run_in(root: Path) -> str:
        shutil.copytree(undisturbed[0], root, symlinks=True)
        for folder in ("mlartifacts", "releases"):  # register afresh, in a journal of its own
            shutil.rmtree(root / folder)
        for path in root.glob("mlflow.db*"):
            path.unlink()
        settings = [part for value in LENIENT for part in ("-S", value)]
        done = vox(root, "run", VOICE, "--no-prefect", "--promote", "--first-release", *settings)
        assert done.returncode == 0, done.stderr + done.stdout[-2000:]
        return done.stdout

    return made_once("promoted", run_in)


@pytest.fixture(scope="module")
def finished(undisturbed, tmp_path_factory) -> Path:
    """Return a copy of that project for the tests of one file."""
    root = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(undisturbed[0], root, symlinks=True)
    return root


@pytest.fixture(scope="session")
def speaking(tmp_path_factory) -> Path:
    """Return a project whose champion of the voice anna is a tiny pair that makes sounds. Not to be changed."""
    from release_helpers import (
        LINEAGE,
        language_rules,
        policy,
        preset_scores,
        promote_first,
        scorecard,
        write_scores,
    )
    from sovits_tiny import tiny_sovits
    from synthesis_tiny import PRESET, SOVITS_CONFIG, tiny_gpt, tiny_reference

    from gpt_sovits.synthesis.preset_files import preset_sha256
    from gpt_sovits.synthesis.voice import save_preset, save_voice
    from gpt_sovits.weights.checkpoint import save_checkpoint
    from registry.candidates.registration import register_candidate
    from registry.storage.store import open_store

    root = tmp_path_factory.mktemp("speaking")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    gpt, sovits = tiny_gpt(), tiny_sovits(config=SOVITS_CONFIG)
    for kind, model in (("gpt", gpt), ("sovits", sovits)):
        save_checkpoint(root / "build" / kind, kind, model.config.to_dict(), model.state_dict())
    voice = root / "build/voice"
    save_voice(
        voice,
        root / "build/gpt",
        root / "build/sovits",
        tiny_reference(),
        PRESET.model_copy(update={"other_languages": ("zh",)}),
    )
    save_preset(voice, "dialogue", PRESET.model_copy(update={"speed": 1.5}), tiny_reference(1))
    dialogue = preset_scores("dialogue", settings_sha256=preset_sha256(voice, "dialogue"), reference_clip="clip_7")
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        store = open_store(root)
        scores = write_scores(root / "build", scorecard(presets=[dialogue]))
        register_candidate(store, "anna", voice_folder=voice, scorecard_path=scores, lineage=LINEAGE)
        promote_first(store, rules=policy(presets={"dialogue": language_rules()}))
    return root


@pytest.fixture
def checkout(checkout_template, tmp_path, monkeypatch) -> Path:
    """Return a project whose registry holds two versions of the voice anna. It is the working folder."""
    root = shutil.copytree(checkout_template, tmp_path / "checkout")
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="session")
def checkout_template(tmp_path_factory) -> Path:
    """Return the project that `checkout` copies."""
    root = tmp_path_factory.mktemp("checkout")
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        patch.chdir(root)
        return make_checkout(root)
