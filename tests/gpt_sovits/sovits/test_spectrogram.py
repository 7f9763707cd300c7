"""Spectrograms and losses against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from gpt_sovits.sovits.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    kl_loss,
    mel_loss,
)
from gpt_sovits.sovits.spectrogram import linear_spectrogram, log_mel_spectrogram


@pytest.mark.parametrize("n", [705, 6400, 6401, 7039])
def test_the_linear_spectrogram_equals_numpy_with_mirrored_edges(n: int) -> None:
    waveform = 0.1 * np.random.default_rng(0).standard_normal(n).astype(np.float32)
    padded = np.pad(waveform.astype(np.float64), 704, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    frames = np.stack([padded[k * 640 : k * 640 + 2048] * window for k in range(n // 640)])
    expected = np.sqrt(np.abs(np.fft.rfft(frames, axis=1).T) ** 2 + 1e-8)
    actual = linear_spectrogram(torch.from_numpy(waveform)[None], 2048, 640)[0].numpy()
    assert actual.shape == (1025, n // 640)
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def tone(hertz: float, n: int, sample_rate: int = 32000) -> torch.Tensor:
    return 0.5 * torch.sin(2 * torch.pi * hertz * torch.arange(n, dtype=torch.float64) / sample_rate).float()[None]


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 9000.0])
def test_a_tone_is_loudest_in_the_band_at_its_pitch(hertz: float) -> None:
    import librosa

    mel = log_mel_spectrogram(tone(hertz, 32000), 32000, 2048, 640, 128)
    centres = librosa.mel_frequencies(n_mels=130, fmin=0, fmax=16000)[1:-1]
    loudest = mel[0].mean(dim=1).argmax().item()
    assert abs(centres[loudest] - hertz) == np.abs(centres - hertz).min()


def test_frames_shift_by_one_per_hop_and_scale_with_the_waveform() -> None:
    waveform = tone(300, 12800) + 0.1 * torch.randn(1, 12800, generator=torch.Generator().manual_seed(0))
    spectrogram = linear_spectrogram(waveform, 2048, 640)
    later = linear_spectrogram(waveform[:, 640:], 2048, 640)
    torch.testing.assert_close(later[:, :, 2:-2], spectrogram[:, :, 3:-2], rtol=1e-3, atol=1e-3)
    louder = linear_spectrogram(2 * waveform, 2048, 640)
    torch.testing.assert_close(louder, 2 * spectrogram, rtol=1e-3, atol=1e-3)  # except at the floor of 1e-4


def test_rows_of_a_batch_do_not_depend_on_each_other() -> None:
    waveforms = torch.cat([tone(300, 6400), tone(900, 6400)])
    together = log_mel_spectrogram(waveforms, 32000, 2048, 640, 80)
    for row in range(2):
        alone = log_mel_spectrogram(waveforms[row : row + 1], 32000, 2048, 640, 80)
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-4)


def test_silence_has_finite_values_and_gradients() -> None:
    silence = torch.zeros(1, 6400, requires_grad=True)
    mel = log_mel_spectrogram(silence, 32000, 2048, 640, 128)
    mel.sum().backward()
    assert mel.shape == (1, 128, 10)
    assert mel.min() >= np.log(1e-5) - 1e-4
    assert torch.isfinite(silence.grad).all()


@pytest.mark.parametrize("waveform", [torch.zeros(640), torch.zeros(1, 600), torch.zeros(1, 704)])
def test_too_short_or_misshapen_audio_is_refused(waveform: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"it must be \(B, n\) with n more than 704"):
        linear_spectrogram(waveform, 2048, 640)


def test_the_kl_loss_estimates_the_divergence() -> None:
    torch.manual_seed(0)
    mean_p, log_p, mean_q, log_q = (0.5 * torch.randn(1, 3, 4) for _ in range(4))
    n = 40000
    z = mean_q + torch.randn(n, 3, 4) * log_q.exp()
    mask = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]]).expand(n, -1, -1)
    estimate = kl_loss(z, *(x.expand(n, -1, -1) for x in (log_q, mean_p, log_p)), mask)
    exact = torch.distributions.kl_divergence(Normal(mean_q, log_q.exp()), Normal(mean_p, log_p.exp()))
    assert estimate.item() == pytest.approx(exact[..., :3].sum().item() / 3, rel=0.03)


def test_adversarial_losses_of_known_scores() -> None:
    ones, zeros = [torch.ones(2, 3), torch.ones(2, 5)], [torch.zeros(2, 3), torch.zeros(2, 5)]
    assert discriminator_loss(ones, zeros).item() == 0
    assert discriminator_loss(zeros, ones).item() == 4
    assert adversarial_loss(ones).item() == 0
    assert adversarial_loss(zeros).item() == 2
    assert feature_matching_loss([ones, ones], [zeros, zeros]).item() == 8


def test_the_mel_loss_ignores_masked_frames() -> None:
    real, generated = torch.zeros(2, 4, 3), torch.ones(2, 4, 3)
    generated[1, :, 2] = 100
    mask = torch.ones(2, 1, 3)
    assert mel_loss(real, generated, mask).item() == mel_loss(real, generated).item()
    mask[1, 0, 2] = 0
    assert mel_loss(real, generated, mask).item() == 1
