"""Content features to semantic tokens and back (`quantizer`).

The codebook is frozen. The GPT predicts these tokens, so a SoVITS whose centres moved while it was adapted would not
fit its GPT. `Quantizer.learn` moves them, and is only for training a base from scratch.
Sources: VQ-VAE (van den Oord et al. 2017) with centres that are moving averages as in its appendix A.1, and the
smoothed counts of the quantisers of SoundStream and EnCodec.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DECAY = 0.99  # of the moving averages, per step
SMOOTHING = 1e-5  # added to each count, so that a centre without near vectors is not divided by zero


class CodebookUpdate(NamedTuple):
    """The result of one step of learning."""

    quantized: Tensor  # (B, dim, Y), the values of the centres; gradients pass unchanged to what was quantised
    codes: Tensor  # (B, Y) int64
    commitment_loss: Tensor  # () mean squared distance to the centres; pulls what is quantised towards them


class Codebook(nn.Module):
    """The centres and the moving averages that they are computed from."""

    def __init__(self, n_codes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("inited", torch.ones(1))
        self.register_buffer("cluster_size", torch.zeros(n_codes))  # moving average of how many were nearest
        self.register_buffer("embed", torch.randn(n_codes, dim))
        self.register_buffer("embed_avg", torch.zeros(n_codes, dim))  # moving average of their sum


class Quantizer(nn.Module):
    """Nearest centre by Euclidean distance, with one codebook under the name that it has in the official files."""

    def __init__(self, n_codes: int, dim: int) -> None:
        super().__init__()
        layer = nn.Module()
        layer.add_module("_codebook", Codebook(n_codes, dim))
        self.vq = nn.Module()
        self.vq.layers = nn.ModuleList([layer])

    @property
    def codebook(self) -> Codebook:
        """The centres and their statistics."""
        return self.vq.layers[0].get_submodule("_codebook")

    @property
    def centres(self) -> Tensor:
        """The centres, (n_codes, dim)."""
        return self.codebook.embed

    @torch.no_grad()
    def set_centres(self, centres: Tensor) -> None:
        """Replace the centres by these, (n_codes, dim), each the average of one vector so far."""
        self.codebook.embed.copy_(centres)
        self.codebook.embed_avg.copy_(centres)
        self.codebook.cluster_size.fill_(1.0)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Return the code of each vector, (B, Y) int64, for x (B, dim, Y)."""
        vectors = x.transpose(1, 2)  # (B, Y, dim)
        distances = (
            vectors.pow(2).sum(2, keepdim=True) - 2 * vectors @ self.centres.T + self.centres.pow(2).sum(1)
        )  # (B, Y, n_codes)
        return distances.argmin(dim=2)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the centres (B, dim, Y) of codes (B, Y) int64."""
        return self.centres[codes].transpose(1, 2)

    def learn(self, x: Tensor, mask: Tensor | None = None) -> CodebookUpdate:
        """Quantise x and move the centres towards the vectors nearest to them, in place.

        Args:
            x: (B, dim, Y)
            mask: (B, 1, Y), 0 = padding, which has no influence. None means no padding.

        Returns:
            The update, with the centres as they were before the step.

        Raises:
            ValueError: Where the centres have no statistics yet. `set_centres` gives them some.
        """
        if not bool(self.codebook.cluster_size.any()):
            raise ValueError(
                "the codebook has no statistics (cluster_size is 0); call set_centres first, with centres of k-means"
            )
        codes = self.encode(x)
        is_real = torch.ones_like(x[:, 0], dtype=torch.bool) if mask is None else mask[:, 0] != 0  # (B, Y)
        centres = self.decode(codes)  # a copy: the step below does not change it
        distances = F.mse_loss(x, centres, reduction="none").mean(dim=1)  # (B, Y)
        self._move_centres(x.detach().transpose(1, 2)[is_real], codes[is_real])
        return CodebookUpdate(x + (centres - x).detach(), codes, distances[is_real].mean())

    @torch.no_grad()
    def _move_centres(self, vectors: Tensor, codes: Tensor) -> None:
        """Update centres and statistics with vectors (n, dim) and their codes (n,)."""
        book = self.codebook
        chosen = F.one_hot(codes, book.embed.shape[0]).to(vectors)  # (n, n_codes)
        book.cluster_size.lerp_(chosen.sum(dim=0), 1 - DECAY)
        book.embed_avg.lerp_(chosen.T @ vectors, 1 - DECAY)
        total = book.cluster_size.sum()
        smoothed = (book.cluster_size + SMOOTHING) / (total + len(book.cluster_size) * SMOOTHING) * total
        book.embed.copy_(book.embed_avg / smoothed[:, None])
