"""A voice with presets for several uses, as files."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from sovits_tiny import tiny_sovits
from synthesis_tiny import PRESET, SOVITS_CONFIG, tiny_gpt, tiny_reference

from gpt_sovits.synthesis.preset_files import list_presets, preset_sha256
from gpt_sovits.synthesis.voice import load_voice, save_preset, save_voice
from gpt_sovits.weights.checkpoint import save_checkpoint

DIALOGUE = PRESET.model_copy(update={"speed": 1.25, "temperature": 0.7})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a voice with the presets `dialogue`, with other settings, and `short`, with another reference."""
    root = tmp_path_factory.mktemp("voice")
    for kind, model in (("gpt", tiny_gpt()), ("sovits", tiny_sovits(config=SOVITS_CONFIG))):
        save_checkpoint(root / kind, kind, model.config.to_dict(), model.state_dict())
    save_voice(root / "voice", root / "gpt", root / "sovits", [tiny_reference(), tiny_reference(1)], PRESET)
    save_preset(root / "voice", "dialogue", DIALOGUE)
    save_preset(root / "voice", "short", PRESET, tiny_reference(2))
    return root / "voice"


def test_voice_speaks_with_the_settings_and_the_reference_of_its_preset(saved):
    assert list_presets(saved) == ("dialogue", "short")
    narration, dialogue, short = (load_voice(saved, preset=name) for name in ("narration", "dialogue", "short"))
    assert (narration.preset, dialogue.preset, short.preset) == (PRESET, DIALOGUE, PRESET)
    assert [len(voice.references) for voice in (narration, dialogue, short)] == [2, 2, 1]
    assert torch.equal(short.references[0].semantic_tokens, tiny_reference(2).semantic_tokens)
    waveforms = [voice.say("Hello there.", 1).waveform for voice in (load_voice(saved), narration, dialogue, short)]
    assert np.array_equal(waveforms[0], waveforms[1])
    assert not any(np.array_equal(waveforms[0], other) for other in waveforms[2:])


def test_hash_of_a_preset_covers_its_settings_and_its_reference_alone(saved, tmp_path):
    copy = shutil.copytree(saved, tmp_path / "copy")
    before = {name: preset_sha256(copy, name) for name in ("dialogue", "short")}
    save_preset(copy, "short", PRESET, tiny_reference(3))
    assert preset_sha256(copy, "short") != before["short"] and preset_sha256(copy, "dialogue") == before["dialogue"]
    save_preset(copy, "dialogue", PRESET)
    assert preset_sha256(copy, "dialogue") != before["dialogue"]


def test_preset_that_the_voice_does_not_have_is_refused_with_those_that_it_has(saved):
    with pytest.raises(ValueError, match="no preset 'shouting'; it has narration, dialogue, short"):
        load_voice(saved, preset="shouting")


@pytest.mark.parametrize("name", ["", "../voice", "A", "a" * 33, "a/b", "zwei\n"])
def test_name_that_could_leave_the_folder_is_refused(saved, name):
    with pytest.raises(ValueError, match="is not the name of a preset"):
        load_voice(saved, preset=name)


def test_default_preset_is_not_written_twice(saved):
    with pytest.raises(ValueError, match="default preset"):
        save_preset(saved, "narration", PRESET)


def test_broken_preset_names_the_folder(saved, tmp_path):
    copy = shutil.copytree(saved, tmp_path / "copy")
    (copy / "presets/dialogue.json").write_text("{}")
    with pytest.raises(ValueError, match="not a voice folder"):
        load_voice(copy, preset="dialogue")
