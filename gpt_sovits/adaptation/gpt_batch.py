"""Clips of one speaker as padded batches for the training of the GPT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gpt_sovits.gpt.model import GPTConfig

TOKENS_PER_SECOND = 25


@dataclass(frozen=True)
class GPTClip:
    """The features of one clip.

    Attributes:
        clip_id: names the clip in errors.
        phoneme_ids: (X,) int64.
        tokens: (Y,) int64, semantic tokens at 25 Hz.
        bert_features: (bert_dim, X) float32, None where the language has none.
    """

    clip_id: str
    phoneme_ids: Tensor
    tokens: Tensor
    bert_features: Tensor | None = None

    @property
    def seconds(self) -> float:
        """Return the length of the clip."""
        return len(self.tokens) / TOKENS_PER_SECOND

    @property
    def phonemes_per_second(self) -> float:
        """Return the pace of the clip."""
        return len(self.phoneme_ids) / self.seconds

    def tensors(self) -> dict[str, Tensor]:
        """Return the features that the clip has, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}


@dataclass(frozen=True)
class GPTBatch:
    """B clips, padded on the right to the longest: phonemes with 0, tokens with EOS, BERT features with zeros."""

    phoneme_ids: Tensor  # (B, X) int64
    phoneme_lengths: Tensor  # (B,)
    tokens: Tensor  # (B, Y) int64
    token_lengths: Tensor  # (B,)
    bert_features: Tensor | None  # (B, bert_dim, X)

    def with_tokens(self, rows: Sequence[Tensor]) -> GPTBatch:
        """Return the same clips with other tokens, one row per clip, padded with 0."""
        lengths = torch.tensor([len(row) for row in rows])
        tokens = pad_sequence(list(rows), batch_first=True)
        device = self.tokens.device
        return replace(self, tokens=tokens.to(device), token_lengths=lengths.to(device))


def collate(clips: Sequence[GPTClip], config: GPTConfig, device: str) -> GPTBatch:
    """Return clips as one padded batch on the device, in their order."""

    def pad(sequences: list[Tensor], fill: int) -> tuple[Tensor, Tensor]:
        lengths = torch.tensor([len(s) for s in sequences], device=device)
        return pad_sequence(sequences, batch_first=True, padding_value=fill).to(device), lengths

    phoneme_ids, phoneme_lengths = pad([clip.phoneme_ids for clip in clips], 0)
    tokens, token_lengths = pad([clip.tokens for clip in clips], config.eos_token)
    bert = None
    if any(clip.bert_features is not None for clip in clips):
        bert = torch.zeros(len(clips), config.bert_dim, phoneme_ids.shape[1], device=device)
        for row, clip in zip(bert, clips, strict=True):
            if clip.bert_features is not None:
                row[:, : len(clip.phoneme_ids)] = clip.bert_features
    return GPTBatch(phoneme_ids, phoneme_lengths, tokens, token_lengths, bert)


def check_clip(clip: GPTClip, config: GPTConfig) -> None:
    """Check that a clip fits the GPT.

    Raises:
        ValueError: a tensor has a wrong shape or value. The message names the clip, the tensor and what would be right.
    """
    for name, ids, limit in (
        ("phoneme_ids", clip.phoneme_ids, config.phoneme_vocab_size),
        ("tokens", clip.tokens, config.eos_token),
    ):
        if ids.ndim != 1 or not 1 <= len(ids) <= config.max_positions:
            raise ValueError(
                f"clip {clip.clip_id}: {name} must be (1..{config.max_positions},), not {tuple(ids.shape)}"
            )
        if ids.min() < 0 or ids.max() >= limit:
            raise ValueError(
                f"clip {clip.clip_id}: {name} must be in [0, {limit}), found {int(ids.min())}..{int(ids.max())}; "
                "make the features again with this base model"
            )
    wanted = (config.bert_dim, len(clip.phoneme_ids))
    if clip.bert_features is not None and clip.bert_features.shape != wanted:
        raise ValueError(f"clip {clip.clip_id}: bert_features must be {wanted}, not {tuple(clip.bert_features.shape)}")
