"""The GPT's forward pass for training on a CPU.

It computes what gpt_sovits.gpt.model.GPT.forward computes. In addition, positions may begin after 0, and it returns the
weights of the attention. It uses plain products and a softmax, because on a CPU the backward pass of
scaled_dot_product_attention with a mask takes as long as the rest of the network.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.gpt.model import GPT, Layer, SelfAttention, prefix_mask
from starter.gpt_batches import TrainingBatch

GUIDED_HEAD = 0


def attend(attention: SelfAttention, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return what SelfAttention.forward returns, and the scores of the guided head before the softmax.

    Args:
        attention: The weights.
        x: (B, n, D) input.
        mask: (B, 1, n, n), 0 where a position is visible and -inf where it is not.

    Returns:
        (B, n, D) output and (B, n, n) scores.
    """
    batch, n, hidden = x.shape
    width = hidden // attention.n_heads
    qkv = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    query, keys, values = qkv.view(batch, n, 3, attention.n_heads, width).permute(2, 0, 3, 1, 4)
    scores = (query * width**-0.5) @ keys.transpose(2, 3)
    scores = scores + mask.to(scores.dtype)
    out = scores.softmax(dim=-1).to(values.dtype) @ values
    return attention.out_proj(out.transpose(1, 2).reshape(batch, n, hidden)), scores[:, GUIDED_HEAD]


def run_layer(layer: Layer, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Run a layer of the transformer. Shapes are as in `attend`."""
    attended, scores = attend(layer.self_attn, x, mask)
    x = layer.norm1(x + attended)
    return layer.norm2(x + layer.linear2(F.relu(layer.linear1(x)))), scores


def forward(model: GPT, batch: TrainingBatch, guided_layers: Collection[int] = ()) -> tuple[Tensor, dict[int, Tensor]]:
    """Run the model on a batch.

    Args:
        model: The GPT. Its dropout must be 0.
        batch: B pieces of at most X phonemes and Y tokens.
        guided_layers: The numbers of the layers whose weights are returned.

    Returns:
        The hidden states that predict batch.targets, (B, Y+1, D), and for each guided layer the logarithms of the
        guided head's weights on the phonemes at the same positions, (B, Y+1, X), -inf in padding. The remaining weight
        is on tokens.
    """
    n_phonemes, n_tokens = batch.phoneme_ids.shape[1], batch.inputs.shape[1]
    columns = torch.arange(max(n_phonemes, n_tokens))
    real_phonemes = columns[:n_phonemes] < batch.phoneme_lengths[:, None]
    real_tokens = columns[:n_tokens] < batch.token_lengths[:, None]
    phonemes = model.ar_text_embedding(batch.phoneme_ids) + model.bert_proj.bias
    phonemes = model.ar_text_position(phonemes, columns[:n_phonemes] + batch.before[:, :1])
    inputs = batch.inputs.masked_fill(~real_tokens, model.config.eos_token)
    x = torch.cat((phonemes, model.embed_tokens(inputs, columns[:n_tokens] + batch.before[:, 1:])), dim=1)
    is_token = (torch.arange(n_phonemes + n_tokens) >= n_phonemes)[None]
    visible = prefix_mask(is_token, torch.cat((real_phonemes, real_tokens), dim=1))
    mask = torch.zeros(visible.shape).masked_fill(~visible, -torch.inf)
    predicting = torch.arange(n_phonemes - 1, n_phonemes + n_tokens).expand(len(x), -1).clone()
    predicting[:, 0] = batch.phoneme_lengths - 1  # the last real phoneme
    guided = {}
    for number, layer in enumerate(model.h.layers):
        x, scores = run_layer(layer, x, mask)
        if number in guided_layers:
            weights = scores.float().log_softmax(dim=-1)[:, :, :n_phonemes]
            guided[number] = weights.gather(1, predicting[:, :, None].expand(-1, -1, n_phonemes))
    return x.gather(1, predicting[:, :, None].expand(-1, -1, x.shape[-1])), guided


def guided_loss(weights: Tensor, batch: TrainingBatch, *, ahead: bool) -> Tensor:
    """Return (), the cross entropy of the attention weights and the true phonemes.

    Args:
        weights: (B, Y+1, X) log weights of a guided layer.
        batch: The true phonemes. An eighth of the target weight lies on either neighbour.
        ahead: The target is the phoneme of the next token instead of that of the last token read.
    """
    last = batch.phoneme_lengths[:, None] - 1
    losses = torch.zeros(batch.places.shape)
    for move, share in ((-1, 0.125), (0, 0.75), (1, 0.125)):
        places = (batch.places + move).clamp(min=0).minimum(last)
        losses = losses - share * _token_weights(weights, ahead=ahead).gather(2, places[:, :, None])[:, :, 0]
    is_real = batch.places >= 0
    return losses.masked_fill(~is_real, 0).sum() / is_real.sum()


def count_aligned(weights: Tensor, batch: TrainingBatch) -> tuple[int, int]:
    """Return how many tokens are predicted with attention to their true phoneme or a neighbour, and how many exist."""
    is_real = batch.places >= 0
    is_near = (_token_weights(weights, ahead=True).argmax(dim=2) - batch.places).abs() <= 1
    return int((is_near & is_real).sum()), int(is_real.sum())


def _token_weights(weights: Tensor, *, ahead: bool) -> Tensor:
    """Return (B, Y, X): the weights that predict each token (ahead), or those after it is read."""
    return weights[:, :-1] if ahead else weights[:, 1:]
