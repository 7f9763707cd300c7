"""Score rows and scorecards: one row per utterance, one scorecard per checkpoint pair, and figures pooled from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# The figures that a gate policy may name, and whether a smaller value is better.
SMALLER_IS_BETTER = {"wer": True, "cer": True, "similarity": False, "failed_share": True}
# Columns of a row that the gate does not read
SECOND_OPINIONS = ("second_hypothesis", "second_word_errors", "second_similarity")


class Row(BaseModel):
    """A part of a scorecard. It is frozen, and refuses unknown keys, NaN and infinity."""

    # JSON has no NaN and no infinity: refusing them here shows a mistake where it is made
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class UtteranceScore(Row):
    """One utterance under the judges: what should be said, what was heard, and how it sounded."""

    prompt_id: str = Field(description="id of the prompt, or of the held-out clip for a real recording")
    category: str = Field(description="the prompt's category; `held_out` for a real recording")
    language: str = Field(min_length=2, description="ISO 639 code of the text")
    seed: int = Field(ge=0, description="sampling seed; 0 for a real recording")
    reference: str = Field(min_length=1, description="what should be said, normalised")
    hypothesis: str = Field(description="what the ASR heard, normalised")
    word_errors: int = Field(ge=0, description="substitutions + deletions + insertions of words")
    n_words: int = Field(ge=1, description="words of the reference")
    char_errors: int = Field(ge=0, description="substitutions + deletions + insertions of characters")
    n_chars: int = Field(ge=1, description="characters of the reference")
    similarity: float | None = Field(
        ge=-1, le=1, description="cosine to the voice's reference embedding; null where it could not be measured"
    )
    similarity_held_out: float | None = Field(
        ge=-1,
        le=1,
        description="cosine to the mean embedding of the voice's held-out recordings; the mean for a recording leaves "
        "it out; null where it could not be measured or there is no such recording",
    )
    mos: float | None = Field(
        default=None, ge=0, le=5.5, description="opinion of listeners as the MOS judge predicts it, 1 to 5; never gated"
    )
    seconds: float = Field(ge=0, description="length of the audio")
    duration_ratio: float = Field(ge=0, description="seconds divided by the seconds expected for the text")
    silence_share: float = Field(
        ge=0, le=1, description="share of the time that is a pause, 0 to 1, see metrics/sound.py"
    )
    clipped_share: float = Field(ge=0, le=1, description="share of samples at full scale, 0 to 1")
    pitch_range_semitones: float | None = Field(
        ge=0, description="5th to 95th percentile of the pitch, in semitones; null where no frame is voiced"
    )
    failures: tuple[str, ...] = Field(default=(), description="failures of speech by name, see metrics/failures.py")
    second_hypothesis: str | None = Field(
        default=None, description="what the second ASR judge heard, normalised; null where it was not asked"
    )
    second_word_errors: int | None = Field(
        default=None, ge=0, description="word errors of `second_hypothesis`; null where it is null; never gated"
    )
    second_similarity: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="similarity_held_out by the second speaker judge; null where it was not asked; never gated",
    )
    audio: str = Field(description="path of the audio, relative to the score folder; empty where none was kept")
    audio_sha256: str = Field(description="hash of the audio file")


class Pair(Row):
    """The two checkpoints that speak together."""

    gpt_epoch: int = Field(ge=0, description="epoch of the GPT")
    sovits_epoch: int = Field(ge=0, description="epoch of the SoVITS")
    interpolation_weight: float = Field(
        default=1.0, gt=0, le=1, description="weight of the adapted SoVITS, the rest being the base's"
    )
    gpt_sha256: str = Field(description="hash of the GPT checkpoint")
    sovits_sha256: str = Field(description="hash of the SoVITS checkpoint")


class Judges(Row):
    """The judges and the normaliser. Scores of different judges are never compared."""

    asr: str = Field(description="name of the ASR judge")
    asr_version: str = Field(description="version of the ASR judge")
    speaker: str = Field(description="name of the speaker judge")
    speaker_version: str = Field(description="version of the speaker judge")
    normalizer: str = Field(description="name of the language's normaliser")
    normalizer_version: str = Field(description="version of the normaliser")


class SecondJudges(Row):
    """The judges whose second opinions are shown and never gated."""

    asr: str = Field(default="", description="name of the second ASR judge; empty where there is none")
    asr_version: str = Field(default="", description="version of the second ASR judge")
    speaker: str = Field(default="", description="name of the second speaker judge; empty where there is none")
    speaker_version: str = Field(default="", description="version of the second speaker judge")
    seed: int = Field(default=0, ge=0, description="the only sampling seed that they heard")
    note: str = Field(default="", description="which speech was left out, and why; empty where none was")


class Similarities(Row):
    """Mean cosines to the voice, in the two ways in which an utterance is compared with it."""

    similarity: float | None = Field(
        ge=-1, le=1, description="to its reference embedding; null where it could not be measured"
    )
    similarity_held_out: float | None = Field(
        ge=-1, le=1, description="to its held-out recordings; null where it could not be measured"
    )
    n: int = Field(ge=0, description="number of recordings or speakers in the means")
    note: str = Field(default="", description="who they are and, where a figure is null, why")


class LanguageScores(Row):
    """The prompts of another language than the voice's own, under the same judges."""

    language: str = Field(min_length=2, description="ISO 639 code of the texts")
    normalizer: str = Field(description="name of this language's normaliser")
    normalizer_version: str = Field(description="version of that normaliser")
    prompts_sha256: str = Field(description="hash of this language's prompt set, or of the part that was said")
    seeds: tuple[int, ...] = Field(description="sampling seeds, each used for every prompt")
    rows: tuple[UtteranceScore, ...] = Field(description="one row per prompt and seed")


