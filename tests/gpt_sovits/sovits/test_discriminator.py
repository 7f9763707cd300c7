"""The critics at a tiny size: their shapes, what they see, and independent rows."""

from __future__ import annotations

import pytest
import torch
from sovits_tiny import TINY_DISCRIMINATOR
from torch import Tensor

from gpt_sovits.sovits.config import OFFICIAL_DISCRIMINATOR, DiscriminatorConfig
from gpt_sovits.sovits.discriminator import Discriminator, PeriodDiscriminator
from gpt_sovits.sovits.layers.weight_norm import fold_weight_norm


def tiny_discriminator() -> Discriminator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Discriminator(TINY_DISCRIMINATOR).eval()


def noise(n_rows: int, n: int, seed: int = 0) -> Tensor:
    return torch.randn(n_rows, 1, n, generator=torch.Generator().manual_seed(seed))


# 601 is not a multiple of a period, so its end is mirrored
@pytest.mark.parametrize(("n", "by_two", "by_three"), [(600, 100, 67), (601, 101, 67)])
@torch.no_grad()
def test_each_critic_returns_a_score_and_its_feature_maps(n: int, by_two: int, by_three: int) -> None:
    scores, features = tiny_discriminator()(noise(2, n))
    assert [len(maps) for maps in features] == [7, 4, 4]  # every layer and the score
    assert all(score.dim() == 2 and len(score) == 2 for score in scores)
    assert all(torch.equal(maps[-1].flatten(1), score) for maps, score in zip(features, scores, strict=True))
    assert [maps[0].shape for maps in features] == [(2, 2, n), (2, 2, by_two, 2), (2, 2, by_three, 3)]


def test_the_official_critics_differ_only_in_their_periods() -> None:
    with torch.device("meta"):
        v2, v2pro = (Discriminator(OFFICIAL_DISCRIMINATOR[version]) for version in ("v2", "v2Pro"))
    assert (len(v2.discriminators), len(v2pro.discriminators)) == (6, 8)
    shapes = {k: v.shape for k, v in v2pro.state_dict().items()}
    assert all(shapes[k] == v.shape for k, v in v2.state_dict().items())


@torch.no_grad()
def test_rows_of_a_batch_do_not_depend_on_each_other() -> None:
    model, waveforms = tiny_discriminator(), noise(3, 600)
    together, _ = model(waveforms)
    for row in range(3):
        alone, _ = model(waveforms[row : row + 1])
        for a, t in zip(alone, together, strict=True):
            torch.testing.assert_close(a[0], t[row], rtol=1e-4, atol=1e-5)


def test_a_period_critic_never_mixes_samples_of_different_phases() -> None:
    critic = PeriodDiscriminator(3, (2, 4, 4))
    waveform = noise(1, 90).requires_grad_(True)
    score, _ = critic(waveform)
    columns = score.reshape(1, -1, 3)
    for column in range(3):
        (influence,) = torch.autograd.grad(columns[..., column].sum(), waveform, retain_graph=True)
        others = torch.arange(90) % 3 != column
        assert influence.abs().sum() > 0
        assert not influence[0, 0, others].any()


@torch.no_grad()
def test_folding_the_weight_norms_changes_no_score() -> None:
    waveforms = noise(1, 600)
    plain, _ = tiny_discriminator()(waveforms)
    folded, _ = fold_weight_norm(tiny_discriminator())(waveforms)
    for a, b in zip(plain, folded, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_groups_that_do_not_divide_the_channels_are_named() -> None:
    with pytest.raises(ValueError, match="3 groups do not divide 2 and 4"):
        DiscriminatorConfig.from_dict(TINY_DISCRIMINATOR.to_dict() | {"scale_groups": (1, 3, 2, 2, 2, 1)})
