"""Content features to semantic tokens and back (`quantizer`).

The codebook is frozen: the GPT predicts these tokens, so centres that moved while SoVITS is adapted would break the
pair. `Quantizer.learn` moves them, and is only for training a base from nothing.
Sources: VQ-VAE (van den Oord et al. 2017), with centres that are moving averages as in its appendix A.1 and the
smoothed counts of SoundStream's and EnCodec's quantisers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DECAY = 0.99  # of the moving averages, a step
SMOOTHING = 1e-5  # added to each count: a centre that nothing is near to does not divide by zero


class Learned(NamedTuple):
    """What a step of learning gives."""

    quantized: Tensor  # (B, dim, Y) centres in value; the gradient passes to what was quantised as it is
    codes: Tensor  # (B, Y) int64
    commitment_loss: Tensor  # () mean squared distance to the centres; draws what is quantised to them


class Codebook(nn.Module):
    """The centres, and the statistics they are averages of."""

    def __init__(self, n_codes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("inited", torch.ones(1))
        self.register_buffer("cluster_size", torch.zeros(n_codes))  # moving average of how many were nearest
        self.register_buffer("embed", torch.randn(n_codes, dim))
        self.register_buffer("embed_avg", torch.zeros(n_codes, dim))  # moving average of their sum


class Quantizer(nn.Module):
    """Nearest centre by Euclidean distance. One codebook, under the name it has in the official files."""

    def __init__(self, n_codes: int, dim: int) -> None:
        super().__init__()
        layer = nn.Module()
        layer.add_module("_codebook", Codebook(n_codes, dim))
        self.vq = nn.Module()
        self.vq.layers = nn.ModuleList([layer])

    @property
    def codebook(self) -> Codebook:
        return self.vq.layers[0].get_submodule("_codebook")

    @property
    def centres(self) -> Tensor:
        """(n_codes, dim)"""
        return self.codebook.embed

    @torch.no_grad()
    def set_centres(self, centres: Tensor) -> None:
        """New centres (n_codes, dim), each the average of one vector so far."""
        self.codebook.embed.copy_(centres)
        self.codebook.embed_avg.copy_(centres)
        self.codebook.cluster_size.fill_(1.0)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """(B, dim, Y) -> codes (B, Y) int64"""
        vectors = x.transpose(1, 2)  # (B, Y, dim)
        distances = (
            vectors.pow(2).sum(2, keepdim=True) - 2 * vectors @ self.centres.T + self.centres.pow(2).sum(1)
        )  # (B, Y, n_codes)
        return distances.argmin(dim=2)

    def decode(self, codes: Tensor) -> Tensor:
        """codes (B, Y) int64 -> (B, dim, Y)"""
        return self.centres[codes].transpose(1, 2)

    def learn(self, x: Tensor, mask: Tensor | None = None) -> Learned:
        """Quantises, and moves the centres towards what was nearest to them. Changes the buffers in place.

        x: (B, dim, Y); mask: (B, 1, Y), 0 = padding, which moves nothing and costs nothing; None = no padding
        The centres in `quantized` are those before the step.
        Raises ValueError where the centres have no statistics to go on from: give them by `set_centres`.
        """
        if not bool(self.codebook.cluster_size.any()):
            raise ValueError(
                "the codebook has no statistics (cluster_size is 0); start it with set_centres, by k-means"
            )
        codes = self.encode(x)
        real = torch.ones_like(x[:, 0], dtype=torch.bool) if mask is None else mask[:, 0] != 0  # (B, Y)
        centres = self.decode(codes)  # a copy: the step below does not change it
        distances = F.mse_loss(x, centres, reduction="none").mean(dim=1)  # (B, Y)
        self._move_centres(x.detach().transpose(1, 2)[real], codes[real])
        return Learned(x + (centres - x).detach(), codes, distances[real].mean())

    @torch.no_grad()
    def _move_centres(self, vectors: Tensor, codes: Tensor) -> None:
        """vectors: (n, dim); codes: (n,)"""
        book = self.codebook
        chosen = F.one_hot(codes, book.embed.shape[0]).to(vectors)  # (n, n_codes)
        book.cluster_size.lerp_(chosen.sum(dim=0), 1 - DECAY)
        book.embed_avg.lerp_(chosen.T @ vectors, 1 - DECAY)
        total = book.cluster_size.sum()
        smoothed = (book.cluster_size + SMOOTHING) / (total + len(book.cluster_size) * SMOOTHING) * total
        book.embed.copy_(book.embed_avg / smoothed[:, None])
