"""The GPT of GPT-SoVITS v2 / v2Pro / v2ProPlus: phonemes and prompt tokens in, semantic tokens (25 Hz) out.

A prefix language model. The sequence is [phonemes ; semantic tokens]: phonemes see all phonemes, a token sees all
phonemes and the tokens up to itself. The last phoneme predicts the first token.

Names of parameters are those of the official checkpoints without their `model.` prefix (s1 there, gpt here).
Source of the structure: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS AR/models/t2s_model.py.

Letters in shapes: B batch, X phonemes, Y semantic tokens, S = X + Y, D hidden size, H heads, V vocabulary.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.gpt.decoding import Decoding, KeyValueCache, PlainDecoding

if TYPE_CHECKING:
    from gpt_sovits.gpt.cpu_decoder import CPUDecoder
    from gpt_sovits.gpt.gpu_decoder import GPUDecoder


@dataclasses.dataclass(frozen=True)
class GPTConfig:
    """Sizes of a GPT. The defaults are the official ones; a starter base only has smaller numbers.

    vocab_size: semantic codes plus one; the last id is the end of speech (EOS)
    phoneme_vocab_size: rows of the symbol table (gpt_sovits.text.symbols)
    hidden_size: width, even and divisible by n_heads; the feed-forward part is always 4 times as wide
    bert_dim: width of the BERT features of Chinese text; other languages have none
    dropout: share in [0, 1), in training only
    max_positions: longest phoneme or token sequence that is accepted
    """

    vocab_size: int = 1025
    phoneme_vocab_size: int = 732
    hidden_size: int = 512
    n_heads: int = 16
    n_layers: int = 24
    bert_dim: int = 1024
    dropout: float = 0.1
    max_positions: int = 4000

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
        """Id of the end of speech: the last row of the vocabulary."""
        return self.vocab_size - 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `from_dict` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "GPTConfig":
        """The config of `to_dict`; ValueError names keys that are unknown or missing."""
        names = {field.name for field in dataclasses.fields(cls)}
        unknown, missing = sorted(set(values) - names), sorted(names - set(values))
        if unknown or missing:
            raise ValueError(
                f"GPT config: unknown keys {unknown}, missing keys {missing}; it must have exactly {sorted(names)}"
            )
        return cls(**values)


class SelfAttention(nn.Module):
    """Multi-head attention with one fused projection, its rows ordered query, key, value."""

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
        """x: (B, n, D); mask: bool, True = may look, broadcastable to (B, H, n, keys), None = sees everything."""
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
        x = self.norm1(x + self.dropout(self.self_attn(x, mask, cache)))
        feed_forward = self.linear2(self.dropout(F.relu(self.linear1(x))))
        return self.norm2(x + self.dropout(feed_forward))


class Stack(nn.Module):
    """The layers; a module of its own for the checkpoint's names `h.layers.N`."""

    def __init__(self, n_layers: int, hidden_size: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(hidden_size, n_heads, dropout) for _ in range(n_layers))


