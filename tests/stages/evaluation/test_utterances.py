"""The utterances that are scored."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from metrics.prompts import Prompt
from stages.evaluation.utterances import synthesize_prompts

PROMPTS = [Prompt(id=f"p{number}", category="everyday", text="The rain.", normalized="the rain") for number in range(2)]


class Voice:
    """Stands for a synthesizer: it says half a second of a tone, and records the seeds."""

    def __init__(self):
        self.said = []

    def say(self, text, seed):
        self.said.append(seed)
        return SimpleNamespace(waveform=np.sin(np.arange(8000) / 9).astype(np.float32) / 2, sample_rate=16000)

    def expected_seconds(self, text):
        return 0.5


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
