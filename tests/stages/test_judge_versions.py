"""Every stage that hears stops where a worker's judge is another than the one that it began with."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from imports import ROOT

from stages import align, clip_features, evaluate, features, profiles
from stages.evaluation import rescoring
from stages.execution.cache import NO_CACHE
from stages.execution.parallel import worker_processes
from stages.execution.tasks import WorkError
from stages.params import Params, load_params
from stages.speakers import hearing
from stages.tables import AlignedClip, Clip

SOUND = ROOT / "data/1_recordings/sample/wavs/sample_033.flac"
OTHER = "works with version 2, and this run began with version 1"


def another_each_time(patch: pytest.MonkeyPatch, module: object, name: str) -> None:
    """Let the function `name` of a module, which returns a version, return another one in every call."""
    numbers = count(1)
    patch.setattr(module, name, lambda *_: f"version {next(numbers)}")


@pytest.fixture
def params() -> Params:
    return load_params(ROOT / "params.yaml")


def test_align(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, params: Params) -> None:
    clip = Clip(clip_id="1-0000", recording_id="1", path="a.flac", start=0, end=2, seconds=2, gain_db=0)
    recording = SimpleNamespace(transcript=None, language="en")
    monkeypatch.setattr(align, "read_clips", lambda *_: ([clip], {"1": recording}))
    monkeypatch.setattr(align, "decisions_on", lambda *_: {})
    another_each_time(monkeypatch, align, "judge_version")
    settings = params.align.model_copy(update={"n_jobs": 1})
    with pytest.raises(WorkError, match=f"a.flac: .*{OTHER}"):
        align.align(tmp_path, tmp_path, tmp_path, settings, "pocketsphinx")


def test_the_comparison_of_speakers_in_align(monkeypatch: pytest.MonkeyPatch) -> None:
    another_each_time(monkeypatch, hearing, "_judge_version")
    with worker_processes(1) as processes, pytest.raises(WorkError, match=OTHER):
        list(hearing.hearing_workers("ecapa_small", processes, NO_CACHE)(str, [SOUND]))


def test_features(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, params: Params) -> None:
    another_each_time(monkeypatch, features, "speaker_version")
    clip = AlignedClip(
        clip_id="1-0000", path="a.flac", seconds=2, text="Hello.", text_source="given", asr_text="hello", cer=0.0,
        words=(), kept=True, reason="", split="train", language="en",
    )  # fmt: skip
    with worker_processes(1) as processes, pytest.raises(WorkError, match=OTHER):
        features.extract([clip], [SOUND], None, tmp_path, params, NO_CACHE, processes)


@pytest.mark.parametrize("module", [evaluate, rescoring])
def test_evaluate_and_rescore(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, params: Params, module: SimpleNamespace
) -> None:
    clip = SimpleNamespace(text="Hello.", language="en")
    prompts = SimpleNamespace(language="en", seeds=(0,))
    inputs = SimpleNamespace(prompts=prompts, reference_clip=clip, centroid=np.ones(2, np.float32))
    for name in ("load_scoring_inputs", "load_synthesis_inputs"):
        monkeypatch.setattr(module, name, lambda *_: inputs, raising=False)
    monkeypatch.setattr(module, "held_out_utterances", lambda *_: [SimpleNamespace(audio=SOUND)])
    monkeypatch.setattr(module, "keep_recordings", lambda *_: [], raising=False)
    monkeypatch.setattr(module, "_check_manifest", lambda *_: None, raising=False)
    another_each_time(monkeypatch, module, "judges_in_use")
    params = params.model_copy(update={"evaluate": params.evaluate.model_copy(update={"n_jobs": 1})})
    with pytest.raises(WorkError, match=f"{SOUND.name}: .*{OTHER}"):
        if module is evaluate:
            evaluate.evaluate("anna", None, {}, tmp_path, params)
        else:
            rescoring.rescore_voice("anna", tmp_path, None, "", params, tmp_path)


def test_weights_that_were_replaced_are_loaded_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded = []
    monkeypatch.setattr(profiles, "BASES_FOLDER", tmp_path)
    monkeypatch.setattr(clip_features, "load_speaker_judge", lambda *_: loaded.append("judge"))
    weights = tmp_path / "spkrec-ecapa-voxceleb/embedding_model.ckpt"
    weights.parent.mkdir()
    for n_loads, content in enumerate((b"old", b"new"), start=1):
        weights.write_bytes(content)
        os.utime(weights, ns=(n_loads, n_loads))
        for _ in range(2):
            clip_features.speaker_judge("ecapa_voxceleb")
        assert len(loaded) == n_loads
