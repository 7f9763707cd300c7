"""The GPT of GPT-SoVITS v2 / v2Pro / v2ProPlus: phonemes and prompt tokens in, semantic tokens (25 Hz) out.

A prefix language model. The sequence is [phonemes, semantic tokens]: phonemes see all phonemes, a token sees all
phonemes and the tokens up to itself. The last phoneme predicts the first token.

Parameters have the names of the official checkpoints without their `model.` prefix. Upstream calls this network s1.
Source of the structure: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS AR/models/t2s_model.py.

Letters in shapes: B batch, X phonemes, Y semantic tokens, S = X + Y, D hidden size, H heads, V vocabulary.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.gpt.decoding import Decoder, KeyValueCache
from gpt_sovits.pausing import pause_point


@dataclasses.dataclass(frozen=True)
class GPTConfig:
    """Sizes of a GPT. The defaults are the official ones. A starter base only has smaller numbers."""

    vocab_size: int = 1025  # semantic codes plus one: the last id is the end of speech (EOS)
    phoneme_vocab_size: int = 732  # rows of the symbol table (gpt_sovits.text.symbols)
    hidden_size: int = 512  # even and divisible by n_heads; the feed-forward part is always 4 times as wide
    n_heads: int = 16
    n_layers: int = 24
    bert_dim: int = 1024  # width of the BERT features of Chinese text; other languages have none
    dropout: float = 0.1  # probability in [0, 1), in training only
    max_positions: int = 4000  # longest phoneme or token sequence that is accepted

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "dropout" and (type(value) is not int or value < 1):
                raise ValueError(f"GPT config: {field.name} must be a whole number of at least 1, not {value!r}")
        if not (isinstance(self.dropout, float | int) and 0 <= self.dropout < 1):
            raise ValueError(f"GPT config: dropout must be a number in [0, 1), not {self.dropout!r}")
        if self.hidden_size % self.n_heads or self.hidden_size % 2:
            raise ValueError(
                f"GPT config: hidden_size ({self.hidden_size}) must be even and divisible by n_heads ({self.n_heads})"
            )

    @property
    def eos_token(self) -> int:
        """The id of the end of speech (EOS), the last row of the vocabulary."""
        return self.vocab_size - 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON. `from_dict` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "GPTConfig":
        """Read the values of `to_dict`.

        Raises:
            ValueError: For unknown and missing keys, which it names, and for sizes that do not fit each other.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        unknown, missing = sorted(set(values) - names), sorted(names - set(values))
        if unknown or missing:
            raise ValueError(
                f"GPT config: unknown keys {unknown}, missing keys {missing}; it must have exactly the keys "
                f"{sorted(names)}"
            )
        return cls(**values)


class SelfAttention(nn.Module):
    """Multi-head attention with one fused projection, whose rows are ordered query, key, value."""

    def __init__(self, hidden_size: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * hidden_size, hidden_size))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * hidden_size))
        self.out_proj = nn.Linear(hidden_size, hidden_size)
        self.n_heads = n_heads
        self.dropout = dropout
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None = None) -> Tensor:
        """Attend to the given positions and to those of the cache.

        Args:
            x: (B, n, D)
            mask: bool, True = may look, broadcastable to (B, H, n, keys). None = sees everything.
            cache: Keys and values of earlier positions. The new ones are appended.

        Returns:
            (B, n, D)
        """
        batch, n, hidden = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # (B, n, 3D)
        query, keys, values = qkv.view(batch, n, 3, self.n_heads, hidden // self.n_heads).permute(2, 0, 3, 1, 4)
        if cache is not None:
            keys, values = cache.append(keys, values)
        dropout = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, dropout_p=dropout)  # (B, H, n, D/H)
        return self.out_proj(out.transpose(1, 2).reshape(batch, n, hidden))


