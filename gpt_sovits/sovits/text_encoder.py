"""The prior: semantic tokens, phonemes and style to the mean and log deviation of the latent (`enc_p`).

Sources: VITS (Kim et al. 2021) for the encoder layers, GPT-SoVITS v2 for the content-phoneme-style attention (MRTE).
Shapes: B batch, C channels, T frames at 50 Hz, X phonemes. Module and parameter names are those of the official files.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.pausing import pause_point
from gpt_sovits.sovits.layers.attention import MultiHeadAttention
from gpt_sovits.sovits.layers.masks import length_mask


class ChannelNorm(nn.Module):
    """Layer norm over the channels of (B, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (B, C, T)."""
        return F.layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, 1e-5).transpose(1, 2)


class FeedForward(nn.Module):
    """Two convolutions over time with a ReLU between them. Padding has no influence."""

    def __init__(self, channels: int, filter_channels: int, kernel_size: int, p_dropout: float) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel_size, padding=kernel_size // 2)
        self.conv_2 = nn.Conv1d(filter_channels, channels, kernel_size, padding=kernel_size // 2)
        self.drop = nn.Dropout(p_dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Compute (B, C, T), zero where masked, from x (B, C, T) and mask (B, 1, T)."""
        x = self.drop(torch.relu(self.conv_1(x * mask)))
        return self.conv_2(x * mask) * mask


class Encoder(nn.Module):
    """A post-norm transformer with relative attention."""

    def __init__(
        self,
        channels: int,
        filter_channels: int,
        n_heads: int,
        n_layers: int,
        kernel_size: int,
        window: int,
        p_dropout: float,
    ) -> None:
        super().__init__()
        layers = range(n_layers)
        self.attn_layers = nn.ModuleList(MultiHeadAttention(channels, n_heads, window, p_dropout) for _ in layers)
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(channels) for _ in layers)
        self.ffn_layers = nn.ModuleList(FeedForward(channels, filter_channels, kernel_size, p_dropout) for _ in layers)
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(channels) for _ in layers)
        self.drop = nn.Dropout(p_dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode x (B, C, T) as (B, C, T), zero where masked. mask: (B, 1, T), 0 = padding."""
        pairs = mask.unsqueeze(2) * mask.unsqueeze(3)  # (B, 1, T, T)
        x = x * mask
        for attention, norm_1, feed_forward, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            pause_point()
            x = norm_1(x + self.drop(attention(x, x, pairs)))
            x = norm_2(x + self.drop(feed_forward(x, mask)))
        return x * mask


class StyleAttention(nn.Module):
    """Attention of the content frames to the phonemes, with the style added (MRTE)."""

    def __init__(self, content_channels: int, channels: int, n_heads: int) -> None:
        super().__init__()
        self.cross_attention = MultiHeadAttention(channels, n_heads)
        self.c_pre = nn.Conv1d(content_channels, channels, 1)
        self.text_pre = nn.Conv1d(content_channels, channels, 1)
        self.c_post = nn.Conv1d(channels, content_channels, 1)

    def forward(self, content: Tensor, content_mask: Tensor, text: Tensor, text_mask: Tensor, style: Tensor) -> Tensor:
        """Mix text and style into the content.

        Args:
            content: (B, C, T)
            content_mask: (B, 1, T)
            text: (B, C, X)
            text_mask: (B, 1, X)
            style: (B, mrte_channels, 1)

        Returns:
            (B, C, T). Masked frames are not zero (c_post has a bias), so the next encoder masks them.
        """
        content = self.c_pre(content * content_mask)
        text = self.text_pre(text * text_mask)
        pairs = text_mask.unsqueeze(2) * content_mask.unsqueeze(3)  # (B, 1, T, X)
        x = self.cross_attention(content * content_mask, text * text_mask, pairs) + content + style
        return self.c_post(x * content_mask)


def change_speed(x: Tensor, lengths: Tensor, speed: float) -> tuple[Tensor, Tensor]:
    """Stretch each row in time by 1 / speed with linear interpolation, without its padding.

    Args:
        x: (B, C, T)
        lengths: (B,) int, at least 1.
        speed: Above 0. Above 1 is faster.

    Returns:
        (B, C, T'), zero beyond each row's new length, and the new lengths (B,), int(length / speed) + 1.
    """
    new_lengths = [int(n / speed) + 1 for n in lengths.tolist()]
    out = x.new_zeros(*x.shape[:2], max(new_lengths))
    for row, (old, new) in enumerate(zip(lengths.tolist(), new_lengths, strict=True)):
        out[row, :, :new] = F.interpolate(x[row : row + 1, :, :old], size=new, mode="linear")[0]
    return out, torch.tensor(new_lengths, device=lengths.device)


class TextEncoder(nn.Module):
    """Quantised content, phonemes and style to the prior of the latent.

    Its sizes are those of `SoVITSConfig`. `window` is its attention_window.
    """

    def __init__(
        self,
        *,
        ssl_dim: int,
        n_symbols: int,
        latent_channels: int,
        hidden_channels: int,
        filter_channels: int,
        n_heads: int,
        n_layers: int,
        kernel_size: int,
        window: int,
        p_dropout: float,
        mrte_channels: int,
        mrte_heads: int,
    ) -> None:
        super().__init__()

        def encoder(n: int) -> Encoder:
            return Encoder(hidden_channels, filter_channels, n_heads, n, kernel_size, window, p_dropout)

        self.ssl_proj = nn.Conv1d(ssl_dim, hidden_channels, 1)
        self.encoder_ssl = encoder(n_layers // 2)
        self.encoder_text = encoder(n_layers)
        self.text_embedding = nn.Embedding(n_symbols, hidden_channels)
        self.mrte = StyleAttention(hidden_channels, mrte_channels, mrte_heads)
        self.encoder2 = encoder(n_layers // 2)
        self.proj = nn.Conv1d(hidden_channels, 2 * latent_channels, 1)

    def encode_text(self, phoneme_ids: Tensor, phoneme_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode phonemes (B, X) int64 of lengths (B,) as text (B, hidden_channels, X) with its mask (B, 1, X)."""
        mask = length_mask(phoneme_lengths, phoneme_ids.shape[1])
        return self.encoder_text(self.text_embedding(phoneme_ids).transpose(1, 2), mask), mask

    def encode_content(
        self, quantized: Tensor, frame_lengths: Tensor, text: Tensor, text_mask: Tensor, style: Tensor
    ) -> Tensor:
        """Encode content, text and style, at the tokens' own speed.

        Args:
            quantized: Codewords at 50 Hz, (B, ssl_dim, T).
            frame_lengths: (B,) int
            text: From `encode_text`.
            text_mask: From `encode_text`.
            style: (B, mrte_channels, 1)

        Returns:
            Hidden frames (B, hidden_channels, T), zero beyond each row's length.
        """
        mask = length_mask(frame_lengths, quantized.shape[2])
        content = self.encoder_ssl(self.ssl_proj(quantized * mask) * mask, mask)
        return self.encoder2(self.mrte(content, mask, text, text_mask, style), mask)

    def project(self, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log deviation of the latent, (B, latent_channels, T) each, of hidden frames."""
        mean, log_deviation = (self.proj(hidden) * mask).chunk(2, dim=1)
        return mean, log_deviation

    def forward(
        self,
        quantized: Tensor,
        frame_lengths: Tensor,
        phoneme_ids: Tensor,
        phoneme_lengths: Tensor,
        style: Tensor,
        speed: float = 1.0,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute the prior of each latent frame.

        Args:
            quantized: Codewords at 50 Hz, (B, ssl_dim, T).
            frame_lengths: (B,) int
            phoneme_ids: (B, X) int64
            phoneme_lengths: (B,) int
            style: (B, mrte_channels, 1)
            speed: Above 1 is faster. 1 leaves the frames as they are.

        Returns:
            Hidden frames (B, hidden_channels, T'), mean and log deviation (B, latent_channels, T') of the latent, and
            their mask (B, 1, T').
        """
        text, text_mask = self.encode_text(phoneme_ids, phoneme_lengths)
        x = self.encode_content(quantized, frame_lengths, text, text_mask, style)
        if speed != 1.0:
            x, frame_lengths = change_speed(x, frame_lengths, speed)
        mask = length_mask(frame_lengths, x.shape[2])
        return x, *self.project(x, mask), mask
