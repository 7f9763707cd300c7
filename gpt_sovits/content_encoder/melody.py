"""How high each frame of speech is, relative to its speaker: features that go beside the phones.

Phones leave the melody open. A decoder that has to guess it speaks the mean of all melodies, which has none. The pitch
is given in semitones from the median of the recording, so that it names no speaker.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.sovits.pitch import track_pitch

LEVELS = (-7.0, -4.0, -2.0, 0.0, 2.0, 4.0, 7.0)  # semitones; a pitch between two belongs to both in part
N_MELODY = 1 + len(LEVELS)  # the first stands for frames without pitch


def melody_features(waveform: Tensor, sample_rate: int) -> Tensor:
    """Return how far each frame is without pitch or at each of LEVELS, as square roots of shares whose sum is 1.

    Args:
        waveform: (B, n), n a multiple of sample_rate / 50. A row does not depend on the others.
        sample_rate: Hz

    Returns:
        (B, n // (sample_rate / 50), N_MELODY) float32. A pitch beyond the outermost levels counts as those.
    """
    semitones, voiced = track_pitch(waveform, sample_rate)
    levels = torch.tensor(LEVELS, device=waveform.device)
    relative = (semitones - _median(semitones, voiced > 0.5)[:, None]).clamp(levels[0], levels[-1])
    above = torch.bucketize(relative, levels).clamp(1, len(LEVELS) - 1)
    low, high = levels[above - 1], levels[above]
    share = ((relative - low) / (high - low))[..., None]
    shares = F.one_hot(above - 1, len(LEVELS)) * (1 - share) + F.one_hot(above, len(LEVELS)) * share
    return torch.cat([(1 - voiced)[..., None], shares * voiced[..., None]], dim=2).sqrt()


def _median(values: Tensor, mask: Tensor) -> Tensor:
    """Return (B,): the lower median of the values (B, T) where the mask is set, 0 where it is set nowhere."""
    ordered = values.masked_fill(~mask, float("inf")).sort(dim=1).values
    count = mask.sum(dim=1)
    return ordered.gather(1, ((count - 1).clamp(min=0) // 2)[:, None])[:, 0].where(count > 0, 0.0)
