"""Which phonemes the GPT has read, told by a head whose attention follows the text.

A GPT that skips a clause, or ends before the text does, says so nowhere: its tokens are good speech. In a GPT that was
trained with guided attention (starter/gpt.py) one head looks at the phoneme of the token just read, and what it never
looked at was not said. Source of the guidance: Tachibana et al., arXiv:1710.08969.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.gpt.generation import Prompt, prepare_prompts
from gpt_sovits.gpt.model import GPT, GPTConfig


def check_head(head: tuple[int, int], config: GPTConfig) -> None:
    """Raises ValueError where a GPT has no such layer, or the layer no such head."""
    if not (0 <= head[0] < config.n_layers and 0 <= head[1] < config.n_heads):
        raise ValueError(
            f"alignment_head names layer {head[0]} and head {head[1]}; this GPT has {config.n_layers} layers of "
            f"{config.n_heads} heads, counted from 0: name one of them, or null where none is known to follow the text"
        )


@torch.inference_mode()
def places_read(model: GPT, prompt: Prompt, tokens: Tensor, head: tuple[int, int]) -> Tensor:
    """(n,) int64 on the CPU: for each token the place among prompt.phoneme_ids that the head looks at most.

    tokens: (n,) int64, what the model said after the prompt; head: number of its layer and of the head in it, from 0
    One pass through the layers below the head, in the model's own precision and in evaluation mode.
    """
    device = model.bert_proj.weight.device
    said = Prompt(prompt.phoneme_ids, torch.cat((prompt.tokens.cpu(), tokens.cpu())), prompt.bert_features)
    x, mask, _ = prepare_prompts(model, [said], device)
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
    # every token may look at every phoneme: of the mask nothing is left
    return (query[len(query) - len(tokens) :] @ keys[:n_phonemes].T).argmax(dim=1).cpu()


def longest_unread(places: Tensor, n_phonemes: int) -> int:
    """The most phonemes on end, of n_phonemes, that are neither named by places (n,) int64 nor next to one that is.

    A place outside of [0, n_phonemes) counts for the neighbour that it has inside, if any. So does a place that the
    head looks at ahead of its turn and comes back from, as it does in pauses: without those, a quarter of the takes of
    a text with two pauses counted as incomplete that were not.
    """
    named = {int(place) + move for place in places.unique() for move in (-1, 0, 1)}
    read = sorted({-1, n_phonemes} | {place for place in named if 0 <= place < n_phonemes})
    return max(later - earlier for earlier, later in pairwise(read)) - 1
