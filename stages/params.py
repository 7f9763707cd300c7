"""params.yaml as frozen types: one section per stage, key for key. Unknown keys are refused.

The `gate` section is typed in registry/gate/policy.py. No stage reads it, so no stage becomes stale when it changes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from registry.consent import VOICE_NAME


class Section(BaseModel):
    """A part of params.yaml. It is frozen, and refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Ingest(Section):
    """Which recordings can be used."""

    min_seconds: float = Field(gt=0, description="Shorter recordings are rejected. Seconds, above 0.")
    max_seconds: float = Field(
        gt=0, description="Longer recordings are rejected, because they may not fit into memory. Seconds, above 0."
    )
    min_sample_rate: int = Field(
        ge=8000,
        description="Recordings with a lower rate are rejected: they lack the upper band of the voice. Hz, at least "
        "8000.",
    )
    min_level_dbfs: float = Field(
        lt=0, description="Recordings with a lower RMS level count as silence and are rejected. dBFS, below 0."
    )
    max_clipped_share: float = Field(
        ge=0, le=1, description="Recordings with a larger share of samples at full scale are rejected. 0 to 1."
    )
    max_chars_per_second: float = Field(
        gt=0,
        description="Recordings whose transcript has more characters per second are rejected: nobody could say it so "
        "fast. Above 0.",
    )


class Segment(Section):
    """How recordings are cut into clips."""

    sample_rate: int = Field(gt=0, description="Sample rate of the clips. Hz, above 0.")
    min_clip_seconds: float = Field(
        ge=0.5, description="Shorter speech is joined with its neighbour or rejected. Seconds, at least 0.5."
    )
    max_clip_seconds: float = Field(
        gt=0,
        description="Longer speech is split at its quietest frame. Seconds, at least twice min_clip_seconds.",
    )
    vad_threshold: float = Field(
        gt=0, lt=1, description="silero-vad's probability from which sound counts as speech. Between 0 and 1."
    )
    min_silence_seconds: float = Field(
        gt=0, description="A pause of at least this length may end a clip. Seconds, above 0."
    )
    padding_seconds: float = Field(
        ge=0, description="Sound that is kept before and after the speech of a clip. Seconds, at least 0."
    )
    loudness_lufs: float = Field(lt=0, description="Integrated loudness of every clip (ITU-R BS.1770). LUFS, below 0.")
    max_peak_dbfs: float = Field(
        le=0, description="A clip whose peak would exceed this gets less gain. dBFS, at most 0."
    )

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Segment:
        if self.max_clip_seconds < 2 * self.min_clip_seconds:
            raise ValueError(
                f"max_clip_seconds = {self.max_clip_seconds} must be at least twice "
                f"min_clip_seconds = {self.min_clip_seconds}, or a split would leave clips that are too short"
            )
        return self


class Align(Section):
    """How clips get their text, and which of them are kept."""

    language: Literal["en"] = Field(description="Language of the recordings. ISO 639 code, only en so far.")
    max_cer: float = Field(
        gt=0,
        le=1,
        description="Clips are rejected if the character error rate between their transcript and what the ASR heard is "
        "higher. Above 0, at most 1.",
    )
    held_out_share: float = Field(
        gt=0, lt=0.5, description="Share of the kept clips that are held out of training. Above 0, below 0.5."
    )
    max_rejected_share: float = Field(
        gt=0, le=1, description="The stage fails if a larger share of the clips is rejected. Above 0, at most 1."
    )
    n_jobs: int = Field(ge=1, description="Processes that transcribe. At least 1. The result does not depend on it.")


class Features(Section):
    """Which clip is the reference of the voice."""

    reference_min_seconds: float = Field(
        gt=0, description="Length of the shortest clip that may be the reference. Seconds, above 0."
    )
    reference_max_seconds: float = Field(
        gt=0, description="Length of the longest clip that may be the reference. Seconds, above 0."
    )
    n_threads: int = Field(
        ge=1, description="CPU threads of torch. At least 1. The last bits of the result depend on it."
    )


