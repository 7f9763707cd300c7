"""Prompts in another language than the voice's own, spoken by a tiny voice and scored by the offline judges."""

from __future__ import annotations

import numpy as np
import pytest
from sovits_tiny import tiny_sovits
from synthesis_tiny import PRESET, SOVITS_CONFIG, tiny_gpt, tiny_reference

from gpt_sovits.synthesis.synthesizer import Synthesizer
from metrics.judges.speaker import load_speaker_judge
from metrics.prompts import Prompt, PromptSet
from stages.evaluation.scoring import ScoringContext, VoiceEmbeddings
from stages.evaluation.trials import PromptScorer
from stages.params import load_params, parse_params
from stages.profiles import PROFILES, require_other_languages

ENGLISH = PromptSet(
    language="en",
    version=1,
    seeds=(0, 1),
    prompts=(Prompt(id="door", category="questions", text="Is it 5?", normalized="is it five"),),
    sha256="0" * 64,
)
RULES = {
    "thresholds": [{"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "test"}],
    "non_inferiority": [{"metric": "wer", "margin": 0.05, "unit": "errors per word", "reason": "test"}],
    "min_prompts": 8,
}


def test_rows_of_another_language_have_its_normaliser_seeds_and_folder(tmp_path):
    """The voice is Mandarin, because the offline recogniser hears English only."""
    preset = PRESET.model_copy(update={"language": "zh"})
    voice = Synthesizer(tiny_gpt(), tiny_sovits(config=SOVITS_CONFIG), tiny_reference(), preset)
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    centroid = load_speaker_judge("ecapa_small").embed(noise, 16_000)
    context = ScoringContext(VoiceEmbeddings(centroid, {}), PROFILES["starter"], "zh")
    (audio := tmp_path / "audio").mkdir()
    (part,), timings = PromptScorer("你好", context, map).score_languages(voice, [ENGLISH], audio)
    assert (part.language, part.seeds, part.prompts_sha256) == ("en", (0, 1), "0" * 64)
    assert part.normalizer == "whisper_english" and len(timings) == 2
    assert [(row.prompt_id, row.seed, row.language) for row in part.rows] == [("door", 0, "en"), ("door", 1, "en")]
    assert {row.reference for row in part.rows} == {"is it 5"}
    assert sorted(path.name for path in (audio / "language_en").iterdir()) == ["door-0.flac", "door-1.flac"]
    assert [row.audio for row in part.rows] == ["audio/language_en/door-0.flac", "audio/language_en/door-1.flac"]


def test_language_that_the_profile_neither_learned_nor_hears_is_refused_before_it_is_spoken():
    with pytest.raises(
        ValueError, match=r"evaluate\.other_languages names Mandarin \(zh\), but with profile starter .*"
    ):
        require_other_languages(["zh"], "starter")
    require_other_languages(["en"], "starter")
    require_other_languages(["zh", "yue", "ja"], "v2")


def test_language_without_rules_in_the_policy_is_refused_with_the_parameters(request):
    raw = load_params(request.config.rootpath / "params.yaml").model_dump(by_alias=True)
    raw["evaluate"]["other_languages"] = ["zh"]
    with pytest.raises(ValueError, match=r"names zh, and gate\.other_languages has no rules for it"):
        parse_params(raw, "params.yaml")
    raw["gate"]["other_languages"] = {"zh": RULES}
    assert parse_params(raw, "params.yaml").evaluate.other_languages == ("zh",)


@pytest.mark.parametrize(("codes", "message"), [(["xx"], "Input should be 'en', 'zh'"), (["zh", "zh"], "twice")])
def test_unknown_or_repeated_language_is_refused(request, codes, message):
    raw = load_params(request.config.rootpath / "params.yaml").model_dump(by_alias=True)
    raw["evaluate"]["other_languages"] = codes
    with pytest.raises(ValueError, match=message):
        parse_params(raw, "params.yaml")