class TokenEmbedding(nn.Module):
    """(B, n) ids -> (B, n, D); one level deeper for the checkpoint's names `...word_embeddings.weight`."""

    def __init__(self, n_tokens: int, hidden_size: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(n_tokens, hidden_size)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.word_embeddings(tokens)


class SinePosition(nn.Module):
    """Adds alpha * sine table. The table is computed where it is needed: nothing to save, nothing to outgrow."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """x: (B, n, D); positions: (B, n) or (n,) int64, counted from 0."""
        return x + self.alpha * sine_table(positions, x.shape[-1]).to(x.dtype)


def sine_table(positions: Tensor, hidden_size: int) -> Tensor:
    """(..., hidden_size) float32: sine of each frequency at even columns, cosine at odd ones.

    The frequencies are rounded once from float64: a float32 exponential differs by a unit in the last place from CPU to
    CPU, which 4000 positions later is an error of 2e-4.
    """
    even = torch.arange(0, hidden_size, 2, dtype=torch.float32, device=positions.device)
    frequencies = (even * -(math.log(10000.0) / hidden_size)).double().exp().float()
    angles = positions.unsqueeze(-1).float() * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def prefix_mask(is_token: Tensor, is_real: Tensor) -> Tensor:
    """Who may look at whom, bool (B, 1, S, S), True = may look; the extra axis stands for the heads.

    is_token: (B, S) or (1, S) bool, False for phonemes; is_real: (B, S) bool, False for padding, which nobody sees.
    Rows of padding still see the real phonemes, so that no softmax is over nothing.
    """
    n = is_token.shape[1]
    earlier = torch.ones(n, n, dtype=torch.bool, device=is_token.device).tril()
    visible = ~is_token[:, None, :] | (is_token[:, :, None] & earlier)
    return (visible & is_real[:, None, :])[:, None]


class GPT(nn.Module):
    """See the module's docstring. `forward` is for training; generation.py drives `embed_*` and `begin_decoding`."""

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
        self._decoder: CPUDecoder | GPUDecoder | None = None

    def for_inference(self, precision: str = "float32") -> "GPT":
        """Packs the weights for fast decoding on the device they are on, in place, and returns the same model.

        precision: see `gpt_sovits.precision`. The weights must not change afterwards; training mode drops the packing.
        Raises ValueError for an unknown precision, or weights that it cannot hold.
        """
        self.eval().requires_grad_(False)
        if self.bert_proj.weight.device.type == "cpu":
            from gpt_sovits.gpt.cpu_decoder import CPUDecoder  # numba takes a second to import: only where it is used

            self._decoder = CPUDecoder(self, precision)
        else:
            from gpt_sovits.gpt.gpu_decoder import GPUDecoder

            self._decoder = GPUDecoder(self, precision)
        return self

    def train(self, mode: bool = True) -> "GPT":
        if mode:
            self._decoder = None
        return super().train(mode)

    def begin_decoding(self, x: Tensor, mask: Tensor, is_real: Tensor, n_steps: int) -> Decoding:
        """The prompts through the layers, and what continues them (see `gpt.decoding.Decoding`)."""
        if self._decoder is None:
            return PlainDecoding(self, x, mask, is_real, n_steps)
        return self._decoder.begin(x, mask, is_real, n_steps)

    def embed_phonemes(self, phoneme_ids: Tensor, bert_features: Tensor | None = None) -> Tensor:
        """(B, X) ids and (B, bert_dim, X) features -> (B, X, D). Without features the projection's bias still counts,
        as it does for features of zeros. Raises ValueError for more than max_positions phonemes."""
        _check_length("phonemes", phoneme_ids.shape[1], self.config.max_positions)
        bert = self.bert_proj.bias if bert_features is None else self.bert_proj(bert_features.transpose(1, 2))
        x = self.ar_text_embedding(phoneme_ids) + bert
        positions = torch.arange(phoneme_ids.shape[1], device=phoneme_ids.device)
        return self.dropout(self.ar_text_position(x, positions))

    def embed_tokens(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """(B, Y) ids -> (B, Y, D); positions count tokens from 0 and do not continue those of the phonemes."""
        if positions is None:
            _check_length("semantic tokens", tokens.shape[1], self.config.max_positions)
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        return self.dropout(self.ar_audio_position(self.ar_audio_embedding(tokens), positions))

    def run(self, x: Tensor, mask: Tensor | None, caches: list[KeyValueCache] | None = None) -> Tensor:
        """(B, n, D) through all layers; with caches (one a layer) only the new positions are given."""
        for i, layer in enumerate(self.h.layers):
            x = layer(x, mask, None if caches is None else caches[i])
        return x

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V), unnormalised."""
        return self.ar_predict_layer(hidden)

    def forward(
        self,
        phoneme_ids: Tensor,
        phoneme_lengths: Tensor,
        tokens: Tensor,
        token_lengths: Tensor,
        bert_features: Tensor | None = None,
        upstream_padding: bool = False,
    ) -> Tensor:
        """Last hidden states (B, Y+1, D) that predict tokens 0..Y-1 and the EOS after them.

        phoneme_ids: (B, X) int64, padded on the right with any id; phoneme_lengths: (B,)
        tokens: (B, Y) int64, padded on the right with any id; token_lengths: (B,)
        bert_features: (B, bert_dim, X) or None for zeros
        upstream_padding: reproduce upstream's mistake, which hides the first X - length phonemes of a short item
            instead of its padding and lets the last padded position predict the first token. For comparisons only.
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
        raise ValueError(f"{n} {what} in one sequence; at most {limit} (max_positions) are possible: split the text")
