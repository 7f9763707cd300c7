"""The losses of GPT training: cross entropy of the next token, and preference of real over corrupted speech.

The preference loss is DPO (Rafailov et al. 2023) without a reference model, as in GPT-SoVITS. It makes the real tokens
of a clip more likely than a copy in which a stretch is repeated or left out, the typical faults of such models.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED_TARGET = -100  # cross_entropy's own default: positions that carry no target
PREFERENCE_STRENGTH = 0.2  # DPO's beta


def next_token_targets(tokens: Tensor, token_lengths: Tensor, eos_token: int, padding: int = IGNORED_TARGET) -> Tensor:
    """Return what each position predicts: the tokens, then EOS, then padding.

    Args:
        tokens: (B, Y) int64
        token_lengths: (B,)
        eos_token: Id of EOS.
        padding: Target of the positions after EOS. Upstream has EOS there too.

    Returns:
        (B, Y + 1) int64
    """
    columns = torch.arange(tokens.shape[1] + 1, device=tokens.device)
    targets = F.pad(tokens, (0, 1), value=eos_token).masked_fill(columns == token_lengths[:, None], eos_token)
    return targets.masked_fill(columns > token_lengths[:, None], padding)


class TokenLoss(NamedTuple):
    """Sums, so that batches of any size add up: mean loss = total / n_tokens."""

    total: Tensor  # () natural log, differentiable
    n_tokens: Tensor  # () int64, real tokens and their EOS
    n_top3: Tensor  # () int64, targets among the three most probable tokens

    @property
    def mean(self) -> Tensor:
        """The loss per target, ()."""
        return self.total / self.n_tokens


def token_loss(logits: Tensor, targets: Tensor) -> TokenLoss:
    """Compute the cross entropy of logits (B, Y + 1, V) against `next_token_targets`. Padding does not count."""
    flat, wanted = logits.flatten(0, 1), targets.flatten()
    total = F.cross_entropy(flat.float(), wanted, ignore_index=IGNORED_TARGET, reduction="sum")
    top3 = flat.detach().topk(min(3, flat.shape[-1]), dim=-1).indices
    return TokenLoss(total, (wanted != IGNORED_TARGET).sum(), (top3 == wanted[:, None]).any(dim=-1).sum())


def sequence_log_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the natural log of the probability of each row's targets, (B,). Ignored targets do not count.

    logits: (B, Y + 1, V), targets: (B, Y + 1)
    """
    losses = F.cross_entropy(logits.float().transpose(1, 2), targets, ignore_index=IGNORED_TARGET, reduction="none")
    return -losses.sum(dim=1)


def preference_losses(chosen: Tensor, rejected: Tensor, strength: float = PREFERENCE_STRENGTH) -> Tensor:
    """Compute DPO's loss of each pair, (B,): log 2 where both are equally likely, 0 where they are far apart.

    Args:
        chosen: Log probabilities of the real tokens, (B,).
        rejected: Log probabilities of the corrupted tokens, (B,).
        strength: DPO's beta.
    """
    return -F.logsigmoid(strength * (chosen - rejected))


def corrupt_tokens(tokens: Tensor, generator: torch.Generator) -> Tensor:
    """Copy tokens (Y,) with one stretch said twice or left out.

    `generator` draws in this order: what happens (0: twice, 1: left out), then the two ends of the stretch in [0, Y).
    Equal ends change nothing.
    """
    is_left_out = bool(torch.randint(0, 2, (1,), generator=generator))
    start, end = sorted(torch.randint(0, len(tokens), (2,), generator=generator).tolist())
    return torch.cat((tokens[:start], tokens[end:]) if is_left_out else (tokens[:end], tokens[start:]))
