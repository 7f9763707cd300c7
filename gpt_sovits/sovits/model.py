"""SoVITS: semantic tokens, phonemes and a reference to a waveform (upstream: s2, SynthesizerTrn).

    tokens -> codewords (50 Hz) --+
    phonemes ---------------------+-> prior (enc_p) -> flow backwards -> generator (dec) -> waveform
    reference spectrogram -> style (ref_enc) --+----------+----------------+

Training adds the posterior encoder (enc_q), which sees the true spectrogram. Module names are those of the official
files. Sources: VITS (Kim et al. 2021) and GPT-SoVITS v2.
Shapes: B batch, T frames at 50 Hz, Y = T / 2 semantic tokens, X phonemes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from gpt_sovits.sovits.config import FRAMES_PER_TOKEN, OFFICIAL, SoVITSConfig
from gpt_sovits.sovits.flow import Flow, PosteriorEncoder
from gpt_sovits.sovits.generator import Generator
from gpt_sovits.sovits.masks import length_mask
from gpt_sovits.sovits.quantizer import Quantizer
from gpt_sovits.sovits.reference_encoder import ReferenceEncoder
from gpt_sovits.sovits.text_encoder import TextEncoder
from gpt_sovits.sovits.weight_norm import fold_weight_norm

__all__ = ["OFFICIAL", "SoVITS", "SoVITSConfig", "TrainingOutput"]


class TrainingOutput(NamedTuple):
    """What the losses need. The latents are (B, latent_channels, T), the mask (B, 1, T)."""

    waveforms: Tensor  # (B, 1, segment_frames * hop_length) in (-1, 1), the crops
    mask: Tensor
    z: Tensor
    z_prior: Tensor
    mean_prior: Tensor
    log_deviation_prior: Tensor
    mean_posterior: Tensor
    log_deviation_posterior: Tensor


class SoVITS(nn.Module):
    """The whole network; sizes from a SoVITSConfig."""

    def __init__(self, config: SoVITSConfig) -> None:
        super().__init__()
        c = self.config = config
        self.enc_p = TextEncoder(
            ssl_dim=c.ssl_dim,
            n_symbols=c.n_symbols,
            latent_channels=c.latent_channels,
            hidden_channels=c.hidden_channels,
            filter_channels=c.filter_channels,
            n_heads=c.n_heads,
            n_layers=c.n_layers,
            kernel_size=c.kernel_size,
            window=c.attention_window,
            p_dropout=c.p_dropout,
            mrte_channels=c.mrte_channels,
            mrte_heads=c.mrte_heads,
        )
        self.dec = Generator(
            c.latent_channels,
            c.upsample_initial_channel,
            c.upsample_rates,
            c.upsample_kernel_sizes,
            c.resblock_kernel_sizes,
            c.resblock_dilations,
            c.style_channels,
        )
        if c.posterior_layers:
            self.enc_q = PosteriorEncoder(
                c.spectrogram_bins,
                c.latent_channels,
                c.hidden_channels,
                c.wavenet_kernel,
                c.posterior_layers,
                c.style_channels,
            )
        self.flow = Flow(
            c.latent_channels, c.hidden_channels, c.wavenet_kernel, c.flow_layers, c.n_flows, c.style_channels
        )
        self.ref_enc = ReferenceEncoder(
            c.reference_bins, c.reference_hidden, c.reference_heads, c.reference_kernel, c.style_channels
        )
        self.ssl_proj = nn.Conv1d(c.ssl_dim, c.ssl_dim, FRAMES_PER_TOKEN, FRAMES_PER_TOKEN)
        self.quantizer = Quantizer(c.codebook_size, c.ssl_dim)
        for parameter in self.ssl_proj.parameters():
            parameter.requires_grad_(False)  # the tokens stay what the GPT was trained on
        if c.speaker_dim:
            self.sv_emb = nn.Linear(c.speaker_dim, c.style_channels)
            self.ge_to512 = nn.Linear(c.style_channels, c.mrte_channels)
            self.prelu = nn.PReLU(c.style_channels)

    def for_inference(self) -> Self:
        """Eval mode with folded weight norms, in place; cannot be trained or saved as a checkpoint afterwards."""
        fold_weight_norm(self)
        return self.eval().requires_grad_(False)

    @torch.no_grad()
    def semantic_tokens(self, ssl_features: Tensor) -> Tensor:
        """ssl_features: (B, ssl_dim, T) at 50 Hz, T at least 2 -> (B, T // 2) int64 in [0, codebook_size)"""
        _require(
            ssl_features.dim() == 3
            and ssl_features.shape[1] == self.config.ssl_dim
            and ssl_features.shape[2] >= FRAMES_PER_TOKEN,
            f"ssl_features has shape {tuple(ssl_features.shape)}; it must be (B, {self.config.ssl_dim}, at least 2)",
        )
        return self.quantizer.encode(self.ssl_proj(ssl_features))

    def style_embedding(
        self, spectrogram: Tensor, lengths: Tensor | None = None, speaker_embedding: Tensor | None = None
    ) -> Tensor:
        """The style of each row of a batch of references.

        spectrogram: (B, spectrogram_bins, T) linear magnitude at config.sample_rate; lengths: (B,) frames, None = all T
        speaker_embedding: (B, speaker_dim), given if and only if config.speaker_dim is not 0
        returns: (B, style_channels, 1)
        """
        c = self.config
        _require(
            spectrogram.dim() == 3 and spectrogram.shape[1] == c.spectrogram_bins and spectrogram.shape[2] > 0,
            f"spectrogram has shape {tuple(spectrogram.shape)}; it must be (B, {c.spectrogram_bins}, at least 1 frame)",
        )
        _require(
            (speaker_embedding is not None) == bool(c.speaker_dim),
            f"speaker_embedding is {'missing' if speaker_embedding is None else 'given'} but config.speaker_dim is "
            f"{c.speaker_dim}; give one exactly when it is not 0",
        )
        if lengths is None:
            lengths = torch.full((spectrogram.shape[0],), spectrogram.shape[2], device=spectrogram.device)
        mask = length_mask(lengths, spectrogram.shape[2])
        style = self.ref_enc(spectrogram[:, : c.reference_bins], mask)
        if speaker_embedding is not None:
            style = self.prelu(style + self.sv_emb(speaker_embedding).unsqueeze(2))
        return style

    def mean_style(self, spectrograms: Sequence[Tensor], speaker_embeddings: Sequence[Tensor] | None = None) -> Tensor:
        """One voice from several references: the mean of their styles.

        spectrograms: each (spectrogram_bins, T_i); speaker_embeddings: each (speaker_dim,), paired with them
        returns: (1, style_channels, 1)
        """
        _require(len(spectrograms) > 0, "no reference spectrogram was given; at least one is needed")
        embeddings = [None] * len(spectrograms) if speaker_embeddings is None else speaker_embeddings
        _require(
            len(embeddings) == len(spectrograms),
            f"{len(embeddings)} speaker embeddings for {len(spectrograms)} references; they must be pairs",
        )
        styles = [
            self.style_embedding(spectrogram[None], speaker_embedding=None if embedding is None else embedding[None])
            for spectrogram, embedding in zip(spectrograms, embeddings, strict=True)
        ]
        return torch.stack(styles).mean(dim=0)

    def _prior_style(self, style: Tensor) -> Tensor:
        """The style as wide as the prior's attention wants it: (B, mrte_channels, 1)."""
        return self.ge_to512(style.transpose(1, 2)).transpose(1, 2) if self.config.speaker_dim else style

    def _codewords(self, codes: Tensor) -> Tensor:
        """codes (B, Y) -> (B, ssl_dim, 2 Y)"""
        return self.quantizer.decode(codes).repeat_interleave(FRAMES_PER_TOKEN, dim=2)

    @torch.no_grad()
    def decode(
        self,
        codes: Tensor,
        phoneme_ids: Tensor,
        style: Tensor,
        *,
        code_lengths: Tensor | None = None,
        phoneme_lengths: Tensor | None = None,
        speed: float = 1.0,
        noise_scale: float = 0.5,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Speech from semantic tokens. A row of a batch comes out as it would alone, up to rounding.

        codes: (B, Y) int64 in [0, codebook_size), anything valid as padding; code_lengths: (B,), None = all Y
        phoneme_ids: (B, X) int64; phoneme_lengths: (B,), None = all X
        style: (B or 1, style_channels, 1) from style_embedding or mean_style
        speed: 1 keeps the tokens' own duration; otherwise a row has int(2 Y / speed) + 1 frames
        noise_scale: deviation of the latent in units of the prior's, at least 0
        generator: source of the noise on the CPU, one or one a row (then a row does not depend on its neighbours);
            needed unless noise_scale is 0
        returns: waveforms (B, n) in (-1, 1) at config.sample_rate, zero beyond their lengths; lengths (B,) in samples
        """
        self._check_decode(codes, phoneme_ids, style, speed, noise_scale, generator)
        n_rows = codes.shape[0]
        device = codes.device
        if code_lengths is None:
            code_lengths = torch.full((n_rows,), codes.shape[1], device=device)
        if phoneme_lengths is None:
            phoneme_lengths = torch.full((n_rows,), phoneme_ids.shape[1], device=device)
        for name, lengths, n in (
            ("code_lengths", code_lengths, codes.shape[1]),
            ("phoneme_lengths", phoneme_lengths, phoneme_ids.shape[1]),
        ):
            _require(
                lengths.shape == (n_rows,) and bool(((lengths >= 1) & (lengths <= n)).all()),
                f"{name} is {lengths.tolist()}; it must be {n_rows} numbers from 1 to {n}",
            )
        style = style.expand(n_rows, -1, -1)
        _, mean, log_deviation, mask = self.enc_p(
            self._codewords(codes),
            code_lengths * FRAMES_PER_TOKEN,
            phoneme_ids,
            phoneme_lengths,
            self._prior_style(style),
            speed,
        )
        frame_lengths = mask.sum(dim=(1, 2)).long()
        z_prior = mean
        if noise_scale > 0:
            noise = _row_noise(mean.shape, frame_lengths, generator).to(mean)
            z_prior = mean + noise * log_deviation.exp() * noise_scale
        z = self.flow(z_prior * mask, mask, style, reverse=True)
        alike = bool((frame_lengths == z.shape[2]).all())
        waveforms = self.dec(z * mask, style, None if alike else frame_lengths)
        return waveforms.squeeze(1), frame_lengths * self.config.hop_length

    def _check_decode(
        self,
        codes: Tensor,
        phoneme_ids: Tensor,
        style: Tensor,
        speed: float,
        noise_scale: float,
        generator: torch.Generator | Sequence[torch.Generator] | None,
    ) -> None:
        c = self.config
        for name, ids, n in (("codes", codes, c.codebook_size), ("phoneme_ids", phoneme_ids, c.n_symbols)):
            _require(
                ids.dim() == 2 and ids.numel() > 0 and ids.dtype == torch.int64,
                f"{name} has shape {tuple(ids.shape)} and dtype {ids.dtype}; it must be (B, at least 1) of int64",
            )
            _require(
                int(ids.min()) >= 0 and int(ids.max()) < n,
                f"{name} holds values from {int(ids.min())} to {int(ids.max())}; they must be in 0..{n - 1}",
            )
        _require(
            codes.shape[0] == phoneme_ids.shape[0],
            f"{codes.shape[0]} rows of codes but {phoneme_ids.shape[0]} of phoneme_ids; they must be as many",
        )
        _require(
            style.dim() == 3 and style.shape[0] in (1, codes.shape[0]) and style.shape[1:] == (c.style_channels, 1),
            f"style has shape {tuple(style.shape)}; it must be (1 or {codes.shape[0]}, {c.style_channels}, 1)",
        )
        _require(speed > 0, f"speed is {speed}; it must be above 0")
        _require(noise_scale >= 0, f"noise_scale is {noise_scale}; it must be at least 0")
        _require(
            noise_scale == 0 or generator is not None,
            f"noise_scale is {noise_scale} without a generator; give a seeded torch.Generator, or noise_scale 0",
        )
        _require(
            not isinstance(generator, Sequence) or len(generator) == codes.shape[0],
            "a sequence of generators must hold one a row",
        )

    def forward(
        self,
        ssl_features: Tensor,
        spectrograms: Tensor,
        frame_lengths: Tensor,
        phoneme_ids: Tensor,
        phoneme_lengths: Tensor,
        posterior_noise: Tensor,
        segment_starts: Tensor,
        segment_frames: int,
        speaker_embeddings: Tensor | None = None,
    ) -> TrainingOutput:
        """One training pass; each clip is its own reference. All randomness comes in, so that it can be repeated.

        ssl_features: (B, ssl_dim, T), T even; spectrograms: (B, spectrogram_bins, T); frame_lengths: (B,), even
        phoneme_ids: (B, X) int64; phoneme_lengths: (B,)
        posterior_noise: (B, latent_channels, T) standard normal
        segment_starts: (B,) first frame of the crop of segment_frames that is turned into sound, at most
            T - segment_frames; where a crop runs over the end of its clip, the sound is zero from there on
        speaker_embeddings: (B, speaker_dim), given if and only if config.speaker_dim is not 0
        """
        _require(
            self.config.posterior_layers > 0,
            "this SoVITS has no posterior encoder (enc_q): its exporter dropped it; it speaks and cannot be trained",
        )
        style = self.style_embedding(spectrograms, frame_lengths, speaker_embeddings)
        _, mean_p, log_p, mask = self.enc_p(
            self._codewords(self.semantic_tokens(ssl_features)),
            frame_lengths,
            phoneme_ids,
            phoneme_lengths,
            self._prior_style(style),
        )
        z, mean_q, log_q = self.enc_q(spectrograms, mask, style, posterior_noise)
        z_prior = self.flow(z, mask, style)
        crop_lengths = (frame_lengths - segment_starts).clamp(max=segment_frames)
        whole = bool((crop_lengths == segment_frames).all())
        crops = take_segments(z, segment_starts, segment_frames)
        waveforms = self.dec(crops, style, None if whole else crop_lengths)
        return TrainingOutput(waveforms, mask, z, z_prior, mean_p, log_p, mean_q, log_q)


def take_segments(x: Tensor, starts: Tensor, n: int) -> Tensor:
    """x: (B, C, T); starts: (B,) int -> (B, C, n), row b being x[b, :, starts[b] : starts[b] + n]"""
    return torch.stack([row[:, start : start + n] for row, start in zip(x, starts.tolist(), strict=True)])


def _row_noise(
    shape: tuple[int, ...], lengths: Tensor, generator: torch.Generator | Sequence[torch.Generator]
) -> Tensor:
    """Standard normal (B, C, T) on the CPU, drawn row by row at the row's own length; zero beyond."""
    noise = torch.zeros(shape)
    generators = [generator] * shape[0] if isinstance(generator, torch.Generator) else generator
    for row, (n, source) in enumerate(zip(lengths.tolist(), generators, strict=True)):
        noise[row, :, :n] = torch.randn(shape[1], n, generator=source)
    return noise


def _require(right: bool, message: str) -> None:
    if not right:
        raise ValueError(message)
