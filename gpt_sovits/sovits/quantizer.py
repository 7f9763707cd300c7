"""Content features to semantic tokens and back (`quantizer`). The codebook is frozen: nothing here is ever trained.

The GPT predicts these tokens, so a codebook that moved while SoVITS is adapted would break the pair.
Source: VQ-VAE (van den Oord et al. 2017); the buffers of its moving averages are kept because the official files
carry them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Codebook(nn.Module):
    """The centres, and the statistics that upstream kept while it trained them."""

    def __init__(self, n_codes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("inited", torch.ones(1))
        self.register_buffer("cluster_size", torch.zeros(n_codes))
        self.register_buffer("embed", torch.randn(n_codes, dim))
        self.register_buffer("embed_avg", torch.zeros(n_codes, dim))


class Quantizer(nn.Module):
    """Nearest centre by Euclidean distance. One codebook, under the name it has in the official files."""

    def __init__(self, n_codes: int, dim: int) -> None:
        super().__init__()
        layer = nn.Module()
        layer.add_module("_codebook", Codebook(n_codes, dim))
        self.vq = nn.Module()
        self.vq.layers = nn.ModuleList([layer])

    @property
    def centres(self) -> Tensor:
        """(n_codes, dim)"""
        return self.vq.layers[0].get_submodule("_codebook").embed

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
