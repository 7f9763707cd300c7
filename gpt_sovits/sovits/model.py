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

from gpt_sovits.precision import HAS_BFLOAT16_ARITHMETIC, check_precision
from gpt_sovits.sovits.checks import check_decode, checked_lengths, require
from gpt_sovits.sovits.config import FRAMES_PER_TOKEN, OFFICIAL, SoVITSConfig
from gpt_sovits.sovits.flow import Flow, PosteriorEncoder
from gpt_sovits.sovits.generators.fast_hifigan import FastGenerator
from gpt_sovits.sovits.generators.hifigan import Generator
from gpt_sovits.sovits.generators.istft import ISTFTGenerator
from gpt_sovits.sovits.layers.masks import length_mask
from gpt_sovits.sovits.layers.weight_norm import fold_weight_norm
from gpt_sovits.sovits.quantizer import Quantizer
from gpt_sovits.sovits.reference_encoder import ReferenceEncoder
from gpt_sovits.sovits.spectrogram import log_magnitudes
from gpt_sovits.sovits.text_encoder import TextEncoder

__all__ = ["OFFICIAL", "SoVITS", "SoVITSConfig", "TrainingOutput"]


class TrainingOutput(NamedTuple):
    """What the losses need. The latents are (B, latent_channels, T), the mask (B, 1, T)."""

    waveforms: Tensor  # (B, 1, segment_frames * hop_length), the crops, as the generator makes them: not clipped
    mask: Tensor
    z: Tensor
    z_prior: Tensor
    mean_prior: Tensor
    log_deviation_prior: Tensor
    mean_posterior: Tensor
    log_deviation_posterior: Tensor
    commitment_loss: Tensor  # () of the quantiser; 0 while the codebook is frozen
    style: Tensor  # (B, style_channels, 1)


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
        self.dec = _generator(c)
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

    def for_inference(self, precision: str = "float32") -> Self:
        """Eval mode with folded weight norms and the generator in its fast form, in place.

        precision: see `gpt_sovits.precision`; all but the generator stays float32
        Cannot be trained or saved as a checkpoint afterwards. A second call changes nothing.
        """
        check_precision(precision)
        fold_weight_norm(self)
        if not isinstance(self.dec, FastGenerator):
            dtype = torch.bfloat16 if precision in HAS_BFLOAT16_ARITHMETIC else torch.float32
            on_cpu = self.dec.cond.weight.device.type == "cpu"
            if isinstance(self.dec, Generator) and on_cpu and torch.backends.mkldnn.is_available():
                self.dec = FastGenerator(self.dec, dtype)
            else:
                self.dec.to(dtype)
        return self.eval().requires_grad_(False)

    @torch.no_grad()
    def semantic_tokens(self, ssl_features: Tensor) -> Tensor:
        """ssl_features: (B, ssl_dim, T) at 50 Hz, T at least 2 -> (B, T // 2) int64 in [0, codebook_size)

        An odd last frame is left out. Raises ValueError for another shape.
        """
        require(
            ssl_features.dim() == 3
            and ssl_features.shape[1] == self.config.ssl_dim
            and ssl_features.shape[2] >= FRAMES_PER_TOKEN,
            f"ssl_features has shape {tuple(ssl_features.shape)}; it must be (B, {self.config.ssl_dim}, at least 2)",
        )
        return self.quantizer.encode(self.ssl_proj(ssl_features))

    def seen(self, spectrogram: Tensor) -> Tensor:
        """(B, spectrogram_bins, T) linear magnitudes as the style and posterior encoders want them."""
        return log_magnitudes(spectrogram) if self.config.log_spectrogram else spectrogram

    def style_embedding(
        self, spectrogram: Tensor, lengths: Tensor | None = None, speaker_embedding: Tensor | None = None
    ) -> Tensor:
        """The style of each row of a batch of references.

        spectrogram: (B, spectrogram_bins, T) linear magnitude at config.sample_rate; lengths: (B,) frames, None = all T
        speaker_embedding: (B, speaker_dim), given if and only if config.speaker_dim is not 0
        returns: (B, style_channels, 1)
        Raises ValueError for another shape, and where a speaker embedding is missing or superfluous.
        """
        c = self.config
        require(
            spectrogram.dim() == 3 and spectrogram.shape[1] == c.spectrogram_bins and spectrogram.shape[2] > 0,
            f"spectrogram has shape {tuple(spectrogram.shape)}; it must be (B, {c.spectrogram_bins}, at least 1 frame)",
        )
        require(
            (speaker_embedding is not None) == bool(c.speaker_dim),
            f"speaker_embedding is {'missing' if speaker_embedding is None else 'given'} but config.speaker_dim is "
            f"{c.speaker_dim}; give one exactly when it is not 0",
        )
        if lengths is None:
            lengths = torch.full((spectrogram.shape[0],), spectrogram.shape[2], device=spectrogram.device)
        mask = length_mask(lengths, spectrogram.shape[2])
        style = self.ref_enc(self.seen(spectrogram)[:, : c.reference_bins], mask)
        if speaker_embedding is not None:
            style = self.prelu(style + self.sv_emb(speaker_embedding).unsqueeze(2))
        return style

    def mean_style(self, spectrograms: Sequence[Tensor], speaker_embeddings: Sequence[Tensor] | None = None) -> Tensor:
        """One voice from several references: the mean of their styles.

        spectrograms: each (spectrogram_bins, T_i); speaker_embeddings: each (speaker_dim,), paired with them
        returns: (1, style_channels, 1)
        Raises ValueError for no reference, for pairs that do not match, and as style_embedding does.
        """
        require(len(spectrograms) > 0, "no reference spectrogram was given; at least one is needed")
        embeddings = [None] * len(spectrograms) if speaker_embeddings is None else speaker_embeddings
        require(
            len(embeddings) == len(spectrograms),
            f"{len(embeddings)} speaker embeddings for {len(spectrograms)} references; they must be pairs",
        )
        styles = [
            self.style_embedding(spectrogram[None], speaker_embedding=None if embedding is None else embedding[None])
            for spectrogram, embedding in zip(spectrograms, embeddings, strict=True)
        ]
        return torch.stack(styles).mean(dim=0)

    def prior_style(self, style: Tensor) -> Tensor:
        """(B, style_channels, 1) -> (B, mrte_channels, 1): the style as wide as the prior's attention wants it."""
        return self.ge_to512(style.transpose(1, 2)).transpose(1, 2) if self.config.speaker_dim else style

    def codewords(self, codes: Tensor) -> Tensor:
        """codes (B, Y) -> (B, ssl_dim, 2 Y), the codeword of each latent frame"""
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
        returns: waveforms (B, n) in [-1, 1] at config.sample_rate, zero beyond their lengths; lengths (B,) in samples
        Raises ValueError for ids outside of their tables, and for shapes and numbers that do not fit.
        Piece by piece: gpt_sovits/sovits/streaming.py.
        """
        check_decode(self.config, codes, phoneme_ids, style, speed, noise_scale, generator)
        code_lengths = checked_lengths("code_lengths", code_lengths, codes)
        phoneme_lengths = checked_lengths("phoneme_lengths", phoneme_lengths, phoneme_ids)
        _, mean, log_deviation, mask = self.enc_p(
            self.codewords(codes),
            code_lengths * FRAMES_PER_TOKEN,
            phoneme_ids,
            phoneme_lengths,
            self.prior_style(style),
            speed,
        )
        frame_lengths = mask.sum(dim=(1, 2)).long()
        z_prior = mean
        if noise_scale > 0:
            noise = row_noise(mean.shape, frame_lengths, generator).to(mean)
            z_prior = mean + noise * log_deviation.exp() * noise_scale
        return self.render(z_prior, style, frame_lengths), frame_lengths * self.config.hop_length

    def render(self, z_prior: Tensor, style: Tensor, lengths: Tensor) -> Tensor:
        """The sound of latents of the prior: the flow backwards, then the generator.

        z_prior: (B, latent_channels, T); style: (B or 1, style_channels, 1); lengths: (B,) frames
        returns: (B, T * hop_length) in [-1, 1], zero beyond the lengths
        """
        style = style.expand(z_prior.shape[0], -1, -1)
        mask = length_mask(lengths, z_prior.shape[2])
        z = self.flow(z_prior * mask, mask, style, reverse=True)
        alike = bool((lengths == z.shape[2]).all())
        return self.sound(z * mask, style, None if alike else lengths)

    def sound(self, z: Tensor, style: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The generator's waveform, clipped, which the istft generator needs where it is too loud.

        z: (B, latent_channels, T); style: (B, style_channels, 1); lengths: (B,) frames, None = all T
        returns: (B, T * hop_length) in [-1, 1], zero beyond the lengths
        """
        return self.dec(z, style, lengths).squeeze(1).clamp(-1.0, 1.0)

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
        learn_codebook: bool = False,
    ) -> TrainingOutput:
        """One training pass; each clip is its own reference. All randomness comes in, so that it can be repeated.

        ssl_features: (B, ssl_dim, T), T even; spectrograms: (B, spectrogram_bins, T); frame_lengths: (B,), even
        phoneme_ids: (B, X) int64; phoneme_lengths: (B,)
        posterior_noise: (B, latent_channels, T) standard normal
        segment_starts: (B,) first frame of the crop of segment_frames that is turned into sound, at most
            T - segment_frames; where a crop runs over the end of its clip, the sound is zero from there on
        speaker_embeddings: (B, speaker_dim), given if and only if config.speaker_dim is not 0
        learn_codebook: for training a base from nothing only: moves the semantic tokens, and with them what any GPT was
            trained on; let the gradients of ssl_proj be computed too
        Raises ValueError where the config has no posterior encoder, and as style_embedding and Quantizer.learn do.
        """
        require(
            self.config.posterior_layers > 0,
            "this SoVITS has no posterior encoder (enc_q): its exporter dropped it; it speaks and cannot be trained",
        )
        style = self.style_embedding(spectrograms, frame_lengths, speaker_embeddings)
        if learn_codebook:
            token_mask = length_mask(frame_lengths // FRAMES_PER_TOKEN, ssl_features.shape[2] // FRAMES_PER_TOKEN)
            quantized, _, commitment_loss = self.quantizer.learn(self.ssl_proj(ssl_features), token_mask)
        else:
            quantized = self.quantizer.decode(self.semantic_tokens(ssl_features))
            commitment_loss = quantized.new_zeros(())
        _, mean_p, log_p, mask = self.enc_p(
            quantized.repeat_interleave(FRAMES_PER_TOKEN, dim=2),
            frame_lengths,
            phoneme_ids,
            phoneme_lengths,
            self.prior_style(style),
        )
        z, mean_q, log_q = self.enc_q(self.seen(spectrograms), mask, style, posterior_noise)
        z_prior = self.flow(z, mask, style)
        crop_lengths = (frame_lengths - segment_starts).clamp(max=segment_frames)
        whole = bool((crop_lengths == segment_frames).all())
        crops = take_segments(z, segment_starts, segment_frames)
        waveforms = self.dec(crops, style, None if whole else crop_lengths)
        return TrainingOutput(waveforms, mask, z, z_prior, mean_p, log_p, mean_q, log_q, commitment_loss, style)

    def through_prior(self, out: TrainingOutput, segment_starts: Tensor, segment_frames: int) -> tuple[Tensor, Tensor]:
        """What the tokens and the text alone would make of the batch: the way of speaking, without noise.

        out, segment_starts, segment_frames: as forward gave and took them
        returns: the latent (B, latent_channels, T), to be compared with out.mean_posterior, and its sound
            (B, 1, segment_frames * hop_length), not clipped
        """
        z = self.flow(out.mean_prior * out.mask, out.mask, out.style, reverse=True)
        crop_lengths = (out.mask.sum(dim=(1, 2)).long() - segment_starts).clamp(max=segment_frames)
        whole = bool((crop_lengths == segment_frames).all())
        crops = take_segments(z, segment_starts, segment_frames)
        return z, self.dec(crops, out.style, None if whole else crop_lengths)


def _generator(c: SoVITSConfig) -> Generator | ISTFTGenerator:
    sizes = (
        c.latent_channels,
        c.upsample_initial_channel,
        c.upsample_rates,
        c.upsample_kernel_sizes,
        c.resblock_kernel_sizes,
        c.resblock_dilations,
        c.style_channels,
    )
    if c.generator == "hifigan":
        return Generator(*sizes)
    return ISTFTGenerator(*sizes, trunk_dilations=c.trunk_dilations, n_fft=c.istft_n_fft, hop=c.istft_hop)


def take_segments(x: Tensor, starts: Tensor, n: int) -> Tensor:
    """x: (B, C, T); starts: (B,) int -> (B, C, n), row b being x[b, :, starts[b] : starts[b] + n]"""
    return torch.stack([row[:, start : start + n] for row, start in zip(x, starts.tolist(), strict=True)])


def row_noise(
    shape: tuple[int, ...], lengths: Tensor, generator: torch.Generator | Sequence[torch.Generator]
) -> Tensor:
    """Standard normal (B, C, T) on the CPU, drawn row by row at the row's own length; zero beyond."""
    noise = torch.zeros(shape)
    generators = [generator] * shape[0] if isinstance(generator, torch.Generator) else generator
    for row, (n, source) in enumerate(zip(lengths.tolist(), generators, strict=True)):
        noise[row, :, :n] = frame_noise(shape[1], n, source)
    return noise


def frame_noise(channels: int, n_frames: int, generator: torch.Generator) -> Tensor:
    """Standard normal (channels, n_frames) on the CPU, drawn frame after frame: n frames now and m later are the
    n + m of one call, so that a stream has the noise of the whole.

    torch draws normals in blocks of 16, and a last part of a block in another way: each frame is drawn as whole blocks.
    """
    width = -(-channels // 16) * 16
    return torch.randn(n_frames, width, generator=generator)[:, :channels].T
