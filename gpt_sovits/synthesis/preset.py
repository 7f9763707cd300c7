"""How a voice speaks: pace, length bound, pauses and sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gpt_sovits.sovits.config import FRAMES_PER_SECOND, FRAMES_PER_TOKEN

if TYPE_CHECKING:  # it loads torch, which a server's front does without
    from gpt_sovits.gpt.sampling import SamplingOptions

TOKENS_PER_SECOND = FRAMES_PER_SECOND // FRAMES_PER_TOKEN


class Preset(BaseModel):
    """How a voice speaks.

    A preset travels with the weights as preset.json. A file of an older version lacks the fields that have a default
    here, and the voice speaks as it did then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    language: str
    other_languages: tuple[str, ...] = Field((), description="languages besides it in which the voice was scored")
    seconds_per_phoneme: float = Field(gt=0, description="the speaker's pace, measured on the training clips")
    max_length_factor: float = Field(ge=1, description="a sentence is cut off at this multiple of its expected length")
    pause_seconds: float = Field(ge=0, description="silence between sentences")
    top_k: int = Field(ge=1)
    top_p: float = Field(gt=0, le=1)
    temperature: float = Field(gt=0)
    repetition_penalty: float = Field(ge=1)
    noise_scale: float = Field(ge=0)
    speed: float = Field(gt=0)
    max_retries: int = Field(0, ge=0, le=20, description="how often a failed sentence is spoken with another seed")
    prompted: bool = Field(
        True,
        description="True: the GPT continues the reference's tokens. False: the GPT reads the text alone, which a "
        "small GPT does better, and the reference gives only the style",
    )
    max_sentence_characters: int = Field(
        0,
        ge=0,
        description="a longer sentence is spoken clause by clause. Counted in Latin letters, of which a Han "
        "character or a Hangul block takes as long as 3 and a kana as 2. 0: sentences are never split",
    )
    alignment_head: tuple[int, int] | None = Field(
        None,
        description="(layer, head) of the GPT whose attention follows the text, counted from 0. It finds sentences "
        "that were not read in full. None: no such head is known",
    )
    n_best_of: int = Field(
        1, ge=1, le=32, description="candidates per sentence; the one whose tokens match the text best is spoken"
    )
    token_phones: tuple[str, ...] | None = Field(
        None, description="phone of each semantic token (Base.token_phones), needed for n_best_of. None: not known"
    )

    @model_validator(mode="after")
    def _require_token_phones(self) -> Self:
        if self.n_best_of > 1 and self.token_phones is None:
            raise ValueError(
                f"n_best_of = {self.n_best_of} needs a base model whose tokens map to phones, and this one has none; "
                "set n_best_of to 1"
            )
        return self

    @property
    def languages(self) -> tuple[str, ...]:
        """Return every language in which the voice was scored, its own first."""
        return (self.language, *self.other_languages)

    def check_language(self, language: str | None) -> str:
        """Return a language in which the voice was scored. None stands for its own.

        Raises:
            ValueError: the voice was not scored in it.
        """
        if language is not None and language not in self.languages:
            raise ValueError(
                f"this voice was not scored in {language!r}, only in {', '.join(self.languages)}, and what was not "
                f"scored is not served; add {language} to evaluate.other_languages and release a new version"
            )
        return language or self.language

    def sampling(self) -> SamplingOptions:
        """Return the settings of the GPT's sampling."""
        from gpt_sovits.gpt.sampling import SamplingOptions

        return SamplingOptions(self.top_k, self.top_p, self.temperature, self.repetition_penalty)


def default_preset(language: str, seconds_per_phoneme: float, **changes: float) -> Preset:
    """Return a preset with the settings of GPT-SoVITS's API, for a voice that has none (zero-shot).

    Args:
        language: language of the texts, such as "en".
        seconds_per_phoneme: the speaker's pace, for instance `Reference.seconds_per_phoneme`.
        **changes: fields of Preset with other values.
    """
    settings = {
        "max_length_factor": 3.0,
        "pause_seconds": 0.3,
        "top_k": 15,
        "top_p": 1.0,
        "temperature": 1.0,
        "repetition_penalty": 1.35,
        "noise_scale": 0.5,
        "speed": 1.0,
        "max_retries": 2,
    }
    return Preset(language=language, seconds_per_phoneme=seconds_per_phoneme, **(settings | changes))
