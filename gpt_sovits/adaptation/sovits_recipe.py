"""The fine-tuning of the SoVITS: its settings, and what differs between recipes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from gpt_sovits.adaptation.batches import length_buckets, upstream_sovits_batches
from gpt_sovits.adaptation.filters import Limit
from gpt_sovits.adaptation.options import TrainingOptions
from gpt_sovits.adaptation.sovits_batch import SoVITSClip

BUCKET_FRAMES = 100  # 2 s: clips in a batch differ by little more than this
TEXT_FACTORS = {
    "enc_p.text_embedding": 0.4,
    "enc_p.encoder_text": 0.4,
    "enc_p.mrte": 0.4,
}  # a new voice changes them least


@dataclass(frozen=True)
class SoVITSRecipe:
    """What differs between recipes. Everything else is shared."""

    batches: Callable[[Sequence[SoVITSClip], AdaptSoVITSOptions, int], list[list[int]]]  # for an epoch, counted from 1
    n_accumulated: Callable[[AdaptSoVITSOptions], int]  # batches per step
    clips_gradient: bool
    padding_leaks: bool  # from a clip's padding into its style (sovits/reference_encoder.py)
    seconds: tuple[float, float]  # clips outside can never be in a batch
    extends_epochs: bool  # until min_steps are taken
    unused: frozenset[str]  # settings that the recipe ignores


RECIPES = {
    "voxfoundry": SoVITSRecipe(
        batches=lambda clips, options, epoch: length_buckets(
            [clip.n_frames for clip in clips], options.batch_size, options.seed, epoch, BUCKET_FRAMES
        ),
        n_accumulated=lambda options: options.accumulate_batches,
        clips_gradient=True,
        padding_leaks=False,
        seconds=(0.0, math.inf),
        extends_epochs=True,
        unused=frozenset(),
    ),
    "upstream": SoVITSRecipe(
        batches=lambda clips, options, epoch: upstream_sovits_batches(
            [clip.n_frames for clip in clips], options.batch_size, options.seed, epoch
        ),
        n_accumulated=lambda _: 1,
        clips_gradient=False,
        padding_leaks=True,
        seconds=(0.66, 38.0),  # more than 32 frames, at most 1900
        extends_epochs=False,
        unused=frozenset({"gradient_clip_norm", "accumulate_batches", "min_steps"}),
    ),
}


@dataclass(frozen=True, kw_only=True)
class AdaptSoVITSOptions(TrainingOptions):
    """Settings of the SoVITS, beside those of TrainingOptions.

    With accumulate_batches above 1 the generator runs twice per batch, because the discriminator steps before its
    scores train the generator.

    Attributes:
        segment_frames: latent frames of 20 ms that the generator decodes per clip and step, at least 8.
        mel_weight: weight of the mel loss, at least 0.
        kl_weight: weight of the KL loss, at least 0.
        adversarial_weight: weight of the adversarial loss, at least 0. If this and feature_weight are 0, the
            discriminator is not used and a step takes about a fifth less time.
        feature_weight: weight of the feature matching loss, at least 0.
        latent_weight: weight of the distance between the latent that tokens and text give and the posterior's mean, at
            least 0. The original does not have it. A small base needs it, with enc_q frozen.
        prior_mel_weight: weight of the mel loss of the speech that tokens and text give, at least 0. As latent_weight.
        pitch_weight: weight of the distance between the predicted pitch and that of the speech, in semitones, at least
            0. Only bases with harmonics predict it.
        learning_rate_decay: factor on the learning rate per epoch, from the first on, in (0, 1].
        min_steps: a voice with few clips gets more epochs until this number of steps is taken, at least 0. See
            `extend_to_min_steps`.
    """

    segment_frames: int
    mel_weight: float
    kl_weight: float
    adversarial_weight: float = 1.0
    feature_weight: float = 1.0
    latent_weight: float = 0.0
    prior_mel_weight: float = 0.0
    pitch_weight: float = 0.0
    learning_rate_decay: float = 0.999875
    min_steps: int = 0
    learning_rate_factors: Mapping[str, float] = field(default_factory=lambda: dict(TEXT_FACTORS))

    section: ClassVar[str] = "adapt_sovits"
    recipes: ClassVar[Mapping[str, SoVITSRecipe]] = RECIPES
    web_interface: ClassVar[Mapping[str, int]] = {"n_epochs": 8, "save_every_epochs": 4}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(("segment_frames",), at_least=8)
        self.require(("mel_weight", "kl_weight", "adversarial_weight", "feature_weight"), at_least=0)
        self.require(("latent_weight", "prior_mel_weight", "pitch_weight", "min_steps"), at_least=0)
        self.require(("learning_rate_decay",), above=0, at_most=1)

    @property
    def uses_discriminator(self) -> bool:
        """Return whether a loss needs the discriminator."""
        return self.adversarial_weight > 0 or self.feature_weight > 0

    @property
    def uses_prior(self) -> bool:
        """Return whether a loss needs what tokens and text alone give."""
        return self.latent_weight > 0 or self.prior_mel_weight > 0

    def limits(self) -> list[Limit]:
        """Return the limits that clips must lie in."""
        low, high = RECIPES[self.recipe].seconds
        least, most = max(self.min_clip_seconds, low), min(self.max_clip_seconds, high)
        return [Limit("seconds", lambda clip: clip.seconds, least, most)]


def extend_to_min_steps(options: AdaptSoVITSOptions, steps_per_epoch: int) -> AdaptSoVITSOptions:
    """Return the options with enough epochs for min_steps.

    An epoch is one pass over all clips. With three minutes of speech it is so short that ten epochs do not suffice. The
    learning rate, saving and patience are spread over the larger number of epochs.
    """
    if not RECIPES[options.recipe].extends_epochs:
        return options
    n_epochs = max(options.n_epochs, math.ceil(options.min_steps / steps_per_epoch))
    factor = n_epochs / options.n_epochs
    return replace(
        options,
        n_epochs=n_epochs,
        learning_rate_decay=options.learning_rate_decay ** (1 / factor),
        save_every_epochs=round(options.save_every_epochs * factor),
        patience_epochs=math.ceil(options.patience_epochs * factor),
    )
