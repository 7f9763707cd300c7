"""Which phonemes the GPT has read, seen from one attention head that follows the text.

A GPT that skips a clause, or ends before the text does, gives no sign of it: its tokens are good speech. In a GPT that
was trained with guided attention (starter/gpt.py), one head looks at the phoneme of the token just read. Phonemes that
it never looked at were not spoken. Source of the guidance: Tachibana et al., arXiv:1710.08969.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.gpt.generation import Prompt, prepare_prompts
from gpt_sovits.gpt.model import GPT, GPTConfig


def check_head(head: tuple[int, int], config: GPTConfig) -> None:
    """Raise ValueError where the GPT does not have this head.

    head: number of the layer and of the head in it, from 0
    """
    if not (0 <= head[0] < config.n_layers and 0 <= head[1] < config.n_heads):
        raise ValueError(
            f"alignment_head names layer {head[0]} and head {head[1]}, but this GPT has {config.n_layers} layers of "
            f"{config.n_heads} heads, counted from 0; name one of them, or null where none is known to follow the text"
        )


@torch.inference_mode()
def attended_phonemes(model: GPT, prompt: Prompt, tokens: Tensor, head: tuple[int, int]) -> Tensor:
    """Return for each token the phoneme that the head looks at most.

    This is one pass through the layers below the head, in the model's own precision.

    Args:
        model: The GPT, in evaluation mode.
        prompt: What the model continued.
        tokens: What it said after the prompt, (n,) int64.
        head: Number of the layer and of the head in it, from 0.

    Returns:
        Indices into prompt.phoneme_ids, (n,) int64 on the CPU.
    """
    return attention_scores(model, prompt, tokens, head).argmax(dim=1).cpu()


@torch.inference_mode()
def attention_scores(model: GPT, prompt: Prompt, tokens: Tensor, head: tuple[int, int]) -> Tensor:
    """Return how much the head looks at each phoneme when it reads each token, before scaling and softmax.

    The arguments are those of `attended_phonemes`.

    Returns:
        (n, number of prompt.phoneme_ids), on the model's device.
    """
    device = model.bert_proj.weight.device
    spoken = Prompt(prompt.phoneme_ids, torch.cat((prompt.tokens.cpu(), tokens.cpu())), prompt.bert_features)
    x, mask, _ = prepare_prompts(model, [spoken], device)
    layer, number = head
    for below in model.h.layers[:layer]:
        x = below(x, mask)
    attention = model.h.layers[layer].self_attn
    n_phonemes, width = len(prompt.phoneme_ids), x.shape[2] // attention.n_heads
    weights, biases = (
        part.view(3, attention.n_heads, width, *part.shape[1:])[:2, number]
        for part in (attention.in_proj_weight, attention.in_proj_bias)
    )
    query, keys = (F.linear(x[0], weight, bias) for weight, bias in zip(weights, biases, strict=True))
    # every token may look at every phoneme, so no mask is needed here
    return query[len(query) - len(tokens) :] @ keys[:n_phonemes].T


def longest_unread_run(attended: Tensor, n_phonemes: int) -> int:
    """Return the length of the longest run of phonemes that were not read.

    A phoneme was read where the head looked at it or at a neighbour of it. Neighbours count because in pauses the head
    looks one phoneme ahead and comes back: without them, a quarter of the complete utterances of a text with two pauses
    counted as incomplete.

    Args:
        attended: Indices of phonemes, (n,) int64. One outside [0, n_phonemes) counts for its neighbour inside, if any.
        n_phonemes: Number of phonemes of the text.
    """
    near = {int(index) + offset for index in attended.unique() for offset in (-1, 0, 1)}
    read = sorted({-1, n_phonemes} | {index for index in near if 0 <= index < n_phonemes})
    return max(later - earlier for earlier, later in pairwise(read)) - 1