class Layer(nn.Module):
    """Attention and a ReLU feed-forward part, each normalised after its residual."""

    def __init__(self, hidden_size: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = SelfAttention(hidden_size, n_heads, dropout)
        self.linear1 = nn.Linear(hidden_size, 4 * hidden_size)
        self.linear2 = nn.Linear(4 * hidden_size, hidden_size)
        self.norm1 = nn.LayerNorm(hidden_size)
        self.norm2 = nn.LayerNorm(hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None = None) -> Tensor:
        """Compute (B, n, D) from (B, n, D). The arguments are those of `SelfAttention.forward`."""
        x = self.norm1(x + self.dropout(self.self_attn(x, mask, cache)))
        pause_point()
        feed_forward = self.linear2(self.dropout(F.relu(self.linear1(x))))
        return self.norm2(x + self.dropout(feed_forward))


class Stack(nn.Module):
    """The layers, a separate module because checkpoints name them `h.layers.N`."""

    def __init__(self, n_layers: int, hidden_size: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(hidden_size, n_heads, dropout) for _ in range(n_layers))


class TokenEmbedding(nn.Module):
    """An embedding one level deeper than usual, because checkpoints name it `...word_embeddings.weight`."""

    def __init__(self, n_tokens: int, hidden_size: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(n_tokens, hidden_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed ids (B, n) as (B, n, D)."""
        return self.word_embeddings(tokens)


class SinePosition(nn.Module):
    """Adds alpha * sine table, which is computed when needed and so neither saved nor limited in length."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """Add the sines of `positions`, (B, n) or (n,) int64 counted from 0, to x (B, n, D)."""
        return x + self.alpha * sine_table(positions, x.shape[-1]).to(x.dtype)


def sine_table(positions: Tensor, hidden_size: int) -> Tensor:
    """Return the sine of each frequency at even columns and its cosine at odd ones, (..., hidden_size) float32.

    The frequencies are rounded once from float64. A float32 exponential differs by a unit in the last place from CPU to
    CPU, which 4000 positions later is an error of 2e-4.
    """
    even = torch.arange(0, hidden_size, 2, dtype=torch.float32, device=positions.device)
    frequencies = (even * -(math.log(10000.0) / hidden_size)).double().exp().float()
    angles = positions.unsqueeze(-1).float() * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def prefix_mask(is_token: Tensor, is_real: Tensor) -> Tensor:
    """Return which position may look at which.

    Padding still sees the real phonemes, so that no softmax is over nothing.

    Args:
        is_token: (B, S) or (1, S) bool, False for phonemes.
        is_real: (B, S) bool, False for padding, which no position sees.

    Returns:
        bool (B, 1, S, S), True = may look. The extra axis stands for the heads.
    """
    n = is_token.shape[1]
    earlier = torch.ones(n, n, dtype=torch.bool, device=is_token.device).tril()
    visible = ~is_token[:, None, :] | (is_token[:, :, None] & earlier)
    return (visible & is_real[:, None, :])[:, None]


class GPT(nn.Module):
    """The whole network. `forward` is for training, `gpt.generation` drives the other methods.

    Invariant: `decoder` is None, or holds the present weights packed for inference. `gpt.inference` sets it and
    training mode drops it.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden_size
        self.bert_proj = nn.Linear(config.bert_dim, hidden)
        self.ar_text_embedding = TokenEmbedding(config.phoneme_vocab_size, hidden)
        self.ar_text_position = SinePosition()
        self.ar_audio_embedding = TokenEmbedding(config.vocab_size, hidden)
        self.ar_audio_position = SinePosition()
        self.h = Stack(config.n_layers, hidden, config.n_heads, config.dropout)
        self.ar_predict_layer = nn.Linear(hidden, config.vocab_size, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.decoder: Decoder | None = None

    def train(self, mode: bool = True) -> "GPT":
        """Switch to training mode, which drops the packed weights, or to evaluation mode."""
        if mode:
            self.decoder = None
        return super().train(mode)

    def embed_phonemes(self, phoneme_ids: Tensor, bert_features: Tensor | None = None) -> Tensor:
        """Embed phonemes at positions 0 to X - 1.

        Without features the projection's bias still counts, as it does for features of zeros.

        Args:
            phoneme_ids: (B, X) int64
            bert_features: (B, bert_dim, X), or None.

        Returns:
            (B, X, D)

        Raises:
            ValueError: For more than max_positions phonemes.
        """
        _check_length("phonemes", phoneme_ids.shape[1], self.config.max_positions)
        bert = self.bert_proj.bias if bert_features is None else self.bert_proj(bert_features.transpose(1, 2))
        x = self.ar_text_embedding(phoneme_ids) + bert
        positions = torch.arange(phoneme_ids.shape[1], device=phoneme_ids.device)
        return self.dropout(self.ar_text_position(x, positions))

    def embed_tokens(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """Embed semantic tokens.

        Args:
            tokens: (B, Y) int64
            positions: (B, Y) int64. None means 0 to Y - 1. They do not continue those of the phonemes.

        Returns:
            (B, Y, D)

        Raises:
            ValueError: For more than max_positions tokens where no positions are given.
        """
        if positions is None:
            _check_length("semantic tokens", tokens.shape[1], self.config.max_positions)
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        return self.dropout(self.ar_audio_position(self.ar_audio_embedding(tokens), positions))

    def run(
        self,
        x: Tensor,
        mask: Tensor | None,
        caches: list[KeyValueCache] | None = None,
        layers: Sequence[nn.Module] | None = None,
    ) -> Tensor:
        """Run embedded positions through all layers.

        Args:
            x: (B, n, D). With caches, the new positions only.
            mask: See `SelfAttention.forward`.
            caches: One per layer, or None.
            layers: A copy of the own layers in another precision that computes instead of them.

        Returns:
            The last hidden states, (B, n, D).
        """
        for i, layer in enumerate(layers or self.h.layers):
            pause_point()
            x = layer(x, mask, None if caches is None else caches[i])
        pause_point()
        return x

    def logits(self, hidden: Tensor) -> Tensor:
        """Return unnormalised logits (..., V) of hidden states (..., D)."""
        return self.ar_predict_layer(hidden)

    def forward(
        self,
        phoneme_ids: Tensor,
        phoneme_lengths: Tensor,
        tokens: Tensor,
        token_lengths: Tensor,
        bert_features: Tensor | None = None,
        *,
        upstream_padding: bool = False,
    ) -> Tensor:
        """Compute the last hidden states that predict tokens 0 to Y - 1 and the EOS after them.

        Args:
            phoneme_ids: (B, X) int64, padded on the right with any id.
            phoneme_lengths: (B,)
            tokens: (B, Y) int64, padded on the right with any id.
            token_lengths: (B,)
            bert_features: (B, bert_dim, X), or None for zeros.
            upstream_padding: Reproduce upstream's mistake, which hides the first X - length phonemes of a short item
                instead of its padding and lets the last padded position predict the first token. For comparisons only.

        Returns:
            (B, Y + 1, D)
        """
        n_phonemes, n_tokens = phoneme_ids.shape[1], tokens.shape[1]
        device = phoneme_ids.device
        columns = torch.arange(n_phonemes, device=device)
        if upstream_padding:
            real_phonemes = columns >= n_phonemes - phoneme_lengths[:, None]
            last_phoneme = torch.full_like(phoneme_lengths, n_phonemes - 1)
        else:
            real_phonemes = columns < phoneme_lengths[:, None]
            last_phoneme = phoneme_lengths - 1
        real_tokens = torch.arange(n_tokens, device=device) < token_lengths[:, None]
        inputs = tokens.masked_fill(~real_tokens, self.config.eos_token)
        x = torch.cat((self.embed_phonemes(phoneme_ids, bert_features), self.embed_tokens(inputs)), dim=1)
        is_token = (torch.arange(n_phonemes + n_tokens, device=device) >= n_phonemes)[None]
        hidden = self.run(x, prefix_mask(is_token, torch.cat((real_phonemes, real_tokens), dim=1)))
        first = hidden[torch.arange(len(hidden), device=device), last_phoneme]  # (B, D)
        return torch.cat((first[:, None], hidden[:, n_phonemes:]), dim=1)


def _check_length(what: str, n: int, limit: int) -> None:
    if n > limit:
        raise ValueError(
            f"{n} {what} in one sequence, but at most {limit} (max_positions) are possible; split the text"
        )
