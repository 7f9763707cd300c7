"""Drawing the next semantic token from the GPT's logits.

Every utterance has its own random generator, so neither its neighbours in a batch nor the order of calls changes its
draws. Source of the order of steps: GPT-SoVITS, AR/models/utils.py `logits_to_probs` and `sample`.
"""

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

LOWEST_TEMPERATURE = 1e-5  # dividing by less overflows; at this one the most probable token always wins


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """How tokens are drawn. The defaults are those of GPT-SoVITS's programming interface.

    Attributes:
        top_k: Draw among this many of the best tokens, at least 1. Ties with the last one stay in.
        top_p: Drop tokens from where the summed probability exceeds it, in (0, 1]. 1 drops none.
        temperature: Above 1 flattens the distribution, below 1 sharpens it, 0 always takes the best token.
        repetition_penalty: Make tokens that already occurred, prompt included, less likely. At least 1, which does
            nothing.
    """

    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {self.top_k}; use top_k=1 for the best token every time")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], not {self.top_p}; use 1 to switch it off")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature must be a finite number of at least 0, not {self.temperature}")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty >= 1):
            raise ValueError(
                f"repetition_penalty must be a finite number of at least 1, not {self.repetition_penalty}; use 1 to "
                "switch it off"
            )


def penalize_repetition(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make tokens that already occurred less likely, once each, however often they occurred.

    Args:
        logits: (B, V)
        seen: (B, V) bool, True for the tokens that occurred.
        penalty: At least 1.

    Returns:
        New logits (B, V).
    """
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def token_probabilities(penalized: Tensor, options: SamplingOptions) -> Tensor:
    """Return probabilities (B, V) of penalised logits (B, V) after top-p, temperature and top-k, in this order."""
    logits = penalized
    if options.top_p < 1:
        ordered, index = logits.sort(descending=True, dim=-1)
        drop = _softmax(ordered).cumsum(dim=-1) > options.top_p  # the token that crosses the limit is dropped too
        drop[:, 0] = False
        logits = logits.masked_fill(torch.zeros_like(drop).scatter(-1, index, drop), -math.inf)
    logits = logits / max(options.temperature, LOWEST_TEMPERATURE)
    last_kept = logits.topk(min(options.top_k, logits.shape[-1]), dim=-1).values[:, -1:]
    return _softmax(logits.masked_fill(logits < last_kept, -math.inf))


def _softmax(logits: Tensor) -> Tensor:
    """Compute the softmax over the last dimension of (B, V), on a CPU row by row.

    torch would share more than two rows among its threads, which then spin for milliseconds on the cores that the next
    step of `gpt.cpu_decoder` needs.
    """
    if logits.is_cuda:
        return logits.softmax(dim=-1)
    return torch.stack([row.softmax(dim=-1) for row in logits])


def draw(probabilities: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw one token per row from probabilities (B, V), row i with generators[i] only. Return (B,) int64.

    The token is the argmax of p / noise with exponential noise. The noise is drawn on the CPU in float32 whatever the
    device, so that a seed means the same on each.
    """
    width = probabilities.shape[-1]
    noise = torch.stack([torch.empty(width).exponential_(generator=generator) for generator in generators])
    return (probabilities.float() / noise.to(probabilities.device)).argmax(dim=-1)


def utterance_generator(seed: int) -> torch.Generator:
    """Return the random generator of one utterance, on the CPU."""
    return torch.Generator().manual_seed(seed)
