"""Sizes of SoVITS and of its discriminator, and the official tables.

A version (v2, v2Pro, v2ProPlus) is nothing but a row of numbers here; no layer asks for a version.
Source of the numbers: the published GPT-SoVITS v2 / v2Pro / v2ProPlus configurations.
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

FRAMES_PER_SECOND = 50  # latent frames, content features and spectrogram columns all run at this rate
FRAMES_PER_TOKEN = 2  # a semantic token covers two frames: 25 tokens a second


class ModelConfig(BaseModel):
    """A frozen set of sizes that travels with its weights as JSON; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_dict(self) -> dict[str, Any]:
        """The config as a JSON-ready dict."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of to_dict: every key must be there, none may be added.

        Raises ValueError (pydantic.ValidationError is one) that names every wrong key.
        """
        missing = sorted(set(cls.model_fields) - set(values))
        if missing:
            raise ValueError(f"{cls.__name__} lacks {', '.join(missing)}; a config must be complete to fit its weights")
        return cls.model_validate(values)


class SoVITSConfig(ModelConfig):
    """Every size of SoVITS. The defaults are official v2."""

    sample_rate: PositiveInt = Field(32000, description="of the speech it makes, Hz")
    n_fft: PositiveInt = Field(2048, description="of the linear spectrogram; also its window length, samples")
    hop_length: PositiveInt = Field(640, description="samples a frame; sample_rate / 50")
    n_mels: PositiveInt = Field(128, description="bands of the log-mel spectrogram in the mel loss")
    reference_bins: PositiveInt = Field(704, description="lowest spectrogram bins that the reference encoder sees")
    log_spectrogram: bool = Field(
        False, description="style and posterior encoder see log magnitudes, which a small network learns from sooner"
    )
    n_symbols: PositiveInt = Field(732, description="rows of the phoneme embedding")
    ssl_dim: PositiveInt = Field(768, description="width of the content features")
    codebook_size: PositiveInt = Field(1024, description="number of semantic tokens")

    latent_channels: PositiveInt = Field(192, description="width of the latent z")
    hidden_channels: PositiveInt = Field(192, description="width of encoders and flow")
    filter_channels: PositiveInt = Field(768, description="inner width of the feed-forward layers")
    n_heads: PositiveInt = 2
    n_layers: PositiveInt = Field(6, description="of the phoneme encoder; the two content encoders have half of it")
    kernel_size: PositiveInt = Field(3, description="of the feed-forward convolutions; odd")
    attention_window: PositiveInt = Field(4, description="relative positions up to this distance are learned")
    p_dropout: float = Field(0.1, ge=0, lt=1, description="in the encoders' attention and feed-forward layers")
    mrte_channels: PositiveInt = Field(512, description="width of the content-phoneme-style attention")
    mrte_heads: PositiveInt = 4

    style_channels: PositiveInt = Field(512, description="width of the style embedding (gin_channels upstream)")
    reference_hidden: PositiveInt = Field(128, description="width inside the reference encoder")
    reference_heads: PositiveInt = 2
    reference_kernel: PositiveInt = Field(5, description="of its gated convolutions; odd")
    speaker_dim: int = Field(0, ge=0, description="width of the verifier's embedding added to the style; 0 = none")

    wavenet_kernel: PositiveInt = Field(5, description="of posterior encoder and flow; odd")
    posterior_layers: int = Field(16, ge=0, description="0 = no posterior encoder: speaks, cannot be adapted")
    n_flows: PositiveInt = 4
    flow_layers: PositiveInt = Field(4, description="WaveNet layers in each coupling")

    generator: Literal["hifigan", "istft"] = Field(
        "hifigan", description="upsamples to samples, or to the frames of an inverse STFT; official models: hifigan"
    )
    upsample_rates: tuple[PositiveInt, ...] = (10, 8, 2, 2, 2)
    upsample_kernel_sizes: tuple[PositiveInt, ...] = (16, 16, 8, 2, 2)
    upsample_initial_channel: PositiveInt = 512
    resblock_kernel_sizes: tuple[PositiveInt, ...] = (3, 7, 11)
    resblock_dilations: tuple[tuple[PositiveInt, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    trunk_dilations: tuple[tuple[PositiveInt, ...], ...] = Field(
        (), description="istft only: of each residual block (kernel 3) at 50 Hz, before the upsampling"
    )
    istft_n_fft: int = Field(0, ge=0, description="istft only: frame and window of the inverse STFT, samples; even")
    istft_hop: int = Field(0, ge=0, description="istft only: from one such frame to the next, samples; even")

    @property
    def spectrogram_bins(self) -> int:
        """Rows of the linear spectrogram."""
        return self.n_fft // 2 + 1

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        problems = [
            message
            for wrong, message in (
                (
                    self.hop_length * FRAMES_PER_SECOND != self.sample_rate,
                    f"hop_length {self.hop_length} must be sample_rate / 50 = {self.sample_rate / FRAMES_PER_SECOND:g}",
                ),
                *self._generator_problems(),
                (
                    len(self.upsample_rates) != len(self.upsample_kernel_sizes),
                    f"{len(self.upsample_rates)} upsample_rates but {len(self.upsample_kernel_sizes)} "
                    "upsample_kernel_sizes; there must be one kernel a rate",
                ),
                (
                    any(
                        k < u or (k - u) % 2
                        for k, u in zip(self.upsample_kernel_sizes, self.upsample_rates, strict=False)
                    ),
                    f"each upsample kernel of {self.upsample_kernel_sizes} must exceed its rate of "
                    f"{self.upsample_rates} by an even number (or equal it)",
                ),
                (
                    self.upsample_initial_channel % 2 ** len(self.upsample_rates) != 0,
                    f"upsample_initial_channel {self.upsample_initial_channel} must be divisible by "
                    f"2 ** {len(self.upsample_rates)}: every stage halves it",
                ),
                (
                    len(self.resblock_kernel_sizes) != len(self.resblock_dilations),
                    f"{len(self.resblock_kernel_sizes)} resblock_kernel_sizes but {len(self.resblock_dilations)} "
                    "resblock_dilations; there must be one row of dilations a kernel",
                ),
                (
                    self.n_layers % 2 != 0,
                    f"n_layers {self.n_layers} must be even: the content encoders have half of it",
                ),
                (
                    self.latent_channels % 2 != 0,
                    f"latent_channels {self.latent_channels} must be even: the flow splits them",
                ),
                (
                    self.reference_bins > self.spectrogram_bins,
                    f"reference_bins {self.reference_bins} exceeds n_fft // 2 + 1 = {self.spectrogram_bins}",
                ),
                (
                    self.speaker_dim == 0 and self.style_channels != self.mrte_channels,
                    f"style_channels {self.style_channels} must equal mrte_channels {self.mrte_channels} "
                    "when speaker_dim is 0: the style is added there unprojected",
                ),
                (
                    any(
                        k % 2 == 0
                        for k in (
                            self.kernel_size,
                            self.reference_kernel,
                            self.wavenet_kernel,
                            *self.resblock_kernel_sizes,
                        )
                    ),
                    "kernel_size, reference_kernel, wavenet_kernel and resblock_kernel_sizes must be odd",
                ),
                *(
                    (width % heads != 0, f"{name} {width} must be divisible by its {heads} heads")
                    for name, width, heads in (
                        ("hidden_channels", self.hidden_channels, self.n_heads),
                        ("mrte_channels", self.mrte_channels, self.mrte_heads),
                        ("reference_hidden", self.reference_hidden, self.reference_heads),
                    )
                ),
            )
            if wrong
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _generator_problems(self) -> tuple[tuple[bool, str], ...]:
        """What only one of the generators wants: whether it is wrong, and the message."""
        n_fft, hop = self.istft_n_fft, self.istft_hop
        if self.generator == "hifigan":
            return (
                (
                    prod(self.upsample_rates) != self.hop_length,
                    f"the product of upsample_rates {self.upsample_rates} must be hop_length {self.hop_length}",
                ),
                (
                    bool(n_fft or hop or self.trunk_dilations),
                    f"istft_n_fft {n_fft}, istft_hop {hop} and trunk_dilations {self.trunk_dilations} must be 0, 0 and "
                    "() with the generator hifigan; only istft has such parts",
                ),
            )
        return (
            (
                prod(self.upsample_rates) * hop != self.hop_length,
                f"the product of upsample_rates {self.upsample_rates} and istft_hop {hop} must be hop_length "
                f"{self.hop_length}",
            ),
            (
                n_fft % 2 != 0 or hop % 2 != 0,
                f"istft_n_fft {n_fft} and istft_hop {hop} must be even: a frame lies centred on its hop",
            ),
            (
                n_fft < 2 * hop,
                f"istft_n_fft {n_fft} must be at least twice istft_hop {hop}: a sample must lie in the middle half of "
                "its own frame, or it is divided by a window that is nearly closed",
            ),
        )


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
                    f"scale_groups {self.scale_groups} must divide the channels on both sides; "
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
