"""The codebook: frozen by default, and moved only where a base is trained from scratch."""

from __future__ import annotations

import pytest
import torch
from sovits_tiny import TINY, tiny_clip, tiny_sovits

from gpt_sovits.adaptation.sovits_batch import collate
from gpt_sovits.sovits.quantizer import Quantizer


def clouds(n: int, seed: int) -> torch.Tensor:
    """Return points (1, 2, n) around (-3, 0), (0, 3) and (3, 0)."""
    g = torch.Generator().manual_seed(seed)
    middles = torch.tensor([[-3.0, 0.0], [0.0, 3.0], [3.0, 0.0]])
    return (middles[torch.arange(n) % 3] + 0.1 * torch.randn(n, 2, generator=g)).T[None]


def test_centres_move_to_the_mean_of_the_vectors_nearest_to_them() -> None:
    quantizer = Quantizer(3, 2)
    quantizer.set_centres(torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    losses = [float(quantizer.learn(clouds(60, seed)).commitment_loss) for seed in range(400)]
    expected = torch.tensor([[-3.0, 0.0], [0.0, 3.0], [3.0, 0.0]])
    torch.testing.assert_close(quantizer.centres, expected, rtol=0, atol=0.1)
    assert losses[-1] < 0.05 * losses[0]


def test_one_step_follows_its_definition() -> None:
    quantizer = Quantizer(3, 2)
    start = torch.tensor([[-3.0, 1.0], [0.0, 2.0], [50.0, 50.0]])  # nothing is near the third
    quantizer.set_centres(start)
    x = torch.tensor([[[-3.0, 1.0, -1.0]], [[0.0, 2.0, 2.0]]]).reshape(1, 2, 3)
    step = quantizer.learn(x)
    assert step.codes.tolist() == [[0, 1, 1]]
    torch.testing.assert_close(step.quantized, start[step.codes].transpose(1, 2))
    assert step.commitment_loss.item() == pytest.approx((0 + 1 + 1 + 0 + 1 + 0) / 6)
    counts = 0.99 * torch.ones(3) + 0.01 * torch.tensor([1.0, 2.0, 0.0])
    sums = 0.99 * start + 0.01 * torch.tensor([[-3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(quantizer.centres, sums / counts[:, None], rtol=1e-4, atol=1e-4)


def test_gradients_pass_unchanged_and_the_commitment_pulls_to_the_centres() -> None:
    quantizer = Quantizer(3, 2)
    quantizer.set_centres(torch.tensor([[-3.0, 0.0], [0.0, 3.0], [3.0, 0.0]]))
    x = clouds(6, 0).requires_grad_(True)
    step = quantizer.learn(x)
    weights = torch.arange(12.0).reshape(1, 2, 6)
    (straight,) = torch.autograd.grad((step.quantized * weights).sum(), x, retain_graph=True)
    assert torch.equal(straight, weights)
    (pull,) = torch.autograd.grad(step.commitment_loss, x)
    torch.testing.assert_close(pull, 2 * (x - step.quantized) / 12)


def test_padding_has_no_influence() -> None:
    padded, alone = Quantizer(3, 2), Quantizer(3, 2)
    for quantizer in (padded, alone):
        quantizer.set_centres(torch.tensor([[-3.0, 0.0], [0.0, 3.0], [3.0, 0.0]]))
    x = clouds(9, 0)
    mask = torch.ones(1, 1, 9)
    mask[..., 5:] = 0
    with_padding, without = padded.learn(x, mask), alone.learn(x[..., :5])
    torch.testing.assert_close(with_padding.commitment_loss, without.commitment_loss)
    for name, buffer in alone.state_dict().items():
        torch.testing.assert_close(padded.state_dict()[name], buffer)


def test_a_codebook_without_statistics_does_not_learn() -> None:
    with pytest.raises(ValueError, match="no statistics"):
        Quantizer(3, 2).learn(clouds(3, 0))


def test_training_moves_the_codebook_only_with_learn_codebook() -> None:
    model = tiny_sovits().train()
    model.quantizer.set_centres(model.quantizer.centres.clone())
    model.ssl_proj.requires_grad_(True)
    batch = collate([tiny_clip(20), tiny_clip(12, 1)], TINY, 8)
    arguments = (
        *(batch.ssl_features, batch.spectrograms, batch.frame_lengths, batch.phoneme_ids, batch.phoneme_lengths),
        *(torch.zeros(2, TINY.latent_channels, 20), torch.zeros(2, dtype=torch.int64), 8),
    )
    before = model.quantizer.centres.clone()
    frozen = model(*arguments)
    assert torch.equal(model.quantizer.centres, before)
    assert frozen.commitment_loss.item() == 0
    learned = model(*arguments, learn_codebook=True)
    assert not torch.equal(model.quantizer.centres, before)
    assert learned.commitment_loss.item() > 0
    (learned.waveforms.square().sum() + learned.commitment_loss).backward()
    assert model.ssl_proj.weight.grad.abs().sum() > 0
