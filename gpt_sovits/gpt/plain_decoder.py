"""Decoding through the model's own layers, on any device: the reference for the fast decoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.gpt.decoding import KeyValueCache, PromptBatch
from gpt_sovits.gpt.model import GPT

StoreLayer = Callable[[int, Tensor, Tensor], None]


class PlainDecoding:
    """A `gpt.decoding.Decoding` through `GPT.run`, with caches that grow."""

    def __init__(self, model: GPT, prompts: PromptBatch) -> None:
        self.model = model
        self.caches = [KeyValueCache() for _ in model.h.layers]
        self.is_real = prompts.is_real
        self.is_single = len(prompts.x) == 1  # then nothing is padded and nothing needs a mask
        self.hidden = model.run(prompts.x, prompts.mask, self.caches)[:, -1]

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Compute one step, see `gpt.decoding.Decoding.step`."""
        self.is_real = F.pad(self.is_real, (0, 1), value=True)
        x = self.model.embed_tokens(tokens[:, None], positions[:, None])
        hidden = self.model.run(x, None if self.is_single else self.is_real[:, None, None, :], self.caches)[:, -1]
        return self.model.logits(hidden)

    def keep_rows(self, rows: Tensor) -> None:
        """Drop the other rows, see `gpt.decoding.Decoding.keep_rows`."""
        self.is_real = self.is_real[rows]
        for cache in self.caches:
            cache.keep_rows(rows)


def compute_prompt(
    model: GPT,
    prompts: PromptBatch,
    store: StoreLayer,
    *,
    use_bfloat16: bool,
    layers: Sequence[nn.Module] | None = None,
) -> Tensor:
    """Run the prompts through the layers and hand each layer's keys and values to a fast decoder's cache.

    Args:
        model: The GPT, whose own weights compute the prompts.
        prompts: The embedded prompts.
        store: Called once per layer with its number, its keys and its values (B, H, S, D/H).
        use_bfloat16: Compute matrix products in bfloat16.
        layers: A copy of the model's layers in another precision that computes instead of them.

    Returns:
        The last hidden states, (B, D) float32.
    """
    caches = [KeyValueCache() for _ in model.h.layers]
    with torch.autocast(prompts.x.device.type, torch.bfloat16, enabled=use_bfloat16):
        hidden = model.run(prompts.x, prompts.mask, caches, layers)[:, -1]
    n = prompts.x.shape[1]
    for layer, cache in enumerate(caches):
        store(layer, cache.keys[:, :, :n], cache.values[:, :, :n])
        caches[layer] = None  # frees it: a long prompt need not be held twice
    return hidden.float()
