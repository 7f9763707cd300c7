"""Presets besides the default one: from params.yaml into the voice's folder, spoken by a tiny voice and scored."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from imports import ROOT
from ruamel.yaml import YAML
from sovits_tiny import tiny_sovits
from synthesis_tiny import PRESET, SOVITS_CONFIG, tiny_gpt, tiny_reference

from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.preset_files import preset_sha256
from gpt_sovits.synthesis.voice import save_preset, save_voice
from gpt_sovits.weights.checkpoint import save_checkpoint
from metrics.judges.speaker import load_speaker_judge
from metrics.prompt_sets import prompts_of_preset
from metrics.prompts import Prompt, PromptSet
from stages.evaluation.inputs import PresetInputs
from stages.evaluation.presets import score_presets
from stages.evaluation.scoring import ScoringContext, VoiceEmbeddings
from stages.evaluation.trials import PromptScorer
from stages.params import parse_params
from stages.profiles import PROFILES
from stages.sections.evaluation import Evaluate
from stages.sections.presets import SpeakingSetting

PROMPTS = PromptSet(
    language="en",
    version=1,
    seeds=(0,),
    prompts=(
        Prompt(id="door", category="questions", text="Is it 5?", normalized="is it five"),
        Prompt(id="tea", category="short", text="Tea, please.", normalized="tea please"),
    ),
    sha256="0" * 64,
)
RULES = {
    "thresholds": [{"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "test"}],
    "non_inferiority": [{"metric": "wer", "margin": 0.05, "unit": "errors per word", "reason": "test"}],
    "min_prompts": 8,
}


@pytest.fixture
def raw():
    raw = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["gate"]["presets"] = {"dialogue": RULES}
    return raw


def with_preset(raw: dict, name: str = "dialogue", **changes: object) -> dict:
    preset = {"categories": ["questions"], "settings": {"speed": 1.2}, "reference_clips": {}}
    return raw | {"presets": {name: preset | changes}}


def test_preset_is_spoken_with_its_settings_on_the_prompts_of_its_categories(raw, tmp_path):
    for kind, model in (("gpt", tiny_gpt()), ("sovits", tiny_sovits(config=SOVITS_CONFIG))):
        save_checkpoint(tmp_path / kind, kind, model.config.to_dict(), model.state_dict())
    voice, audio = tmp_path / "voice", tmp_path / "audio"
    save_voice(voice, tmp_path / "gpt", tmp_path / "sovits", tiny_reference(), PRESET)
    save_preset(voice, "dialogue", PRESET.model_copy(update={"speed": 1.2}))
    audio.mkdir()
    centroid = load_speaker_judge("ecapa_small").embed(np.ones(32_000, np.float32) * 0.1, 16_000)
    scorer = PromptScorer("hello", ScoringContext(VoiceEmbeddings(centroid, {}), PROFILES["starter"], "en"), map)
    settings = parse_params(with_preset(raw), "params.yaml").speaking_settings("dialogue")
    prompts = prompts_of_preset(PROMPTS, "dialogue", ["questions"])
    absent = PresetInputs("short", prompts, settings, None)  # a registered voice may lack a preset of today
    (part,), timings = score_presets(scorer, voice, [PresetInputs("dialogue", prompts, settings, None), absent], audio)
    assert (part.name, part.seeds, part.reference_clip, len(timings)) == ("dialogue", (0,), "", 1)
    assert part.settings_sha256 == preset_sha256(voice, "dialogue") and part.prompts_sha256 == prompts.sha256
    assert prompts.sha256 != PROMPTS.sha256
    assert [(row.prompt_id, row.language, row.audio) for row in part.rows] == [
        ("door", "en", "audio/preset_dialogue/door-0.flac")
    ]
    assert (tmp_path / part.rows[0].audio).is_file()


def test_settings_of_a_preset_are_those_of_evaluate_with_its_changes(raw):
    params = parse_params(with_preset(raw), "params.yaml")
    assert params.speaking_settings("dialogue") == params.evaluate.model_copy(update={"speed": 1.2})


def test_what_a_preset_can_change_are_the_speaking_settings_that_both_files_have():
    assert set(get_args(SpeakingSetting)) == (set(Preset.model_fields) & set(Evaluate.model_fields)) - {
        "other_languages",
        "alignment_head",
    }


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("narration", {}, "'narration' cannot be the name of a preset"),
        ("../x", {}, "cannot be the name of a preset"),
        ("shouting", {}, "gate.presets has no rules for it"),
        ("dialogue", {"settings": {"speed": 40}}, r"presets\.dialogue\.settings\.speed: Input should be less than 4"),
        ("dialogue", {"settings": {"n_jobs": 2}}, r"presets\.dialogue\.settings\.n_jobs"),
        ("dialogue", {"reference_clips": {"nobody": "clip_1"}}, "names nobody, not among `voices`"),
        ("dialogue", {"categories": []}, r"presets\.dialogue\.categories"),
    ],
)
def test_preset_that_could_not_be_spoken_or_judged_is_refused_with_the_parameters(raw, name, changes, message):
    with pytest.raises(ValueError, match=message):
        parse_params(with_preset(raw, name, **changes), "params.yaml")


def test_category_without_prompts_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"names jokes, .* the categories are questions, short"):
        prompts_of_preset(PROMPTS, "dialogue", ["jokes"])
