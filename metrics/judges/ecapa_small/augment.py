"""Simulates other recording sessions of the one clip per speaker: room, microphone, noise, other talkers, codec.

Without this, the network tells clips apart by their channel, which says nothing about the speaker. Every function takes
a generator, so a training step depends only on (seed, step). Level is not augmented, because the features remove it.
"""

import math

import torch
from torch import Generator, Tensor

SAMPLE_RATE = 16_000


def _uniform(low: float, high: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _chosen(probability: float, n: int, generator: Generator) -> Tensor:
    """Return (n, 1) float, 1 with `probability` and 0 otherwise."""
    return (torch.rand((n, 1), generator=generator) < probability).float()


def channel_gains(n: int, n_bins: int, generator: Generator) -> Tensor:
    """Draw the equaliser and band limit of n channels.

    Args:
        n: number of channels.
        n_bins: frequency bins from 0 to 8 kHz.
        generator: source of randomness.

    Returns:
        (n, n_bins) linear gain.
    """
    n_points = 8  # control points, evenly spaced on a log axis from 50 Hz to 8 kHz
    control_db = 4.0 * torch.randn((n, n_points), generator=generator)
    frequency = torch.linspace(0, SAMPLE_RATE / 2, n_bins)
    position = ((frequency.clamp_min(50) / 50).log() / math.log(160)).clamp(0, 1) * (n_points - 1)
    left = position.floor().clamp_max(n_points - 2).long()
    weight = position - left
    gain_db = control_db[:, left] * (1 - weight) + control_db[:, left + 1] * weight
    low_pass = _uniform(3000, 7500, (n, 1), generator)
    high_pass = _uniform(60, 300, (n, 1), generator)
    octaves_over = (frequency.clamp_min(1) / low_pass).log2().clamp_min(0)
    octaves_under = (high_pass / frequency.clamp_min(1)).log2().clamp(0, 4)
    gain_db = gain_db - 60 * octaves_over * _chosen(0.3, n, generator)  # a steep edge, as in MP3
    gain_db = gain_db - 12 * octaves_under * _chosen(0.3, n, generator)
    return 10 ** (gain_db / 20)


def room_responses(n: int, n_samples: int, generator: Generator) -> Tensor:
    """Draw synthetic room impulse responses: direct sound, then exponentially decaying noise.

    Args:
        n: number of responses.
        n_samples: length of each at 16 kHz.
        generator: source of randomness.

    Returns:
        (n, n_samples) float.
    """
    seconds = torch.arange(n_samples) / SAMPLE_RATE
    rt60 = _uniform(0.1, 0.8, (n, 1), generator)
    tail = torch.randn((n, n_samples), generator=generator) * 10 ** (-3 * seconds / rt60)
    tail[:, : int(0.002 * SAMPLE_RATE)] = 0  # the first reflection comes after 2 ms
    direct_to_reverb_db = _uniform(2, 18, (n, 1), generator)
    tail = tail / tail.square().sum(dim=1, keepdim=True).sqrt() * 10 ** (-direct_to_reverb_db / 20)
    tail[:, 0] = 1
    return tail


def add_at_snr(speech: Tensor, noise: Tensor, snr_db: Tensor, apply: Tensor) -> Tensor:
    """Add noise to speech at a signal-to-noise ratio.

    Args:
        speech: (n, n_samples).
        noise: (n, n_samples), at any level.
        snr_db: (n, 1) ratio in dB.
        apply: (n, 1), 1 where noise is added and 0 elsewhere.
    """
    speech_rms = speech.square().mean(dim=1, keepdim=True).sqrt()
    noise_rms = noise.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-8)
    return speech + apply * noise * (speech_rms / noise_rms) * 10 ** (-snr_db / 20)


def coloured_noise(n: int, n_samples: int, generator: Generator) -> Tensor:
    """Draw noise with a power slope between white and 1/f^2.

    Args:
        n: number of signals.
        n_samples: length of each.
        generator: source of randomness.

    Returns:
        (n, n_samples) float.
    """
    spectrum = torch.fft.rfft(torch.randn((n, n_samples), generator=generator))
    slope = _uniform(0, 1, (n, 1), generator)  # of the amplitude
    return torch.fft.irfft(spectrum / torch.arange(1, spectrum.shape[1] + 1) ** slope, n=n_samples)


def new_sessions(waveforms: Tensor, generator: Generator, share: float = 1.0) -> Tensor:
    """Return clips as they might sound in other sessions. A random `share` of them is changed.

    Args:
        waveforms: (B, n_samples) float in [-1, 1] at 16 kHz, of different speakers.
        generator: source of randomness.
        share: share of the clips to change, 0 to 1.

    Returns:
        (B, n_samples) float. Level and range are not kept.
    """
    n, n_samples = waveforms.shape
    changed = _chosen(share, n, generator)
    babble = sum(waveforms.roll(shift, dims=0).roll(997 * shift, dims=1) for shift in (1, 2, 3))
    babble_snr = _uniform(10, 25, (n, 1), generator)
    mixed = add_at_snr(waveforms, babble, babble_snr, _chosen(0.2, n, generator))

    room_length = SAMPLE_RATE // 2
    n_fft = n_samples + room_length
    has_room = _chosen(0.4, n, generator)
    room = torch.fft.rfft(room_responses(n, room_length, generator), n=n_fft)
    room = has_room * room + (1 - has_room)
    has_eq = _chosen(0.8, n, generator)
    gains = has_eq * channel_gains(n, n_fft // 2 + 1, generator) + (1 - has_eq)
    recorded = torch.fft.irfft(torch.fft.rfft(mixed, n=n_fft) * room * gains, n=n_fft)[:, :n_samples]

    noise_snr = _uniform(8, 30, (n, 1), generator)
    recorded = add_at_snr(recorded, coloured_noise(n, n_samples, generator), noise_snr, _chosen(0.5, n, generator))
    peak = recorded.abs().amax(dim=1, keepdim=True).clamp_min(1e-8)
    drive = _uniform(1.5, 4, (n, 1), generator)
    saturated = torch.tanh(recorded / peak * drive)
    has_saturation = _chosen(0.1, n, generator)
    recorded = has_saturation * saturated + (1 - has_saturation) * recorded
    return changed * recorded + (1 - changed) * waveforms


def mask_features(features: Tensor, generator: Generator) -> Tensor:
    """Set two frequency bands and two stretches of time to 0, the mean (SpecAugment, Park et al. 2019).

    Args:
        features: (B, n_frames, n_mels), where each mel band has mean 0.
        generator: source of randomness.
    """
    n, n_frames, n_mels = features.shape
    keep = torch.ones_like(features)
    for _ in range(2):
        for length, widest, dim in ((n_mels, n_mels // 8, 2), (n_frames, n_frames // 8, 1)):
            width = torch.randint(0, widest + 1, (n, 1), generator=generator)
            start = (torch.rand((n, 1), generator=generator) * (length - width)).long()
            index = torch.arange(length)[None, :]
            inside = (index >= start) & (index < start + width)  # (B, length)
            keep = keep * (~inside).float().unsqueeze(1 if dim == 2 else 2)
    return features * keep
