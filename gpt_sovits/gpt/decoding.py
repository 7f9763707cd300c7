"""How generation drives the GPT: the prompt at once, then one token a row and a step.

Three ways with one meaning, and tests that hold them equal: `PlainDecoding` calls the layers of `gpt.model` (any
device, the reference for the others); `cpu_decoder` computes a step as one compiled function; `gpu_decoder` replays it
as one CUDA graph. `GPT.for_inference` picks one of the latter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from gpt_sovits.gpt.model import GPT

Store = Callable[[int, Tensor, Tensor], None]


class Decoding(Protocol):
    """The state of one call of `generate`: what the rows have said so far, as keys and values.

    Made from x (B, S, D), the embedded prompts padded on the left; mask (B, 1, S, S), see `gpt.model.prefix_mask`;
    is_real (B, S), False in the padding; and the number of tokens to come. `hidden` (B, D) is the last one.
    """

    hidden: Tensor

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Takes each row's newest token (N,) and its place among the row's tokens (N,); returns the logits (N, V) of
        the next one, which the next step may overwrite."""

    def keep_rows(self, rows: Tensor) -> None:
        """Goes on with these of the present rows (int64, ascending) only."""


class KeyValueCache:
    """Keys and values of one layer, (B, H, room, D/H), of which the first `length` positions are filled."""

    BLOCK = 256  # it grows by this many positions at a time

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add (B, H, n, D/H) and return all so far as views: a step writes one position and copies nothing."""
        end = self.length + keys.shape[2]
        if self.keys is None or end > self.keys.shape[2]:
            room = -(-end // self.BLOCK) * self.BLOCK
            self.keys = _with_room(self.keys, keys, self.length, room)
            self.values = _with_room(self.values, values, self.length, room)
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def keep_rows(self, rows: Tensor) -> None:
        """Forget the batch rows that are not in `rows` (int64)."""
        self.keys, self.values = self.keys[rows], self.values[rows]


def _with_room(old: Tensor | None, like: Tensor, length: int, room: int) -> Tensor:
    new = like.new_zeros((like.shape[0], like.shape[1], room, like.shape[3]))
    if old is not None:
        new[:, :, :length] = old[:, :, :length]
    return new


class PlainDecoding:
    """Through `GPT.run`, with caches that grow."""

    def __init__(self, model: GPT, x: Tensor, mask: Tensor, is_real: Tensor, n_steps: int) -> None:
        self.model = model
        self.caches = [KeyValueCache() for _ in model.h.layers]
        self.is_real = is_real
        self.is_alone = len(x) == 1  # then nothing is padded and nothing needs a mask
        self.hidden = model.run(x, mask, self.caches)[:, -1]

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        self.is_real = F.pad(self.is_real, (0, 1), value=True)
        x = self.model.embed_tokens(tokens[:, None], positions[:, None])
        hidden = self.model.run(x, None if self.is_alone else self.is_real[:, None, None, :], self.caches)[:, -1]
        return self.model.logits(hidden)

    def keep_rows(self, rows: Tensor) -> None:
        self.is_real = self.is_real[rows]
        for cache in self.caches:
            cache.keep_rows(rows)


def compute_prompt(model: GPT, x: Tensor, mask: Tensor, store: Store, bfloat16: bool) -> Tensor:
    """The prompt through the layers; `store` gets the number of each layer, its keys and its values (B, H, S, D/H).

    returns: (B, D), the last hidden states, float32
    """
    caches = [KeyValueCache() for _ in model.h.layers]
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16):
        hidden = model.run(x, mask, caches)[:, -1]
    n = x.shape[1]
    for layer, cache in enumerate(caches):
        store(layer, cache.keys[:, :, :n], cache.values[:, :, :n])
        caches[layer] = None  # frees it: a long prompt need not be held twice
    return hidden.float()
