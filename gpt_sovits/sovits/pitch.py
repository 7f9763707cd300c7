"""The pitch of each frame of speech: what the harmonics of a generator learn from.

Found by normalised cross-correlation and dynamic programming, as in RAPT (Talkin 1995) and Kaldi (Ghahremani et al.
2014). Between two states of the path a parabola gives the rest. Pitch is in semitones above LOWEST_HZ throughout.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.sovits.config import FRAMES_PER_SECOND

LOWEST_HZ, N_STATES, STATES_PER_SEMITONE = 60.0, 72, 2  # up to 466 Hz
WINDOW_SECONDS = 0.064  # four periods of LOWEST_HZ
LEVEL, BALLAST = 0.1, 0.01  # RMS that each row is brought to, and what is so much quieter that it has no pitch
BAND_HZ = (50.0, 80.0), (800.0, 1000.0)  # rumble below and formants above are taken for pitch
STEP_COST = 0.08  # of each state that the pitch moves in a frame
OCTAVE_COST = 0.002  # of each state downwards: twice the period fits as well as the period
VOICED, SOFTNESS = 0.45, 0.08  # correlation at which a frame is as likely voiced as not


def to_hertz(semitones: Tensor) -> Tensor:
    """Return the frequency in Hz of a pitch in semitones above LOWEST_HZ, of any shape."""
    return LOWEST_HZ * (semitones / 12).exp2()


@torch.no_grad()
def track_pitch(waveform: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Return the pitch of every frame of 20 ms, and how likely it is voiced.

    A row does not depend on the others, but on its own padding, which lowers its mean level.

    Args:
        waveform: (B, n), n a multiple of sample_rate / 50, at least 1 frame.
        sample_rate: Hz

    Returns:
        Semitones above LOWEST_HZ, of which unvoiced frames have some between those of their neighbours, and
        probabilities in [0, 1]. Two times (B, n // (sample_rate / 50)) float32.
    """
    waveform = waveform.float()
    level = waveform.square().mean(dim=1, keepdim=True).sqrt()
    correlation = _correlation(waveform * (LEVEL / level.clamp(min=1e-5)), sample_rate)
    path = _best_path(correlation)
    near = (path.clamp(1, N_STATES - 2)[..., None] + torch.tensor([-1, 0, 1], device=path.device)).long()
    below, here, above = correlation.gather(2, near).unbind(2)
    offset = 0.5 * (below - above) / (below - 2 * here + above).clamp(max=-1e-4)  # of the parabola's peak
    state = near[..., 1] + offset.clamp(-1, 1)
    best = correlation.gather(2, path[..., None])[..., 0]
    return state / STATES_PER_SEMITONE, torch.sigmoid((best - VOICED) / SOFTNESS)


def pitch_loss(predicted: Tensor, semitones: Tensor, voiced: Tensor) -> Tensor:
    """Return (), the mean |difference| in semitones, each frame with its probability to be voiced. All are (B, T)."""
    return (voiced * (predicted - semitones).abs()).sum() / voiced.sum().clamp(min=1.0)


def _correlation(waveform: Tensor, sample_rate: int) -> Tensor:
    """Return (B, T, N_STATES): the normalised cross-correlation at the period of each state."""
    hop, window = sample_rate // FRAMES_PER_SECOND, round(WINDOW_SECONDS * sample_rate)
    periods = sample_rate / to_hertz(torch.arange(N_STATES, device=waveform.device) / STATES_PER_SEMITONE)
    longest = int(periods[0]) + 2
    n = window + longest
    padded = F.pad(_band_pass(waveform, sample_rate), ((n - hop) // 2, n - hop - (n - hop) // 2))
    frames = padded.unfold(1, n, hop)  # (B, T, n)
    first = frames[..., :window]
    size = 1 << (n - 1).bit_length()
    spectrum = torch.fft.rfft(first, size).conj() * torch.fft.rfft(frames, size)
    products = torch.fft.irfft(spectrum, size)[..., : longest + 1]
    squares = F.pad(frames.square().cumsum(dim=2), (1, 0))
    energies = squares[..., window : window + longest + 1] - squares[..., : longest + 1]
    ballast = window * BALLAST**2
    values = products / ((energies[..., :1] + ballast) * (energies + ballast)).sqrt()
    whole = periods.floor().long()
    rest = periods - whole
    return values[..., whole] * (1 - rest) + values[..., whole + 1] * rest


def _best_path(correlation: Tensor) -> Tensor:
    """Return (B, T) states: the path whose correlations are high and which moves little."""
    states = torch.arange(N_STATES, device=correlation.device)
    moves = STEP_COST * (states[:, None] - states[None]).abs()
    gains = correlation + OCTAVE_COST * states
    total, back = gains[:, 0], []
    for t in range(1, gains.shape[1]):
        best, before = (total[:, None, :] - moves).max(dim=2)
        back.append(before)
        total = best + gains[:, t]
    path = [total.argmax(dim=1)]
    for before in reversed(back):
        path.append(before.gather(1, path[-1][:, None])[:, 0])
    return torch.stack(path[::-1], dim=1)


def _band_pass(waveform: Tensor, sample_rate: int) -> Tensor:
    """Return (B, n) samples with what lies in BAND_HZ, inside which a voice has its fundamental and some overtones."""
    spectrum = torch.fft.rfft(waveform)
    hertz = torch.linspace(0, sample_rate / 2, spectrum.shape[1], device=waveform.device)
    (stop, start), (end, cut) = BAND_HZ
    mask = ((hertz - stop) / (start - stop)).clamp(0, 1) * ((cut - hertz) / (cut - end)).clamp(0, 1)
    return torch.fft.irfft(spectrum * mask, waveform.shape[1])
