"""The losses the GPT is trained with: cross entropy of the next token, and preference of real over spoilt speech.

The preference loss is DPO (Rafailov et al. 2023) without a reference model, as GPT-SoVITS has it: the real tokens of a
clip shall be likelier than a copy in which a stretch is repeated or left out, which are the faults of such models.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED_TARGET = -100  # cross_entropy's own default: positions that carry no target
PREFERENCE_STRENGTH = 0.2  # DPO's beta


def next_token_targets(tokens: Tensor, token_lengths: Tensor, eos_token: int, padding: int = IGNORED_TARGET) -> Tensor:
    """(B, Y+1): the tokens, EOS after the last one, `padding` in what remains (upstream: EOS there too)."""
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
        return self.total / self.n_tokens


def token_loss(logits: Tensor, targets: Tensor) -> TokenLoss:
    """Cross entropy of (B, Y+1, V) logits against `next_token_targets`; padding does not count."""
    flat, wanted = logits.flatten(0, 1), targets.flatten()
    total = F.cross_entropy(flat.float(), wanted, ignore_index=IGNORED_TARGET, reduction="sum")
    top3 = flat.detach().topk(min(3, flat.shape[-1]), dim=-1).indices
    return TokenLoss(total, (wanted != IGNORED_TARGET).sum(), (top3 == wanted[:, None]).any(dim=-1).sum())


def sequence_log_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    """(B,) natural log of the probability of each row's targets, from (B, Y+1, V) logits; ignored ones do not count."""
    losses = F.cross_entropy(logits.float().transpose(1, 2), targets, ignore_index=IGNORED_TARGET, reduction="none")
    return -losses.sum(dim=1)


def preference_losses(chosen: Tensor, rejected: Tensor, strength: float = PREFERENCE_STRENGTH) -> Tensor:
    """(B,) from the log probabilities (B,) of real and spoilt tokens: log 2 where both are as likely, 0 far apart."""
    return -F.logsigmoid(strength * (chosen - rejected))


def spoilt_tokens(tokens: Tensor, generator: torch.Generator) -> Tensor:
    """(Y',) a copy of tokens (Y,) in which one stretch is said twice or not at all.

    Drawn from `generator` in this order: what happens (0 twice, 1 not at all), then the two ends of the stretch in
    [0, Y). Equal ends change nothing.
    """
    is_left_out = bool(torch.randint(0, 2, (1,), generator=generator))
    start, end = sorted(torch.randint(0, len(tokens), (2,), generator=generator).tolist())
    return torch.cat((tokens[:start], tokens[end:]) if is_left_out else (tokens[:end], tokens[start:]))