class PresetScores(Row):
    """The prompts of one use of the voice, spoken with the preset for it, under the same judges."""

    name: str = Field(min_length=1, description="name of the preset")
    settings_sha256: str = Field(description="hash of the preset's files in the voice's folder")
    reference_clip: str = Field(description="id of the clip that it speaks with; empty: the voice's own reference")
    prompts_sha256: str = Field(description="hash of the prompts of the preset's categories")
    seeds: tuple[int, ...] = Field(description="sampling seeds, each used for every prompt")
    rows: tuple[UtteranceScore, ...] = Field(description="one row per prompt and seed, in the voice's own language")


class LaneScores(Row):
    """The prompts of the voice's own language as the voice speaks them in another lane than batch."""

    name: str = Field(min_length=1, description="name of the lane, see gpt_sovits/lanes.py")
    settings_sha256: str = Field(description="hash of the options that the lane was spoken with")
    prompts_sha256: str = Field(description="hash of the prompts that were said, with the seeds")
    seeds: tuple[int, ...] = Field(description="sampling seeds, the first ones of the voice's own")
    rows: tuple[UtteranceScore, ...] = Field(description="one row per prompt and seed, in the voice's own language")


class Scorecard(Row):
    """Everything that the gate reads about one checkpoint pair.

    `rows` are in the voice's own language. Their figures are never mixed with those of another language.
    """

    voice: str = Field(description="name of the voice")
    language: str = Field(min_length=2, description="ISO 639 code of the voice's own language")
    pair: Pair = Field(description="the checkpoints that spoke")
    judges: Judges = Field(description="the judges and the normaliser")
    prompts_sha256: str = Field(description="hash of the prompt set")
    seeds: tuple[int, ...] = Field(description="sampling seeds, each used for every prompt")
    reference_clip: str = Field(default="", description="id of the clip that the voice speaks with; empty: unknown")
    rows: tuple[UtteranceScore, ...] = Field(description="one row per prompt and seed")
    held_out: tuple[UtteranceScore, ...] = Field(description="the voice's held-out recordings under the same judges")
    resynthesis: tuple[UtteranceScore, ...] = Field(
        default=(),
        description="the texts of held-out recordings as the pair says them, with the prompt_id of the "
        "recording; never gated",
    )
    other_languages: tuple[LanguageScores, ...] = Field(
        default=(), description="the prompts of other languages that the pair said, sorted by language"
    )
    presets: tuple[PresetScores, ...] = Field(
        default=(), description="the presets besides the default one, which spoke everything else, sorted by name"
    )
    lanes: tuple[LaneScores, ...] = Field(
        default=(), description="the lanes besides batch, in which everything else was spoken, sorted by name"
    )
    similarity_floor: Similarities = Field(description="what other speakers reach under the same speaker judge")
    voice_embedding: tuple[float, ...] | None = Field(
        default=None,
        min_length=1,
        description="the voice's reference embedding, which `similarity` is the cosine to: mean embedding of its "
        "training clips by the speaker judge, unit norm, six decimals; null in scorecards from before it was kept",
    )
    mos_judge: str = Field(default="", description="name and version of the MOS judge; empty where there is none")
    second_judges: SecondJudges = Field(default=SecondJudges(), description="the judges of the second opinions")

    @property
    def similarity_ceiling(self) -> Similarities:
        """Return what the voice's own held-out recordings reach. Hardly any synthesis can be closer."""
        return mean_similarities(self.held_out, "the voice's held-out recordings")

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the ISO 639 code of every language that was scored, the voice's own first."""
        return (self.language, *(part.language for part in self.other_languages))

    def in_language(self, language: str) -> LanguageScores | None:
        """Return the scores of another language, or None where the pair did not say its prompts."""
        return next((part for part in self.other_languages if part.language == language), None)

    def with_preset(self, name: str) -> PresetScores | None:
        """Return the scores of a preset besides the default one, or None where the pair did not speak with it."""
        return next((part for part in self.presets if part.name == name), None)

    def in_lane(self, name: str) -> LaneScores | None:
        """Return the scores of a lane besides batch, or None where the pair did not speak in it."""
        return next((part for part in self.lanes if part.name == name), None)

    @property
    def parts(self) -> frozenset[str]:
        """Return what was scored besides the voice itself, as the gate names it: `language zh`, `lane realtime`."""
        languages = (f"language {part.language}" for part in self.other_languages)
        presets = (f"preset {part.name}" for part in self.presets)
        return frozenset((*languages, *presets, *(f"lane {part.name}" for part in self.lanes)))

    @property
    def prompt_rows(self) -> tuple[UtteranceScore, ...]:
        """Return the row of every prompt: the own ones, in other languages, with other presets and in other lanes."""
        parts = (*self.other_languages, *self.presets, *self.lanes)
        return (*self.rows, *(row for part in parts for row in part.rows))

    def figures(self) -> dict[str, float]:
        """Return the pooled figures of the prompts in the voice's own language. See `pooled`."""
        return pooled(self.rows)


