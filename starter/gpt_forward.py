"""The GPT's forward pass for training on a CPU: what gpt_sovits.gpt.model.GPT.forward computes, with positions that
need not begin at 0, and with the attention's weights.

Plain products and a softmax: the backward pass of scaled_dot_product_attention with a mask takes as long as the rest
of the network on a CPU.
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
    """SelfAttention.forward, and the scores of its first head before the softmax, (B, n, n).

    x: (B, n, D); mask: (B, 1, n, n), 0 = may look, -inf = may not
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
    attended, scores = attend(layer.self_attn, x, mask)
    x = layer.norm1(x + attended)
    return layer.norm2(x + layer.linear2(F.relu(layer.linear1(x)))), scores


def forward(model: GPT, batch: TrainingBatch, guided_layers: Collection[int] = ()) -> tuple[Tensor, dict[int, Tensor]]:
    """Hidden states (B, Y+1, D) that predict batch.targets, and of each guided layer the logarithm of the first head's
    weights on the phonemes at the same places, (B, Y+1, X), -inf in padding. What is missing to 1 lies on tokens.

    The model's dropout must be 0.
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


def guided_loss(weights: Tensor, batch: TrainingBatch, ahead: bool) -> Tensor:
    """() cross entropy of the weights (B, Y+1, X) against the true places, an eighth of it at either neighbour.

    ahead: the place of the token that is to be said, else that of the token just read
    """
    last = batch.phoneme_lengths[:, None] - 1
    losses = torch.zeros(batch.places.shape)
    for move, share in ((-1, 0.125), (0, 0.75), (1, 0.125)):
        places = (batch.places + move).clamp(min=0).minimum(last)
        losses = losses - share * _at(weights, ahead).gather(2, places[:, :, None])[:, :, 0]
    is_real = batch.places >= 0
    return losses.masked_fill(~is_real, 0).sum() / is_real.sum()


def aligned(weights: Tensor, batch: TrainingBatch) -> tuple[int, int]:
    """How many tokens are predicted looking at their true phoneme or a neighbour of it, and of how many."""
    is_real = batch.places >= 0
    is_near = (_at(weights, ahead=True).argmax(dim=2) - batch.places).abs() <= 1
    return int((is_near & is_real).sum()), int(is_real.sum())


def _at(weights: Tensor, ahead: bool) -> Tensor:
    """(B, Y, X): those with which each token was predicted, or those of each token once it is read."""
    return weights[:, :-1] if ahead else weights[:, 1:]
