"""The utterances that are scored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gpt_sovits.audio import save_flac
from metrics.prompts import Prompt
from stages.evaluation.scoring import Utterance
from stages.evaluation.utterances import keep_recordings, resynthesize, synthesize_prompts

PROMPTS = [Prompt(id=f"p{number}", category="everyday", text="The rain.", normalized="the rain") for number in range(2)]


class Voice:
    """Stands for a synthesizer: it says half a second of a tone, and records the seeds and languages."""

    def __init__(self):
        self.said, self.languages = [], []

    def say(self, text, seed, language=None):
        self.said.append(seed)
        self.languages.append(language)
        return SimpleNamespace(waveform=np.sin(np.arange(8000) / 9).astype(np.float32) / 2, sample_rate=16000)

    def expected_seconds(self, text, language=None):
        return 0.7 if language == "zh" else 0.5


@pytest.fixture
def voice():
    return Voice()


def test_a_prompt_is_synthesised_when_the_judges_request_it(voice, tmp_path):
    utterances = synthesize_prompts(voice, PROMPTS, (0, 1), tmp_path / "audio", "", [])
    assert voice.said == []
    first = next(utterances)
    assert voice.said == [0]
    assert first.audio.is_file()


def test_every_prompt_is_synthesised_with_every_seed_and_timed(voice, tmp_path):
    timings = []
    utterances = list(synthesize_prompts(voice, PROMPTS, (0, 1), tmp_path / "audio", "a clip", timings))
    assert [(one.prompt_id, one.seed) for one in utterances] == [("p0", 0), ("p0", 1), ("p1", 0), ("p1", 1)]
    assert utterances[-1].relative_path == "audio/p1-1.flac"
    assert [row.seconds for row in timings] == [0.5] * 4


def test_prompts_of_another_language_are_said_and_timed_in_that_language(voice, tmp_path):
    said = list(synthesize_prompts(voice, PROMPTS, (0,), tmp_path / "language_zh", "", [], "zh"))
    assert voice.languages == ["zh", "zh"]
    assert [one.expected_seconds for one in said] == [0.7, 0.7]
    assert said[0].relative_path == "language_zh/p0-0.flac"


def recording(folder: Path) -> Utterance:
    path = folder / "clip.flac"
    save_flac(path, np.zeros(8000, np.float32), 16000)
    return Utterance("clip", "held_out", 0, "the rain", audio=path, relative_path="", expected_seconds=1.0)


def test_kept_recordings_are_copied_and_still_scored_from_the_original(tmp_path):
    real = recording(tmp_path)
    (kept,) = keep_recordings([real], tmp_path / "recordings")
    assert (kept.audio, kept.relative_path) == (real.audio, "recordings/clip.flac")
    assert (tmp_path / kept.relative_path).read_bytes() == real.audio.read_bytes()


def test_the_text_of_a_recording_is_resynthesised(voice, tmp_path):
    (utterance,) = resynthesize(voice, [recording(tmp_path)], 3, tmp_path / "resynthesis", "a clip")
    assert voice.said == [3]
    assert (utterance.prompt_id, utterance.text, utterance.category, utterance.seed) == (
        "clip", "the rain", "resynthesis", 3
    )  # fmt: skip
    assert (utterance.relative_path, utterance.expected_seconds) == ("resynthesis/clip-3.flac", 0.5)
    assert utterance.reference_clip_text == "a clip"
    assert utterance.audio == tmp_path / utterance.relative_path and utterance.audio.is_file()
