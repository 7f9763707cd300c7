"""The sections of params.yaml on fine-tuning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from gpt_sovits.text.languages import LANGUAGES
from stages.sections.section import Section


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
    pitch_weight: float = Field(
        ge=0,
        description="Weight of the distance between the predicted pitch and that of the speech, in semitones. Only "
        "bases with harmonics predict it. At least 0.",
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
    max_phonemes_per_second: dict[str, float] = Field(
        description="Clips with more phonemes per second are dropped: their text likely says too much. Above 0, for "
        "each language by its ISO 639 code, because a front end may write a syllable as two phonemes or as three.",
    )

    @field_validator("max_phonemes_per_second")
    @classmethod
    def _a_rate_for_each_language(cls, rates: dict[str, float]) -> dict[str, float]:
        if set(rates) != set(LANGUAGES) or not all(rate > 0 for rate in rates.values()):
            raise ValueError(f"max_phonemes_per_second takes a rate above 0 for each of {', '.join(LANGUAGES)}")
        return rates
