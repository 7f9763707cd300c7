"""Harmonics: the sum that they are meant to be, at the pitch that was asked for, without a jump."""

from __future__ import annotations

import math

import pytest
import torch
from sovits_tiny import TINY, TINY_HARMONICS, tiny_sovits

from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.sovits.generators.harmonics import (
    Voice,
    forward_stft,
    harmonic_phase,
    harmonic_sum,
    harmonics,
    phase_of_frames,
)
from gpt_sovits.sovits.generators.istft import inverse_stft
from gpt_sovits.sovits.pitch import to_hertz, track_pitch

RATE, HOP = 16000, 320


@pytest.mark.parametrize("hertz", [60.0, 104.0, 123.4, 480.0])
def test_the_closed_form_is_the_sum_of_the_harmonics_below_half_the_sample_rate(hertz: float) -> None:
    frequency = torch.full((1, 3200), hertz / RATE, dtype=torch.float64)
    cycles = frequency.cumsum(dim=1) - frequency  # begins at 0, where the closed form has none
    n = 0.5 * RATE / hertz - 1
    expected = sum(torch.cos(2 * math.pi * k * cycles) for k in range(1, math.floor(n) + 1))
    expected += (n - math.floor(n)) * torch.cos(2 * math.pi * (math.floor(n) + 1) * cycles)
    torch.testing.assert_close(harmonic_sum(frequency, cycles), expected * math.sqrt(2 / (n + 0.5)))
    assert 0.9 < float(harmonic_sum(frequency, cycles).square().mean().sqrt()) < 1.1
    assert (math.floor(n) + 1) * hertz <= RATE / 2


def test_the_pitch_is_the_one_asked_for_and_stays_inside_the_range_of_voices() -> None:
    semitones = torch.linspace(6, 20, 60)[None]
    found, voiced = track_pitch(harmonics(Voice(semitones), None, HOP, RATE), RATE)
    assert voiced[0, 3:-3].min() > 0.9
    assert (found - semitones)[0, 3:-3].abs().max() < 0.3
    wild = torch.tensor([[-1e6, 1e6, float("inf"), 5.0]])
    frequency, _ = harmonic_phase(Voice(wild), None, HOP, RATE)
    assert RATE * float(frequency.min()) > 59 and RATE * float(frequency.max()) < 481


def test_nothing_jumps_where_the_number_of_harmonics_changes() -> None:
    near = [RATE / (2 * (40 + x)) for x in (-1e-6, 1e-6)]
    cycles = torch.linspace(0, 3, 500, dtype=torch.float64)[None]
    below, above = (harmonic_sum(torch.full((1, 500), hertz / RATE, dtype=torch.float64), cycles) for hertz in near)
    torch.testing.assert_close(below, above, rtol=0, atol=1e-4)


@pytest.mark.parametrize("cut", [1, 7, 29])
def test_the_phase_of_a_frame_continues_the_harmonics_from_there(cut: int) -> None:
    semitones = 15 + 5 * torch.randn(2, 30, generator=torch.Generator().manual_seed(0))
    whole = harmonics(Voice(semitones), None, HOP, RATE)
    phases = phase_of_frames(Voice(semitones), HOP, RATE)
    assert phases.shape == (2, 31) and not phases[:, 0].any()
    # one frame before the cut is known, as the pitch lies between frames
    rest = harmonics(Voice(semitones[:, cut - 1 :], 1, phases[:, cut, None]), None, HOP, RATE)
    torch.testing.assert_close(rest[:, HOP:], whole[:, cut * HOP :], rtol=0, atol=1e-6)
    after = phase_of_frames(Voice(semitones[:, cut - 1 :], 1, phases[:, cut, None]), HOP, RATE)
    torch.testing.assert_close(after, phases[:, cut:])


@pytest.mark.parametrize(("n_fft", "hop"), [(256, 32), (32, 16)])
def test_the_inverse_stft_undoes_the_forward_one(n_fft: int, hop: int) -> None:
    waveform = torch.randn(2, 640, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(inverse_stft(forward_stft(waveform, n_fft, hop), hop)[:, 0], waveform, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_generator_that_passes_its_harmonics_on_speaks_at_the_predicted_pitch() -> None:
    config = SoVITSConfig.from_dict(
        TINY_HARMONICS.to_dict() | {"sample_rate": RATE, "hop_length": HOP, "istft_hop": 40, "istft_n_fft": 160}
    )
    dec = tiny_sovits(config=config).dec
    dec.conv_post.weight.zero_()
    dec.conv_post.bias.zero_()
    dec.conv_post.bias[:81] = -20.0  # the magnitudes of the part without harmonics
    z, style = torch.randn(1, 8, 60, generator=torch.Generator().manual_seed(2)), torch.ones(1, 12, 1)
    predicted = dec.predict_pitch(z, style)
    torch.testing.assert_close(
        dec(z, style)[:, 0].double(), harmonics(Voice(predicted), None, HOP, RATE), rtol=0, atol=1e-4
    )
    given = dec(z, style, voice=Voice(torch.full((1, 60), 12.0)))
    found, _ = track_pitch(given[:, 0], RATE)
    assert (to_hertz(found[0, 3:-3]) - 120).abs().max() < 2


def test_weights_from_before_the_harmonics_have_none() -> None:
    sizes = TINY.to_dict()
    del sizes["istft_harmonics"]
    assert SoVITSConfig.from_dict(sizes) == TINY
    with pytest.raises(ValueError, match="SoVITSConfig lacks istft_hop"):
        SoVITSConfig.from_dict({key: value for key, value in sizes.items() if key != "istft_hop"})
    with pytest.raises(ValueError, match="istft_harmonics must be False with the generator hifigan"):
        SoVITSConfig.from_dict(TINY.to_dict() | {"istft_harmonics": True})


def test_a_training_pass_makes_its_harmonics_at_the_pitch_of_the_speech() -> None:
    model, g = tiny_sovits(config=TINY_HARMONICS), torch.Generator().manual_seed(0)
    arguments = (
        torch.randn(2, 6, 20, generator=g),
        torch.rand(2, 129, 20, generator=g),
        torch.tensor([20, 16]),
        torch.randint(0, 20, (2, 5), generator=g),
        torch.tensor([5, 4]),
        torch.randn(2, 8, 20, generator=g),
        torch.tensor([3, 8]),
        10,
    )
    semitones = 10 + torch.rand(2, 20, generator=g)
    out = model(*arguments, semitones=semitones)
    expected = model.dec(
        torch.stack([out.z[0, :, 3:13], out.z[1, :, 8:18]]),
        out.style,
        torch.tensor([10, 8]),
        Voice(torch.stack([semitones[0, 3:13], semitones[1, 8:18]])),
    )
    torch.testing.assert_close(out.waveforms, expected)
    assert not torch.equal(out.waveforms, model(*arguments).waveforms)
    _, spoken = model.reconstruct_from_prior(out, arguments[6], 10, semitones=semitones)
    assert not torch.equal(spoken, model.reconstruct_from_prior(out, arguments[6], 10)[1])
