"""The istft generator: it inverts an STFT, keeps the rows of a batch apart, and can be trained."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sovits_tiny import TINY_HARMONICS, TINY_ISTFT, tiny_sovits
from torch import Tensor

from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.sovits.generators.istft import inverse_stft
from gpt_sovits.sovits.model import SoVITS

HOP = TINY_ISTFT.hop_length
both = pytest.mark.parametrize("config", [TINY_ISTFT, TINY_HARMONICS], ids=["istft", "harmonics"])


def latents(n_rows: int, n_frames: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(n_frames)
    return torch.randn(n_rows, TINY_ISTFT.latent_channels, n_frames, generator=g), torch.randn(
        n_rows, TINY_ISTFT.style_channels, 1, generator=g
    )


@pytest.mark.parametrize("n_frames", [1, 2, 3, 50])
@pytest.mark.parametrize(("n_fft", "hop"), [(128, 32), (32, 16), (24, 10), (1024, 256)])
def test_the_inverse_stft_restores_the_waveform(n_fft: int, hop: int, n_frames: int) -> None:
    waveform = torch.rand(2, n_frames * hop, generator=torch.Generator().manual_seed(0)) * 2 - 1
    overhang = (n_fft - hop) // 2
    window = torch.hann_window(n_fft)
    padded = F.pad(waveform, (overhang, overhang))
    spectrum = torch.stft(padded, n_fft, hop, window=window, center=False, return_complex=True)
    back = inverse_stft(spectrum, hop)
    assert back.shape == (2, 1, n_frames * hop)
    torch.testing.assert_close(back.squeeze(1), waveform, rtol=0, atol=1e-5)


@torch.inference_mode()
@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.sampled_from([TINY_ISTFT, TINY_HARMONICS]))
def test_a_row_equals_its_result_without_the_others_and_is_silent_beyond_its_end(
    lengths: list[int], config: SoVITSConfig
) -> None:
    dec, (z, style) = tiny_sovits(config=config).dec, latents(len(lengths), max(lengths))
    together = dec(z, style, torch.tensor(lengths))
    assert together.shape == (len(lengths), 1, max(lengths) * HOP)
    for row, n in enumerate(lengths):
        assert not together[row, :, n * HOP :].any()
        alone = dec(z[row : row + 1, :, :n], style[row : row + 1])
        bound = 1e-3 if config.istft_harmonics else 2e-6  # the phase adds up the rounding of the pitch
        torch.testing.assert_close(together[row : row + 1, :, : n * HOP], alone, atol=bound, rtol=0)


@both
def test_a_new_generator_is_nearly_silent_and_every_parameter_learns(config: SoVITSConfig) -> None:
    dec, (z, style) = SoVITS(config).dec, latents(2, 20)
    waveform = dec(z, style)
    assert 0 < waveform.abs().max() < 0.1
    loss = (waveform - 0.1).square().mean()
    if config.istft_harmonics:  # the sound has no gradient to the pitch, because one through the phase leads nowhere
        loss = loss + dec.predict_pitch(z, style).square().mean()
    loss.backward()
    for name, parameter in dec.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@both
def test_the_gradient_at_the_end_of_a_row_does_not_depend_on_its_padding(config: SoVITSConfig) -> None:
    dec, (z, style) = tiny_sovits(config=config).dec, latents(1, 9)
    gradients = []
    for latent, lengths in ((z, torch.tensor([5])), (z[:, :, :5], None)):
        latent = latent.clone().requires_grad_()
        dec(latent, style, lengths)[:, :, : 5 * HOP].square().sum().backward()
        gradients.append(latent.grad)
    assert not gradients[0][:, :, 5:].any()
    torch.testing.assert_close(gradients[0][:, :, :5], gradients[1], rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_a_loud_waveform_is_clipped_in_rendering_but_not_in_training() -> None:
    model, (z, style) = tiny_sovits(config=TINY_ISTFT), latents(1, 20)
    model.dec.conv_post.bias[: TINY_ISTFT.istft_n_fft // 2 + 1] = 1000.0  # exp of it would be infinite
    assert 1 < model.dec(z, style).abs().max() < 200
    waveform = model.render(z, style, torch.tensor([20]))
    assert waveform.abs().max() == 1
    model.dec.conv_pre.bias.fill_(float("nan"))
    assert model.render(z, style, torch.tensor([20])).isnan().all(), "the clipping must not hide what went wrong"


@both
@torch.inference_mode()
def test_preparing_for_inference_changes_nothing_in_float32_and_little_in_bfloat16(config: SoVITSConfig) -> None:
    z, style = latents(2, 40)
    plain = tiny_sovits(config=config).dec(z, style)
    for precision, least in (("float32", 100), ("bfloat16", 30), ("int8", 30)):
        model = tiny_sovits(config=config).for_inference(precision).for_inference(precision)
        assert not any(name.endswith("weight_g") for name, _ in model.named_parameters())
        actual = model.dec(z, style)
        assert actual.dtype == torch.float32
        noise = (actual - plain).square().mean()
        assert 10 * torch.log10(plain.square().mean() / noise) > least, "dB"
        assert precision == "float32" or noise > 0, "nothing was rounded, so this is not bfloat16"


@both
def test_under_autocast_the_inverse_stft_stays_in_float32(config: SoVITSConfig) -> None:
    dec, (z, style) = tiny_sovits(config=config).dec, latents(2, 12)
    with torch.autocast("cpu", torch.bfloat16):
        waveform = dec(z, style, torch.tensor([12, 5]))
    assert waveform.dtype == torch.float32
    waveform.square().sum().backward()
    assert dec.conv_pre.weight.grad.isfinite().all()
