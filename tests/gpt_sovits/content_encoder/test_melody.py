"""The melody beside the phones: relative to the speaker, the same for high and low voices, and each row by its own."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.content_encoder.melody import LEVELS, N_MELODY, melody_features

RATE, HOP = 16000, 320


def voice(hertz: torch.Tensor) -> torch.Tensor:
    """Return (1, n) of a voice with overtones, whose pitch is given for each sample."""
    phase = 2 * torch.pi * hertz.double().cumsum(0) / RATE
    sound = sum(torch.sin(k * phase) / k for k in range(1, 9))
    return (0.1 * sound / sound.square().mean().sqrt())[None].float()


def glide(middle: float, semitones: float = 5) -> torch.Tensor:
    """Return the pitch of a second of speech that rises from so many semitones below the middle to as many above."""
    return middle * 2 ** (torch.linspace(-semitones, semitones, RATE) / 12)


def level_of(features: torch.Tensor) -> torch.Tensor:
    """Return the semitones that the features of voiced frames stand for."""
    shares = features[..., 1:].square()
    return (shares * torch.tensor(LEVELS)).sum(dim=2) / shares.sum(dim=2)


@pytest.mark.parametrize("middle", [90.0, 110.0, 220.0])
def test_features_are_shares_that_say_the_distance_from_the_median(middle: float) -> None:
    features = melody_features(voice(glide(middle)), RATE)
    assert features.shape == (1, RATE // HOP, N_MELODY)
    torch.testing.assert_close(features.square().sum(dim=2), torch.ones(1, RATE // HOP))
    inner = slice(3, -3)
    expected = torch.linspace(-5, 5, RATE)[HOP // 2 :: HOP]
    assert (level_of(features)[0, inner] - expected[inner]).abs().max() < 0.5


def test_a_pitch_beyond_the_levels_counts_as_the_outermost() -> None:
    found = level_of(melody_features(voice(glide(180.0, 12)), RATE))[0]
    assert found[4] == pytest.approx(LEVELS[0], abs=0.1)
    assert found[-5] == pytest.approx(LEVELS[-1], abs=0.1)


def test_noise_and_silence_have_no_pitch() -> None:
    noise = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    for sound in (noise, torch.zeros(1, RATE)):
        unvoiced = melody_features(sound, RATE)[..., 0].square()
        assert unvoiced.mean() > 0.9


def test_rows_of_a_batch_do_not_touch_each_other() -> None:
    rows = torch.cat([voice(glide(110.0)), voice(glide(180.0)), torch.zeros(1, RATE)])
    together = melody_features(rows, RATE)
    for row, expected in zip(rows, together, strict=True):
        torch.testing.assert_close(melody_features(row[None], RATE)[0], expected, rtol=0, atol=1e-3)
