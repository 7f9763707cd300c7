"""The harmonics of a voice, which the istft generator shapes where `istft_harmonics` is set.

A small network cannot keep the phases of many overtones in step from frame to frame: low voices come out whispered.
So the pitch is predicted from the latent, a sum of equally strong harmonics is made of it, and the generator only gives
each its magnitude and phase. Sources: the neural source-filter model (Wang et al. 2019), HiFTNet (Li et al. 2023).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.sovits.layers.masks import apply_mask, length_mask
from gpt_sovits.sovits.pitch import to_hertz

MIDDLE, RANGE = 18.0, 18.0  # semitones above pitch.LOWEST_HZ: 60 to 480 Hz
WIDTH, KERNEL, N_LAYERS = 96, 5, 3
PITCH_CONTEXT = N_LAYERS * (KERNEL // 2)  # frames on either side that a frame's pitch depends on


class Voice(NamedTuple):
    """The pitch of the harmonics of a latent, and where in their period they begin."""

    semitones: Tensor  # (B, T) above pitch.LOWEST_HZ, at the middle of each frame
    start: int = 0  # frame at the beginning of which the phase is `cycles`
    cycles: Tensor | None = None  # (B, 1) float64; None means 0


class PitchPredictor(nn.Module):
    """Convolutions from latent frames and the style to the pitch."""

    def __init__(self, latent_channels: int, style_channels: int) -> None:
        super().__init__()
        widths = (latent_channels, *[WIDTH] * N_LAYERS)
        self.convs = nn.ModuleList(
            nn.Conv1d(before, after, KERNEL, padding=KERNEL // 2) for before, after in pairwise(widths)
        )
        self.cond = nn.Conv1d(style_channels, WIDTH, 1)
        self.out = nn.Conv1d(WIDTH, 1, 1)

    def forward(self, z: Tensor, style: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T) semitones above pitch.LOWEST_HZ, not limited.

        Args:
            z: (B, latent_channels, T), zero beyond each row's end.
            style: (B, style_channels, 1)
            mask: (B, 1, T), 0 = beyond the row's end, or None.
        """
        x = z
        for layer, conv in enumerate(self.convs):
            x = conv(x) + self.cond(style) if layer == 0 else conv(x)
            x = apply_mask(F.leaky_relu(x, 0.1), mask)
        return MIDDLE + RANGE * self.out(x)[:, 0].float()


def harmonic_phase(voice: Voice, lengths: Tensor | None, hop: int, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Return the frequency and the phase of the fundamental at each sample, for a pitch that moves between frames.

    Args:
        voice: Its pitch is limited here to 60 to 480 Hz.
        lengths: Frames of each row, (B,), or None.
        hop: Samples of a frame.
        sample_rate: Hz

    Returns:
        Cycles per sample, and the phase in cycles at the end of each sample. Both are (B, T * hop) float64, because
        rounding adds up.
    """
    semitones = voice.semitones.double().clamp(MIDDLE - RANGE, MIDDLE + RANGE)
    n_frames = semitones.shape[1]
    position = (torch.arange(n_frames * hop, device=semitones.device, dtype=torch.float64) + 0.5) / hop - 0.5
    before = position.floor().long()
    rest = position - before
    last = semitones.new_full((len(semitones), 1), n_frames - 1) if lengths is None else lengths[:, None] - 1
    left, right = (torch.minimum(index.clamp(min=0)[None], last).long() for index in (before, before + 1))
    pitch = semitones.gather(1, left) * (1 - rest) + semitones.gather(1, right) * rest
    frequency = to_hertz(pitch) / sample_rate
    phase = frequency.cumsum(dim=1)
    if voice.start:
        phase = phase - phase[:, voice.start * hop - 1, None]
    return frequency, phase if voice.cycles is None else phase + voice.cycles


def harmonic_sum(frequency: Tensor, cycles: Tensor) -> Tensor:
    """Return the sum of the cosines of all harmonics below half of the sample rate, at an RMS of 1.

    The highest one fades in as the pitch falls, so nothing jumps where their number changes.

    Args:
        frequency: Cycles per sample, (B, n) float64 in (0, 0.25).
        cycles: Phase of the fundamental in cycles, of the same shape.
    """
    n_harmonics = 0.5 / frequency - 1
    whole = n_harmonics.floor()
    angle = 2 * math.pi * (cycles - cycles.round())
    half = (angle / 2).sin()
    at_zero = half.abs() < 1e-9
    kernel = ((whole + 0.5) * angle).sin() / (2 * half.where(~at_zero, 1.0)) - 0.5  # Dirichlet's
    total = kernel.where(~at_zero, whole) + (n_harmonics - whole) * ((whole + 1) * angle).cos()
    return total * (2 / (n_harmonics + 0.5)).sqrt()


def forward_stft(waveform: Tensor, n_fft: int, hop: int) -> Tensor:
    """Return the spectrum (B, n_fft / 2 + 1, n // hop) that istft.inverse_stft turns back into (B, n) samples."""
    overhang = (n_fft - hop) // 2
    frames = F.pad(waveform, (overhang, overhang)).unfold(1, n_fft, hop)
    window = torch.hann_window(n_fft, dtype=waveform.dtype, device=waveform.device)
    return torch.fft.rfft(frames * window).transpose(1, 2)


def harmonics(voice: Voice, lengths: Tensor | None, hop: int, sample_rate: int) -> Tensor:
    """Return the harmonics (B, T * hop) float64, zero beyond each row's end. Arguments as in harmonic_phase."""
    total = harmonic_sum(*harmonic_phase(voice, lengths, hop, sample_rate))
    return total if lengths is None else total * length_mask(lengths * hop, total.shape[1])[:, 0]


def phase_of_frames(voice: Voice, hop: int, sample_rate: int) -> Tensor:
    """Return the phase in cycles at the beginning of each frame from `voice.start` on, and at the end, (B, n + 1)."""
    _, phase = harmonic_phase(voice, None, hop, sample_rate)
    ends = phase[:, hop - 1 :: hop][:, voice.start :]
    first = phase.new_zeros(len(phase), 1) if voice.cycles is None else voice.cycles.expand(len(phase), 1)
    return torch.cat([first, ends], dim=1)
