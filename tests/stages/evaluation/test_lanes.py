"""Lanes besides batch: a tiny voice speaks its prompts as in real time, and is scored like the voice itself."""

from __future__ import annotations

import numpy as np
import pytest
from imports import ROOT
from ruamel.yaml import YAML
from synthesis_tiny import tiny_synthesizer

from gpt_sovits.audio import load_audio
from gpt_sovits.lanes import lane_sha256
from gpt_sovits.synthesis.streaming import stream
from metrics.judges.speaker import load_speaker_judge
from metrics.prompts import Prompt, PromptSet
from stages.evaluation.inputs import LaneInputs
from stages.evaluation.lanes import StreamedVoice, score_lanes
from stages.evaluation.scoring import ScoringContext, VoiceEmbeddings
from stages.evaluation.trials import PromptScorer
from stages.params import parse_params
from stages.profiles import PROFILES

TEXT = "Is it 5? It is."
PROMPTS = PromptSet(
    language="en",
    version=1,
    seeds=(3,),
    prompts=(Prompt(id="five", category="questions", text=TEXT, normalized="is it five it is"),),
    sha256="0" * 64,
)


def test_lane_is_spoken_by_the_first_attempt_streamed_and_scored_on_its_prompts_and_seeds(tmp_path):
    centroid = load_speaker_judge("ecapa_small").embed(np.ones(32_000, np.float32) * 0.1, 16_000)
    scorer = PromptScorer("hello", ScoringContext(VoiceEmbeddings(centroid, {}), PROFILES["starter"], "en"), map)
    voice = tiny_synthesizer()
    (audio := tmp_path / "audio").mkdir()
    (part,) = score_lanes(scorer, voice, [LaneInputs("realtime", PROMPTS)], audio)
    assert (part.name, part.settings_sha256) == ("realtime", lane_sha256("realtime"))
    assert (part.seeds, part.prompts_sha256) == (PROMPTS.seeds, PROMPTS.sha256)
    assert [(row.prompt_id, row.seed, row.language) for row in part.rows] == [("five", 3, "en")]
    assert part.rows[0].audio == "audio/lane_realtime/five-3.flac"
    kept, _ = load_audio(tmp_path / part.rows[0].audio)
    streamed = np.concatenate([chunk.waveform for chunk in stream(voice, TEXT, 3)])
    np.testing.assert_allclose(np.ravel(kept), streamed, atol=2 / 2**15)  # FLAC has 16 bits


def test_streamed_text_has_one_report_per_sentence_and_no_retries():
    speech = StreamedVoice(tiny_synthesizer(), "realtime").say(TEXT, 3)
    assert [report.text for report in speech.sentences] == ["Is it 5?", "It is."]
    assert {report.n_retries for report in speech.sentences} == {0} and speech.timings.total > 0


@pytest.mark.parametrize(
    ("lanes", "rules", "message"),
    [
        ({"realtime": {"n_prompts": None, "n_seeds": 1}}, {}, "evaluate.lanes names realtime, and gate.lanes has no"),
        ({"batch": {"n_prompts": None, "n_seeds": 1}}, None, r"evaluate\.lanes\.batch"),
        ({"realtime": {"n_prompts": None, "n_seeds": 0}}, None, r"evaluate\.lanes\.realtime\.n_seeds"),
    ],
    ids=["no rules", "batch", "no seed"],
)
def test_lane_that_could_not_be_judged_is_refused_with_the_parameters(lanes, rules, message):
    raw = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["evaluate"]["lanes"] = lanes
    if rules is not None:
        raw["gate"]["lanes"] = rules
    with pytest.raises(ValueError, match=message):
        parse_params(raw, "params.yaml")
