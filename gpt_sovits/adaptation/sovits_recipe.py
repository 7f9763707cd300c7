"""The fine-tuning of SoVITS: its settings, and what differs between our recipe and upstream's."""

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
}  # a new voice needs them least


@dataclass(frozen=True)
class SoVITSRecipe:
    """What differs between recipes; everything else is shared."""

    batches: Callable[[Sequence[SoVITSClip], AdaptSoVITSOptions, int], list[list[int]]]  # of an epoch, counted from 1
    n_accumulated: Callable[[AdaptSoVITSOptions], int]  # batches a step
    clips_gradient: bool
    padding_leaks: bool  # from a clip's padding into its style (sovits.reference_encoder)
    seconds: tuple[float, float]  # clips outside can never be in a batch
    stretches: bool  # to min_steps
    unused: frozenset[str]  # settings that the recipe has values of its own for


RECIPES = {
    "voxfoundry": SoVITSRecipe(
        batches=lambda clips, options, epoch: length_buckets(
            [clip.n_frames for clip in clips], options.batch_size, options.seed, epoch, BUCKET_FRAMES
        ),
        n_accumulated=lambda options: options.accumulate_batches,
        clips_gradient=True,
        padding_leaks=False,
        seconds=(0.0, math.inf),
        stretches=True,
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
        stretches=False,
        unused=frozenset({"gradient_clip_norm", "accumulate_batches", "min_steps"}),
    ),
}


@dataclass(frozen=True, kw_only=True)
class AdaptSoVITSOptions(TrainingOptions):
    """Beside those of TrainingOptions:

    segment_frames: latent frames of 20 ms that the generator decodes per clip and step, at least 8
    learning_rate_decay: in (0, 1]; factor on the learning rate, once an epoch, the first included
    min_steps: at least 0; a voice of few clips gets so many more epochs that as many steps are made, see `stretched`
    mel_weight, kl_weight, adversarial_weight, feature_weight: at least 0, of the generator's losses; with the last two
        at 0 there is no discriminator and a step takes about a fifth less time
    latent_weight, prior_mel_weight: at least 0, of what tokens and text alone make: its distance from the posterior's
        mean, and from the speech. Not in the original; a small base needs them, with enc_q frozen
    With accumulate_batches above 1 the generator runs twice a batch: the discriminator steps once, before it judges.
    """

    segment_frames: int
    mel_weight: float
    kl_weight: float
    adversarial_weight: float = 1.0
    feature_weight: float = 1.0
    latent_weight: float = 0.0
    prior_mel_weight: float = 0.0
    learning_rate_decay: float = 0.999875
    min_steps: int = 0
    learning_rate_factors: Mapping[str, float] = field(default_factory=lambda: dict(TEXT_FACTORS))

    what: ClassVar[str] = "adapt_sovits"
    recipes: ClassVar[Mapping[str, SoVITSRecipe]] = RECIPES
    web_interface: ClassVar[Mapping[str, int]] = {"n_epochs": 8, "save_every_epochs": 4}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(("segment_frames",), at_least=8)
        self.require(("mel_weight", "kl_weight", "adversarial_weight", "feature_weight"), at_least=0)
        self.require(("latent_weight", "prior_mel_weight", "min_steps"), at_least=0)
        self.require(("learning_rate_decay",), above=0, at_most=1)

    @property
    def uses_discriminator(self) -> bool:
        return self.adversarial_weight > 0 or self.feature_weight > 0

    @property
    def uses_prior(self) -> bool:
        return self.latent_weight > 0 or self.prior_mel_weight > 0

    def limits(self) -> list[Limit]:
        low, high = RECIPES[self.recipe].seconds
        least, most = max(self.min_clip_seconds, low), min(self.max_clip_seconds, high)
        return [Limit("seconds", lambda clip: clip.seconds, least, most)]


def stretched(options: AdaptSoVITSOptions, steps_an_epoch: int) -> AdaptSoVITSOptions:
    """The options with so many epochs that min_steps are made; rate, saving and patience keep their course over all.

    Epochs are counted in clips: those of a voice of three minutes are too short for it to be learnt in ten.
    """
    if not RECIPES[options.recipe].stretches:
        return options
    n_epochs = max(options.n_epochs, math.ceil(options.min_steps / steps_an_epoch))
    factor = n_epochs / options.n_epochs
    return replace(
        options,
        n_epochs=n_epochs,
        learning_rate_decay=options.learning_rate_decay ** (1 / factor),
        save_every_epochs=round(options.save_every_epochs * factor),
        patience_epochs=math.ceil(options.patience_epochs * factor),
    )
