"""A generator that ends in an inverse STFT: latent frames to a waveform (`dec` where the config says istft).

    latent frames (50 Hz) -> trunk -> a few upsampling stages -> magnitudes and phases -> inverse STFT -> waveform

It stops upsampling early: most of the work is done at 50 Hz, and the FFT makes the samples. With harmonics, the
spectrum is a sum of two: one with magnitudes and phases of its own, for breath and noise, and that of the harmonics
times a complex gain.
Sources: iSTFTNet (Kaneko et al. 2022). Vocos (Siuzdak 2023) for the magnitudes, which are a limited exponential, and
for the phases, which are not wrapped. The trunk at the frame rate is our own.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.pausing import pause_point
from gpt_sovits.sovits.generators.harmonics import (
    PitchPredictor,
    Voice,
    forward_stft,
    harmonics,
)
from gpt_sovits.sovits.generators.hifigan import EDGE_KERNEL, SLOPE, ResidualBlock, upsample, upsampling_stages
from gpt_sovits.sovits.layers.masks import apply_mask, length_mask

TRUNK_KERNEL = 3
MAX_LOG_MAGNITUDE = math.log(100)  # speech stays far below; early in training exp must not overflow
QUIET_LOG_MAGNITUDE = -4.0  # of an untrained network: some 50 dB below speech


def inverse_stft(spectrum: Tensor, hop: int, mask: Tensor | None = None) -> Tensor:
    """Invert torch.stft with a Hann window.

    Args:
        spectrum: (B, n_fft / 2 + 1, M) complex. Frame k is centred on the samples k * hop to (k + 1) * hop - 1, so it
            begins at k * hop - (n_fft - hop) / 2.
        hop: Samples, even, at most n_fft / 2. A sample then lies in the middle half of its own frame, where the window
            is at least 1/2, so every sum of squared windows below is at least 1/4.
        mask: (B, 1, M), 0 = beyond the row's end, or None. Such frames are left out, and the waveform is zero there.

    Returns:
        (B, 1, M * hop)
    """
    n_fft, n_frames = 2 * (spectrum.shape[1] - 1), spectrum.shape[2]
    window = torch.hann_window(n_fft, dtype=spectrum.real.dtype, device=spectrum.device)[:, None]
    frames = apply_mask(torch.fft.irfft(spectrum, n=n_fft, dim=1) * window, mask)
    squares = window.square().expand(1, n_fft, n_frames) if mask is None else window.square() * mask
    overhang = (n_fft - hop) // 2

    def overlap_add(columns: Tensor) -> Tensor:
        """Add frames (B, n_fft, M) where they lie, giving (B, 1, M * hop)."""
        return F.fold(columns, (1, n_frames * hop), (1, n_fft), padding=(0, overhang), stride=(1, hop)).squeeze(2)

    waveform = overlap_add(frames) / overlap_add(squares).clamp(min=0.2)  # the limit acts beyond the row's end only
    return waveform if mask is None else waveform * mask.repeat_interleave(hop, dim=2)


class ISTFTGenerator(nn.Module):
    """A trunk at the frame rate, a few upsampling stages and an inverse STFT.

    Its waveform is not limited to (-1, 1), because a limit has no gradient where it acts. `SoVITS.generate_waveform`
    clips.
    """

    def __init__(
        self,
        latent_channels: int,
        initial_channel: int,
        upsample_rates: tuple[int, ...],
        upsample_kernel_sizes: tuple[int, ...],
        resblock_kernel_sizes: tuple[int, ...],
        resblock_dilations: tuple[tuple[int, ...], ...],
        style_channels: int,
        *,
        trunk_dilations: tuple[tuple[int, ...], ...],
        n_fft: int,
        hop: int,
        harmonics: bool = False,
        sample_rate: int = 0,
    ) -> None:
        super().__init__()
        self.upsample_rates, self.n_fft, self.hop, self.sample_rate = upsample_rates, n_fft, hop, sample_rate
        self.conv_pre = nn.Conv1d(latent_channels, initial_channel, EDGE_KERNEL, padding=EDGE_KERNEL // 2)
        self.cond = nn.Conv1d(style_channels, initial_channel, 1)
        self.trunk = nn.ModuleList(
            ResidualBlock(initial_channel, TRUNK_KERNEL, dilations) for dilations in trunk_dilations
        )
        self.ups, self.resblocks, width = upsampling_stages(
            initial_channel, upsample_rates, upsample_kernel_sizes, resblock_kernel_sizes, resblock_dilations
        )
        self.pitch = PitchPredictor(latent_channels, style_channels) if harmonics else None
        n_spectra = 2 if harmonics else 1
        self.conv_post = nn.Conv1d(width, n_spectra * (n_fft + 2), EDGE_KERNEL, padding=EDGE_KERNEL // 2)
        with torch.no_grad():
            for spectrum in self.conv_post.bias.chunk(n_spectra):
                spectrum[: n_fft // 2 + 1] = QUIET_LOG_MAGNITUDE

    def predict_pitch(self, z: Tensor, style: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return (B, T) semitones above pitch.LOWEST_HZ, for a generator with harmonics. Arguments as in forward."""
        mask = None if lengths is None else length_mask(lengths, z.shape[2]).to(z.dtype)
        return self.pitch(apply_mask(z, mask), style, mask)

    def forward(self, z: Tensor, style: Tensor, lengths: Tensor | None = None, voice: Voice | None = None) -> Tensor:
        """Generate the waveform of latent frames.

        Args:
            z: (B, latent_channels, T)
            style: (B, style_channels, 1)
            lengths: Frames of each row, (B,). A row then equals its result without the others, and the waveform is zero
                beyond its end. None means that all rows have T frames.
            voice: Pitch and phase of the harmonics. None means the predicted pitch. Only for generators with harmonics.

        Returns:
            (B, 1, T * product of the upsample rates * hop) float32 (float64 for z in float64), not limited.
        """
        out_dtype = torch.promote_types(z.dtype, torch.float32)
        if self.pitch is not None and voice is None:
            voice = Voice(self.predict_pitch(z, style, lengths).detach())  # a gradient through the phase leads nowhere
        z, style = z.to(self.cond.weight.dtype), style.to(self.cond.weight.dtype)
        mask = None if lengths is None else length_mask(lengths, z.shape[2]).to(z.dtype)
        x = apply_mask(self.conv_pre(apply_mask(z, mask)) + self.cond(style), mask)
        for block in self.trunk:
            x = block(x, mask)
        x, mask = upsample(x, mask, self.upsample_rates, self.ups, self.resblocks)
        pause_point()
        noise, *gains = self.conv_post(F.leaky_relu(x, SLOPE)).to(out_dtype).split(self.n_fft + 2, dim=1)
        pause_point()
        spectrum = _complex(noise)
        for gain in gains:
            hop = math.prod(self.upsample_rates) * self.hop
            sound = harmonics(voice, lengths, hop, self.sample_rate).to(out_dtype)
            spectrum = spectrum + _complex(gain) * forward_stft(sound, self.n_fft, self.hop)
        pause_point()
        return inverse_stft(spectrum, self.hop, None if mask is None else mask.to(out_dtype))


def _complex(parts: Tensor) -> Tensor:
    """Return the spectrum (B, C, M) of log magnitudes and phases (B, 2 C, M)."""
    log_magnitude, phase = parts.chunk(2, dim=1)
    magnitude = log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp()
    return torch.complex(magnitude * phase.cos(), magnitude * phase.sin())  # torch.polar's gradient is slower
