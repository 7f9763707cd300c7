"""The sections of params.yaml on how the voice speaks, is scored and is registered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from gpt_sovits.text.languages import LANGUAGES
from stages.sections.section import Section


class LaneSettings(Section):
    """How much of the prompts a lane besides batch is judged by."""

    n_prompts: int | None = Field(
        ge=1, description="Most prompts that are said, spread over the categories. At least 1. null: all of them."
    )
    n_seeds: int = Field(
        ge=1, description="Sampling seeds with which each is said, the first ones of the prompt file. At least 1."
    )


class Evaluate(Section):
    """How the checkpoint pair is chosen, and how the voice speaks when it is scored and served."""

    prompts: str = Field(
        description="Folder of the prompt files, relative to the project root. A voice says those of its language, in "
        "LANGUAGE.yaml, which also has the sampling seeds."
    )
    other_languages: tuple[Literal["en", "zh", "ja", "ko", "yue"], ...] = Field(
        description="ISO 639 codes of further languages that every voice is tested in, each once. A voice's own "
        "language is always tested. gate.other_languages needs rules for each. Only tested languages are served."
    )
    n_other_language_prompts: int | None = Field(
        ge=1,
        description="Prompts of each further language that are said, spread over the categories. At least 1. null: "
        "all of them.",
    )
    lanes: dict[Literal["realtime"], LaneSettings] = Field(
        description="Lanes besides batch in which every voice is tested: realtime, the first attempt, streamed. "
        "gate.lanes needs rules for each. A voice is served only in lanes that passed. {}: in batch only."
    )
    n_selection_prompts: int = Field(
        ge=1, description="Prompts on which the last two checkpoint pairs are compared. At least 1."
    )
    similarity_tolerance: float = Field(
        ge=0,
        le=2,
        description="A pair whose speaker similarity is lower than that of the most similar pair by more than this is "
        "not chosen. Cosine, 0 to 2.",
    )
    interpolation_weights: tuple[float, ...] = Field(
        description="Weights of the adapted SoVITS to try where adaptation raised the word error rate, the rest being "
        "the base's. Between 0 and 1, the largest first. Empty: the adapted weights are always kept whole."
    )
    min_similarity_ratio: float = Field(
        gt=0,
        le=1,
        description="A voice sounds like the speaker if its speaker similarity is at least this share of the "
        "recordings'. Interpolation with the base must not change that. Above 0, at most 1.",
    )
    top_k: int = Field(ge=1, description="Number of likeliest tokens that the sampler chooses from. At least 1.")
    top_p: float = Field(
        gt=0,
        le=1,
        description="Probability mass of the tokens that the sampler chooses from. Above 0, at most 1.",
    )
    temperature: float = Field(gt=0, description="Divides the logits. A lower value makes speech more even. Above 0.")
    repetition_penalty: float = Field(
        ge=1, description="Divides the logits of tokens that were spoken already. At least 1. 1: no penalty."
    )
    noise_scale: float = Field(
        ge=0, description="Standard deviation of the latent noise as a share of the prior's. At least 0."
    )
    speed: float = Field(
        gt=0.25, lt=4, description="Speaking rate as a factor on the voice's own pace. Between 0.25 and 4."
    )
    pause_seconds: float = Field(ge=0, le=5, description="Silence between the sentences of a text. Seconds, 0 to 5.")
    prompted: bool = Field(
        description="Whether the GPT continues the reference clip. false: it reads the text alone, and the reference "
        "gives only its style."
    )
    max_sentence_characters: int = Field(
        ge=0,
        description="Longer sentences are spoken clause by clause. Latin letters, at least 0. A Han character or a "
        "Hangul block counts 3, a kana 2. 0: never.",
    )
    max_length_factor: float = Field(
        gt=1, description="A sentence is cut at this multiple of its expected length. Above 1."
    )
    max_retries: int = Field(
        ge=0, le=20, description="How often a sentence that failed is spoken again with another seed. 0 to 20."
    )
    n_best_of: int = Field(
        ge=1,
        le=32,
        description="Candidates per sentence, of which the one whose tokens match the text best is spoken. 1 to 32.",
    )
    alignment_head: tuple[int, int] | None = Field(
        description="Layer and head of the GPT whose attention follows the text, counted from 0. It shows which words "
        "were skipped. null: there is none."
    )
    n_resynthesized: int = Field(
        ge=0,
        description="Held-out recordings whose text the voice speaks too, so that both can be heard side by side. At "
        "least 0.",
    )
    mos: Literal["dnsmos"] | None = Field(description="MOS judge. Its score is shown and never gated. null: none.")
    second_asr: str | None = Field(
        description="Second ASR judge. It hears the first seed of every prompt and the held-out recordings, in the "
        "languages that it knows. It is shown and never gated. null: none."
    )
    second_speaker: str | None = Field(
        description="Second speaker judge. It hears the same speech as second_asr, in every language. It is shown and "
        "never gated. null: none."
    )
    n_jobs: int = Field(
        ge=1, description="Processes that run the judges. At least 1. The result does not depend on it."
    )
    n_threads: int = Field(
        ge=1, description="CPU threads of torch. At least 1. The last bits of the result depend on it."
    )

    @field_validator("other_languages")
    @classmethod
    def _languages_differ(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(languages)) != len(languages):
            raise ValueError(f"other_languages = {list(languages)} names a language twice; name each once")
        return languages

    @field_validator("interpolation_weights")
    @classmethod
    def _weights_fall(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < weight < 1 for weight in weights) or list(weights) != sorted(set(weights), reverse=True):
            raise ValueError(
                f"interpolation_weights = {list(weights)} must lie between 0 and 1, the largest first, each once"
            )
        return weights


class Register(Section):
    """What a candidate must be able to say."""

    smoke_text: dict[str, str] = Field(
        description="Sentence that a voice must be able to speak to be registered and to be promoted, for each "
        "language by its ISO 639 code. A voice speaks that of its own language."
    )

    @field_validator("smoke_text")
    @classmethod
    def _a_text_for_each_language(cls, texts: dict[str, str]) -> dict[str, str]:
        if set(texts) != set(LANGUAGES) or not all(text.strip() for text in texts.values()):
            raise ValueError(f"smoke_text takes one sentence for each of {', '.join(LANGUAGES)}")
        return texts
