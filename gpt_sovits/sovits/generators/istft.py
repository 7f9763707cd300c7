"""Latent frames to a waveform through an inverse STFT (`dec`, where the config's generator is istft).

    latent frames (50 Hz) -> trunk -> a few upsampling stages -> magnitudes and phases -> inverse STFT -> waveform

It stops upsampling early: most of the work is done at 50 Hz, and the FFT makes the samples.
Source: iSTFTNet (Kaneko et al. 2022). From Vocos (Siuzdak 2023): exp and a limit for the magnitudes, the phases as they
are. Our own: the trunk at the frame rate.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.sovits.generators.hifigan import EDGE_KERNEL, SLOPE, ResidualBlock, masked, upsample, upsampling_stages
from gpt_sovits.sovits.layers.masks import length_mask

TRUNK_KERNEL = 3
MAX_LOG_MAGNITUDE = math.log(100)  # speech stays far below; exp of a wild start must not overflow
QUIET_LOG_MAGNITUDE = -4.0  # of an untrained network: some 50 dB below speech


def inverse_stft(spectrum: Tensor, hop: int, mask: Tensor | None = None) -> Tensor:
    """The waveform of which these are the frames; the inverse of torch.stft with a Hann window.

    spectrum: (B, n_fft / 2 + 1, M) complex; frame k lies centred on the samples k * hop to (k + 1) * hop - 1, so it
        begins at k * hop - (n_fft - hop) / 2
    hop: samples, even, at most n_fft / 2: a sample then lies in the middle half of its own frame, where the window is
        at least 1/2, and so every sum of squared windows below is at least 1/4
    mask: (B, 1, M), 0 = beyond the row's end, or None; such frames are left out, and the waveform is zero there
    returns: (B, 1, M * hop)
    """
    n_fft, n_frames = 2 * (spectrum.shape[1] - 1), spectrum.shape[2]
    window = torch.hann_window(n_fft, dtype=spectrum.real.dtype, device=spectrum.device)[:, None]
    frames = masked(torch.fft.irfft(spectrum, n=n_fft, dim=1) * window, mask)
    squares = window.square().expand(1, n_fft, n_frames) if mask is None else window.square() * mask
    overhang = (n_fft - hop) // 2

    def overlap_add(columns: Tensor) -> Tensor:
        """(B, n_fft, M) -> (B, 1, M * hop)"""
        return F.fold(columns, (1, n_frames * hop), (1, n_fft), padding=(0, overhang), stride=(1, hop)).squeeze(2)

    waveform = overlap_add(frames) / overlap_add(squares).clamp(min=0.2)  # the limit acts beyond the row's end only
    return waveform if mask is None else waveform * mask.repeat_interleave(hop, dim=2)


class ISTFTGenerator(nn.Module):
    """(B, latent_channels, T) and a style to (B, 1, T * product of the upsample rates * hop).

    Not squashed into (-1, 1), where speech lies: a limit would have no gradient where it acts. SoVITS.sound clips.
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
    ) -> None:
        super().__init__()
        self.upsample_rates, self.hop = upsample_rates, hop
        self.conv_pre = nn.Conv1d(latent_channels, initial_channel, EDGE_KERNEL, padding=EDGE_KERNEL // 2)
        self.cond = nn.Conv1d(style_channels, initial_channel, 1)
        self.trunk = nn.ModuleList(
            ResidualBlock(initial_channel, TRUNK_KERNEL, dilations) for dilations in trunk_dilations
        )
        self.ups, self.resblocks, width = upsampling_stages(
            initial_channel, upsample_rates, upsample_kernel_sizes, resblock_kernel_sizes, resblock_dilations
        )
        self.conv_post = nn.Conv1d(width, n_fft + 2, EDGE_KERNEL, padding=EDGE_KERNEL // 2)
        with torch.no_grad():
            self.conv_post.bias[: n_fft // 2 + 1] = QUIET_LOG_MAGNITUDE

    def forward(self, z: Tensor, style: Tensor, lengths: Tensor | None = None) -> Tensor:
        """z: (B, latent_channels, T); style: (B, style_channels, 1)

        lengths: (B,) frames of each row; it then comes out as it would alone, and the waveform is zero beyond.
            None: all rows have T frames.
        returns: (B, 1, T * product of the upsample rates * hop) float32 (float64 for z in float64), not limited
        """
        wanted = torch.promote_types(z.dtype, torch.float32)
        z, style = z.to(self.cond.weight.dtype), style.to(self.cond.weight.dtype)
        mask = None if lengths is None else length_mask(lengths, z.shape[2]).to(z.dtype)
        x = masked(self.conv_pre(masked(z, mask)) + self.cond(style), mask)
        for block in self.trunk:
            x = block(x, mask)
        x, mask = upsample(x, mask, self.upsample_rates, self.ups, self.resblocks)
        log_magnitude, phase = self.conv_post(F.leaky_relu(x, SLOPE)).to(wanted).chunk(2, dim=1)
        magnitude = log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp()
        spectrum = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())  # torch.polar's gradient is slower
        return inverse_stft(spectrum, self.hop, None if mask is None else mask.to(wanted))
