"""Two versions of a voice, preset by preset."""

from __future__ import annotations

import json

import pytest
import torch
from release_helpers import LINEAGE, preset_scores, scorecard, write_scores, write_voice_folder
from safetensors.torch import save_file

from gpt_sovits.synthesis.preset_files import preset_sha256
from registry.candidates.registration import register_candidate
from registry.profiles.comparison import compare_versions


def register(store, build, *, speed: float | None, wer: float, **changes: object) -> None:
    """Register a version of bob, with the preset `dialogue` where it has a speed."""
    voice, presets = write_voice_folder(build / "voice"), []
    save_file({"spectrogram": torch.zeros(5, 100)}, voice / "reference.safetensors")
    if speed is not None:
        (voice / "presets").mkdir()
        (voice / "presets/dialogue.json").write_text(json.dumps({"speed": speed, "top_k": 5}))
        presets = [preset_scores(wer=wer, settings_sha256=preset_sha256(voice, "dialogue"))]
    scores = write_scores(build, scorecard("bob", presets=presets, **changes))
    register_candidate(store, "bob", voice_folder=voice, scorecard_path=scores, lineage=LINEAGE)


def test_changed_setting_and_figures_of_a_preset_are_shown(store, tmp_path):
    register(store, tmp_path / "a", speed=1.0, wer=0.1)
    register(store, tmp_path / "b", speed=1.2, wer=0.3)
    found = compare_versions(store, "bob", 1, 2)
    narration, dialogue = found.presets
    assert (narration.changed, narration.same_references, found.not_comparable) == ({}, True, ())
    assert dialogue.changed == {"speed": (1.0, 1.2)}
    assert (dialogue.first["wer"], dialogue.second["wer"]) == (pytest.approx(0.1), pytest.approx(0.3))


def test_side_without_the_preset_has_no_figures_and_other_prompts_are_named(store, tmp_path):
    register(store, tmp_path / "a", speed=1.0, wer=0.1)
    register(store, tmp_path / "b", speed=None, wer=0.1, prompts_sha256="1" * 64)
    found = compare_versions(store, "bob", 1, 2)
    assert found.not_comparable == ("prompts_sha256",)
    assert (found.presets[1].only_in, found.presets[1].changed) == (1, {})
    assert found.presets[1].second == {} and found.presets[1].first["wer"] == pytest.approx(0.1)