def pooled(rows: Sequence[UtteranceScore]) -> dict[str, float]:
    """Pool utterances into wer, cer, similarity and failed_share, each a fraction or a cosine.

    WER and CER pool errors over words and characters. A mean of rates would give short prompts too much weight. One
    utterance whose similarity could not be measured makes the mean NaN, which no threshold accepts. Without rows, every
    figure is NaN.
    """
    if not rows:
        return dict.fromkeys(SMALLER_IS_BETTER, math.nan)
    similarities = [math.nan if row.similarity is None else row.similarity for row in rows]
    return {
        "wer": sum(row.word_errors for row in rows) / sum(row.n_words for row in rows),
        "cer": sum(row.char_errors for row in rows) / sum(row.n_chars for row in rows),
        "similarity": math.fsum(similarities) / len(rows),
        "failed_share": sum(bool(row.failures) for row in rows) / len(rows),
    }


def mean_similarities(rows: Sequence[UtteranceScore], note: str = "") -> Similarities:
    """Return the means over rows.

    A mean is null without rows, and where one row could not be measured. Then the note names it.
    """
    means = {
        name: math.fsum(values) / len(values) if values and None not in values else None
        for name in ("similarity", "similarity_held_out")
        for values in [[getattr(row, name) for row in rows]]
    }
    if missing := [name for name, mean in means.items() if mean is None]:
        note = f"{note}: {' and '.join(missing)} not measurable in all of {len(rows)}"
    return Similarities(**means, n=len(rows), note=note)


def load_scorecard(path: Path) -> Scorecard:
    """Load a scorecard from a JSON file.

    Raises:
        ValueError: the file is missing or malformed. The message names it.
    """
    try:
        return Scorecard.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no scorecard there; run the evaluate stage again") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: not a scorecard ({str(error).splitlines()[0]}); run the evaluate stage again"
        ) from error
