"""The interface of decoding: a GPT reads its prompts at once, then speaks one token per row and step.

Three decoders implement it, and tests hold them equal. The model itself knows only this interface.

    plain_decoder.py  calls the layers of model.py on any device: the reference for the other two
    cpu_decoder.py    computes a step as one compiled function
    gpu_decoder.py    replays a step as one CUDA graph

inference.py picks the decoder.

Letters in shapes: B rows, N rows that still speak, S positions of the longest prompt, D hidden size, H heads,
V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class PromptBatch(NamedTuple):
    """Embedded prompts, padded on the left so that all of them end where generation begins."""

    x: Tensor  # (B, S, D)
    mask: Tensor  # (B, 1, S, S) bool, True = may look, see `gpt.model.prefix_mask`
    is_real: Tensor  # (B, S) bool, False in the padding


class Decoding(Protocol):
    """The state of one call of `generate`: keys and values of everything the rows have said so far.

    Attributes:
        hidden: The last hidden states of the prompts, (B, D).
    """

    hidden: Tensor

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Read each row's newest token and return the logits of the next one.

        Args:
            tokens: The newest token of each row, (N,) int64.
            positions: Its position among the row's tokens, (N,) int64, counted from 0.

        Returns:
            Logits (N, V). The next step may overwrite them.
        """

    def keep_rows(self, rows: Tensor) -> None:
        """Drop every row but these, given as ascending int64 indices into the present rows."""


class Decoder(Protocol):
    """The weights of one GPT, packed for decoding. They are only read, so several decodings may run at a time."""

    def begin(self, prompts: PromptBatch, n_steps: int) -> Decoding:
        """Read the prompts and return the state from which at most `n_steps` tokens follow."""


class KeyValueCache:
    """Keys and values of one layer, (B, H, capacity, D/H), of which the first `length` positions are filled."""

    BLOCK = 256  # it grows by this many positions at a time

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values of new positions.

        Args:
            keys: (B, H, n, D/H)
            values: (B, H, n, D/H)

        Returns:
            All keys and all values so far, as views. A step writes one position and copies nothing.
        """
        end = self.length + keys.shape[2]
        if self.keys is None or end > self.keys.shape[2]:
            capacity = -(-end // self.BLOCK) * self.BLOCK
            self.keys = _grow(self.keys, keys, self.length, capacity)
            self.values = _grow(self.values, values, self.length, capacity)
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def keep_rows(self, rows: Tensor) -> None:
        """Drop every row of the batch but these (int64)."""
        self.keys, self.values = self.keys[rows], self.values[rows]


def _grow(old: Tensor | None, like: Tensor, length: int, capacity: int) -> Tensor:
    new = like.new_zeros((like.shape[0], like.shape[1], capacity, like.shape[3]))
    if old is not None:
        new[:, :, :length] = old[:, :, :length]
    return new
