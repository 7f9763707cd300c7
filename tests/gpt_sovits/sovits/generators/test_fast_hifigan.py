"""The generator for inference: equal to the plain one in float32, close to it in bfloat16."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sovits_tiny import TINY, tiny_sovits
from torch import Tensor

from gpt_sovits.sovits.generators.fast_hifigan import FastHiFiGANGenerator
from gpt_sovits.sovits.generators.hifigan import HiFiGANGenerator
from gpt_sovits.sovits.layers.weight_norm import fold_weight_norm


def generators(dtype: torch.dtype) -> tuple[HiFiGANGenerator, FastHiFiGANGenerator]:
    plain = fold_weight_norm(tiny_sovits().dec)
    return plain, FastHiFiGANGenerator(plain, dtype)


def latents(n_rows: int, n_frames: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(n_frames)
    return torch.randn(n_rows, TINY.latent_channels, n_frames, generator=g), torch.randn(
        n_rows, TINY.style_channels, 1, generator=g
    )


@torch.inference_mode()
@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_float32_equals_the_plain_generator_for_any_lengths(lengths: list[int]) -> None:
    plain, fast = generators(torch.float32)
    z, style = latents(len(lengths), max(lengths))
    for given_lengths in (None, torch.tensor(lengths)):
        expected, actual = plain(z, style, given_lengths), fast(z, style, given_lengths)
        torch.testing.assert_close(actual, expected, atol=2e-6, rtol=0)
    for row, n in enumerate(lengths):
        assert not actual[row, :, n * TINY.hop_length :].any()
        alone = fast(z[row : row + 1, :, :n], style[row : row + 1])
        torch.testing.assert_close(actual[row : row + 1, :, : n * TINY.hop_length], alone, atol=2e-6, rtol=0)


@torch.inference_mode()
def test_bfloat16_is_close() -> None:
    plain, fast = generators(torch.bfloat16)
    z, style = latents(2, 60)
    expected, actual = plain(z, style), fast(z, style)
    assert actual.dtype == torch.float32
    signal, noise = (expected - expected.mean()).square().mean(), (actual - expected).square().mean()
    assert 10 * torch.log10(signal / noise) > 30, "dB"
    assert noise > 0, "nothing was rounded, so this is not bfloat16"


@torch.inference_mode()
def test_the_plain_generator_works_in_bfloat16_as_on_a_gpu() -> None:
    plain, _ = generators(torch.float32)
    z, style = latents(2, 20)
    lengths = torch.tensor([20, 7])
    expected, half = plain(z, style, lengths), copy.deepcopy(plain).to(torch.bfloat16)
    actual = half(z, style, lengths)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, atol=0.03 * float(expected.abs().max()), rtol=0)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match=r"precision must be one of .* not 'float8'"):
        tiny_sovits().for_inference("float8")
