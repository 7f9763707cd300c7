"""What is worth recording next: sentences with the sounds and of the kinds that the training clips lack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from stages.card.language.coverage import ENOUGH as ENOUGH_SOUNDS
from stages.card.language.coverage import Coverage
from stages.card.language.sentences import ENOUGH as ENOUGH_SENTENCES
from stages.card.language.sentences import LONG_SECONDS, SentenceKind

PER_SENTENCE = 2  # a sentence that is written for a sound has it that often
TYPICAL_SECONDS = 4.0  # length of a sentence where there is no clip to take it from
MAX_NAMED = 6  # sounds that the advice names; the table has all
RULE = (
    f"A sound should be in the training clips {ENOUGH_SOUNDS} times, and {ENOUGH_SENTENCES} clips should be of each "
    f"kind of sentence. A sentence written for a sound has it {PER_SENTENCE} times. A sentence of a kind can have the "
    "sounds too, so the longer of the two lists counts. A sentence is as long as the median clip, a long one "
    f"{LONG_SECONDS:g} s."
)


class RecordingPlan(NamedTuple):
    """What to record.

    Attributes:
        seconds: how much speech it is, 0 where nothing is lacking.
        sounds: the sounds that are lacking, the most needed first.
        kinds: (kind of sentence, how many more), where there are too few.
    """

    seconds: float
    sounds: tuple[Coverage, ...]
    kinds: tuple[tuple[SentenceKind, int], ...]

    def text(self) -> str:
        """Return the plan as one sentence, empty where nothing is lacking."""
        if not self.seconds:
            return ""
        wanted = [f"{n} {kind.name}" for kind, n in self.kinds]
        if self.sounds:
            named = ", ".join(_written(sound) for sound in self.sounds[:MAX_NAMED])
            more = len(self.sounds) - MAX_NAMED
            wanted.append(f"sentences with {named}" + (f" and {more} more sounds of the table" if more > 0 else ""))
        return f"Record {self.seconds:.0f} s more: {', '.join(wanted)}."


def plan_recordings(
    sounds: Sequence[Coverage], kinds: Sequence[SentenceKind], clip_seconds: Sequence[float]
) -> RecordingPlan:
    """Return what to record by RULE.

    Args:
        sounds: the coverage of the language, the most needed first.
        kinds: the kinds of sentences.
        clip_seconds: the lengths of the training clips.
    """
    lacking = tuple(sound for sound in sounds if sound.state != "enough" and sound.kind != "tone")
    more = tuple((kind, ENOUGH_SENTENCES - kind.n) for kind in kinds if kind.is_rare)
    typical = median(clip_seconds) if clip_seconds else TYPICAL_SECONDS
    for_sounds = math.ceil(sum(ENOUGH_SOUNDS - sound.n for sound in lacking) / PER_SENTENCE) * typical
    for_kinds = sum(n * (max(typical, LONG_SECONDS) if kind.name == "long sentences" else typical) for kind, n in more)
    return RecordingPlan(math.ceil(max(for_sounds, for_kinds) / 10) * 10.0, lacking, more)


def _written(sound: Coverage) -> str:
    return f"{sound.name} ({sound.example})" if sound.example else sound.name
