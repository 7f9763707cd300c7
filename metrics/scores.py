"""What a score is: one row an utterance, one scorecard a checkpoint pair, and the figures pooled from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# The figures that a gate policy may name. Direction: True where a smaller value is better.
SMALLER_IS_BETTER = {"wer": True, "cer": True, "similarity": False, "failed_share": True}


class Row(BaseModel):
    # NaN and infinities cannot be written as JSON numbers: refused here, where the mistake is near
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class UtteranceScore(Row):
    """One utterance under the judges: what was to be said, what was heard, and how it sounded."""

    prompt_id: str = Field(description="id of the prompt, or of the held-out clip for a real recording")
    category: str = Field(description="the prompt's category; `held_out` for a real recording")
    language: str = Field(min_length=2, description="ISO 639 code of the text")
    seed: int = Field(ge=0, description="sampling seed; 0 for a real recording")
    reference: str = Field(min_length=1, description="what was to be said, normalised")
    hypothesis: str = Field(description="what the ASR heard, normalised")
    word_errors: int = Field(ge=0, description="substitutions + deletions + insertions")
    n_words: int = Field(ge=1, description="words of the reference")
    char_errors: int = Field(ge=0)
    n_chars: int = Field(ge=1)
    similarity: float | None = Field(
        ge=-1, le=1, description="cosine to the voice's reference embedding; null where it could not be measured"
    )
    similarity_held_out: float | None = Field(
        ge=-1,
        le=1,
        description="cosine to the mean embedding of the voice's held-out recordings, leaving a recording's own out; "
        "null where it could not be measured or there are none (for a recording: no others)",
    )
    mos: float | None = Field(
        default=None, ge=0, le=5.5, description="what a predictor says that listeners would give, 1 to 5; never gated"
    )
    seconds: float = Field(ge=0, description="length of the audio")
    duration_ratio: float = Field(ge=0, description="seconds over the seconds expected from the text")
    silence_share: float = Field(ge=0, le=1, description="share of the time that is a pause, see metrics/sound.py")
    clipped_share: float = Field(ge=0, le=1, description="share of samples at full scale")
    pitch_range_semitones: float | None = Field(
        ge=0, description="5th to 95th percentile of the pitch; null where no frame is voiced"
    )
    failures: tuple[str, ...] = Field(default=(), description="failures of speech by name, see metrics/failures.py")
    audio: str = Field(description="path of the audio, relative to the score folder; empty where none was kept")
    audio_sha256: str


class Pair(Row):
    """The two checkpoints that speak together."""

    gpt_epoch: int = Field(ge=0)
    sovits_epoch: int = Field(ge=0)
    interpolation_weight: float = Field(
        default=1.0, gt=0, le=1, description="of SoVITS; the rest is the base's weights"
    )
    gpt_sha256: str
    sovits_sha256: str


class Judges(Row):
    """Who judged. Scores of different judges are never compared."""

    asr: str
    asr_version: str
    speaker: str
    speaker_version: str
    normalizer: str
    normalizer_version: str


class Similarities(Row):
    """Mean cosines to the voice, in the two ways in which an utterance is compared with it."""

    similarity: float | None = Field(ge=-1, le=1, description="to its reference embedding; null: not measurable")
    similarity_held_out: float | None = Field(ge=-1, le=1, description="to its held-out recordings; null likewise")
    n: int = Field(ge=0, description="recordings or speakers that the means are of")
    note: str = Field(default="", description="who they are; where there is no figure, why")


class Scorecard(Row):
    """Everything the gate reads about one checkpoint pair."""

    voice: str
    pair: Pair
    judges: Judges
    prompts_sha256: str
    seeds: tuple[int, ...]
    rows: tuple[UtteranceScore, ...]
    held_out: tuple[UtteranceScore, ...] = Field(description="the voice's own held-out recordings, same judges")
    resynthesis: tuple[UtteranceScore, ...] = Field(
        default=(), description="the texts of held-out recordings as the pair says them, prompt_id as there; not gated"
    )
    similarity_floor: Similarities = Field(description="what other speakers reach, under the same speaker judge")
    mos_judge: str = Field(default="", description="name and version of the MOS predictor; empty where there is none")

    @property
    def similarity_ceiling(self) -> Similarities:
        """What the voice's own held-out recordings reach: hardly any synthesis can be closer."""
        return mean_similarities(self.held_out, "the voice's held-out recordings")

    def figures(self) -> dict[str, float]:
        """The pooled figures of the synthesised utterances, see `pooled`."""
        return pooled(self.rows)


def pooled(rows: Sequence[UtteranceScore]) -> dict[str, float]:
    """Pooled figures of utterances: wer, cer, similarity and failed_share, each a fraction or a cosine.

    WER and CER pool errors over words (not a mean of ratios: short prompts would weigh more). An utterance whose
    similarity could not be measured makes the mean NaN, which no bar accepts. No rows: every figure is NaN.
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
    """Means over rows; null where there is no row or one of them could not be measured, and then the note says so."""
    means = {
        name: math.fsum(values) / len(values) if values and None not in values else None
        for name in ("similarity", "similarity_held_out")
        for values in [[getattr(row, name) for row in rows]]
    }
    if missing := [name for name, mean in means.items() if mean is None]:
        note = f"{note}: {' and '.join(missing)} not measurable in all of {len(rows)}"
    return Similarities(**means, n=len(rows), note=note)


def load_scorecard(path: Path) -> Scorecard:
    """The scorecard in a JSON file. Raises ValueError that names the file where it is missing or malformed."""
    try:
        return Scorecard.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no scorecard there; run the evaluate stage again") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: not a scorecard ({str(error).splitlines()[0]}); run the evaluate stage again"
        ) from error
