"""The lanes of a voice besides batch: it speaks the prompts in each, and is scored like the voice itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpt_sovits.lanes import LANE_OPTIONS, lane_sha256
from gpt_sovits.synthesis.speech import Speech, Timings
from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.synthesizer import Synthesizer
from metrics.scores import LaneScores
from stages.evaluation.inputs import LaneInputs
from stages.evaluation.trials import PromptScorer, placed_in


@dataclass(frozen=True, eq=False)
class StreamedVoice:
    """A voice that speaks as in a lane besides batch: the chunks of a text, joined."""

    synthesizer: Synthesizer
    lane: str

    def say(self, text: str, seed: int = 0, language: str | None = None) -> Speech:
        """Speak a text. The same text, seed and language give the same samples.

        Raises:
            ValueError: as for Synthesizer.say.
        """
        chunks = list(stream(self.synthesizer, text, seed, LANE_OPTIONS[self.lane], language))
        return Speech(
            np.concatenate([chunk.waveform for chunk in chunks]),
            self.synthesizer.sample_rate,
            tuple(chunk.report for chunk in chunks if chunk.report is not None),
            sum((chunk.timings for chunk in chunks), Timings()),
        )

    def expected_seconds(self, text: str, language: str | None = None) -> float:
        """Return how long the text takes at the voice's pace."""
        return self.synthesizer.expected_seconds(text, language)


def score_lanes(
    scorer: PromptScorer, synthesizer: Synthesizer, lanes: Sequence[LaneInputs], audio_dir: Path
) -> tuple[LaneScores, ...]:
    """Synthesise and score the prompts of each lane, and return one part per lane.

    Args:
        scorer: synthesises and scores in the voice's own language.
        synthesizer: the voice with its default preset.
        lanes: the prompts of each.
        audio_dir: gets the audio, in one folder lane_NAME for each. It is the folder `audio` of the score folder.
    """
    parts = []
    for lane in lanes:
        voice, prompts = StreamedVoice(synthesizer, lane.name), lane.prompts
        rows, _ = scorer.score(voice, prompts.prompts, prompts.seeds, audio_dir / f"lane_{lane.name}")
        parts.append(
            LaneScores(
                name=lane.name,
                settings_sha256=lane_sha256(lane.name),
                prompts_sha256=prompts.sha256,
                seeds=prompts.seeds,
                rows=placed_in(rows, audio_dir),
            )
        )
    return tuple(parts)
