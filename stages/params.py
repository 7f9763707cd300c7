"""params.yaml as frozen types: one section a stage, key for key; unknown keys are refused.

The `gate` section is typed in registry/gate/policy.py: no stage reads it, and a stage should not go stale with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Ingest(Section):
    min_seconds: float = Field(gt=0, description="shorter recordings are rejected")
    max_seconds: float = Field(gt=0, description="longer recordings are rejected: they would not fit in memory")
    min_sample_rate: int = Field(ge=8000, description="Hz; recordings below it lack the voice's upper band")
    min_level_dbfs: float = Field(lt=0, description="RMS level below which a recording counts as silence")
    max_clipped_share: float = Field(ge=0, le=1, description="largest share of samples at full scale")
    max_chars_per_second: float = Field(gt=0, description="a transcript that no one could say so fast is a mistake")


class Segment(Section):
    sample_rate: int = Field(gt=0, description="Hz of the clips")
    min_clip_seconds: float = Field(ge=0.5, description="shorter speech is merged with its neighbour or rejected")
    max_clip_seconds: float = Field(gt=0, description="longer speech is split at its quietest frame")
    vad_threshold: float = Field(gt=0, lt=1, description="silero-vad speech probability")
    min_silence_seconds: float = Field(gt=0, description="a pause at least this long may end a clip")
    padding_seconds: float = Field(ge=0, description="kept before and after the speech of a clip")
    loudness_lufs: float = Field(lt=0, description="integrated loudness of every clip (ITU-R BS.1770)")
    max_peak_dbfs: float = Field(le=0, description="a clip whose peak would pass this gets less gain")

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Segment:
        if self.max_clip_seconds < 2 * self.min_clip_seconds:
            raise ValueError(
                f"max_clip_seconds = {self.max_clip_seconds} must be at least twice "
                f"min_clip_seconds = {self.min_clip_seconds}, or a split would leave clips that are too short"
            )
        return self


class Align(Section):
    language: Literal["en"] = Field(description="language of the transcripts")
    max_cer: float = Field(gt=0, le=1, description="clips whose ASR text differs more from the transcript are rejected")
    held_out_share: float = Field(gt=0, lt=0.5, description="share of the kept clips that no training sees")
    max_rejected_share: float = Field(gt=0, le=1, description="more rejected clips than this stop the pipeline")
    n_jobs: int = Field(ge=1, description="processes that transcribe; the result does not depend on it")


class Features(Section):
    reference_min_seconds: float = Field(gt=0, description="shortest clip that may be the reference of the voice")
    reference_max_seconds: float = Field(gt=0, description="longest clip that may be the reference of the voice")
    n_threads: int = Field(ge=1, description="CPU threads of torch; fixed, because sums depend on it")


class Adaptation(Section):
    """What adapt_sovits and adapt_gpt have in common; gpt_sovits/adaptation/options.py says more."""

    recipe: Literal["voxfoundry", "upstream"] = Field(description="upstream: the original's schedule, to compare with")
    n_epochs: int | None = Field(ge=1, description="null: as many as the original's web interface proposes")
    batch_size: int = Field(ge=1, description="clips in a batch")
    accumulate_batches: int = Field(ge=1, description="batches whose gradients make one step, as one batch would")
    learning_rate: float = Field(gt=0)
    frozen: tuple[str, ...] = Field(description="modules that do not learn, such as enc_p.encoder_text or h.layers.0")
    learning_rate_factors: dict[str, float] = Field(description="share of the learning rate of single modules")
    weight_decay: float = Field(ge=0, description="AdamW's")
    gradient_clip_norm: float = Field(gt=0, description="largest L2 norm of a network's gradient")
    precision: Literal["fp32", "bf16", "fp16"] = Field(description="of forward passes; weights stay in float32")
    max_skipped_steps: int = Field(ge=0, description="steps in a row that may be left out for a loss that is no number")
    patience_epochs: int = Field(ge=0, description="epochs without a better held-out loss that end it; 0: never")
    min_improvement: float = Field(ge=0, description="by how much a held-out loss must be lower to be better")
    save_every_epochs: int | None = Field(
        ge=1, description="a checkpoint every so many epochs, after the last and of the best; null: as the original"
    )
    min_clip_seconds: float = Field(ge=0, description="shorter clips are dropped")
    max_clip_seconds: float = Field(gt=0, description="longer clips are dropped")
    max_dropped_share: float = Field(ge=0, le=1, description="more dropped clips than this stop the stage")
    state_every_steps: int = Field(
        ge=0,
        description="a state to resume from every so many steps and epoch; 0: about once a minute. No output changes",
    )
    device: Literal["cpu", "cuda"] = Field(description="where the models are trained")
    seed: int = Field(ge=0)
    n_threads: int = Field(ge=1, description="CPU threads of torch; fixed, because sums depend on it")

    @field_validator("learning_rate_factors")
    @classmethod
    def _factors_above_0(cls, factors: dict[str, float]) -> dict[str, float]:
        if bad := {name: factor for name, factor in factors.items() if not factor > 0}:
            raise ValueError(f"{bad}: a factor must be above 0; a module that shall not learn goes into `frozen`")
        return factors


class AdaptSovits(Adaptation):
    segment_frames: int = Field(ge=8, description="latent frames of 20 ms that the generator decodes per clip and step")
    mel_weight: float = Field(gt=0, description="weight of the log-mel L1 loss")
    kl_weight: float = Field(ge=0, description="weight of the KL loss between posterior and prior")
    adversarial_weight: float = Field(ge=0, description="weight of the generator's adversarial loss")
    feature_weight: float = Field(ge=0, description="weight of the feature matching loss")
    latent_weight: float = Field(
        ge=0, description="weight of the latent that tokens and text make, against the speech's"
    )
    prior_mel_weight: float = Field(ge=0, description="weight of the log-mel L1 loss of what tokens and text make")
    learning_rate_decay: float = Field(gt=0, le=1, description="factor on the learning rate, once an epoch")
    min_steps: int = Field(
        ge=0, description="a voice of few clips gets so many more epochs that as many steps are made"
    )


class AdaptGpt(Adaptation):
    warmup_steps: int = Field(ge=0, description="steps over which the learning rate rises linearly")
    preference_weight: float = Field(ge=0, description="of the loss against repeated and lost speech (DPO); 0: none")
    max_phonemes: int = Field(ge=1, description="clips with more are dropped")
    min_phonemes_per_second: float = Field(ge=0, description="slower clips are dropped: their text is not all of it")
    max_phonemes_per_second: float = Field(gt=0, description="faster clips are dropped: their text says too much")


class Evaluate(Section):
    prompts: str = Field(
        description="prompt file of the voice's language, relative to the project root; it has the seeds"
    )
    n_selection_prompts: int = Field(ge=1, description="prompts on which the last two checkpoint pairs are compared")
    similarity_tolerance: float = Field(
        ge=0, le=2, description="cosine; a pair further below the most similar one is not the speaker and not chosen"
    )
    interpolation_weights: tuple[float, ...] = Field(
        description="shares of the adapted SoVITS weights to try, the largest first, where adaptation costs words"
    )
    min_similarity_ratio: float = Field(
        gt=0,
        le=1,
        description="share of the recordings' similarity that a voice which reaches it is not drawn back below",
    )
    top_k: int = Field(ge=1, description="tokens the sampler may choose from")
    top_p: float = Field(gt=0, le=1, description="probability mass the sampler may choose from")
    temperature: float = Field(gt=0)
    repetition_penalty: float = Field(ge=1, description="divides the logits of tokens already spoken; 1 is none")
    noise_scale: float = Field(ge=0, description="standard deviation of the latent noise relative to the prior's")
    speed: float = Field(gt=0.25, lt=4, description="1 is the voice's own pace, 2 twice as fast")
    pause_seconds: float = Field(ge=0, le=5, description="silence between the sentences of a text")
    prompted: bool = Field(description="the GPT continues the reference; false: it reads the text alone")
    max_sentence_characters: int = Field(ge=0, description="longer sentences are spoken clause by clause; 0: never")
    max_length_factor: float = Field(gt=1, description="a sentence is cut at so many times its expected length")
    max_retries: int = Field(ge=0, le=20, description="so often a sentence that failed is spoken with another seed")
    n_best_of: int = Field(
        ge=1, le=32, description="takes of each sentence; the one whose tokens say it best is spoken"
    )
    alignment_head: tuple[int, int] | None = Field(
        description="layer and head of the GPT whose attention follows the text, by which skipped words are found"
    )
    n_resynthesized: int = Field(
        ge=0, description="held-out recordings whose text is spoken too, to be heard side by side"
    )
    mos: Literal["dnsmos"] | None = Field(description="MOS predictor, shown and never gated; null: none")
    n_jobs: int = Field(ge=1, description="processes that judge; the result does not depend on it")
    n_threads: int = Field(ge=1, description="CPU threads of torch; fixed, because sums depend on it")

    @field_validator("interpolation_weights")
    @classmethod
    def _shares_fall(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in shares) or list(shares) != sorted(set(shares), reverse=True):
            raise ValueError(
                f"interpolation_weights = {list(shares)} must lie between 0 and 1, the largest first, each once"
            )
        return shares


class Register(Section):
    smoke_text: str = Field(min_length=1, description="sentence a voice must speak to be registered and to be promoted")


class Params(Section):
    """All of params.yaml."""

    voices: tuple[str, ...] = Field(min_length=1, description="folders of data/1_recordings that dvc.yaml builds")
    profile: Literal["starter", "v2", "v2Pro", "v2ProPlus"] = Field(
        description="which base models and judges, see stages/profiles.py"
    )
    settings_for: Literal["starter", "official"] = Field(
        description="the base models that adapt_sovits, adapt_gpt and evaluate are set for; they want different things"
    )
    ingest: Ingest
    segment: Segment
    align: Align
    features: Features
    adapt_sovits: AdaptSovits
    adapt_gpt: AdaptGpt
    evaluate: Evaluate
    register_: Register = Field(alias="register")  # a pydantic model has a method `register`
    gate: dict[str, Any] = Field(description="the policy of releases, see registry/gate/policy.py")

    @model_validator(mode="after")
    def _settings_fit_the_profile(self) -> Params:
        wanted = "starter" if self.profile == "starter" else "official"
        if self.settings_for != wanted:
            source = "params.official.yaml" if wanted == "official" else "the params.yaml of the repository"
            raise ValueError(
                f"profile {self.profile} takes settings for {wanted} base models, but settings_for is "
                f"{self.settings_for}: they would spoil its voices; copy adapt_sovits, adapt_gpt and evaluate from "
                f"{source} and set settings_for: {wanted}"
            )
        return self

    @field_validator("voices")
    @classmethod
    def _folder_names(cls, voices: tuple[str, ...]) -> tuple[str, ...]:
        if bad := [voice for voice in voices if not voice or Path(voice).name != voice or voice.startswith(".")]:
            raise ValueError(f"{bad}: a voice is the name of a folder in data/1_recordings")
        if len(set(voices)) != len(voices):
            raise ValueError(f"{list(voices)} names a voice twice")
        return voices


def load_params(path: Path = Path("params.yaml")) -> Params:
    """params.yaml, checked. Raises ValueError that lists every wrong key with the value seen."""
    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path.absolute()} is missing; run in the project's root folder") from error
    except YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    return parse_params(raw, str(path))


def parse_params(raw: object, source: str) -> Params:
    """The typed parameters in a parsed YAML document; `source` names it in errors."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the whole file'}: {fault['msg']}"
            + ("" if fault["type"] == "missing" or not fault["loc"] else f" (seen: {str(fault['input'])[:60]!r})")
            for fault in error.errors()
        )
        raise ValueError(f"{source}: {faults}") from error