class Adaptation(Section):
    """What adapt_sovits and adapt_gpt have in common. gpt_sovits/adaptation/options.py says more."""

    recipe: Literal["voxfoundry", "upstream"] = Field(
        description="The training recipe: voxfoundry, or upstream for a comparison with the schedule of the original."
    )
    n_epochs: int | None = Field(
        ge=1, description="Epochs of training. At least 1. null: what the original's web interface proposes."
    )
    batch_size: int = Field(ge=1, description="Clips per batch. At least 1.")
    accumulate_batches: int = Field(
        ge=1, description="Batches per optimiser step, whose gradients are added as in one large batch. At least 1."
    )
    learning_rate: float = Field(gt=0, description="Learning rate of the optimiser. Above 0.")
    frozen: tuple[str, ...] = Field(
        description="Modules or parameters that do not learn, such as enc_p.encoder_text or h.layers.0."
    )
    learning_rate_factors: dict[str, float] = Field(
        description="Factors on the learning rate of single modules or parameters, by name. Above 0."
    )
    weight_decay: float = Field(ge=0, description="Weight decay of AdamW. At least 0.")
    gradient_clip_norm: float = Field(gt=0, description="Largest L2 norm of a network's gradient. Above 0.")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        description="Number format of the forward passes. Weights stay in float32."
    )
    max_skipped_steps: int = Field(
        ge=0, description="Steps in a row that may be skipped because their loss is not finite. At least 0."
    )
    patience_epochs: int = Field(
        ge=0,
        description="Training stops after this many epochs without a better held-out loss. At least 0. 0: it never "
        "stops early.",
    )
    min_improvement: float = Field(
        ge=0, description="A held-out loss is better if it is lower by more than this. At least 0."
    )
    save_every_epochs: int | None = Field(
        ge=1,
        description="Epochs between saved checkpoints. The best epoch and the last are always saved. At least 1. null: "
        "what the original's web interface proposes.",
    )
    min_clip_seconds: float = Field(ge=0, description="Shorter clips are dropped. Seconds, at least 0.")
    max_clip_seconds: float = Field(gt=0, description="Longer clips are dropped. Seconds, above 0.")
    max_dropped_share: float = Field(
        ge=0, le=1, description="The stage fails if a larger share of the clips is dropped. 0 to 1."
    )
    state_every_steps: int = Field(
        ge=0,
        description="Steps between saved states from which a killed training resumes. A state is also saved after each "
        "epoch. At least 0. 0: about once per minute. The result does not depend on it.",
    )
    device: Literal["cpu", "cuda"] = Field(description="Where the model is trained.")
    seed: int = Field(ge=0, description="Seed of all random numbers of the training. At least 0.")
    n_threads: int = Field(
        ge=1, description="CPU threads of torch. At least 1. The last bits of the result depend on it."
    )

    @field_validator("learning_rate_factors")
    @classmethod
    def _factors_above_0(cls, factors: dict[str, float]) -> dict[str, float]:
        if bad := {name: factor for name, factor in factors.items() if not factor > 0}:
            raise ValueError(f"{bad}: a factor must be above 0; to stop a module from training, list it in `frozen`")
        return factors


class AdaptSovits(Adaptation):
    """How SoVITS is fine-tuned."""

    segment_frames: int = Field(
        ge=8, description="Latent frames of 20 ms that the generator decodes per clip and step. At least 8."
    )
    mel_weight: float = Field(gt=0, description="Weight of the log-mel L1 loss. Above 0.")
    kl_weight: float = Field(ge=0, description="Weight of the KL loss between posterior and prior. At least 0.")
    adversarial_weight: float = Field(ge=0, description="Weight of the generator's adversarial loss. At least 0.")
    feature_weight: float = Field(ge=0, description="Weight of the feature matching loss. At least 0.")
    latent_weight: float = Field(
        ge=0,
        description="Weight of the distance between the latent made from tokens and text and the latent of the speech. "
        "At least 0.",
    )
    prior_mel_weight: float = Field(
        ge=0, description="Weight of the log-mel L1 loss of speech made from tokens and text alone. At least 0."
    )
    learning_rate_decay: float = Field(
        gt=0, le=1, description="Factor by which the learning rate is multiplied every epoch. Above 0, at most 1."
    )
    min_steps: int = Field(
        ge=0,
        description="A voice with few clips is trained for more epochs, up to this many steps. At least 0.",
    )


