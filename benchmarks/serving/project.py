"""A project with two released voices of the starter base: anna, of which version 2 waits for its promotion, and bob.

Both are heard from the recordings of the sample voice, which are played slower for anna and faster for bob, so that a
speaker judge tells them apart. Their scores are made up. Real time was not judged, so it is offered unjudged.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import torch
from release_helpers import LINEAGE, policy, recordings_of, scorecard, write_scores
from ruamel.yaml import YAML

from gpt_sovits.audio import load_audio, resample
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.synthesis.preset import default_preset
from gpt_sovits.synthesis.reference import Reference, make_reference
from gpt_sovits.synthesis.voice import save_voice
from gpt_sovits.weights.base import STARTER, load_base
from gpt_sovits.weights.checkpoint import save_checkpoint
from registry.candidates.registration import register_candidate
from registry.releases.promotion import promote
from registry.storage.store import Store, open_store
from registry.verdicts.gating import gate_candidate

ROOT = Path(__file__).resolve().parents[2]
WAVS = ROOT / "data/1_recordings/sample/wavs"
VOICES = ("anna", "bob")
# Voice, how much slower its recordings are played, and the temperature that tells its versions apart
VERSIONS = (("anna", 0.75, 1.0), ("anna", 0.75, 0.9), ("bob", 1.35, 1.0))
PAIRS = "pairs"  # the folders of VERSIONS, by number, for what they say alone
SETTINGS = ("MLFLOW_", "VOXFOUNDRY_")  # begin the names of variables that would name another registry


def make_project(root: Path) -> Path:
    """Make the project, and return its folder."""
    root.mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        del os.environ[name]
    shutil.copy(ROOT / "dvc.yaml", root)
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["serve"]["allow_unjudged_lane"] = True
    params["serve"]["cache"] |= {"memory_megabytes": 0, "disk_megabytes": 0}  # everything is spoken, nothing remembered
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    store, base = open_store(root), load_base(STARTER)
    models = {"gpt": base.build_gpt(), "sovits": base.build_sovits()}
    build = root / "build"
    for kind, model in models.items():
        save_checkpoint(build / kind, kind, model.config.to_dict(), model.state_dict())
    for number, (voice, factor, temperature) in enumerate(VERSIONS):
        preset = default_preset("en", 0.09, repetition_penalty=1.0, temperature=temperature)
        preset = preset.model_copy(update={"prompted": False})
        folder = root / PAIRS / str(number)
        save_voice(folder, build / "gpt", build / "sovits", _references(models["sovits"], factor), preset)
        scores = write_scores(build / f"scores_{number}", scorecard(voice, wer=0.1))
        register_candidate(store, voice, voice_folder=folder, scorecard_path=scores, lineage=LINEAGE)
    for voice in VOICES:
        gate_candidate(store, voice, policy=policy(), version=1, first_release=True)
        release(store, voice, 1, is_first=True)
    gate_candidate(store, "anna", policy=policy(), version=2)
    shutil.rmtree(build)
    return root


def release(store: Store, voice: str, version: int, *, is_first: bool = False) -> None:
    """Promote a version, without letting it speak before."""
    moved = promote(
        store,
        voice,
        policy=policy(),
        recordings_dir=recordings_of(store.root, voice),
        smoke_texts={"en": "hello"},
        version=version,
        first_release=is_first,
        actor="benchmark",
        today=datetime.now(UTC).date(),
        smoke=lambda folder, text: None,
    )
    assert moved.changed, f"version {version} of {voice} was the champion already"


def _references(sovits: SoVITS, factor: float) -> list[Reference]:
    found = []
    for path in sorted(WAVS.iterdir())[:3]:
        waveform, rate = load_audio(path)
        slower = resample(waveform.mean(axis=-1) if waveform.ndim > 1 else waveform, round(rate * factor), rate)
        found.append(make_reference(slower, rate, None, "en", None, sovits))
    return found


if __name__ == "__main__":  # a promotion in a process of its own, as a release manager's: ROOT VOICE VERSION
    torch.set_num_threads(1)
    release(open_store(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
