"""The pitch of a frame: found in known voices, and in none where there is none."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.sovits.pitch import pitch_loss, to_hertz, track_pitch

RATE = 16000


def voice(hertz: torch.Tensor, rate: int = RATE) -> torch.Tensor:
    """Return (1, n) of a voice with overtones at a pitch for each sample."""
    phase = 2 * torch.pi * hertz.double().cumsum(0) / rate
    return 0.1 * sum(torch.sin(k * phase) / k for k in range(1, 9))[None].float()


def glide(middle: float) -> torch.Tensor:
    return middle * 2 ** (torch.linspace(-5, 5, RATE) / 12)


@pytest.mark.parametrize("rate", [16000, 32000])
@pytest.mark.parametrize("hertz", [70.0, 104.0, 220.0, 400.0])
def test_the_pitch_of_a_tone_is_found_to_a_fifth_of_a_semitone(hertz: float, rate: int) -> None:
    semitones, voiced = track_pitch(voice(torch.full((rate,), hertz), rate), rate)
    assert semitones.shape == voiced.shape == (1, 50)
    assert voiced[0, 3:-3].min() > 0.9
    assert (12 * (to_hertz(semitones[0, 3:-3]) / hertz).log2()).abs().max() < 0.2


def test_a_pitch_that_moves_is_followed() -> None:
    semitones, _ = track_pitch(voice(glide(150.0)), RATE)
    middles = glide(150.0)[160::320]
    assert (12 * (to_hertz(semitones[0, 3:-3]) / middles[3:-3]).log2()).abs().max() < 0.5


def test_noise_and_silence_have_no_pitch() -> None:
    noise = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    for sound in (noise, torch.zeros(1, RATE)):
        semitones, voiced = track_pitch(sound, RATE)
        assert semitones.isfinite().all()
        assert (voiced > 0.5).float().mean() < 0.1


def test_rows_of_a_batch_do_not_touch_each_other_and_their_level_does_not_matter() -> None:
    rows = torch.cat([voice(glide(110.0)), 0.05 * voice(glide(180.0)), torch.zeros(1, RATE)])
    together = track_pitch(rows, RATE)
    for i, row in enumerate(rows):
        alone = track_pitch(row[None] * (10 if i == 1 else 1), RATE)
        for whole, single in zip(together, alone, strict=True):
            torch.testing.assert_close(single[0], whole[i], rtol=0, atol=1e-3)


def test_the_loss_counts_voiced_frames_only() -> None:
    predicted, real = torch.tensor([[1.0, 9.0, 3.0]]), torch.tensor([[2.0, 1.0, 5.0]])
    assert float(pitch_loss(predicted, real, torch.tensor([[1.0, 0.0, 1.0]]))) == 1.5
    assert float(pitch_loss(predicted, real, torch.zeros(1, 3))) == 0