class AdaptGpt(Adaptation):
    """How the GPT is fine-tuned."""

    warmup_steps: int = Field(
        ge=0, description="Steps over which the learning rate rises linearly to its value. At least 0."
    )
    preference_weight: float = Field(
        ge=0,
        description="Weight of the preference loss (DPO) against repeated and missing speech. At least 0. 0: none.",
    )
    max_phonemes: int = Field(ge=1, description="Clips with more phonemes are dropped. At least 1.")
    min_phonemes_per_second: float = Field(
        ge=0,
        description="Clips with fewer phonemes per second are dropped: their text is likely incomplete. At least 0.",
    )
    max_phonemes_per_second: float = Field(
        gt=0,
        description="Clips with more phonemes per second are dropped: their text likely says too much. Above 0.",
    )


class Evaluate(Section):
    """How the checkpoint pair is chosen, and how the voice speaks when it is scored and served."""

    prompts: str = Field(
        description="Prompt file of the voice's language, relative to the project root. It also has the sampling seeds."
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
        ge=0, description="Longer sentences are spoken clause by clause. Characters, at least 0. 0: never."
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
    n_jobs: int = Field(
        ge=1, description="Processes that run the judges. At least 1. The result does not depend on it."
    )
    n_threads: int = Field(
        ge=1, description="CPU threads of torch. At least 1. The last bits of the result depend on it."
    )

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

    smoke_text: str = Field(
        min_length=1, description="Sentence that a voice must be able to speak to be registered and to be promoted."
    )


class Params(Section):
    """All of params.yaml."""

    voices: tuple[str, ...] = Field(
        min_length=1, description="Voices that dvc.yaml builds: names of folders in data/1_recordings, each once."
    )
    profile: Literal["starter", "v2", "v2Pro", "v2ProPlus"] = Field(
        description="Base models and judges, see stages/profiles.py."
    )
    settings_for: Literal["starter", "official"] = Field(
        description="Base models that adapt_sovits, adapt_gpt and evaluate are set for. They must fit the profile."
    )
    ingest: Ingest
    segment: Segment
    align: Align
    features: Features
    adapt_sovits: AdaptSovits
    adapt_gpt: AdaptGpt
    evaluate: Evaluate
    register_: Register = Field(alias="register")  # a pydantic model has a method `register`
    gate: dict[str, Any] = Field(description="Policy of releases, see registry/gate/policy.py.")

    @model_validator(mode="after")
    def _settings_fit_the_profile(self) -> Params:
        required = "starter" if self.profile == "starter" else "official"
        if self.settings_for != required:
            source = "params.official.yaml" if required == "official" else "the params.yaml of the repository"
            raise ValueError(
                f"profile {self.profile} takes settings for {required} base models, but settings_for is "
                f"{self.settings_for}, which would spoil its voices; copy adapt_sovits, adapt_gpt and evaluate from "
                f"{source} and set settings_for: {required}"
            )
        return self

    @field_validator("voices")
    @classmethod
    def _folder_names(cls, voices: tuple[str, ...]) -> tuple[str, ...]:
        # DVC puts the names into commands that a shell runs
        if bad := [voice for voice in voices if not re.fullmatch(VOICE_NAME, voice)]:
            raise ValueError(f"{bad}: a voice is a folder in data/1_recordings with a name of letters, digits, - and _")
        if len(set(voices)) != len(voices):
            raise ValueError(f"{list(voices)} names a voice twice")
        return voices


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Load and check params.yaml.

    Raises:
        ValueError: the file is missing or not valid. The message lists every wrong key with the value seen.
    """
    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path.absolute()} is missing; run this in the project's root folder") from error
    except YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    return parse_params(raw, str(path))


def parse_params(raw: object, source: str) -> Params:
    """Return the typed parameters of a parsed YAML document. `source` names it in errors."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the whole file'}: {fault['msg']}"
            + ("" if fault["type"] == "missing" or not fault["loc"] else f" (seen: {str(fault['input'])[:60]!r})")
            for fault in error.errors()
        )
        raise ValueError(f"{source}: {faults}") from error
