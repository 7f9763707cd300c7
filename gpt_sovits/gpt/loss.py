"""The loss the GPT is trained with: cross entropy of the next token, padding left out."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED_TARGET = -100  # cross_entropy's own default: positions that carry no target


def next_token_targets(tokens: Tensor, token_lengths: Tensor, eos_token: int) -> Tensor:
    """(B, Y+1): the tokens, EOS after the last one, IGNORED_TARGET in what remains."""
    columns = torch.arange(tokens.shape[1] + 1, device=tokens.device)
    targets = F.pad(tokens, (0, 1), value=eos_token).masked_fill(columns == token_lengths[:, None], eos_token)
    return targets.masked_fill(columns > token_lengths[:, None], IGNORED_TARGET)


class TokenLoss(NamedTuple):
    """Sums, so that batches of any size add up: mean loss = total / n_tokens."""

    total: Tensor  # () natural log, differentiable
    n_tokens: Tensor  # () int64, real tokens and their EOS
    n_top3: Tensor  # () int64, targets among the three most probable tokens

    @property
    def mean(self) -> Tensor:
        return self.total / self.n_tokens


def token_loss(logits: Tensor, targets: Tensor) -> TokenLoss:
    """Cross entropy of (B, Y+1, V) logits against `next_token_targets`; padding does not count."""
    flat, wanted = logits.flatten(0, 1), targets.flatten()
    total = F.cross_entropy(flat.float(), wanted, ignore_index=IGNORED_TARGET, reduction="sum")
    top3 = flat.detach().topk(min(3, flat.shape[-1]), dim=-1).indices
    return TokenLoss(total, (wanted != IGNORED_TARGET).sum(), (top3 == wanted[:, None]).any(dim=-1).sum())
