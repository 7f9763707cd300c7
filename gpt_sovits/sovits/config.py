"""Sizes of SoVITS and of its discriminator, and the official tables.

A version (v2, v2Pro, v2ProPlus) is only a row of numbers here. No layer depends on a version.
Source of the numbers: the published GPT-SoVITS v2 / v2Pro / v2ProPlus configurations.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

FRAMES_PER_SECOND = 50  # latent frames, content features and spectrogram columns all run at this rate
FRAMES_PER_TOKEN = 2  # a semantic token covers two frames: 25 tokens per second


class ModelConfig(BaseModel):
    """A frozen set of sizes that is stored with its weights as JSON. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # keys that weights stored before them lack, whose default says what those weights are
    added: ClassVar[frozenset[str]] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """Return the config as a JSON-ready dict. `from_dict` reads it back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read the values of `to_dict`, every key of which is required, but for those that older weights lack.

        Raises:
            ValueError: For missing, unknown and wrong keys, which it names (pydantic.ValidationError is a ValueError).
        """
        missing = sorted(set(cls.model_fields) - set(values) - cls.added)
        if missing:
            raise ValueError(f"{cls.__name__} lacks {', '.join(missing)}; add what the weights were made with")
        return cls.model_validate(values)


class SoVITSConfig(ModelConfig):
    """Every size of SoVITS. The defaults are official v2."""

    added: ClassVar[frozenset[str]] = frozenset({"istft_harmonics"})

    sample_rate: PositiveInt = Field(32000, description="of the speech it makes, Hz")
    n_fft: PositiveInt = Field(2048, description="of the linear spectrogram, also its window length, samples")
    hop_length: PositiveInt = Field(640, description="samples per frame, sample_rate / 50")
    n_mels: PositiveInt = Field(128, description="bands of the log-mel spectrogram in the mel loss")
    reference_bins: PositiveInt = Field(704, description="lowest spectrogram bins that the reference encoder sees")
    log_spectrogram: bool = Field(
        False, description="style and posterior encoder see log magnitudes, from which a small network learns sooner"
    )
    n_symbols: PositiveInt = Field(732, description="rows of the phoneme embedding")
    ssl_dim: PositiveInt = Field(768, description="width of the content features")
    codebook_size: PositiveInt = Field(1024, description="number of semantic tokens")

    latent_channels: PositiveInt = Field(192, description="width of the latent z")
    hidden_channels: PositiveInt = Field(192, description="width of encoders and flow")
    filter_channels: PositiveInt = Field(768, description="inner width of the feed-forward layers")
    n_heads: PositiveInt = 2
    n_layers: PositiveInt = Field(6, description="of the phoneme encoder, even; each content encoder has half as many")
    kernel_size: PositiveInt = Field(3, description="of the feed-forward convolutions, odd")
    attention_window: PositiveInt = Field(4, description="relative positions up to this distance are learned")
    p_dropout: float = Field(0.1, ge=0, lt=1, description="in the encoders' attention and feed-forward layers")
    mrte_channels: PositiveInt = Field(512, description="width of the content-phoneme-style attention")
    mrte_heads: PositiveInt = 4

    style_channels: PositiveInt = Field(512, description="width of the style embedding (gin_channels upstream)")
    reference_hidden: PositiveInt = Field(128, description="width inside the reference encoder")
    reference_heads: PositiveInt = 2
    reference_kernel: PositiveInt = Field(5, description="of its gated convolutions, odd")
    speaker_dim: int = Field(0, ge=0, description="width of the speaker embedding added to the style, 0 = none")

    wavenet_kernel: PositiveInt = Field(5, description="of posterior encoder and flow, odd")
    posterior_layers: int = Field(16, ge=0, description="0 = no posterior encoder, so it can speak but not be adapted")
    n_flows: PositiveInt = 4
    flow_layers: PositiveInt = Field(4, description="WaveNet layers in each coupling")

    generator: Literal["hifigan", "istft"] = Field(
        "hifigan", description="hifigan (official models) or istft, which ends in an inverse STFT"
    )
    upsample_rates: tuple[PositiveInt, ...] = (10, 8, 2, 2, 2)
    upsample_kernel_sizes: tuple[PositiveInt, ...] = (16, 16, 8, 2, 2)
    upsample_initial_channel: PositiveInt = 512
    resblock_kernel_sizes: tuple[PositiveInt, ...] = (3, 7, 11)
    resblock_dilations: tuple[tuple[PositiveInt, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    trunk_dilations: tuple[tuple[PositiveInt, ...], ...] = Field(
        (), description="istft only: dilations of each residual block (kernel 3) at 50 Hz, before the upsampling"
    )
    istft_n_fft: int = Field(0, ge=0, description="istft only: frame and window of the inverse STFT, samples, even")
    istft_hop: int = Field(0, ge=0, description="istft only: from one such frame to the next, samples, even")
    istft_harmonics: bool = Field(False, description="istft only: the voice is a sum of harmonics at a predicted pitch")

    @property
    def spectrogram_bins(self) -> int:
        """Rows of the linear spectrogram."""
        return self.n_fft // 2 + 1

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        problems = [
            *self._generator_problems(),
            *self._upsampling_problems(),
            *self._width_problems(),
            *self._kernel_and_head_problems(),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _generator_problems(self) -> Iterator[str]:
        """Yield what does not fit the frame rate or the kind of generator."""
        n_fft, hop = self.istft_n_fft, self.istft_hop
        if self.hop_length * FRAMES_PER_SECOND != self.sample_rate:
            expected = self.sample_rate / FRAMES_PER_SECOND
            yield f"hop_length {self.hop_length} must be sample_rate / 50 = {expected:g}"
        if self.generator == "hifigan":
            if prod(self.upsample_rates) != self.hop_length:
                yield f"the product of upsample_rates {self.upsample_rates} must be hop_length {self.hop_length}"
            if n_fft or hop or self.trunk_dilations:
                yield (
                    f"istft_n_fft {n_fft}, istft_hop {hop} and trunk_dilations {self.trunk_dilations} must be 0, 0 and "
                    "() with the generator hifigan, because only istft has such parts"
                )
            if self.istft_harmonics:
                yield "istft_harmonics must be False with the generator hifigan, because only istft has a pitch"
            return
        if prod(self.upsample_rates) * hop != self.hop_length:
            yield (
                f"the product of upsample_rates {self.upsample_rates} and istft_hop {hop} must be hop_length "
                f"{self.hop_length}"
            )
        if n_fft % 2 or hop % 2:
            yield f"istft_n_fft {n_fft} and istft_hop {hop} must be even, because a frame is centred on its hop"
        if n_fft < 2 * hop:
            yield (
                f"istft_n_fft {n_fft} must be at least twice istft_hop {hop}: a sample must lie in the middle half of "
                "its own frame, or it is divided by the small values at the edge of the window"
            )

    def _upsampling_problems(self) -> Iterator[str]:
        rates, kernels, width = self.upsample_rates, self.upsample_kernel_sizes, self.upsample_initial_channel
        if len(rates) != len(kernels):
            yield f"{len(rates)} upsample_rates but {len(kernels)} upsample_kernel_sizes; give one kernel per rate"
        if any(k < u or (k - u) % 2 for k, u in zip(kernels, rates, strict=False)):
            yield f"each upsample kernel of {kernels} must exceed its rate of {rates} by an even number, or equal it"
        if width % 2 ** len(rates):
            yield f"upsample_initial_channel {width} must be divisible by 2 ** {len(rates)}: every stage halves it"
        if len(self.resblock_kernel_sizes) != len(self.resblock_dilations):
            yield (
                f"{len(self.resblock_kernel_sizes)} resblock_kernel_sizes but {len(self.resblock_dilations)} "
                "resblock_dilations; give one row of dilations per kernel"
            )

    def _width_problems(self) -> Iterator[str]:
        if self.n_layers % 2:
            yield f"n_layers {self.n_layers} must be even, because the content encoders have half as many"
        if self.latent_channels % 2:
            yield f"latent_channels {self.latent_channels} must be even, because the flow splits them"
        if self.reference_bins > self.spectrogram_bins:
            yield f"reference_bins {self.reference_bins} exceeds n_fft // 2 + 1 = {self.spectrogram_bins}"
        if self.speaker_dim == 0 and self.style_channels != self.mrte_channels:
            yield (
                f"style_channels {self.style_channels} must equal mrte_channels {self.mrte_channels} when speaker_dim "
                "is 0, because the style is then added without a projection"
            )

    def _kernel_and_head_problems(self) -> Iterator[str]:
        if any(k % 2 == 0 for k in (self.kernel_size, self.reference_kernel, self.wavenet_kernel)) or any(
            k % 2 == 0 for k in self.resblock_kernel_sizes
        ):
            yield "kernel_size, reference_kernel, wavenet_kernel and resblock_kernel_sizes must be odd"
        for name, width, heads in (
            ("hidden_channels", self.hidden_channels, self.n_heads),
            ("mrte_channels", self.mrte_channels, self.mrte_heads),
            ("reference_hidden", self.reference_hidden, self.reference_heads),
        ):
            if width % heads:
                yield f"{name} {width} must be divisible by its {heads} heads"


class DiscriminatorConfig(ModelConfig):
    """Sizes of the multi-period and scale discriminator. The defaults are official v2."""

    periods: tuple[PositiveInt, ...] = (2, 3, 5, 7, 11)
    scale_channels: tuple[PositiveInt, ...] = Field((16, 64, 256, 1024, 1024, 1024), min_length=6, max_length=6)
    scale_groups: tuple[PositiveInt, ...] = Field((1, 4, 16, 64, 256, 1), min_length=6, max_length=6)
    period_channels: tuple[PositiveInt, ...] = Field((32, 128, 512, 1024, 1024), min_length=2)

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        widths = (1, *self.scale_channels)
        for before, after, groups in zip(widths, widths[1:], self.scale_groups, strict=False):
            if before % groups or after % groups:
                raise ValueError(
                    f"scale_groups {self.scale_groups} must divide the channels on both sides, but "
                    f"{groups} groups do not divide {before} and {after}"
                )
        return self


OFFICIAL: dict[str, SoVITSConfig] = {
    "v2": SoVITSConfig(),
    "v2Pro": SoVITSConfig(p_dropout=0.0, style_channels=1024, speaker_dim=20480),
    "v2ProPlus": SoVITSConfig(
        p_dropout=0.0,
        style_channels=1024,
        speaker_dim=20480,
        upsample_kernel_sizes=(20, 16, 8, 2, 2),
        upsample_initial_channel=768,
    ),
}

OFFICIAL_DISCRIMINATOR: dict[str, DiscriminatorConfig] = {
    "v2": DiscriminatorConfig(),
    "v2Pro": DiscriminatorConfig(periods=(2, 3, 5, 7, 11, 17, 23)),
    "v2ProPlus": DiscriminatorConfig(periods=(2, 3, 5, 7, 11, 17, 23)),
}
