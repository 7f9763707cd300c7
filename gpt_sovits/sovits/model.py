"""The SoVITS network: semantic tokens, phonemes and a reference to a waveform (upstream: s2, SynthesizerTrn).

    tokens -> codewords (50 Hz) --+
    phonemes ---------------------+-> prior (enc_p) -> flow backwards -> generator (dec) -> waveform
    reference spectrogram -> style (ref_enc) --+----------+----------------+

Training adds the posterior encoder (enc_q), which sees the real spectrogram. Module names are those of the official
files. Sources: VITS (Kim et al. 2021) and GPT-SoVITS v2.
Shapes: B batch, T frames at 50 Hz, Y = T / 2 semantic tokens, X phonemes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from gpt_sovits.precision import HAS_BFLOAT16_ARITHMETIC, check_precision
from gpt_sovits.sovits.checks import check_decode, require, resolve_lengths
from gpt_sovits.sovits.config import FRAMES_PER_TOKEN, OFFICIAL, SoVITSConfig
from gpt_sovits.sovits.flow import Flow, PosteriorEncoder
from gpt_sovits.sovits.generators.build import build_generator
from gpt_sovits.sovits.generators.fast_hifigan import FastHiFiGANGenerator
from gpt_sovits.sovits.generators.harmonics import Voice
from gpt_sovits.sovits.generators.hifigan import HiFiGANGenerator
from gpt_sovits.sovits.layers.masks import length_mask, take_segments
from gpt_sovits.sovits.layers.weight_norm import fold_weight_norm
from gpt_sovits.sovits.noise import row_noise
from gpt_sovits.sovits.quantizer import Quantizer
from gpt_sovits.sovits.reference_encoder import ReferenceEncoder
from gpt_sovits.sovits.spectrogram import log_magnitudes
from gpt_sovits.sovits.text_encoder import TextEncoder

__all__ = ["OFFICIAL", "SoVITS", "SoVITSConfig", "TrainingOutput"]


class TrainingOutput(NamedTuple):
    """What the losses need. The latents are (B, latent_channels, T), the mask is (B, 1, T)."""

    waveforms: Tensor  # (B, 1, segment_frames * hop_length), the crops as the generator makes them, not clipped
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
    """The whole network, with the sizes of a SoVITSConfig."""

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
        self.dec = build_generator(c)
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
            parameter.requires_grad_(False)  # the GPT was trained on these tokens
        if c.speaker_dim:
            self.sv_emb = nn.Linear(c.speaker_dim, c.style_channels)
            self.ge_to512 = nn.Linear(c.style_channels, c.mrte_channels)
            self.prelu = nn.PReLU(c.style_channels)

    def for_inference(self, precision: str = "float32") -> Self:
        """Prepare the network for inference in place, and return it.

        It is put into evaluation mode, with folded weight norms and the fast form of the generator. It cannot be
        trained or saved as a checkpoint afterwards. A second call changes nothing.

        precision: that of the generator, see `gpt_sovits.precision`. Everything else stays float32.
        """
        check_precision(precision)
        fold_weight_norm(self)
        if not isinstance(self.dec, FastHiFiGANGenerator):
            dtype = torch.bfloat16 if precision in HAS_BFLOAT16_ARITHMETIC else torch.float32
            on_cpu = self.dec.cond.weight.device.type == "cpu"
            if isinstance(self.dec, HiFiGANGenerator) and on_cpu and torch.backends.mkldnn.is_available():
                self.dec = FastHiFiGANGenerator(self.dec, dtype)
            else:
                for name, part in self.dec.named_children():
                    part.to(torch.float32 if name == "pitch" else dtype)  # a pitch of 8 bits would be out of tune
        return self.eval().requires_grad_(False)

    @torch.no_grad()
    def semantic_tokens(self, ssl_features: Tensor) -> Tensor:
        """Return the tokens (B, T // 2) int64 in [0, codebook_size) of content features.

        ssl_features: (B, ssl_dim, T) at 50 Hz, T at least 2. An odd last frame is left out.

        Raises ValueError for another shape.
        """
        require(
            ssl_features.dim() == 3
            and ssl_features.shape[1] == self.config.ssl_dim
            and ssl_features.shape[2] >= FRAMES_PER_TOKEN,
            f"ssl_features has shape {tuple(ssl_features.shape)}; it must be (B, {self.config.ssl_dim}, at least 2)",
        )
        return self.quantizer.encode(self.ssl_proj(ssl_features))

    def prepare_spectrogram(self, spectrogram: Tensor) -> Tensor:
        """Scale linear magnitudes (B, spectrogram_bins, T) for the style and posterior encoders."""
        return log_magnitudes(spectrogram) if self.config.log_spectrogram else spectrogram

    def style_embedding(
        self, spectrogram: Tensor, lengths: Tensor | None = None, speaker_embedding: Tensor | None = None
    ) -> Tensor:
        """Compute the style of each row of a batch of references.

        Args:
            spectrogram: Linear magnitudes at config.sample_rate, (B, spectrogram_bins, T).
            lengths: Frames of each row, (B,). None means T.
            speaker_embedding: (B, speaker_dim), required exactly where config.speaker_dim is not 0.

        Returns:
            (B, style_channels, 1)

        Raises:
            ValueError: For another shape, and where a speaker embedding is missing or superfluous.
        """
        c = self.config
        require(
            spectrogram.dim() == 3 and spectrogram.shape[1] == c.spectrogram_bins and spectrogram.shape[2] > 0,
            f"spectrogram has shape {tuple(spectrogram.shape)}; it must be (B, {c.spectrogram_bins}, at least 1 frame)",
        )
        require(
            (speaker_embedding is not None) == bool(c.speaker_dim),
            f"speaker_embedding is {'missing' if speaker_embedding is None else 'given'} but config.speaker_dim is "
            f"{c.speaker_dim}; pass one exactly when it is not 0",
        )
        if lengths is None:
            lengths = torch.full((spectrogram.shape[0],), spectrogram.shape[2], device=spectrogram.device)
        mask = length_mask(lengths, spectrogram.shape[2])
        style = self.ref_enc(self.prepare_spectrogram(spectrogram)[:, : c.reference_bins], mask)
        if speaker_embedding is not None:
            style = self.prelu(style + self.sv_emb(speaker_embedding).unsqueeze(2))
        return style

    def mean_style(self, spectrograms: Sequence[Tensor], speaker_embeddings: Sequence[Tensor] | None = None) -> Tensor:
        """Average the styles of several references.

        Args:
            spectrograms: (spectrogram_bins, T_i) each.
            speaker_embeddings: (speaker_dim,) each, one per spectrogram.

        Returns:
            (1, style_channels, 1)

        Raises:
            ValueError: Without a reference, for unequal numbers of both, and as `style_embedding` does.
        """
        require(len(spectrograms) > 0, "no reference spectrogram was given; pass at least one")
        embeddings = [None] * len(spectrograms) if speaker_embeddings is None else speaker_embeddings
        require(
            len(embeddings) == len(spectrograms),
            f"got {len(embeddings)} speaker embeddings for {len(spectrograms)} references; pass one per reference",
        )
        styles = [
            self.style_embedding(spectrogram[None], speaker_embedding=None if embedding is None else embedding[None])
            for spectrogram, embedding in zip(spectrograms, embeddings, strict=True)
        ]
        return torch.stack(styles).mean(dim=0)

    def prior_style(self, style: Tensor) -> Tensor:
        """Project a style (B, style_channels, 1) to the width of the prior's attention, (B, mrte_channels, 1)."""
        return self.ge_to512(style.transpose(1, 2)).transpose(1, 2) if self.config.speaker_dim else style

    def codewords(self, codes: Tensor) -> Tensor:
        """Return the codeword of each latent frame, (B, ssl_dim, 2 Y), for codes (B, Y)."""
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
        """Speak semantic tokens. A row equals its result without the other rows, up to rounding.

        gpt_sovits/sovits/streaming.py does the same piece by piece.

        Args:
            codes: (B, Y) int64 in [0, codebook_size), anything valid as padding.
            phoneme_ids: (B, X) int64
            style: (B or 1, style_channels, 1) from `style_embedding` or `mean_style`.
            code_lengths: (B,), None means Y.
            phoneme_lengths: (B,), None means X.
            speed: 1 keeps the tokens' own duration. Otherwise a row has int(2 Y / speed) + 1 frames.
            noise_scale: Deviation of the latent in units of the prior's, at least 0.
            generator: Source of the noise on the CPU, required unless noise_scale is 0. With one per row, a row does
                not depend on its neighbours.

        Returns:
            Waveforms (B, n) in [-1, 1] at config.sample_rate, zero beyond their lengths, and lengths (B,) in samples.

        Raises:
            ValueError: For ids outside their tables, and for shapes and numbers that do not fit.
        """
        # 1. Check the arguments.
        check_decode(self.config, codes, phoneme_ids, style, speed, noise_scale, generator)
        code_lengths = resolve_lengths("code_lengths", code_lengths, codes)
        phoneme_lengths = resolve_lengths("phoneme_lengths", phoneme_lengths, phoneme_ids)
        # 2. Compute the prior of each frame.
        _, mean, log_deviation, mask = self.enc_p(
            self.codewords(codes),
            code_lengths * FRAMES_PER_TOKEN,
            phoneme_ids,
            phoneme_lengths,
            self.prior_style(style),
            speed,
        )
        frame_lengths = mask.sum(dim=(1, 2)).long()
        # 3. Sample the latent.
        z_prior = mean
        if noise_scale > 0:
            noise = row_noise(mean.shape, frame_lengths, generator).to(mean)
            z_prior = mean + noise * log_deviation.exp() * noise_scale
        # 4. Turn it into sound.
        return self.render(z_prior, style, frame_lengths), frame_lengths * self.config.hop_length

    def render(self, z_prior: Tensor, style: Tensor, lengths: Tensor) -> Tensor:
        """Turn latents of the prior into sound: the flow backwards, then the generator.

        Args:
            z_prior: (B, latent_channels, T)
            style: (B or 1, style_channels, 1)
            lengths: Frames of each row, (B,).

        Returns:
            (B, T * hop_length) in [-1, 1], zero beyond the lengths.
        """
        style = style.expand(z_prior.shape[0], -1, -1)
        mask = length_mask(lengths, z_prior.shape[2])
        z = self.flow(z_prior * mask, mask, style, reverse=True)
        is_unpadded = bool((lengths == z.shape[2]).all())
        return self.generate_waveform(z * mask, style, None if is_unpadded else lengths)

    def generate_waveform(
        self, z: Tensor, style: Tensor, lengths: Tensor | None = None, *, voice: Voice | None = None
    ) -> Tensor:
        """Run the generator and clip its waveform. An istft generator may be too loud.

        Args:
            z: (B, latent_channels, T)
            style: (B, style_channels, 1)
            lengths: Frames of each row, (B,). None means T.
            voice: Pitch and phase of the harmonics, for a generator that has them. None means the predicted pitch.

        Returns:
            (B, T * hop_length) in [-1, 1], zero beyond the lengths.
        """
        waveform = self.dec(z, style, lengths) if voice is None else self.dec(z, style, lengths, voice)
        return waveform.squeeze(1).clamp(-1.0, 1.0)

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
        *,
        semitones: Tensor | None = None,
        learn_codebook: bool = False,
    ) -> TrainingOutput:
        """Run one training pass, in which each clip is its own reference. All randomness is an argument.

        Args:
            ssl_features: (B, ssl_dim, T), T even.
            spectrograms: (B, spectrogram_bins, T)
            frame_lengths: (B,), even.
            phoneme_ids: (B, X) int64
            phoneme_lengths: (B,)
            posterior_noise: Standard normal, (B, latent_channels, T).
            segment_starts: First frame of the crop that is turned into sound, (B,), at most T - segment_frames. Where a
                crop exceeds its clip, the sound is zero from the end of the clip on.
            segment_frames: Length of the crops.
            speaker_embeddings: (B, speaker_dim), required exactly where config.speaker_dim is not 0.
            semitones: (B, T) pitch of the speech, at which its harmonics are made, for a generator that has them. None
                means the predicted pitch.
            learn_codebook: Move the codebook. Only for training a base from scratch, because it changes the semantic
                tokens, which every GPT was trained on. ssl_proj must require gradients too.

        Raises:
            ValueError: Without a posterior encoder, and as `style_embedding` and `Quantizer.learn` do.
        """
        require(
            self.config.posterior_layers > 0,
            "this SoVITS has no posterior encoder (enc_q), so it can speak but not be trained; use a checkpoint that "
            "still has one",
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
        z, mean_q, log_q = self.enc_q(self.prepare_spectrogram(spectrograms), mask, style, posterior_noise)
        z_prior = self.flow(z, mask, style)
        n_left = frame_lengths - segment_starts
        waveforms = self._generate_crops(z, style, n_left, segment_starts, segment_frames, semitones)
        return TrainingOutput(waveforms, mask, z, z_prior, mean_p, log_p, mean_q, log_q, commitment_loss, style)

    def reconstruct_from_prior(
        self, out: TrainingOutput, segment_starts: Tensor, segment_frames: int, *, semitones: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Speak the batch from its tokens and text only, without noise, as the prior has learned to speak.

        Args:
            out: What `forward` returned.
            segment_starts: What `forward` was given.
            segment_frames: What `forward` was given.
            semitones: As in `forward`.

        Returns:
            The latent (B, latent_channels, T), to compare with out.mean_posterior, and the sound of its crops
            (B, 1, segment_frames * hop_length), not clipped.
        """
        z = self.flow(out.mean_prior * out.mask, out.mask, out.style, reverse=True)
        n_left = out.mask.sum(dim=(1, 2)).long() - segment_starts
        return z, self._generate_crops(z, out.style, n_left, segment_starts, segment_frames, semitones)

    def _generate_crops(
        self, z: Tensor, style: Tensor, n_left: Tensor, starts: Tensor, n: int, semitones: Tensor | None
    ) -> Tensor:
        """Turn n frames of each row from `starts` on into sound. n_left: (B,), frames from there to the row's end."""
        crop_lengths = n_left.clamp(max=n)
        is_unpadded = bool((crop_lengths == n).all())
        crops, lengths = take_segments(z, starts, n), None if is_unpadded else crop_lengths
        if semitones is None:
            return self.dec(crops, style, lengths)
        return self.dec(crops, style, lengths, Voice(take_segments(semitones[:, None], starts, n)[:, 0]))
